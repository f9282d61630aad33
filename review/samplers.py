"""Solve a policy's sampler on past traffic and keep every fit as a row; routing obeys the newest.

A fit looks at predictions that were routed before it and at nothing of what it will sample.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
from django.conf import settings
from django.db.models import Q

from models_registry.models import DatabaseNow, ReferenceProfile, RegisteredModel
from review import policies, policy_facts, sampling
from review.models import PolicyVersion, Prediction, RoutingControl, RoutingDecision, SamplerFit
from review.policies import Floats

LONGEST = timedelta(days=1)
# Fewer routed predictions say less than the reference rows.
FEWEST = 100


@dataclass(frozen=True)
class Past:
    """What a sampler is solved on: m and the propensity without sampling of each row, (N,), and its weight.

    ``ids`` are those of the predictions, newest first; none where the rows are reference rows.
    """

    guess: Floats
    least: Floats
    weight: Floats | None = None
    ids: tuple[int, ...] = ()


def refit(
    *,
    model: RegisteredModel,
    policy: PolicyVersion | None = None,
    tau: float | None = None,
    evidence: Mapping[str, Any] | None = None,
) -> SamplerFit | None:
    """Solve the sampler of a policy (the live one where none is named) anew and store the fit.

    ``tau`` with its ``evidence`` is what past residuals say; without it the newest evidence of this
    policy's budget holds. None where there is no policy, it cannot be read, or it samples nothing.
    """
    version = policy or live_policy(model)
    parsed = sampler_of(version)
    if version is None or parsed is None:
        return None
    if tau is None:
        tau, evidence = _standing_evidence(model, parsed.sampling.budget)
    past = past_of(model, parsed)
    fit = policies.solve(parsed, guess=past.guess, least=past.least, weight=past.weight, tau=tau)
    return SamplerFit.objects.create(
        model=model,
        policy=version,
        kind=fit.kind,
        parameters=fit.document(),
        rows=len(past.ids),
        least=float(np.average(past.least, weights=past.weight)) if past.least.size else None,
        evidence=dict(evidence or {}),
    )


def foreseen(
    model: RegisteredModel, policy: policies.Policy, *, guess: Floats, least: Floats, weight: Floats | None = None
) -> sampling.Fit:
    """The fit that ``refit`` would find for this policy on these rows, newest first; nothing is stored."""
    newest = slice(0, settings.REVIEWHUB["SAMPLER_ROWS"])
    tau, _ = _standing_evidence(model, policy.sampling.budget)
    weight = None if weight is None else weight[newest]
    return policies.solve(policy, guess=guess[newest], least=least[newest], weight=weight, tau=tau)


def set_evidence(*, model: RegisteredModel, tau: float, evidence: Mapping[str, Any]) -> SamplerFit | None:
    """Solve the live sampler with the tau that the residuals of labelled rows speak for."""
    return refit(model=model, tau=tau, evidence={**evidence, "tau": tau})


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
    """The newest fit of each of these policies that has one, by policy id."""
    fits = SamplerFit.objects.filter(policy__in=policy_ids).order_by("policy_id", "-id").distinct("policy_id")
    return {fit.policy_id: fit for fit in fits}


def fit_of(row: SamplerFit) -> sampling.Fit:
    return sampling.Fit.from_document(row.parameters)


def is_due(model: RegisteredModel) -> bool:
    """Whether the live sampler should be solved anew: it never was, a day ago, or on half of the traffic by now."""
    version = live_policy(model)
    if sampler_of(version) is None:
        return False
    fresh = Q(fitted_at__gt=DatabaseNow() - LONGEST)
    last = SamplerFit.objects.filter(policy=version).filter(fresh).order_by("-id").first()
    if last is None:
        return True
    most = settings.REVIEWHUB["SAMPLER_ROWS"]
    wanted = max(2 * last.rows, FEWEST)
    return bool(wanted <= most and RoutingDecision.objects.filter(model=model)[:wanted].count() >= wanted)


def past_of(model: RegisteredModel, policy: policies.Policy) -> Past:
    """The newest routed predictions as the policy would meet them; where hardly any are, the reference rows."""
    setting = policy_facts.setting_of(model)
    routed = Prediction.objects.filter(model=model, routing__isnull=False).order_by("-id")
    rows = list(routed.values(*policy_facts.COLUMNS)[: settings.REVIEWHUB["SAMPLER_ROWS"]])
    if len(rows) < FEWEST:
        return _reference(model, policy, setting)
    policy_facts.add_features(rows, {model.pk: [policy]})
    batch = policy_facts.batch_of(setting, rows)
    return Past(batch.guess, policies.least_propensity(policy, batch), ids=tuple(row["id"] for row in rows))


def reference_confidence(model: RegisteredModel) -> tuple[Floats, Floats]:
    """The champion's confidence on its reference rows: the middle of each bin and how many rows it holds.

    Both (B,), without empty bins; no bin where the champion has no profile of scores.
    """
    profile = ReferenceProfile.objects.filter(version=model.champion_id).first()
    found = profile.document.get("confidence") if profile is not None else None
    if found is None:
        return np.zeros(0), np.zeros(0)
    counts = np.array(found["counts"], dtype=np.float64)
    middles = (np.arange(counts.size) + 0.5) / counts.size
    return middles[counts > 0], counts[counts > 0]


def _reference(model: RegisteredModel, policy: policies.Policy, setting: policies.Setting) -> Past:
    guess, weight = reference_confidence(model)
    return Past(guess, policies.least_on_confidence(policy, setting, guess), weight if weight.size else None)


def _standing_evidence(model: RegisteredModel, budget: float) -> tuple[float | None, Mapping[str, Any]]:
    told = SamplerFit.objects.filter(model=model, evidence__tau__isnull=False).order_by("-id").first()
    if told is None or told.evidence.get("budget") != budget:
        return None, {}
    return float(told.evidence["tau"]), told.evidence
