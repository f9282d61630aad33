"""How wide the interval of live accuracy will be, before any label, and which budget makes it as narrow as wished."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from feedback.estimators.intervals import Z95
from feedback.estimators.linear import tuned
from feedback.estimators.metrics import Floats

# As for the sampler: fewer labelled rows say less about the spread than the model's own word.
FEWEST_LABELS = 200
LEAST_VARIANCE = 1e-4
MOST_VARIANCE = 0.25
BISECTIONS = 24


def residual_variance(guess: Floats, right: Floats, seen: Floats) -> Floats:
    """The squared residual of accuracy that each row is expected to have, (N,).

    ``guess`` m; ``right`` 1 or 0 where the label is known, nan elsewhere; ``seen`` q. Under a calibrated guess
    it is m (1 - m). From 200 labelled rows on it is learnt: the residuals of the regression of right on m,
    squared, regressed on m (1 - m), each weighted by 1/q.

    >>> residual_variance(np.array([0.5, 0.9]), np.full(2, np.nan), np.ones(2)).round(3).tolist()
    [0.25, 0.09]
    """
    spread = guess * (1.0 - guess)
    rows = np.flatnonzero(~np.isnan(right) & (seen > 0))
    if rows.size >= FEWEST_LABELS:
        m, y, weight = guess[rows], right[rows], 1.0 / seen[rows]
        b0, b1, _ = tuned(m, y, weight)
        c0, c1, _ = tuned(spread[rows], (y - b0 - b1 * m) ** 2, weight)
        spread = c0 + c1 * spread
    return np.asarray(np.clip(spread, LEAST_VARIANCE, MOST_VARIANCE))


def half_width(variance: Floats, propensity: Floats, rows: float | None = None) -> float | None:
    """Half the width of the 95 % interval of accuracy over ``rows`` rows like these (as many as these by default).

    ``V = rows^-1 mean((1 - pi) / pi * variance)``. None where a propensity is 0, or there is no row.

    >>> round(half_width(np.full(1000, 0.09), np.full(1000, 0.1)), 4)
    0.0558
    """
    n = variance.size if rows is None else rows
    if variance.size == 0 or n <= 0 or bool(np.any(propensity <= 0)):
        return None
    return float(Z95 * np.sqrt(np.mean((1.0 - propensity) / propensity * variance) / n))


def budget_for(wanted: float, width: Callable[[float], float | None]) -> float | None:
    """The least budget whose half width is at most ``wanted``; None where none is, even for reviewing everything.

    ``width`` gives the half width of a budget and falls with it. 0 where it takes no budget at all.

    >>> round(budget_for(0.02, lambda budget: 1.96 * (0.09 * (1 / max(budget, 0.01) - 1) / 1000) ** 0.5), 3)
    0.464
    """
    low, high = 0.0, 1.0
    if not _reaches(width(high), wanted):
        return None
    if _reaches(width(low), wanted):
        return low
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        low, high = (low, middle) if _reaches(width(middle), wanted) else (middle, high)
    return high


def _reaches(width: float | None, wanted: float) -> bool:
    return width is not None and width <= wanted
