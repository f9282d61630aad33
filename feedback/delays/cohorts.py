"""Delays by the week in which the waiting began, with what still waits as censored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from feedback.delays.histogram import Floats, Histogram, Integers, Waiting, life_table

WEEK = 7 * 86_400
# 1970 began on a Thursday; weeks begin on Mondays.
MONDAY = 4 * 86_400


@dataclass(frozen=True)
class Cohort:
    """The rows whose waiting began in the week from ``begin`` on, in seconds since 1970."""

    begin: float
    waiting: Waiting


def week_of(began: ArrayLike) -> Integers:
    """The number of the week of each moment, in seconds since 1970.

    >>> week_of([0, MONDAY, MONDAY + WEEK]).tolist()
    [-1, 0, 1]
    """
    return np.floor((np.asarray(began, dtype=np.float64) - MONDAY) / WEEK).astype(np.int64)


def cohorts(ended: Mapping[int, Histogram], began: Floats, ages: Floats) -> list[Cohort]:
    """A curve for each week, oldest first: delays of what has ended, by the number of the week, and what has not.

    ``began`` (M,) in seconds since 1970 and ``ages`` (M,) are those of the rows that still wait.

    >>> [week] = cohorts({-1: Histogram.of([5.0, 5.0])}, np.array([1.0]), np.array([9.0]))
    >>> week.begin, week.waiting.n, week.waiting.ended, week.waiting.p50
    (-259200.0, 3, 2, 5.0)
    """
    number = week_of(began)
    none = Histogram.of([])
    return [
        Cohort(float(week * WEEK + MONDAY), life_table(ended.get(week, none), ages[number == week]))
        for week in sorted({*ended, *number.tolist()})
    ]
