"""Weighted logistic regression of a few parameters, by Newton's method."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

ROUNDS = 50
LONGEST_STEP = 2.0
CONVERGED = 1e-10


def fit(design: Floats, true: Floats, weight: Floats, offset: Floats | None = None) -> list[float] | None:
    """Coefficients of ``logit P(true) = design @ b + offset`` for rows (n, p) of weight (n,).

    None where no finite fit exists: all rows alike, or perfectly separated.

    >>> true, ones = np.repeat([1.0, 0.0], [30, 10]), np.ones(40)
    >>> [round(value, 6) for value in fit(np.ones((40, 1)), true, ones)], round(float(np.log(3)), 6)
    ([1.098612], 1.098612)
    >>> fit(np.ones((40, 1)), ones, ones) is None
    True
    """
    if not 0 < float(weight @ true) < float(weight.sum()):
        return None
    w = weight / weight.mean()
    shift = np.zeros(true.size) if offset is None else offset
    b = np.zeros(design.shape[1])
    for _ in range(ROUNDS):
        p = _sigmoid(design @ b + shift)
        hessian = (design * (w * p * (1 - p))[:, None]).T @ design
        if np.linalg.cond(hessian) > 1 / np.finfo(np.float64).eps:
            return None
        step = np.linalg.solve(hessian, design.T @ (w * (true - p)))
        b = b + step * min(1.0, LONGEST_STEP / max(float(np.abs(step).max()), CONVERGED))
        if float(np.abs(step).max()) < CONVERGED:
            return [float(value) for value in b]
    return None


def _sigmoid(x: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-np.clip(x, -700, 700))), dtype=np.float64)
