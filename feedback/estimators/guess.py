"""What the model's scores say about its answer, once past labels have told how far to trust them.

Posted scores may be too sure or not sure enough. One temperature, learnt on past labelled rows, mends
most of it (Guo et al., On calibration of modern neural networks, 2017). The estimators stay unbiased
whatever the guess is; a calibrated one makes their intervals as narrow as the labels allow.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from feedback.weights import effective_sample_size

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

# A temperature from fewer labels would say more about chance than about the scores.
FEWEST_LABELS = 30
# How far log T is believed to be from 0 before any label is seen, as a standard deviation.
PRIOR = 0.3
WIDEST = 1.5
SEARCHES = 40
SMALLEST_SCORE = 1e-6
GOLDEN = (5**0.5 - 1) / 2


def temperature(scores: Floats, labels: Integers, weight: Floats) -> float:
    """T for which softmax(log p / T) fits the labels best, shrunk towards 1; 1 for fewer than 30 labels.

    ``scores`` (n, K), ``labels`` (n,) class indexes, ``weight`` (n,) 1/q of each label. T above 1: the scores
    are too sure. Minimises the weighted log loss, scaled to the effective number of labels, plus
    (log T)² / (2 * 0.3²).

    >>> rng = np.random.default_rng(0)
    >>> p = rng.uniform(0.55, 0.95, 2000)
    >>> y = (rng.random(2000) > p).astype(np.int64)
    >>> sure = np.column_stack([p**2, (1 - p) ** 2]) / (p**2 + (1 - p) ** 2)[:, None]
    >>> 1.7 < temperature(sure, y, np.ones(2000)) < 2.3
    True
    """
    if labels.size < FEWEST_LABELS:
        return 1.0
    logs = np.log(np.maximum(scores, SMALLEST_SCORE))
    share = weight * (effective_sample_size(weight) / weight.sum())
    rows = np.arange(labels.size)

    def loss(log_t: float) -> float:
        z = logs * np.exp(-log_t)
        z = z - z.max(axis=1, keepdims=True)
        found = np.log(np.exp(z).sum(axis=1)) - z[rows, labels]
        return float(share @ found) + log_t**2 / (2 * PRIOR**2)

    low, high = -WIDEST, WIDEST
    for _ in range(SEARCHES):
        left, right = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
        if loss(left) < loss(right):
            high = right
        else:
            low = left
    return float(np.exp((low + high) / 2))


def with_confidence(scores: Floats, predicted: Integers, guess: Floats) -> Floats:
    """Scores (N, K) in which the answered class has probability ``guess`` and the others share the rest as before.

    ``predicted`` (N,) class indexes, ``guess`` (N,) the probability m that the answer is right.

    >>> with_confidence(np.array([[0.8, 0.15, 0.05]]), np.array([0]), np.array([0.6])).round(3).tolist()
    [[0.6, 0.3, 0.1]]
    """
    rows = np.arange(predicted.size)
    own = scores[rows, predicted]
    others = np.maximum(scores.sum(axis=1) - own, 0.0)
    classes = scores.shape[1]
    # A model that gave the rest nothing says nothing about which class it would be.
    spread = np.where(others > 0, (1.0 - guess) / np.where(others > 0, others, 1.0), 0.0)
    found = scores * spread[:, None] + np.where(others > 0, 0.0, (1.0 - guess) / (classes - 1))[:, None]
    found[rows, predicted] = guess
    return np.asarray(found, dtype=np.float64)


def residuals(right: Floats, guess: Floats, seen: Floats) -> Floats:
    """d - h of accuracy per row, 0 where there is no label: what is left of ``right`` after its regression on m.

    ``seen`` q (N,) is the probability that the label is known, 0 where it is not. The weights (1 - q) / q²
    are those of the estimator whose variance is at stake.

    >>> residuals(np.array([1.0, 0.0, np.nan, 1.0]), np.full(4, 0.8), np.array([0.5, 0.5, 0.0, 0.5])).round(6).tolist()
    [0.333333, -0.666667, 0.0, 0.333333]
    """
    rows = seen > 0
    found = np.zeros(right.size)
    if not rows.any():
        return found
    root = np.sqrt((1.0 - seen[rows]) / seen[rows] ** 2)
    if np.count_nonzero(root) < 2:
        root = 1.0 / seen[rows]
    design = np.column_stack([np.ones(int(rows.sum())), guess[rows]])
    line, *_ = np.linalg.lstsq(design * root[:, None], right[rows] * root, rcond=None)
    found[rows] = right[rows] - design @ line
    return found
