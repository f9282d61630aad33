"""Delays as exact counts between fixed edges: histograms of parts add up to that of the whole."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from feedback.delays.curves import Curve

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

# Twenty cells a decade from a millisecond to ten years, in seconds; what is beyond has a cell at either end.
EDGES: Floats = 10.0 ** (np.arange(-60, 171) / 20)
CELLS = len(EDGES) + 1
QUANTILES = (0.5, 0.9, 0.99)


@dataclass(frozen=True)
class Histogram:
    """``counts`` (CELLS,): cell i is [EDGES[i - 1], EDGES[i]). The least and the greatest delay are exact."""

    counts: Integers
    least: float = np.inf
    most: float = -np.inf

    @property
    def n(self) -> int:
        return int(self.counts.sum())

    @classmethod
    def of(cls, seconds: ArrayLike) -> Histogram:
        """The histogram of delays (N,).

        >>> Histogram.of([1.0, 1.01, 70.0]).n
        3
        """
        delays = np.asarray(seconds, dtype=np.float64)
        if delays.size == 0:
            return cls(np.zeros(CELLS, dtype=np.int64))
        cells = np.searchsorted(EDGES, delays, side="right")
        return cls(np.bincount(cells, minlength=CELLS).astype(np.int64), float(delays.min()), float(delays.max()))

    def filled(self) -> tuple[Integers, Floats, Floats]:
        """The cells that hold something, with their ends, which no delay lies beyond."""
        cells = np.flatnonzero(self.counts)
        ends = np.concatenate([[-np.inf], EDGES, [np.inf]])
        return cells, np.maximum(ends[cells], self.least), np.minimum(ends[cells + 1], self.most)


def together(parts: Iterable[Histogram]) -> Histogram:
    """The histogram of all the delays of some histograms.

    >>> whole = together([Histogram.of([1.0]), Histogram.of([4.0, 9.0])])
    >>> whole.n, whole.least, whole.most
    (3, 1.0, 9.0)
    """
    counts, least, most = np.zeros(CELLS, dtype=np.int64), np.inf, -np.inf
    for one in parts:
        counts += one.counts
        least, most = min(least, one.least), max(most, one.most)
    return Histogram(counts, least, most)


def quantiles(delays: Histogram) -> dict[str, float | int | None]:
    """Count, median, 90th and 99th percentile and maximum, in seconds; None where nothing happened yet.

    Inside a cell delays count as spread evenly, so a percentile is off by a cell's width at most, an eighth of it.

    >>> quantiles(Histogram.of([2.0, 2.0, 2.0]))
    {'n': 3, 'p50': 2.0, 'p90': 2.0, 'p99': 2.0, 'max': 2.0}
    """
    if not delays.n:
        return {"n": 0, "p50": None, "p90": None, "p99": None, "max": None}
    cells, low, high = delays.filled()
    share = np.cumsum(delays.counts[cells]) / delays.n
    p50, p90, p99 = (round(_crossing(low, high, share, q) or 0.0, 6) for q in QUANTILES)
    return {"n": delays.n, "p50": p50, "p90": p90, "p99": p99, "max": delays.most}


def empirical(delays: Histogram) -> Curve:
    """The distribution of delays that have all ended, with a step at the upper end of each cell.

    >>> curve = empirical(Histogram.of([3.0, 1.0, 3.0]))
    >>> curve.seconds.round(3).tolist(), curve.share.round(3).tolist()
    ([1.122, 3.0], [0.333, 1.0])
    """
    cells, _, high = delays.filled()
    return Curve(high, np.asarray(np.cumsum(delays.counts[cells]) / max(delays.n, 1), dtype=np.float64))


@dataclass(frozen=True)
class Waiting:
    """Some rows of which some have ended: the share that has by each time; points in seconds, None if not reached."""

    n: int
    ended: int
    p50: float | None
    p90: float | None
    curve: Curve


def life_table(ended: Histogram, ages: ArrayLike) -> Waiting:
    """Kaplan and Meier (1958) for delays that are counted by cell, with those that still wait at ``ages`` (M,).

    The life table of Cutler and Ederer (1958): of rows that left a cell's interval waiting, half were at risk in it.
    Valid only where pending rows are no slower than ended ones of the same age.

    >>> found = life_table(Histogram.of([1.0, 2.0, 4.0]), [2.5])
    >>> found.curve.share.tolist(), found.ended, found.n
    ([0.25, 0.5, 1.0], 3, 4)
    """
    open_ages = np.sort(np.asarray(ages, dtype=np.float64))
    cells, low, high = ended.filled()
    counts = ended.counts[cells]
    left = np.searchsorted(open_ages, low, side="left")
    inside = np.searchsorted(open_ages, high, side="left") - left
    at_risk = ended.n - (np.cumsum(counts) - counts) + open_ages.size - left - inside / 2
    share = np.asarray(1.0 - np.cumprod(1.0 - counts / np.maximum(at_risk, counts)), dtype=np.float64)
    p50, p90 = (_crossing(low, high, share, q) for q in (0.5, 0.9))
    return Waiting(ended.n + open_ages.size, ended.n, p50, p90, Curve(high, share))


def _crossing(low: Floats, high: Floats, share: Floats, wanted: float) -> float | None:
    """Where a curve that rises evenly inside its cells reaches a share; None where it ends before."""
    places = np.flatnonzero(share >= wanted - 1e-12)
    if not places.size:
        return None
    place = int(places[0])
    before = float(share[place - 1]) if place else 0.0
    part = (wanted - before) / (float(share[place]) - before)
    return float(low[place] + (high[place] - low[place]) * min(part, 1.0))
