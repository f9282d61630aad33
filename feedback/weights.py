"""Weights of labelled rows: inverse probability of seeing the label, and what the weights cost.

``weight = 1 / (propensity x arrival probability)``: Horvitz and Thompson (1952), with the label's
arrival as a second stage of sampling. They are capped for training only (`models_registry.training.weighting`);
an estimate with capped weights is biased and sure of it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


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
