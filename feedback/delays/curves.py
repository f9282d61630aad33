"""How long things take as curves: Kaplan-Meier where some are still waiting, Lynden-Bell where some are cut off."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Curve:
    """A step function: ``share`` have arrived within ``seconds``."""

    seconds: Floats
    share: Floats

    def at(self, seconds: float) -> float:
        """The share that has arrived within that time; 0 before the first step.

        >>> Curve(np.array([1.0, 5.0]), np.array([0.5, 1.0])).at(2.0)
        0.5
        """
        place = int(np.searchsorted(self.seconds, seconds, side="right"))
        return float(self.share[place - 1]) if place else 0.0


def kaplan_meier(seconds: ArrayLike, ended: ArrayLike) -> Curve:
    """Kaplan and Meier (1958): the share that has ended by each time, counting the pending ones.

    ``seconds`` is the delay of a row that has ended and the age of one that has not. Valid only where
    pending rows are no slower than ended ones of the same age.

    >>> curve = kaplan_meier([1.0, 2.0, 2.0, 4.0], [True, True, False, True])
    >>> curve.seconds.tolist(), curve.share.tolist()
    ([1.0, 2.0, 4.0], [0.25, 0.5, 1.0])
    """
    times = np.asarray(seconds, dtype=np.float64)
    done = np.asarray(ended, dtype=bool)
    steps = np.unique(times[done])
    order = np.sort(times)
    at_risk = times.size - np.searchsorted(order, steps, side="left")
    ended_there = np.searchsorted(np.sort(times[done]), steps, side="right") - np.searchsorted(
        np.sort(times[done]), steps, side="left"
    )
    waiting = np.cumprod(1.0 - ended_there / np.maximum(at_risk, 1))
    return Curve(steps, np.asarray(1.0 - waiting, dtype=np.float64))


def truncated(seconds: ArrayLike, limit: ArrayLike) -> Curve:
    """Lynden-Bell (1971): the distribution of delays of which only those within their own ``limit`` are seen.

    The Kaplan-Meier estimator in reversed time, and the empirical distribution where no limit cuts anything off.
    It is relative to what arrives within the time at which half of the rows are cut off: there is little to tell
    about what lies beyond, and one row would move all.

    >>> truncated([1.0, 2.0, 3.0], [9.0, 9.0, 9.0]).share.round(3).tolist()
    [0.333, 0.667, 1.0]
    >>> truncated([1.0, 1.0, 2.0], [1.5, 9.0, 9.0]).share.tolist()
    [0.5, 1.0]
    """
    delays, limits = np.asarray(seconds, dtype=np.float64), np.asarray(limit, dtype=np.float64)
    steps, counts = np.unique(delays, return_counts=True)
    ended = np.cumsum(counts)
    at_risk = ended - np.searchsorted(np.sort(limits), steps, side="left")
    kept = np.where(at_risk >= ended / 2, 1.0 - counts / np.maximum(at_risk, 1), 1.0)
    after = np.cumprod(np.concatenate([[1.0], kept[::-1]]))[:-1][::-1]
    return Curve(steps, np.asarray(after, dtype=np.float64))


def thinned(curve: Curve, points: int = 50) -> list[dict[str, float]]:
    """The curve as at most ``points`` steps for a chart or an answer, last one included.

    >>> thinned(Curve(np.array([1.0, 2.0, 3.0]), np.array([0.2, 0.6, 1.0])), points=2)
    [{'seconds': 1.0, 'share': 0.2}, {'seconds': 3.0, 'share': 1.0}]
    """
    if curve.seconds.size == 0:
        return []
    places = np.unique(np.linspace(0, curve.seconds.size - 1, min(points, curve.seconds.size)).round().astype(int))
    return [{"seconds": float(curve.seconds[i]), "share": float(curve.share[i])} for i in places]


def reached(curve: Curve, share: float) -> float | None:
    """The time by which that share has arrived, in seconds; None where the curve ends before.

    >>> reached(Curve(np.array([1.0, 5.0]), np.array([0.4, 0.9])), 0.5)
    5.0
    """
    places = np.flatnonzero(curve.share >= share - 1e-12)
    return float(curve.seconds[places[0]]) if places.size else None
