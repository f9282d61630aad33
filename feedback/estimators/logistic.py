"""Weighted logistic regression of a few parameters, by Newton's method, with robust standard errors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

ROUNDS = 50
LONGEST_STEP = 2.0
CONVERGED = 1e-10


@dataclass(frozen=True)
class Coefficient:
    """In logits, with its standard error."""

    value: float
    standard_error: float


def fit(design: Floats, true: Floats, weight: Floats, offset: Floats | None = None) -> list[Coefficient] | None:
    """Coefficients of ``logit P(true) = design @ b + offset`` for rows (n, p) of weight (n,).

    Standard errors by the sandwich ``H^-1 (sum w^2 r^2 x x') H^-1`` (Huber 1967, White 1982), because
    weights are no counts. None where no finite fit exists: all rows alike, or perfectly separated.

    >>> true, ones = np.repeat([1.0, 0.0], [30, 10]), np.ones(40)
    >>> found = fit(np.ones((40, 1)), true, ones)[0]
    >>> round(found.value, 6) == round(float(np.log(3)), 6), round(found.standard_error, 4)
    (True, 0.3651)
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
            inverse = np.linalg.inv(hessian)
            scores = design * (w * (true - p))[:, None]
            spread = np.diagonal(inverse @ (scores.T @ scores) @ inverse)
            return [Coefficient(float(value), float(max(v, 0.0) ** 0.5)) for value, v in zip(b, spread, strict=True)]
    return None


def _sigmoid(x: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-np.clip(x, -700, 700))), dtype=np.float64)
