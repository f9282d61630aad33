"""Whether a model beats one that always gives one answer, and whether accuracy may stand alone.

With rare positives a useless model looks superb, so no figure stands without its constant beside it.
"""

from __future__ import annotations

from feedback.estimators.intervals import Estimate, State

# Below this share of the rarest class accuracy flatters and is no headline.
HEADLINE_FROM = 0.10


def no_better_than_constant(metric: str, difference: Estimate) -> bool | None:
    """The verdict on a paired difference, model minus constant: True unless the model is surely better.

    >>> surely = Estimate(0.02, 0.01, 0.03, 0.005, 900.0, State.OK)
    >>> no_better_than_constant("accuracy", surely), no_better_than_constant("cost", surely)
    (False, True)
    """
    if difference.state is not State.OK or difference.low is None or difference.high is None:
        return None
    return difference.low <= 0 if metric == "accuracy" else difference.high >= 0


def accuracy_may_lead(shares: list[Estimate], positive: int | None = None) -> bool:
    """Whether accuracy may be a headline: the positive (of more classes: the rarest) class is at least 10 %.

    >>> rare, common = (Estimate(p, p, p, 0.0, 900.0, State.OK) for p in (0.048, 0.952))
    >>> accuracy_may_lead([common, rare], positive=1)
    False
    """
    chosen = shares if positive is None else [shares[positive]]
    return all(share.point is not None and share.point >= HEADLINE_FROM for share in chosen)
