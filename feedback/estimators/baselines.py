"""The base rate, and what a model that always gives one answer would do on the same rows.

With rare positives a useless model looks superb, so no figure stands without its constant beside it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from feedback.estimators import Estimate, Outputs, State, measure
from feedback.estimators.assisted import mean_of
from feedback.estimators.metrics import ratios

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

COMPARED = ("accuracy", "cost", "brier", "log_loss")
# Below this share of the rarest class accuracy flatters and is no headline.
HEADLINE_FROM = 0.10
LEAST_SHARE = 1e-6


@dataclass(frozen=True)
class Against:
    """A model's figure, the best constant's, and model minus constant on the same rows (paired)."""

    metric: str
    model: Estimate
    constant: Estimate
    difference: Estimate

    @property
    def no_better_than_constant(self) -> bool | None:
        """Whether the interval of the difference leaves open that the constant is as good; None if unknown."""
        return no_better_than_constant(self.metric, self.difference)


def prevalence(scores: Floats, labels: Integers, propensity: Floats) -> list[Estimate]:
    """The share of each class among all rows (the base rate), with Wilson's interval.

    >>> scores = np.full((4, 2), 0.5)
    >>> [share.point for share in prevalence(scores, np.array([0, 0, 0, 1]), np.ones(4))]
    [0.75, 0.25]
    """
    n, k = scores.shape
    tables = np.eye(k)
    return [
        mean_of(np.broadcast_to(tables[j], (n, k)).copy(), scores, labels, propensity, proportion=True)
        for j in range(k)
    ]


def best_constant(outputs: Outputs, labels: Integers, propensity: Floats, *, by: str = "accuracy") -> int | None:
    """The class that is best always answered: the most frequent (``by`` accuracy) or the cheapest (cost).

    None where there is no estimate to choose by.
    """
    figures = [measure(by, _always(outputs, k), labels, propensity).point for k in range(outputs.classes)]
    found = {k: figure for k, figure in enumerate(figures) if figure is not None}
    if not found:
        return None
    return (max if by == "accuracy" else min)(found, key=lambda k: found[k])


def constant_figures(outputs: Outputs, labels: Integers, propensity: Floats) -> dict[str, Estimate]:
    """The constant's accuracy, cost, Brier and log loss, and precision and recall where there is a positive class.

    Each is the constant that is best at it: for accuracy, precision and recall the most frequent class, for
    cost the cheapest, for the two losses the base rates as scores. Empty where nothing can be estimated.
    """
    frequent = best_constant(outputs, labels, propensity)
    cheapest = best_constant(outputs, labels, propensity, by="cost")
    if frequent is None or cheapest is None:
        return {}
    figures = {
        "accuracy": measure("accuracy", _always(outputs, frequent), labels, propensity),
        "cost": measure("cost", _always(outputs, cheapest), labels, propensity),
    }
    for metric in ("brier", "log_loss"):
        figures[metric] = mean_of(
            _constant_table(metric, outputs, labels, propensity), outputs.scores, labels, propensity
        )
    if outputs.positive is not None:
        figures["recall"] = measure("recall", _always(outputs, frequent), labels, propensity)
        if frequent == outputs.positive:
            figures["precision"] = measure("precision", _always(outputs, frequent), labels, propensity)
    return figures


def against_constant(metric: str, outputs: Outputs, labels: Integers, propensity: Floats) -> Against:
    """The model beside the best constant for one of `COMPARED`; raises ValueError for another metric."""
    if metric not in COMPARED:
        raise ValueError(f"only {', '.join(COMPARED)} have a paired constant")
    model = measure(metric, outputs, labels, propensity)
    if model.point is None:
        return Against(metric, model, model, model)
    own, constant = _table(metric, outputs), _constant_table(metric, outputs, labels, propensity)
    beside = mean_of(constant, outputs.scores, labels, propensity, proportion=metric == "accuracy")
    return Against(metric, model, beside, mean_of(own - constant, outputs.scores, labels, propensity))


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


def _always(outputs: Outputs, k: int) -> Outputs:
    return replace(outputs, predicted=np.full(outputs.predicted.size, k, dtype=np.int64))


def _constant_table(metric: str, outputs: Outputs, labels: Integers, propensity: Floats) -> Floats:
    """(N, K): what the best constant for the metric scores on a row of each true class."""
    if metric in ("accuracy", "cost"):
        best = best_constant(outputs, labels, propensity, by=metric)
        assert best is not None
        return _table(metric, _always(outputs, best))
    shares = np.array([share.point or 0.0 for share in prevalence(outputs.scores, labels, propensity)])
    shares = np.clip(shares, LEAST_SHARE, None)
    rates = np.broadcast_to(shares / shares.sum(), outputs.scores.shape)
    return _table(metric, replace(outputs, scores=rates))


def _table(metric: str, outputs: Outputs) -> Floats:
    """(N, K): a row's accuracy, cost or loss by its true class."""
    return ratios(metric, outputs)[0].numerator
