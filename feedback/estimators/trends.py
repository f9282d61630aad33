"""Does a figure of a day rise or fall? Mann and Kendall's test over the last days, at a bar that holds for a year.

It is asked every night of three overlapping windows. The bar of z is so high that on days without a trend one alarm
in 25 or fewer series and years is false, and a change counts only if it is a tenth of the level: both simulated in
the tests, and so is the delay.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
WINDOWS = (14, 28, 56)
BAR = 4.0
# A trend that is no longer seen at this is over.
OVER = 2.5
LEAST_CHANGE = 0.10
# Of a window's days so many must have a figure.
FILLED = 0.7


@dataclass(frozen=True)
class Trend:
    """The window that says most: z, ``days`` from its first known day to its last, the level at both on the line of
    Theil and Sen."""

    days: int
    n: int
    z: float
    begin: float
    end: float

    @property
    def change(self) -> float:
        return self.end - self.begin

    @property
    def relative(self) -> float:
        level = max(abs(self.begin), abs(self.end))
        return abs(self.change) / level if level else 0.0

    @property
    def alarm(self) -> bool:
        return abs(self.z) >= BAR and self.relative >= LEAST_CHANGE

    @property
    def over(self) -> bool:
        return abs(self.z) < OVER


def trend(values: Sequence[float | None]) -> Trend | None:
    """The strongest trend that ends with the last of these days; None while no window has days enough.

    >>> rising = trend([1.0 + day / 50 for day in range(28)])
    >>> rising.alarm, rising.days, round(rising.change, 2)
    (True, 28, 0.54)
    >>> trend([1.0, 1.2] * 14).alarm, trend([1.0] * 5)
    (False, None)
    """
    given = np.array([math.nan if value is None else value for value in values], dtype=np.float64)
    found = [one for days in WINDOWS if given.size >= days and (one := _of(given[-days:])) is not None]
    return max(found, key=lambda one: (one.alarm, abs(one.z)), default=None)


def _of(values: Floats) -> Trend | None:
    at = np.flatnonzero(np.isfinite(values))
    if at.size < FILLED * values.size:
        return None
    known = values[at]
    slope = float(np.median(_slopes(at, known)))
    middle = float(np.median(known - slope * at))
    first, last = int(at[0]), int(at[-1])
    return Trend(last - first + 1, int(at.size), mann_kendall(known), middle + slope * first, middle + slope * last)


def _slopes(at: NDArray[np.int64], values: Floats) -> Floats:
    one, other = np.triu_indices(at.size, 1)
    return np.asarray((values[other] - values[one]) / (at[other] - at[one]), dtype=np.float64)


def mann_kendall(values: Floats) -> float:
    """The test's z with the correction for ties and for continuity (Mann 1945, Kendall 1975).

    >>> round(mann_kendall(np.arange(10.0)), 3), mann_kendall(np.ones(5))
    (3.935, 0.0)
    """
    one, other = np.triu_indices(values.size, 1)
    score = float(np.sign(values[other] - values[one]).sum())
    _, ties = np.unique(values, return_counts=True)
    n = values.size
    variance = (n * (n - 1) * (2 * n + 5) - float((ties * (ties - 1) * (2 * ties + 5)).sum())) / 18
    if variance <= 0 or score == 0:
        return 0.0
    return (score - math.copysign(1.0, score)) / math.sqrt(variance)
