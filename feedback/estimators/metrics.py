"""The metrics as ratios: what each row adds above and below the line, for each class it might truly be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]

METRICS = ("accuracy", "precision", "recall", "cost", "brier", "log_loss")
# Its population are the rows that were not drawn for review, so it needs to know which those are.
AUTO_ACCEPTED_ERROR = "auto_accepted_error"
PROPORTIONS = ("accuracy", "precision", "recall", AUTO_ACCEPTED_ERROR)
# Of a metric less another on the same rows.
DIFFERENCE = "_difference"
# Losses without a largest value have no worst case.
UNBOUNDED = ("log_loss",)


@dataclass(frozen=True)
class Outputs:
    """What the model answered: ``scores`` (N, K), ``predicted`` (N,) class index.

    ``positive`` is the class index that precision and recall are about; None means the macro average
    over all classes, one against the rest. ``costs`` (K, K) is what acting on a row's predicted class
    costs by true class; 0/1 where None. ``guess`` (N, K) is what past labels make of the scores, the scores
    themselves where None: no estimate is biased by it, but a calibrated one makes intervals narrow.
    """

    scores: Floats
    predicted: Integers
    positive: int | None = None
    costs: Floats | None = None
    guess: Floats | None = None

    @property
    def beliefs(self) -> Floats:
        """What is guessed of each row's class before its label is known."""
        return self.scores if self.guess is None else self.guess

    @property
    def classes(self) -> int:
        return int(self.scores.shape[1])

    def part(self, rows: slice | Flags) -> Outputs:
        guess = None if self.guess is None else self.guess[rows]
        return Outputs(self.scores[rows], self.predicted[rows], self.positive, self.costs, guess)


@dataclass(frozen=True)
class Ratio:
    """sum(numerator) / sum(denominator); each (N, K): the row's contribution if class k is the true one."""

    numerator: Floats
    denominator: Floats


def ratios(metric: str, outputs: Outputs) -> list[Ratio]:
    """The metric's ratio, or one per class for a macro average; raises KeyError for an unknown metric."""
    return _TABLES[metric](outputs)


def true_value(metric: str, outputs: Outputs, labels: Integers, drawn: Flags | None = None) -> float | None:
    """The metric over rows that are all labelled: what an estimate of the same rows aims at.

    >>> scores = np.array([[0.9, 0.1], [0.2, 0.8]])
    >>> outputs = Outputs(scores, scores.argmax(axis=1))
    >>> true_value("accuracy", outputs, np.array([0, 0]))
    0.5
    >>> true_value("auto_accepted_error", outputs, np.array([0, 0]), drawn=np.array([True, False]))
    1.0
    """
    if metric == AUTO_ACCEPTED_ERROR:
        left = ~needed(drawn)
        outputs, labels = outputs.part(left), labels[left]
    rows = np.arange(labels.size)
    values = []
    for ratio in ratios(metric, outputs):
        denominator = float(ratio.denominator[rows, labels].sum())
        if denominator > 0:
            values.append(float(ratio.numerator[rows, labels].sum()) / denominator)
    return float(np.mean(values)) if values else None


def needed(drawn: Flags | None) -> Flags:
    if drawn is None:
        raise ValueError(f"{AUTO_ACCEPTED_ERROR} needs to know which rows were drawn")
    return np.asarray(drawn, dtype=bool)


def _accuracy(outputs: Outputs) -> list[Ratio]:
    return [Ratio(_answered(outputs), _ones(outputs))]


def _error(outputs: Outputs) -> list[Ratio]:
    return [Ratio(1.0 - _answered(outputs), _ones(outputs))]


def _precision(outputs: Outputs) -> list[Ratio]:
    found = []
    for k in _targets(outputs):
        below = np.repeat((outputs.predicted == k).astype(np.float64)[:, None], outputs.classes, axis=1)
        found.append(Ratio(below * _is(outputs, k), below))
    return found


def _recall(outputs: Outputs) -> list[Ratio]:
    found = []
    for k in _targets(outputs):
        below = np.repeat(_is(outputs, k), outputs.predicted.size, axis=0)
        found.append(Ratio((outputs.predicted == k)[:, None] * below, below))
    return found


def _cost(outputs: Outputs) -> list[Ratio]:
    costs = outputs.costs if outputs.costs is not None else 1.0 - np.eye(outputs.classes)
    return [Ratio(np.asarray(costs[outputs.predicted], dtype=np.float64), _ones(outputs))]


def _brier(outputs: Outputs) -> list[Ratio]:
    """Brier (1950): squared error of the positive class for two classes, summed over classes for more."""
    p, k = outputs.scores, outputs.classes
    loss = np.einsum("nk,nk->n", p, p)[:, None] - 2 * p + 1
    return [Ratio(np.asarray(loss / 2 if k == 2 else loss, dtype=np.float64), _ones(outputs))]


def _log_loss(outputs: Outputs) -> list[Ratio]:
    p = np.clip(outputs.scores, np.finfo(np.float64).eps, 1.0)
    return [Ratio(np.asarray(-np.log(p), dtype=np.float64), _ones(outputs))]


def _targets(outputs: Outputs) -> range | list[int]:
    return range(outputs.classes) if outputs.positive is None else [outputs.positive]


def _is(outputs: Outputs, k: int) -> Floats:
    """(1, K): one at class k."""
    return np.asarray(np.eye(outputs.classes)[k : k + 1], dtype=np.float64)


def _answered(outputs: Outputs) -> Floats:
    return np.asarray(np.eye(outputs.classes)[outputs.predicted], dtype=np.float64)


def _ones(outputs: Outputs) -> Floats:
    return np.ones_like(outputs.scores, dtype=np.float64)


_TABLES: dict[str, Callable[[Outputs], list[Ratio]]] = {
    "accuracy": _accuracy,
    "precision": _precision,
    "recall": _recall,
    "cost": _cost,
    "brier": _brier,
    "log_loss": _log_loss,
    AUTO_ACCEPTED_ERROR: _error,
}
