"""What a policy would have done with the predictions of late: it is replayed on them, and nothing is written.

The stored draws are used for every policy that is compared, so that a difference is the policies' own
and not chance.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from models_registry.errors import Fault
from models_registry.models import RegisteredModel
from review import policies, policy_facts
from review.models import Prediction

LAST = 2000
KINDS = ("reviewed", "held", "audited", "refused")
FIGURES = (*KINDS, "expected_reviewed")


@dataclass(frozen=True)
class Replay:
    """Choices of one policy for a list of predictions, in the order of the predictions."""

    choices: Sequence[policies.Choice]
    # Per prediction the least propensity there would be without any sampling.
    unsampled: Sequence[float] = field(default_factory=list)

    def shares(self) -> dict[str, float | None]:
        """Shares of the predictions in [0, 1], null where there are none."""
        count = len(self.choices)
        if not count:
            return dict.fromkeys(FIGURES)
        seen = Counter(kind for choice in self.choices for kind in _kinds(choice))
        expected = sum(choice.propensity for choice in self.choices) / count
        return {**{kind: seen[kind] / count for kind in KINDS}, "expected_reviewed": expected}


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
    *, model: RegisteredModel, document: dict[str, Any], live: dict[str, Any] | None, last: int = LAST
) -> Preview:
    """Replay a document without faults, and the live one, on the ``last`` routed predictions."""
    rows = _rows(model, last)
    replay = _replay(model, document, rows)
    shares = replay.shares()
    warnings = policies.warnings(document) + _budget_warnings(document, replay)
    if live is None:
        return Preview(len(rows), shares, None, None, None, warnings)
    other = _replay(model, live, rows)
    before = other.shares()
    difference = {name: _minus(shares[name], before[name]) for name in FIGURES}
    changed = sum(
        (ours.disposition, ours.review) != (theirs.disposition, theirs.review)
        for ours, theirs in zip(replay.choices, other.choices, strict=True)
    )
    return Preview(len(rows), shares, before, difference, changed, warnings)


def warnings_of(*, model: RegisteredModel, document: dict[str, Any], last: int = LAST) -> list[Fault]:
    """What is worth a second look before this document becomes the live one."""
    replay = _replay(model, document, _rows(model, last))
    return policies.warnings(document) + _budget_warnings(document, replay)


def _rows(model: RegisteredModel, last: int) -> list[dict[str, Any]]:
    routed = Prediction.objects.filter(model=model, routing__isnull=False).order_by("-id")
    return list(routed.values(*policy_facts.COLUMNS, "routing__draw")[:last])


def _replay(model: RegisteredModel, document: dict[str, Any], rows: Sequence[dict[str, Any]]) -> Replay:
    policy = policies.parse(document)
    setting = policy_facts.setting_of(model)
    policy_facts.add_features(rows, {model.pk: policy})
    cases = [policy_facts.case_of(setting, row) for row in rows]
    choices = [policies.choose(policy, case, row["routing__draw"]) for row, case in zip(rows, cases, strict=True)]
    return Replay(choices, [policies.unsampled_propensity(policy, case) for case in cases])


def _kinds(choice: policies.Choice) -> list[str]:
    kinds = {"gate": ["reviewed", "held"], "audit": ["reviewed", "audited"], "none": []}[choice.review]
    return [*kinds, "refused"] if choice.disposition == "refuse" else kinds


def _budget_warnings(document: dict[str, Any], replay: Replay) -> list[Fault]:
    sampling = document.get("sampling", {})
    if sampling.get("kind", "none") == "none" or not replay.unsampled:
        return []
    least = sum(replay.unsampled) / len(replay.unsampled)
    if least <= sampling["budget"]:
        return []
    reason = f"gates, audits and the audit floor alone review {least:.1%} of late traffic, more than the budget"
    return [Fault("/sampling/budget", "budget_exceeded", reason)]


def _minus(ours: float | None, theirs: float | None) -> float | None:
    return None if ours is None or theirs is None else ours - theirs
