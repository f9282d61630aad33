"""Which part a threshold decides automatically and how often it errs there; what a review budget catches.

El-Yaniv and Wiener, On the foundations of noise-free selective classification (2010).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from feedback.estimators.linear import Evidence, Figure, mean, shares_of_total
from feedback.estimators.metrics import Floats

COVERAGES = tuple(np.round(np.arange(0.1, 1.01, 0.1), 1).tolist())
BUDGETS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5)


@dataclass(frozen=True)
class Point:
    """Everything from ``threshold`` on goes on alone: that share of all rows, and the share of it that is wrong."""

    threshold: float
    automatic: float
    error: Figure


@dataclass(frozen=True)
class Caught:
    """``share`` of all wrong answers are met when ``budget`` of all rows are reviewed, the most doubtful first."""

    budget: float
    share: Figure


def curve(evidence: Evidence, confidence: Floats, wrongs: Floats) -> list[Point]:
    """The coverage-risk curve at ten thresholds, strictest first; ``wrongs`` (K, N) is `consequences.wrong`.

    Rows of equal confidence are never parted, so that fewer points are left where many are equal.
    """
    n = confidence.size
    if n == 0:
        return []
    ordered = np.sort(confidence)
    places = [min(n - 1, max(0, round(n * (1.0 - share)))) for share in COVERAGES]
    found = []
    for threshold in sorted({float(ordered[place]) for place in places}, reverse=True):
        kept = confidence >= threshold
        error = mean(evidence.where(kept), wrongs[:, kept], proportion=True)
        found.append(Point(threshold, float(kept.mean()), error))
    return found


def riskiest(doubt: Floats, budget: float) -> Floats:
    """(N,): with which probability each row is reviewed when a share ``budget`` of all is, most doubtful first.

    Of rows that are equally doubtful where the budget ends each has the same chance.

    >>> riskiest(np.array([0.3, 0.1, 0.2, 0.2]), 0.5).tolist()
    [1.0, 0.0, 0.5, 0.5]
    """
    n, left = doubt.size, budget * doubt.size
    if n == 0:
        return np.zeros(0)
    ordered = -np.sort(-doubt)
    cut = float(ordered[min(n - 1, int(left))])
    above, on = doubt > cut, doubt == cut
    rest = min(1.0, max(0.0, (left - float(above.sum())) / float(on.sum())))
    return np.where(above, 1.0, np.where(on, rest, 0.0))


def recall_at_budgets(evidence: Evidence, doubt: Floats, wrongs: Floats) -> list[Caught]:
    """The share of all wrong answers that each of BUDGETS would meet."""
    if doubt.size == 0:
        return []
    found = shares_of_total(evidence, wrongs, [riskiest(doubt, budget) for budget in BUDGETS])
    return [Caught(budget, share) for budget, share in zip(BUDGETS, found, strict=True)]
