"""Delays by the week in which the waiting began, with what still waits as censored."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from feedback.delays.curves import Curve, kaplan_meier, reached

WEEK = 7 * 86_400
# 1970 began on a Thursday; weeks begin on Mondays.
_MONDAY = 4 * 86_400


@dataclass(frozen=True)
class Cohort:
    """One week: ``begin`` (seconds since 1970), rows, how many have ended, Kaplan-Meier points in seconds."""

    begin: float
    n: int
    ended: int
    p50: float | None
    p90: float | None
    curve: Curve


def cohorts(began: ArrayLike, seconds: ArrayLike, ended: ArrayLike) -> list[Cohort]:
    """A Kaplan-Meier curve for each week, oldest first.

    ``began`` (N,) in seconds since 1970, ``seconds`` (N,) the delay of a row that has ended and the age of one
    that has not, ``ended`` (N,) which of them has. A point that a curve has not reached yet is None.

    >>> [(week.n, week.ended, week.p50, week.p90) for week in cohorts([0, 1, 2], [5.0, 9.0, 2.0], [True, False, True])]
    [(3, 2, 5.0, None)]
    """
    start, delays = np.asarray(began, dtype=np.float64), np.asarray(seconds, dtype=np.float64)
    done = np.asarray(ended, dtype=bool)
    number = np.floor((start - _MONDAY) / WEEK)
    found = []
    for week in np.unique(number):
        rows = number == week
        curve = kaplan_meier(delays[rows], done[rows])
        points = reached(curve, 0.5), reached(curve, 0.9)
        found.append(Cohort(float(week * WEEK + _MONDAY), int(rows.sum()), int(done[rows].sum()), *points, curve))
    return found
