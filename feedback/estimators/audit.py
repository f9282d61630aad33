"""Whether the draws happened with the probabilities that were stored: the propensity audit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]

PARTS = 10
ALARM_BELOW = 0.001
# A part in which fewer draws than this could vary is not yet normal; it joins its neighbour.
LEAST_VARIANCE = 10.0
SIGMAS = 3.0


@dataclass(frozen=True)
class Band:
    """The rows between two propensities: the share that should be drawn, that was, and 3 sigma around the first."""

    low_propensity: float
    high_propensity: float
    rows: int
    expected: float
    observed: float
    low: float
    high: float

    @property
    def inside(self) -> bool:
        return self.low <= self.observed <= self.high


@dataclass(frozen=True)
class Audit:
    """``p_value`` is None where too little was left to chance; ``impossible`` counts draws that cannot be."""

    statistic: float
    parts: int
    p_value: float | None
    impossible: int
    bands: tuple[Band, ...]

    @property
    def alarm(self) -> bool:
        return self.impossible > 0 or (self.p_value is not None and self.p_value < ALARM_BELOW)


def propensity_audit(guess: Floats, propensity: Floats, drawn: Flags) -> Audit:
    """Draws (N,) against the propensities (N,) stored with them, per tenth of the model's guess (N,).

    ``chi2 = sum over parts of (sum(xi - pi))^2 / sum(pi (1 - pi))``, one degree of freedom per part. The
    tenths are of m, the guess that the answer is right: reviews that vanish are mostly the hard ones. Rows
    of propensity 0 and 1 add nothing to it; a draw against one of them is a fault by itself. Raises
    ValueError for what is no probability.

    >>> pi = np.full(1000, 0.5)
    >>> fair = propensity_audit(np.linspace(0, 1, 1000), pi, np.arange(1000) % 2 == 0)
    >>> fair.statistic, fair.alarm
    (0.0, False)
    >>> propensity_audit(np.linspace(0, 1, 1000), pi, np.arange(1000) % 3 == 0).alarm
    True
    """
    if propensity.size and not bool(np.all((propensity >= 0) & (propensity <= 1))):
        raise ValueError("a propensity is a probability")
    xi = drawn.astype(np.float64)
    impossible = int(np.sum(((propensity <= 0) & drawn) | ((propensity >= 1) & ~drawn)))
    chance = (propensity > 0) & (propensity < 1)
    parts = _parts(guess[chance], propensity[chance], xi[chance])
    statistic = float(sum(gap**2 / variance for gap, variance in parts))
    p_value = float(chdtrc(len(parts), statistic)) if parts else None
    return Audit(statistic, len(parts), p_value, impossible, _bands(propensity, xi))


def _parts(guess: Floats, propensity: Floats, xi: Floats) -> list[tuple[float, float]]:
    """Per part in order of the guess: drawn minus expected, and the variance of that."""
    order = np.argsort(guess, kind="stable")
    parts: list[tuple[float, float]] = []
    gap = variance = 0.0
    for rows in np.array_split(order, PARTS):
        gap += float(np.sum(xi[rows] - propensity[rows]))
        variance += float(np.sum(propensity[rows] * (1 - propensity[rows])))
        if variance >= LEAST_VARIANCE:
            parts.append((gap, variance))
            gap = variance = 0.0
    if parts and variance > 0:
        last_gap, last_variance = parts.pop()
        parts.append((last_gap + gap, last_variance + variance))
    return parts


def _bands(propensity: Floats, xi: Floats) -> tuple[Band, ...]:
    found = []
    for rows in _tenths(propensity):
        pi = propensity[rows]
        expected = float(np.mean(pi))
        reach = SIGMAS * float(np.sum(pi * (1 - pi))) ** 0.5 / rows.size
        observed = float(np.mean(xi[rows]))
        # Rounding must not put a certain draw outside its band.
        low, high = max(0.0, expected - reach - 1e-9), min(1.0, expected + reach + 1e-9)
        found.append(Band(float(pi.min()), float(pi.max()), int(rows.size), expected, observed, low, high))
    return tuple(found)


def _tenths(values: Floats) -> list[Integers]:
    """Row indices by quantiles of the values; equal values stay together, so there may be fewer than ten."""
    if not values.size:
        return []
    edges = np.unique(np.quantile(values, np.linspace(0, 1, PARTS + 1))[1:-1])
    place = np.searchsorted(edges, values)
    return [np.flatnonzero(place == part) for part in np.unique(place)]
