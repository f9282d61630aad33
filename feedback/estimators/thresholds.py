"""Thresholds that follow the price of errors, with a person's review as a third answer (Chow 1970).

All of it presumes calibrated scores: calibrate first, then set thresholds. Costs are ``costs[a, y]``, of
acting on answer a when y is true; a row's ``value`` multiplies them, never the cost of a review.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from feedback.estimators.intervals import FEWEST, Z95, Estimate, State

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]

SAME = 1e-9


@dataclass(frozen=True)
class Prices:
    """What answers cost: ``costs`` (K, K) by answer and truth, ``review_cost`` per review, the share of
    reviews that ``reviewer_error`` gets wrong (each wrong class equally often)."""

    costs: Floats
    review_cost: float
    reviewer_error: float = 0.0

    def __post_init__(self) -> None:
        if self.costs.ndim != 2 or self.costs.shape[0] != self.costs.shape[1] or self.costs.shape[0] < 2:
            raise ValueError("costs are (K, K) with at least two classes")
        if not np.isfinite(self.costs).all() or not self.review_cost >= 0 or not 0 <= self.reviewer_error <= 1:
            raise ValueError("costs are finite, a review costs at least 0, an error rate is a share")

    @property
    def residual(self) -> Floats:
        """(K,) by true class: the expected cost of acting on a reviewer's answer.

        >>> Prices(np.array([[0.0, 20.0], [1.0, 0.0]]), 0.5, 0.1).residual.tolist()
        [0.1, 2.0]
        """
        k = self.costs.shape[0]
        right = np.diagonal(self.costs)
        wrong = (self.costs.sum(axis=0) - right) / (k - 1)
        return np.asarray((1 - self.reviewer_error) * right + self.reviewer_error * wrong, dtype=np.float64)


@dataclass(frozen=True)
class Proposal:
    """What the prices ask for, and what it would cost per decision on the given scores.

    ``threshold``: the score of the positive class from which the positive answer is cheaper (two classes), None
    where the prices part no scores.
    ``review``: between which of its scores a review is cheaper than either answer, None where never or for
    more classes. ``confidence`` and ``risk``: the same region as a policy's threshold, None where the
    region is not of that form. ``live``, ``automatic``, ``reviewed``: expected cost per decision of the
    answers as given, of the cheapest answers, and with review where it is cheaper.
    """

    threshold: float | None
    review: tuple[float, float] | None
    confidence: float | None
    risk: float | None
    live: Estimate | None
    automatic: Estimate
    reviewed: Estimate
    share_reviewed: float
    rows: int


def errors_cost(costs: Floats) -> bool:
    """Whether no wrong answer costs less than the right one, and some cost more.

    >>> errors_cost(np.array([[0.0, 20.0], [1.0, 0.0]])), errors_cost(np.zeros((2, 2)))
    (True, False)
    """
    loss = costs - np.diagonal(costs)
    return bool(np.all(loss >= 0) and np.any(loss > 0))


def cost_threshold(costs: Floats, positive: int = 1) -> float | None:
    """The score of the positive class from which its answer is the cheaper one, two classes (Elkan 2001).

    None where the prices are not those of errors, so that no score parts the answers.

    >>> round(cost_threshold(np.array([[0.0, 20.0], [1.0, 0.0]])), 4)
    0.0476
    """
    negative = 1 - positive
    alarm = float(costs[positive, negative] - costs[negative, negative])
    miss = float(costs[negative, positive] - costs[positive, positive])
    return alarm / (alarm + miss) if errors_cost(costs) else None


def review_interval(prices: Prices, positive: int = 1, value: float = 1.0) -> tuple[float, float] | None:
    """Between which scores of the positive class a review is cheaper than both answers; None where never.

    >>> found = review_interval(Prices(np.array([[0.0, 20.0], [1.0, 0.0]]), review_cost=0.5))
    >>> [round(x, 3) for x in found]
    [0.025, 0.5]
    """
    low, high = 0.0, 1.0
    ends = np.array([1 - positive, positive])
    for answer in range(2):
        # What a review saves over the answer, at score 0 and at score 1: a line in between.
        at0, at1 = value * (prices.costs[answer] - prices.residual)[ends] - prices.review_cost
        if at0 <= 0 and at1 <= 0:
            return None
        if at0 > 0 and at1 > 0:
            continue
        root = float(at0 / (at0 - at1))
        low, high = (max(low, root), high) if at1 > 0 else (low, min(high, root))
    return (low, high) if low < high else None


def worth_a_review(scores: Floats, prices: Prices, value: Floats | None = None) -> Flags:
    """Rows (N,) where ``value * min_a sum_y C[a, y] p(y) > review cost + value * expected cost of its error``.

    >>> worth_a_review(np.array([[0.9, 0.1], [0.99, 0.01]]), Prices(1 - np.eye(2), review_cost=0.05)).tolist()
    [True, False]
    """
    worth = _value(scores, value)
    automatic = worth * (scores @ prices.costs.T).min(axis=1)
    return np.asarray(automatic > prices.review_cost + worth * (scores @ prices.residual))


def propose(
    scores: Floats,
    prices: Prices,
    *,
    positive: int | None = 1,
    value: Floats | None = None,
    predicted: Integers | None = None,
) -> Proposal:
    """Thresholds and expected costs on calibrated ``scores`` (N, K), rows that sum to 1.

    ``value`` (N,) is each case's factor on its costs; ``threshold`` does not depend on it, ``review`` and
    ``confidence`` would, and are then None. ``predicted`` (N,) are the answers given today. Intervals are for
    cases like these under their scores (normal, from the variance between rows), and no better than the
    calibration is.
    """
    worth = _value(scores, value)
    expected = worth[:, None] * (scores @ prices.costs.T)
    automatic = expected.min(axis=1)
    person = prices.review_cost + worth * (scores @ prices.residual)
    chosen = worth_a_review(scores, prices, value)
    two, alike = prices.costs.shape[0] == 2 and positive is not None, value is None
    return Proposal(
        threshold=cost_threshold(prices.costs, positive) if two and positive is not None else None,
        review=review_interval(prices, positive) if two and alike and positive is not None else None,
        confidence=confidence_threshold(prices) if alike else None,
        risk=risk_threshold(prices, valued=not alike),
        live=None if predicted is None else _average(expected[np.arange(predicted.size), predicted]),
        automatic=_average(automatic),
        reviewed=_average(np.where(chosen, person, automatic)),
        share_reviewed=float(chosen.mean()) if chosen.size else 0.0,
        rows=int(scores.shape[0]),
    )


def risk_threshold(prices: Prices, *, valued: bool = False) -> float | None:
    """The ``risk`` (expected cost of acting on the model's answer, times the value) above which to review.

    One number only where a reviewer's errors cost the same whatever is true; with values only where they
    cost nothing, because the value multiplies them too.

    >>> risk_threshold(Prices(np.array([[0.0, 20.0], [1.0, 0.0]]), review_cost=0.5))
    0.5
    >>> risk_threshold(Prices(np.array([[0.0, 20.0], [1.0, 0.0]]), review_cost=0.5, reviewer_error=0.1)) is None
    True
    """
    residual = prices.residual
    if float(np.ptp(residual)) > SAME or (valued and abs(float(residual[0])) > SAME):
        return None
    return prices.review_cost + float(residual[0])


def confidence_threshold(prices: Prices) -> float | None:
    """The largest score below which to review; only where all errors cost the same. None also where never.

    >>> confidence_threshold(Prices(4.0 * (1 - np.eye(3)), review_cost=1.0))
    0.75
    """
    k = prices.costs.shape[0]
    wrong = prices.costs[~np.eye(k, dtype=bool)]
    one = float(wrong[0])
    if float(np.ptp(wrong)) > SAME or float(np.abs(np.diagonal(prices.costs)).max()) > SAME or one <= 0:
        return None
    threshold = 1 - (prices.review_cost + float(prices.residual[0])) / one
    return threshold if threshold > 1 / k else None


def _value(scores: Floats, value: Floats | None) -> Floats:
    return np.ones(scores.shape[0]) if value is None else value


def _average(values: Floats) -> Estimate:
    n = values.size
    if n < 2:
        return Estimate(None, None, None, None, float(n), State.INSUFFICIENT)
    point, error = float(values.mean()), float(values.std(ddof=1)) / n**0.5
    state = State.OK if n >= FEWEST else State.INSUFFICIENT
    return Estimate(point, point - Z95 * error, point + Z95 * error, error, float(n), state)
