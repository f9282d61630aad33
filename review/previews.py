"""What a policy would have done with predictions that were routed already: it is replayed, and nothing is written.

The stored draws are used for every policy that is compared, so that a difference is the policies' own
and not chance.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from django.conf import settings

from models_registry.errors import Fault
from models_registry.models import RegisteredModel
from review import capacity, policies, policy_facts, samplers, sampling
from review.models import PolicyVersion, Prediction
from review.policies import Floats

LAST = 2000
KINDS = ("reviewed", "held", "audited", "refused")
FIGURES = (*KINDS, "expected_reviewed")


@dataclass(frozen=True)
class Replay:
    """Choices of one policy for N predictions, in their order."""

    policy: policies.Policy
    choices: policies.Choices
    # The policy's sampler; None for a live one that was never solved.
    fit: sampling.Fit | None
    # m, at the temperature of that sampler.
    guess: Floats
    # Per prediction the least propensity there would be without any sampling.
    unsampled: Floats
    # The share of all traffic that the sampling floors alone would review.
    floors: float
    # The part of sampling that the capacity of a day has room for.
    room: float

    def shares(self) -> dict[str, float | None]:
        """Shares of the predictions in [0, 1], null where there are none."""
        if not len(self.choices):
            return dict.fromkeys(FIGURES)
        review = self.choices.review
        seen = {
            "reviewed": review != "none",
            "held": review == "gate",
            "audited": review == "audit",
            "refused": self.choices.disposition == "refuse",
        }
        shares = {kind: float(rows.mean()) for kind, rows in seen.items()}
        return {**shares, "expected_reviewed": float(self.choices.propensity.mean())}


def replay(
    model: RegisteredModel,
    policy: policies.Policy,
    batch: policies.Batch,
    draws: Floats,
    *,
    live: PolicyVersion | None = None,
    per_day: float | None = None,
) -> Replay:
    """Choose for the rows of the batch, newest first, as the policy would with their stored draws.

    Its sampler is solved as its activation would do; where it is the ``live`` one it stays as it is. With
    ``per_day`` predictions a day known, the policy's capacity takes its share from sampling.
    """
    least = policies.least_propensity(policy, batch)
    room = _room(policy, least, per_day)
    batch = replace(batch, setting=replace(batch.setting, sampling_share=room))
    fit = _foreseen(model, policy, batch, least) if live is None else _standing(live)
    if fit is not None:
        batch = replace(batch, guess=sampling.guess_of(batch.scores, batch.predicted, fit.temperature))
    choices = policies.choose_many(policy, batch, draws, fit)
    return Replay(policy, choices, fit, batch.guess, least, policies.floor_share(policy, batch), room)


def warnings_of(*, model: RegisteredModel, document: dict[str, Any], last: int = LAST) -> list[Fault]:
    """What is worth a second look before this document becomes the live one."""
    routed = Prediction.objects.filter(model=model, routing__isnull=False).order_by("-id")
    rows = list(routed.values(*policy_facts.COLUMNS, "routing__draw")[:last])
    policy = policies.parse(document)
    policy_facts.add_features(rows, {model.pk: [policy]})
    batch = policy_facts.batch_of(policy_facts.setting_of(model), rows)
    draws = np.array([row["routing__draw"] for row in rows], dtype=np.float64)
    return warnings(model, document, replay(model, policy, batch, draws))


def warnings(model: RegisteredModel, document: dict[str, Any], found: Replay) -> list[Fault]:
    """What is worth a second look about a document, by what it would have done."""
    known = policies.warnings(document, novelty_known=policy_facts.novelty_known(model))
    return known + _budget_warnings(document, found)


def _foreseen(model: RegisteredModel, policy: policies.Policy, batch: policies.Batch, least: Floats) -> sampling.Fit:
    if len(batch) < samplers.FEWEST:
        return samplers.foreseen(model, policy, samplers.past_of(model, policy))
    rows = slice(0, settings.REVIEWHUB["SAMPLER_ROWS"])
    past = samplers.Past(batch.guess[rows], least[rows], scores=batch.scores[rows], predicted=batch.predicted[rows])
    return samplers.foreseen(model, policy, past)


def _standing(live: PolicyVersion) -> sampling.Fit | None:
    row = samplers.newest([live.pk]).get(live.pk)
    return None if row is None else samplers.fit_of(row)


def _room(policy: policies.Policy, least: Floats, per_day: float | None) -> float:
    if policy.per_day is None or per_day is None or not least.size:
        return 1.0
    unsampled = float(least.mean())
    demand = per_day * max(policy.sampling.budget - unsampled, 0.0)
    return capacity.share_of(policy.per_day - per_day * unsampled, demand)


def _budget_warnings(document: dict[str, Any], found: Replay) -> list[Fault]:
    wanted = document.get("sampling", {})
    if wanted.get("kind", "none") == "none" or not found.unsampled.size:
        return []
    faults, budget = [], wanted["budget"]
    least = float(found.unsampled.mean())
    if least > budget:
        reason = f"gates, audits and floors alone review {least:.1%} of late traffic, more than the budget"
        faults.append(Fault("/sampling/budget", "budget_exceeded", reason))
    if found.floors > budget / 3:
        reason = (
            f"the floors alone review {found.floors:.1%} of late traffic; above a third of the budget they widen "
            "the intervals of everything else"
        )
        faults.append(Fault("/sampling/floors", "floors_eat_budget", reason))
    if found.room < 1.0:
        reason = f"at late traffic the capacity has room for {found.room:.0%} of what sampling asks for"
        faults.append(Fault("/capacity/per_day", "capacity_below_budget", reason))
    return faults
