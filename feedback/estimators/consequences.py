"""What a routing policy does with predictions: how many are reviewed, which errors pass, what a decision costs."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from feedback.estimators.intervals import Estimate, State, publishable
from feedback.estimators.linear import Evidence, Figure, mean
from feedback.estimators.metrics import Flags, Floats, Integers
from feedback.estimators.thresholds import Prices


@dataclass(frozen=True)
class Routes:
    """What a policy does with N rows, each (N,): the probability that the caller waits for a person, that a
    person looks at all, and whether a rule lets the row through or refuses it whatever the model says.
    """

    gate: Floats
    propensity: Floats
    ruled: Flags

    @property
    def automatic(self) -> Floats:
        """The probability that the model's answer is acted on before anybody has looked."""
        return np.where(self.ruled, 0.0, 1.0 - self.gate)

    @property
    def unseen(self) -> Floats:
        """The probability that the model's answer is acted on and nobody ever looks."""
        return np.where(self.ruled, 0.0, 1.0 - self.propensity)


@dataclass(frozen=True)
class Consequences:
    """Per prediction: the shares reviewed, held and automatic; wrong answers that pass unseen and that a
    person meets; the cost of a decision; and the share of wrong answers among the automatic ones, nothing
    where there are none.
    """

    reviewed: float
    held: float
    automatic: float
    passed: Figure
    caught: Figure
    cost: Figure | None
    error: Figure


def wrong(predicted: Integers, classes: int) -> Floats:
    """(K, N): 1 where the answer is not that class.

    >>> wrong(np.array([0, 1]), 2).tolist()
    [[0.0, 1.0], [1.0, 0.0]]
    """
    return np.asarray(predicted[None, :] != np.arange(classes)[:, None], dtype=np.float64)


def cost_table(routes: Routes, predicted: Integers, prices: Prices, value: Floats | None = None) -> Floats:
    """(K, N): what a decision costs by true class.

    Acting on the model's answer where it is automatic, on a reviewer's where the caller waits, nothing where a
    rule decides; and the review itself for each review. ``value`` (N,) multiplies all but the review.
    """
    acted = prices.costs.T[:, predicted] * routes.automatic + prices.residual[:, None] * routes.gate
    worth = acted if value is None else acted * np.where(np.isnan(value), 1.0, value)
    return np.asarray(worth + prices.review_cost * routes.propensity)


def consequences(evidence: Evidence, routes: Routes, costs: Floats | None, *, wrongs: Floats) -> Consequences:
    """Everything of one policy; ``costs`` is its `cost_table`, None where nothing is known of costs."""
    automatic = routes.automatic
    share = float(automatic.mean()) if len(evidence) else 0.0
    return Consequences(
        reviewed=float(routes.propensity.mean()) if len(evidence) else 0.0,
        held=float(routes.gate.mean()) if len(evidence) else 0.0,
        automatic=share,
        passed=mean(evidence, wrongs * routes.unseen, proportion=True),
        caught=mean(evidence, wrongs * routes.propensity, proportion=True),
        cost=None if costs is None else mean(evidence, costs),
        error=among(mean(evidence, wrongs * automatic, proportion=True), share),
    )


def among(figure: Figure, share: float) -> Figure:
    """A mean over all rows as one over the known ``share`` of them that it is about: a proportion, judged as one.

    Nothing where there are no such rows.

    >>> e = among(Figure(Estimate(0.02, 0.001, 0.06, 0.01, 40.0, State.OK), 0.01), 0.05).estimate
    >>> e.point, e.low, e.high, str(e.state)
    (0.4, 0.02, 1.0, 'insufficient_data')
    """
    if share <= 0:
        return Figure(Estimate(None, None, None, None, 0.0, State.INSUFFICIENT), None)
    found = scaled(figure, 1.0 / share)
    e = found.estimate
    if e.point is None or e.low is None or e.high is None:
        return found
    point, low, high = (min(1.0, max(0.0, x)) for x in (e.point, e.low, e.high))
    state = publishable(e.effective_n, high - low)
    return Figure(replace(e, point=point, low=low, high=high, state=state), found.guess)


def scaled(figure: Figure, factor: float) -> Figure:
    """The figure times a known number, such as predictions per day.

    >>> known = Evidence(np.full((2, 1), 0.5), np.array([0]), np.ones(1))
    >>> found = scaled(mean(known, wrong(np.array([1]), 2)), 100)
    >>> found.estimate.point, found.guess
    (100.0, 50.0)
    """

    def by(x: float | None) -> float | None:
        return None if x is None else x * factor

    e = figure.estimate
    moved = replace(e, point=by(e.point), low=by(e.low), high=by(e.high), standard_error=by(e.standard_error))
    return Figure(moved, by(figure.guess))
