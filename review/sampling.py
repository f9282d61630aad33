"""Propensities for a budget, and the interval width they will buy. Arrays in, arrays out.

Notation as in docs/statistics.md: m is the model's own guess that its answer is right, pi the
propensity, B the budget (share of all traffic reviewed), tau the floor as a share of B.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

BISECTIONS = 60


def uncertainty(guess: Floats) -> Floats:
    """sqrt(m (1 - m)) per row: the standard deviation of "the answer is right" under the model's guess.

    Reviewing in proportion to it is Neyman allocation with one row per stratum (Neyman 1934; Zrnic and
    Candès, Active statistical inference, 2024).

    >>> uncertainty(np.array([0.5, 0.9, 1.0])).round(6).tolist()
    [0.5, 0.3, 0.0]
    """
    bounded = np.clip(guess, 0.0, 1.0)
    return np.asarray(np.sqrt(bounded * (1.0 - bounded)))


def active(scores: Floats, *, scale: float, floor: float, least: Floats | float = 0.0) -> Floats:
    """pi = clip(max(least, scale * u, floor), 0, 1) per row.

    ``scores`` u >= 0, ``scale`` c, ``floor`` tau * B, ``least`` what gates and risk floors already ask for.

    >>> active(np.array([0.1, 0.5]), scale=1.0, floor=0.2).tolist()
    [0.2, 0.5]
    """
    return np.clip(np.maximum(np.maximum(scale * scores, floor), least), 0.0, 1.0)


def solve_scale(scores: Floats, *, budget: float, floor: float, least: Floats | float = 0.0) -> float:
    """The scale c for which the mean propensity on these rows is the budget, by bisection.

    The rows must be past traffic: a scale fitted to the window it samples would make the draw depend
    on it. Zero where gates and floors alone reach the budget; where even c = infinity stays below it
    (too few rows with u > 0), the largest useful c.

    >>> c = solve_scale(np.array([0.1, 0.2, 0.3, 0.4]), budget=0.5, floor=0.0)
    >>> round(float(active(np.array([0.1, 0.2, 0.3, 0.4]), scale=c, floor=0.0).mean()), 9)
    0.5
    """
    if scores.size == 0 or float(active(scores, scale=0.0, floor=floor, least=least).mean()) >= budget:
        return 0.0
    positive = scores[scores > 0]
    if positive.size == 0:
        return 0.0
    low, high = 0.0, 1.0 / float(positive.min())
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        if float(active(scores, scale=middle, floor=floor, least=least).mean()) < budget:
            low = middle
        else:
            high = middle
    return high


def planned_half_width(guess: Floats, propensity: Floats, *, z: float = 1.959964) -> float:
    """Half the width of the interval of accuracy that these propensities will give, before any label.

    V = N^-2 sum (1 - pi)/pi * m (1 - m): the variance of the regression estimator if the guess is
    calibrated (Poisson sampling). Raises ValueError where a propensity is zero: nothing is known there.

    >>> round(planned_half_width(np.full(1000, 0.9), np.full(1000, 0.1)), 4)
    0.0558
    """
    if np.any(propensity <= 0):
        raise ValueError("a row with propensity zero can never be estimated")
    variance = np.sum((1 - propensity) / propensity * guess * (1 - guess)) / guess.size**2
    return float(z * np.sqrt(variance))
