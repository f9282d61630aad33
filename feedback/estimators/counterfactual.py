"""What a change would have done, from what was logged: other answers, another routing policy.

Everything rests on labels that were drawn with a logged probability, whatever the change is. Where the
change asks about rows that could never have been labelled there is no answer, only their share. Another
disposition, whose outcome depends on it, is a question for `feedback.estimators.dispositions`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from feedback.estimators import Estimate, Outputs, Ratio, State, measure
from feedback.estimators.assisted import mean_of, unsupported_share
from feedback.estimators.metrics import ratios
from feedback.estimators.thresholds import Prices

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

Z95 = 1.959963984540054
COMPARED = ("accuracy", "precision", "recall", "cost")
FEWEST_FOR_TUNING = 10
NOTHING = 1e-12


@dataclass(frozen=True)
class Answer:
    """An estimate, and the share of rows without the support it needs; above 0 there is no estimate."""

    estimate: Estimate
    unsupported: float


@dataclass(frozen=True)
class Compared:
    """A metric of the candidate's answers, of the live ones, and candidate minus live on the same rows (paired)."""

    candidate: Answer
    live: Answer
    difference: Answer


@dataclass(frozen=True)
class Routed:
    """What another routing policy would have done with these ``predictions``.

    ``passed`` and ``caught``: wrong answers per prediction that no review, or a review, would have met.
    ``cost`` per decision. ``reviews``: the share reviewed, known. ``half_width``: of the interval of live
    accuracy under the candidate, None where it cannot be planned.
    """

    predictions: int
    reviews: float
    passed: Answer
    caught: Answer
    cost: Answer
    half_width: float | None

    @property
    def passed_number(self) -> tuple[float, float, float] | None:
        """The expected number of wrong answers that pass: point, low, high."""
        found = self.passed.estimate
        if found.point is None or found.low is None or found.high is None:
            return None
        return found.point * self.predictions, found.low * self.predictions, found.high * self.predictions


def answers_at(outputs: Outputs, threshold: float) -> Integers:
    """The answers (N,) of a two-class model that says positive from a score on.

    >>> scores = np.array([[0.9, 0.1], [0.4, 0.6]])
    >>> answers_at(Outputs(scores, np.array([0, 1]), positive=1), 0.05).tolist()
    [1, 1]
    """
    positive = 1 if outputs.positive is None else outputs.positive
    return np.where(outputs.scores[:, positive] >= threshold, positive, 1 - positive).astype(np.int64)


def compare_answers(metric: str, live: Outputs, candidate: Integers, labels: Integers, propensity: Floats) -> Compared:
    """One of `COMPARED` if the model had answered ``candidate`` (N,), beside the answers it gave.

    The difference of accuracy and of cost needs labels only where the answer changes, so it may be known
    where the levels are not.
    """
    other = replace(live, predicted=candidate)
    share = float(np.mean(propensity <= 0)) if labels.size else 0.0
    levels = [measure(metric, outputs, labels, propensity) for outputs in (other, live)]
    new, old = ratios(metric, other), ratios(metric, live)
    if metric in ("accuracy", "cost"):
        change = new[0].numerator - old[0].numerator
        difference = _answer(change, live, labels, propensity)
    else:
        difference = Answer(_ratio_difference(levels, [new, old], live, labels, propensity), share)
    return Compared(Answer(levels[0], share), Answer(levels[1], share), difference)


def route_with(
    outputs: Outputs,
    labels: Integers,
    propensity: Floats,
    candidate: Floats,
    *,
    gate: Floats | None = None,
    prices: Prices | None = None,
    value: Floats | None = None,
) -> Routed:
    """What a policy that reviews row i with probability ``candidate[i]`` would have passed, caught and cost.

    ``gate`` (N,) is the probability that the caller waits for the review; all of it where None. With e an
    answer's error: passed is the mean of e (1 - candidate), caught of e candidate. A decision costs what
    acting on the answer costs where it is not held, what a reviewer's answer costs where it is, and a review
    per review; ``prices`` default to the model's costs and free, faultless reviews.
    """
    if candidate.shape != labels.shape or not bool(np.all((candidate >= 0) & (candidate <= 1))):
        raise ValueError("a candidate propensity is a probability per row")
    k = outputs.classes
    costs = 1.0 - np.eye(k) if outputs.costs is None else outputs.costs
    prices = Prices(costs, 0.0) if prices is None else prices
    held = candidate if gate is None else gate
    if not bool(np.all((held >= 0) & (held <= candidate))):
        raise ValueError("a held prediction is reviewed: gate is at most the candidate propensity")
    wrong = 1.0 - np.eye(k)[outputs.predicted]
    worth = np.ones(labels.size) if value is None else value
    acted = prices.costs[outputs.predicted] * (1 - held)[:, None] + prices.residual * held[:, None]
    cost = worth[:, None] * acted + prices.review_cost * candidate[:, None]
    return Routed(
        predictions=int(labels.size),
        reviews=float(candidate.mean()) if candidate.size else 0.0,
        passed=_answer(wrong * (1 - candidate)[:, None], outputs, labels, propensity, proportion=True),
        caught=_answer(wrong * candidate[:, None], outputs, labels, propensity, proportion=True),
        cost=_answer(cost, outputs, labels, propensity),
        half_width=planned_half_width(outputs, labels, propensity, candidate),
    )


def planned_half_width(outputs: Outputs, labels: Integers, propensity: Floats, candidate: Floats) -> float | None:
    """Half the width that live accuracy's interval would have had under the candidate's propensities.

    ``V = N^-2 sum (1 - pi') / pi' (a - h)^2``, itself estimated from labelled rows, with h tuned for the
    candidate. None where the candidate reviews some row never, or a row that matters has no support.
    """
    rows = labels >= 0
    if not bool(np.all(candidate > 0)) or not rows.any():
        return None
    right = np.eye(outputs.classes)[outputs.predicted]
    p = outputs.scores / np.maximum(outputs.scores.sum(axis=1, keepdims=True), NOTHING)
    guess, odds = (p * right).sum(axis=1), (1 - candidate) / candidate
    usable = rows & (propensity > 0)
    a = right[np.flatnonzero(usable), labels[usable]]
    b0, b1 = _line(guess[usable], a, (odds / np.where(propensity > 0, propensity, 1.0))[usable])
    spread = odds[:, None] * (right - (b0 + b1 * guess)[:, None]) ** 2
    found = mean_of(spread, outputs.scores, labels, propensity)
    if found.state is not State.OK or found.point is None:
        return None
    return Z95 * float(np.sqrt(max(found.point, 0.0) / labels.size))


def _answer(
    table: Floats, outputs: Outputs, labels: Integers, propensity: Floats, *, proportion: bool = False
) -> Answer:
    found = mean_of(table, outputs.scores, labels, propensity, proportion=proportion)
    return Answer(found, unsupported_share(table, propensity))


def _ratio_difference(
    levels: list[Estimate],
    parts: list[list[Ratio]],
    live: Outputs,
    labels: Integers,
    propensity: Floats,
) -> Estimate:
    """Difference of two ratios by their influences: exact in the points, first order in the error."""
    first, second = levels[0].point, levels[1].point
    if first is None or second is None:
        return levels[0] if first is None else levels[1]
    new, old = (_influence(part, live, labels, propensity) for part in parts)
    if new is None or old is None:
        return Estimate(None, None, None, None, 0.0, State.INSUFFICIENT, labels=levels[0].labels)
    found = mean_of(new - old, live.scores, labels, propensity)
    if found.standard_error is None:
        return found
    point, half = first - second, Z95 * found.standard_error
    return replace(found, point=point, low=point - half, high=point + half, naive=None)


def _influence(parts: list[Ratio], live: Outputs, labels: Integers, propensity: Floats) -> Floats | None:
    """(N, K): each row's influence on a ratio of means, or on the mean of several; None for empty denominators."""
    found = []
    for part in parts:
        top = mean_of(part.numerator, live.scores, labels, propensity).point
        bottom = mean_of(part.denominator, live.scores, labels, propensity).point
        if top is not None and bottom is not None and bottom > 0:
            found.append((part.numerator - top / bottom * part.denominator) / bottom)
    return np.asarray(np.mean(found, axis=0), dtype=np.float64) if found else None


def _line(x: Floats, y: Floats, weight: Floats) -> tuple[float, float]:
    """Weighted least squares; the guess itself where there is too little to fit."""
    if int(np.count_nonzero(weight)) < FEWEST_FOR_TUNING:
        return 0.0, 1.0
    share = weight / weight.sum()
    mean_x, mean_y = float(share @ x), float(share @ y)
    across = float(share @ (x - mean_x) ** 2)
    slope = float(share @ ((x - mean_x) * (y - mean_y))) / across if across > NOTHING else 0.0
    return mean_y - slope * mean_x, slope
