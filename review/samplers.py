"""Solve a policy's sampler on past traffic and keep every fit as a row; routing obeys the newest.

A fit looks at predictions that were routed before it and at nothing of what it will sample.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import numpy as np
from django.conf import settings
from django.db.models import F, Q, QuerySet

from models_registry.models import DatabaseNow, ModelVersion, ReferenceProfile, RegisteredModel
from review import policies, policy_facts, sampling
from review.models import PolicyVersion, Prediction, RoutingControl, SamplerFit
from review.policies import Floats, Integers

LONGEST = timedelta(days=1)
OF_CHAMPION = Q(champion=F("model__champion")) | Q(champion=None, model__champion=None)
# Fewer routed predictions say less than the reference rows.
FEWEST = 100


@dataclass(frozen=True)
class Past:
    """What a sampler is solved on: m and the propensity without sampling of each row, (N,), and its weight.

    ``ids`` are those of the predictions, newest first, with their ``scores`` (N, K) and the class index
    ``predicted``; none where the rows are reference rows.
    """

    guess: Floats
    least: Floats
    weight: Floats | None = None
    ids: tuple[int, ...] = ()
    scores: Floats | None = None
    predicted: Integers | None = None

    def at(self, temperature: float) -> Past:
        """The rows with m read at that temperature; reference rows stay as they are."""
        if self.scores is None or self.predicted is None:
            return self
        return replace(self, guess=sampling.guess_of(self.scores, self.predicted, temperature))


@dataclass(frozen=True)
class Told:
    """What the labels of past rows say: how far the sampler may leave uniform review, and how far to trust scores.

    ``tau`` is None where nobody asked; ``evidence`` is what both rest on.
    """

    tau: float | None = None
    temperature: float = 1.0
    evidence: Mapping[str, Any] = field(default_factory=dict)


def refit(
    *,
    model: RegisteredModel,
    policy: PolicyVersion | None = None,
    told: Told | None = None,
) -> SamplerFit | None:
    """Solve the sampler of a policy (the live one where none is named) anew and store the fit.

    ``told`` is what past labels say; without it the newest that they said of the model holds. None where
    there is no policy, it cannot be read, or it samples nothing.
    """
    version = policy or live_policy(model)
    parsed = sampler_of(version)
    if version is None or parsed is None:
        return None
    told = told or _standing(model, parsed.sampling.budget)
    past = past_of(model, parsed)
    fit = _solved(parsed, past, told)
    return SamplerFit.objects.create(
        model=model,
        policy=version,
        champion_id=model.champion_id,
        kind=fit.kind,
        parameters=fit.document(),
        rows=len(past.ids),
        least=float(np.average(past.least, weights=past.weight)) if past.least.size else None,
        evidence=dict(told.evidence),
    )


def follow_champion(model: RegisteredModel) -> SamplerFit | None:
    """Solve the live sampler for the model's present champion, once another version has become it."""
    model.refresh_from_db(fields=["champion"])
    return refit(model=model)


def foreseen(model: RegisteredModel, policy: policies.Policy, past: Past) -> sampling.Fit:
    """The fit that ``refit`` would find for this policy on these rows; nothing is stored."""
    return _solved(policy, past, _standing(model, policy.sampling.budget))


def live_policy(model: RegisteredModel) -> PolicyVersion | None:
    control = RoutingControl.objects.select_related("active").filter(model=model).first()
    return None if control is None else control.active


def sampler_of(version: PolicyVersion | None) -> policies.Policy | None:
    """The policy where it samples at all; one that cannot be read holds everything and samples nothing."""
    if version is None:
        return None
    try:
        policy = policies.parse(version.document)
    except Exception:  # noqa: BLE001 - routing says so for every batch
        return None
    return None if policy.sampling.kind == "none" else policy


def newest(policy_ids: list[int]) -> dict[int, SamplerFit]:
    """The newest fit to the present champion of each of these policies that has one, by policy id."""
    fits = SamplerFit.objects.filter(OF_CHAMPION, policy__in=policy_ids)
    fits = fits.order_by("policy_id", "-id").distinct("policy_id")
    return {fit.policy_id: fit for fit in fits}


def fit_of(row: SamplerFit) -> sampling.Fit:
    return sampling.Fit.from_document(row.parameters)


def is_due(model: RegisteredModel) -> bool:
    """Whether the live sampler should be solved anew: never for this champion, a day ago, on half of the traffic."""
    version = live_policy(model)
    if sampler_of(version) is None:
        return False
    fresh = Q(fitted_at__gt=DatabaseNow() - LONGEST)
    last = SamplerFit.objects.filter(OF_CHAMPION, fresh, policy=version).order_by("-id").first()
    if last is None:
        return True
    most = settings.REVIEWHUB["SAMPLER_ROWS"]
    wanted = max(2 * last.rows, FEWEST)
    return bool(wanted <= most and _routed(model)[:wanted].count() >= wanted)


def past_of(model: RegisteredModel, policy: policies.Policy) -> Past:
    """The champion's newest routed predictions as the policy would meet them; hardly any: its reference rows.

    Without these either, the predictions of whatever version there were.
    """
    setting = policy_facts.setting_of(model)
    most = settings.REVIEWHUB["SAMPLER_ROWS"]
    rows = list(_routed(model).values(*policy_facts.COLUMNS)[:most])
    if len(rows) < FEWEST:
        reference = _reference(model, policy, setting)
        rows = (
            [] if reference.guess.size else list(_routed(model, any_version=True).values(*policy_facts.COLUMNS)[:most])
        )
        if len(rows) < FEWEST:
            return reference
    policy_facts.add_features(rows, {model.pk: [policy]})
    batch = policy_facts.batch_of(setting, rows)
    return Past(
        guess=batch.guess,
        least=policies.least_propensity(policy, batch),
        ids=tuple(row["id"] for row in rows),
        scores=batch.scores,
        predicted=batch.predicted,
    )


def reference_confidence(model: RegisteredModel) -> tuple[Floats, Floats]:
    """The champion's confidence on its reference rows: the middle of each bin and how many rows it holds.

    Before there is a champion, that of the newest version. Both (B,), without empty bins; no bin where the version
    has no profile of scores.
    """
    ready = ReferenceProfile.objects.filter(version__model=model, version__state=ModelVersion.State.READY)
    own = ready if model.champion_id is None else ready.filter(version=model.champion_id)
    profile = own.order_by("-version_id").first()
    found = profile.document.get("confidence") if profile is not None else None
    if found is None:
        return np.zeros(0), np.zeros(0)
    counts = np.array(found["counts"], dtype=np.float64)
    middles = (np.arange(counts.size) + 0.5) / counts.size
    return middles[counts > 0], counts[counts > 0]


def _routed(model: RegisteredModel, *, any_version: bool = False) -> QuerySet[Prediction]:
    """Routed predictions, newest first, of the champion or of any version."""
    routed = Prediction.objects.filter(model=model, routing__isnull=False).order_by("-id")
    return routed if any_version or model.champion_id is None else routed.filter(version=model.champion_id)


def _reference(model: RegisteredModel, policy: policies.Policy, setting: policies.Setting) -> Past:
    guess, weight = reference_confidence(model)
    return Past(guess, policies.least_on_confidence(policy, setting, guess), weight if weight.size else None)


def _solved(policy: policies.Policy, past: Past, told: Told) -> sampling.Fit:
    past = past.at(told.temperature)
    fit = policies.solve(policy, guess=past.guess, least=past.least, weight=past.weight, tau=told.tau)
    return replace(fit, temperature=told.temperature)


def _standing(model: RegisteredModel, budget: float) -> Told:
    """The newest that labels said of the champion; their tau is of a budget. A new champion starts from nothing."""
    row = SamplerFit.objects.filter(model=model).exclude(evidence={}).order_by("-id").first()
    if row is None or row.evidence.get("version") != model.champion_id:
        return Told()
    tau = row.evidence.get("tau") if row.evidence.get("budget") == budget else None
    return Told(tau=tau, temperature=fit_of(row).temperature, evidence=row.evidence)
