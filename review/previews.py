"""What a policy would have done with the predictions of late: it is replayed on them, and nothing is written.

The stored draws are used for every policy that is compared, so that a difference is the policies' own
and not chance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from models_registry.errors import Fault
from models_registry.models import RegisteredModel
from review import policies, policy_facts, samplers, sampling
from review.models import PolicyVersion, Prediction
from review.policies import Floats

LAST = 2000
KINDS = ("reviewed", "held", "audited", "refused")
FIGURES = (*KINDS, "expected_reviewed")


@dataclass(frozen=True)
class Replay:
    """Choices of one policy for a list of predictions, in the order of the predictions."""

    choices: policies.Choices
    # Per prediction the least propensity there would be without any sampling.
    unsampled: Floats
    # The share of all traffic that the sampling floors alone would review.
    floors: float

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


@dataclass(frozen=True)
class Preview:
    """What the policy would have done beside what the live one would have done, on the same predictions."""

    predictions: int
    shares: dict[str, float | None]
    live: dict[str, float | None] | None
    difference: dict[str, float | None] | None
    changed: int | None
    warnings: list[Fault]


def preview(
    *, model: RegisteredModel, document: dict[str, Any], live: PolicyVersion | None, last: int = LAST
) -> Preview:
    """Replay a document without faults, and the live policy, on the ``last`` routed predictions.

    The document's sampler is solved on those rows, as its activation would do; the live one stays as it is.
    """
    rows = _rows(model, last)
    replay = _replay(model, document, rows)
    shares = replay.shares()
    warnings = _warnings(model, document, replay)
    if live is None:
        return Preview(len(rows), shares, None, None, None, warnings)
    other = _replay(model, live.document, rows, live=live)
    before = other.shares()
    difference = {name: _minus(shares[name], before[name]) for name in FIGURES}
    ours, theirs = replay.choices, other.choices
    changed = int(((ours.disposition != theirs.disposition) | (ours.review != theirs.review)).sum())
    return Preview(len(rows), shares, before, difference, changed, warnings)


def warnings_of(*, model: RegisteredModel, document: dict[str, Any], last: int = LAST) -> list[Fault]:
    """What is worth a second look before this document becomes the live one."""
    return _warnings(model, document, _replay(model, document, _rows(model, last)))


def _rows(model: RegisteredModel, last: int) -> list[dict[str, Any]]:
    routed = Prediction.objects.filter(model=model, routing__isnull=False).order_by("-id")
    return list(routed.values(*policy_facts.COLUMNS, "routing__draw")[:last])


def _replay(
    model: RegisteredModel,
    document: dict[str, Any],
    rows: Sequence[dict[str, Any]],
    *,
    live: PolicyVersion | None = None,
) -> Replay:
    policy = policies.parse(document)
    policy_facts.add_features(rows, {model.pk: [policy]})
    batch = policy_facts.batch_of(policy_facts.setting_of(model), rows)
    least = policies.least_propensity(policy, batch)
    fit: sampling.Fit | None
    if live is None:
        fit = policies.solve(policy, guess=batch.guess, least=least)
    else:
        row = samplers.newest([live.pk]).get(live.pk)
        fit = None if row is None else samplers.fit_of(row)
    draws = np.array([row["routing__draw"] for row in rows], dtype=np.float64)
    return Replay(policies.choose_many(policy, batch, draws, fit), least, policies.floor_share(policy, batch))


def _warnings(model: RegisteredModel, document: dict[str, Any], replay: Replay) -> list[Fault]:
    known = policies.warnings(document, novelty_known=policy_facts.novelty_known(model))
    return known + _budget_warnings(document, replay)


def _budget_warnings(document: dict[str, Any], replay: Replay) -> list[Fault]:
    wanted = document.get("sampling", {})
    if wanted.get("kind", "none") == "none" or not replay.unsampled.size:
        return []
    found, budget = [], wanted["budget"]
    least = float(replay.unsampled.mean())
    if least > budget:
        reason = f"gates, audits and floors alone review {least:.1%} of late traffic, more than the budget"
        found.append(Fault("/sampling/budget", "budget_exceeded", reason))
    if replay.floors > budget / 3:
        reason = (
            f"the floors alone review {replay.floors:.1%} of late traffic; above a third of the budget they widen "
            "the intervals of everything else"
        )
        found.append(Fault("/sampling/floors", "floors_eat_budget", reason))
    return found


def _minus(ours: float | None, theirs: float | None) -> float | None:
    return None if ours is None or theirs is None else ours - theirs
