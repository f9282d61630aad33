"""The model-assisted mean of what each row would add, by its true class; refused where nothing can be known.

One table (N, K) describes any question that is linear in the truth: an error that passes, a cost, the
difference of two answers. Rows whose entries are all equal are known without a label.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from feedback.estimators import Estimate, Outputs, State, measure, wilson
from feedback.estimators.intervals import student
from feedback.weights import effective_sample_size

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]

# The rule of the other figures: fewer effective rows than this are not shown.
FEWEST = 30.0
NOTHING = 1e-12


def open_rows(table: Floats) -> Flags:
    """Rows (N,) whose contribution depends on their true class.

    >>> open_rows(np.array([[0.0, 1.0], [2.0, 2.0]])).tolist()
    [True, False]
    """
    # Across few classes numpy is ten times as fast down the rows of the transpose.
    return np.asarray(np.ptp(np.ascontiguousarray(table.T), axis=0) > NOTHING)


def unsupported_share(table: Floats, propensity: Floats) -> float:
    """The share of rows that a label would have to settle and none ever could: propensity 0.

    >>> unsupported_share(np.array([[0.0, 1.0], [0.0, 1.0], [2.0, 2.0], [3.0, 3.0]]), np.array([0.5, 0.0, 0.0, 0.5]))
    0.25
    """
    return float(np.mean(open_rows(table) & (propensity <= 0))) if table.shape[0] else 0.0


def mean_of(
    table: Floats, scores: Floats, labels: Integers, propensity: Floats, *, proportion: bool = False
) -> Estimate:
    """The mean of ``table[i, true class of i]`` over all rows, by the estimator of the live metrics.

    ``scores`` (N, K) are the model's probabilities (its guess buys width, not validity), ``labels`` (N,)
    are -1 where unknown, ``propensity`` (N,) the logged probability that the label is known.
    ``proportion``: every entry lies in [0, 1] and the interval is Wilson's. The effective n counts the
    rows that the answer rests on. `State.UNSUPPORTED`, without a point, where such a row had propensity 0.

    >>> wrong = np.array([[0.0, 1.0], [1.0, 0.0], [0.0, 1.0], [3.0, 3.0]])
    >>> scores, labels = np.full((4, 2), 0.5), np.array([0, 0, 1, -1])
    >>> found = mean_of(wrong, scores, labels, np.array([1.0, 1.0, 1.0, 0.0]))
    >>> found.point, found.standard_error
    (1.25, 0.0)
    """
    open_ = open_rows(table)
    if bool(np.any(open_ & (propensity <= 0))):
        return Estimate(None, None, None, None, 0.0, State.UNSUPPORTED, labels=int(np.sum(labels >= 0)))
    n, known = int(labels.size), np.ascontiguousarray(table.T).min(axis=0)
    if n == 0:
        return Estimate(None, None, None, None, 0.0, State.INSUFFICIENT)
    if not open_.any():
        exact = float(np.mean(known))
        return Estimate(exact, exact, exact, 0.0, float(n), State.OK, labels=int(np.sum(labels >= 0)))
    # What is known of a row is no part of the guess that is tuned. Every row is its own "answer", so that
    # the cost of acting on it is its line of the table.
    outputs = Outputs(scores, np.arange(n), None, table - known[:, None])
    found = measure("cost", outputs, labels, np.where(open_, propensity, 1.0))
    rows = open_ & (labels >= 0)
    kish = effective_sample_size(1.0 / propensity[rows])
    if found.point is None or found.standard_error is None or found.low is None or found.high is None:
        return replace(found, effective_n=kish, state=State.INSUFFICIENT)
    shift = float(np.mean(known))
    point = found.point + shift
    moved = replace(
        found,
        point=point,
        low=found.low + shift,
        high=found.high + shift,
        effective_n=kish,
        state=State.INSUFFICIENT if kish < FEWEST else State.OK,
        naive=float(np.mean(table[labels >= 0, labels[labels >= 0]])),
        naive_low=None,
        naive_high=None,
        sequence=None,
    )
    return _as_proportion(moved, n) if proportion else moved


def _as_proportion(found: Estimate, n: int) -> Estimate:
    """Wilson's interval at the effective n that the standard error stands for."""
    assert found.point is not None
    assert found.standard_error is not None
    point, variance = min(1.0, max(0.0, found.point)), found.standard_error**2
    # Pulled towards one half by two pseudo-rows, so that a window without an error keeps a variance.
    pulled = (point * found.effective_n + 1) / (found.effective_n + 2)
    # Entries need not be 0 or 1, so that their mean may be known better than that of n coins.
    size = float(n) if variance <= NOTHING**2 else pulled * (1 - pulled) / variance
    low, high = wilson(point, size, student(found.effective_n - 1))
    return replace(found, point=point, low=low, high=high)
