"""Weights of labelled rows: inverse probability of seeing the label, and what the weights cost.

``weight = 1 / (propensity x arrival probability)``: Horvitz and Thompson (1952), with the label's
arrival as a second stage of sampling. Capping is for training only; an estimate with capped weights
is biased and sure of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

CAP_TIMES_MEDIAN = 20.0
CAP_QUANTILE = 0.99


@dataclass(frozen=True)
class TrainingWeights:
    """Weights ready for ``sample_weight``: capped, mean one. ``effective_n`` is Kish's."""

    values: Floats
    cap: float
    capped_share: float
    effective_n: float
    effective_share: float
    largest_share: float


def inverse_probability(propensity: ArrayLike, arrival: ArrayLike = 1.0) -> Floats:
    """1 / (propensity x arrival) for each row, uncapped; raises ValueError outside (0, 1].

    >>> inverse_probability([1.0, 0.25], [0.5, 0.8]).tolist()
    [2.0, 5.0]
    """
    probability = np.asarray(propensity, dtype=np.float64) * np.asarray(arrival, dtype=np.float64)
    if not bool(np.all((probability > 0) & (probability <= 1))):
        raise ValueError("a weight needs a probability above 0 and at most 1")
    return np.asarray(1.0 / probability, dtype=np.float64)


def effective_sample_size(weights: ArrayLike) -> float:
    """Kish (1965): (sum w)^2 / sum w^2; 0 for no rows.

    >>> effective_sample_size([1.0, 1.0, 1.0])
    3.0
    >>> round(effective_sample_size([10.0, 1.0, 1.0]), 3)
    1.412
    """
    w = np.asarray(weights, dtype=np.float64)
    squares = float(np.sum(w**2))
    return float(np.sum(w)) ** 2 / squares if squares > 0 else 0.0


def for_training(weights: ArrayLike) -> TrainingWeights:
    """Cap at the larger of 20 medians and the 99th percentile, then scale to mean one.

    >>> for_training([1.0, 1.0, 2.0]).values.tolist()
    [0.75, 0.75, 1.5]
    """
    w = np.asarray(weights, dtype=np.float64)
    if w.size == 0:
        raise ValueError("there is no row to weigh")
    cap = max(CAP_TIMES_MEDIAN * float(np.median(w)), float(np.quantile(w, CAP_QUANTILE)))
    capped = np.minimum(w, cap)
    values = normalised(capped)
    effective = effective_sample_size(values)
    return TrainingWeights(
        values=values,
        cap=cap,
        capped_share=float(np.mean(w > cap)),
        effective_n=effective,
        effective_share=effective / w.size,
        largest_share=float(np.max(capped) / np.sum(capped)),
    )


def normalised(weights: ArrayLike) -> Floats:
    """The same weights with mean one.

    >>> normalised([1.0, 3.0]).tolist()
    [0.5, 1.5]
    """
    w = np.asarray(weights, dtype=np.float64)
    return np.asarray(w / np.mean(w), dtype=np.float64)
