"""Intervals, and when a figure may be shown."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

Z95 = 1.959963984540054
# In the spirit of the NCHS presentation standards for proportions (Parker et al. 2017).
FEWEST = 30.0
WIDEST = 0.30
# The number of predictions at which the confidence sequence is tightest.
TIGHTEST_AT = 10_000


class State(StrEnum):
    OK = "ok"
    INSUFFICIENT = "insufficient_data"
    UNSUPPORTED = "unsupported"


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95 % interval.

    ``point``, ``low`` and ``high`` hold the raw figures even where ``state`` says that there are too few
    rows to show them; they are None where nothing can be computed. ``naive`` is the plain mean over
    labelled rows, biased by the choice of rows. ``sequence`` may be watched every day, ``low`` to ``high``
    is for one look. Where a share of the population could never be labelled (``unsupported_share``),
    ``bounds`` say what the whole can be at worst and at best; None where there is no such share, or no worst.
    """

    point: float | None
    low: float | None
    high: float | None
    standard_error: float | None
    effective_n: float
    state: State
    naive: float | None = None
    naive_low: float | None = None
    naive_high: float | None = None
    labels: int = 0
    sequence: tuple[float, float] | None = None
    bounds: tuple[float, float] | None = None
    unsupported_share: float = 0.0


def wilson(share: float, n: float, z: float = Z95) -> tuple[float, float]:
    """The score interval of a proportion (Wilson 1927); ``n`` may be an effective sample size.

    >>> [round(x, 4) for x in wilson(0.9, 100)]
    [0.8256, 0.9448]
    >>> wilson(0.5, 0)
    (0.0, 1.0)
    """
    if n <= 0:
        return 0.0, 1.0
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    # At 0 and 1 the interval touches the point exactly; rounding must not put the point outside.
    return min(share, max(0.0, centre - half)), max(share, min(1.0, centre + half))


def shrunk(share: float, kish: float) -> float:
    """A proportion pulled towards one half by two pseudo-rows, so that a perfect window keeps a variance.

    >>> round(shrunk(1.0, 98), 2)
    0.99
    """
    return (share * kish + 1) / (kish + 2)


def student(freedom: float) -> float:
    """The 97.5 % quantile of Student's t at so many degrees of freedom, at least one.

    The variance of a mean of losses is itself estimated, from few labels badly and mostly too low; unlike a
    proportion's it has no bound that Wilson's form could use. Student's quantile is the price of that: 1.96 at
    many labels, 2.02 at 40, 2.26 at 10.

    Fisher and Cornish's expansion (1960) in 1 / freedom: right to 0.2 % from three degrees on, 1.3 % too small
    at two and 11 % at one, where no figure is shown. SciPy would cost the web process 27 MB.

    >>> [round(student(x), 2) for x in (3.0, 9.0, 39.0, 1e6)]
    [3.18, 2.26, 2.02, 1.96]
    """
    z, r = Z95, 1 / max(freedom, 1.0)
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    fourth = (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160
    return z + r * (first + r * (second + r * (third + r * fourth)))


def publishable(effective_n: float, width: float | None) -> State:
    """Whether a figure is worth showing: at least 30 effective rows, and an interval within 30 points.

    >>> publishable(29.0, 0.1), publishable(400.0, 0.1), publishable(40.0, 0.31)
    (<State.INSUFFICIENT: 'insufficient_data'>, <State.OK: 'ok'>, <State.INSUFFICIENT: 'insufficient_data'>)
    """
    if effective_n < FEWEST or (width is not None and width > WIDEST):
        return State.INSUFFICIENT
    return State.OK


def sequence(mean: float, deviation: float, t: float, alpha: float = 0.05) -> tuple[float, float]:
    """The last interval of an asymptotic confidence sequence, from the mean and the deviation of t pseudo-outcomes.

    Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas (Annals of Statistics 2024). Holds at every look, at about
    1.5 times the width of a single one near the length it is tuned for, which must not follow the data.

    >>> [round(x, 3) for x in sequence(0.5, 0.5, 5000)]
    [0.478, 0.522]
    """
    r2 = (-2 * math.log(alpha) + math.log(1 - 2 * math.log(alpha))) / TIGHTEST_AT
    grown = t * r2 + 1
    half = deviation * math.sqrt(2 * grown / (t * t * r2) * math.log(math.sqrt(grown) / alpha))
    return mean - half, mean + half
