"""One prediction as a policy sees it: its scores, what being wrong would cost, and the fields of conditions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Setting:
    """What holds for all predictions of a model at one moment."""

    classes: Sequence[str]
    # Per predicted class the cost of acting on it, in the order of the classes that may be true.
    costs: Mapping[str, Sequence[float]]
    disposition_of: Mapping[str, str]
    queue: str
    oversight_always: bool = False
    kill_switch: bool = False
    # The live policy's document could not be read.
    policy_broken: bool = False
    # 1 while there is capacity for reviews today, 0 when it is used up: then only the audit floor is drawn.
    sampling_share: float = 1.0


@dataclass(frozen=True, slots=True)
class Case:
    """One prediction as a policy sees it. ``scores`` are in the order of the model's classes."""

    setting: Setting
    scores: Sequence[float]
    predicted: str
    confidence: float
    value: float | None = None
    features: Mapping[str, Any] | None = None
    groups: Mapping[str, Any] | None = None
    stale: Mapping[str, bool] | None = None

    def lookup(self, name: str) -> Any:
        """The value of a field, None where it is missing."""
        kind, _, rest = name.partition(".")
        match kind:
            case "confidence":
                return self.confidence
            case "feature":
                return (self.features or {}).get(rest)
            case "score":
                return self.scores[self.setting.classes.index(rest)]
            case "group":
                return (self.groups or {}).get(rest)
            case "risk":
                return risk(self)
            case "predicted":
                return self.predicted
            case "margin":
                return margin(self.scores)
            case "stale":
                return (self.stale or {}).get(rest)
            case _:
                # Novelty is not measured yet.
                return None


def risk(case: Case) -> float:
    """Expected cost of acting on the model's answer: sum over y of cost[predicted][y] p(y), times the value."""
    costs = case.setting.costs[case.predicted]
    expected = sum(cost * score for cost, score in zip(costs, case.scores, strict=True))
    return expected if case.value is None else expected * case.value


def margin(scores: Sequence[float]) -> float:
    """How far the largest score is above the second.

    >>> margin([0.5, 0.125, 0.375])
    0.125
    """
    first, second = sorted(scores, reverse=True)[:2]
    return first - second
