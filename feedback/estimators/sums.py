"""Sums over rows from which every estimate follows, so that figures of any span are sums of stored sums.

An influence (A - theta B) / D is linear in (A, B) whatever theta and D turn out to be, so its sums, squares
and regressions are bilinear forms of sums of products of each row's A and B. The chance that a label has
arrived changes after the row is stored; so the sums hold powers of the propensity alone, and `totals`
brings the arrival probability in afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from feedback.estimators.metrics import Floats


@dataclass(frozen=True)
class Moments:
    """Sums over rows for one metric of R ratios (one, or one per class); they add.

    A reviewed row's vector is f = (1, E[A], E[B], A - E[A], B - E[B]) with E the model's guess, of length
    1 + 4R; any row's is g = (1, E[A], E[B]). A row is certain where neither A nor B depends on its class,
    and unsupported where its propensity is 0; ``reviewed``, ``target``, ``model`` and ``spread`` are over the
    others. The weights r, m and u are told in `rows`.
    """

    metric: str
    #: rows, labels, unsupported rows of the population, labels of uncertain rows, those with propensity < 1
    counts: Floats
    #: (R, 2) E[A], E[B] over the whole population
    guess: Floats
    #: (R, 3) A, B, A^2 over labelled rows, unweighted
    seen: Floats
    #: (R, 2) r B and (r B)^2 over labelled rows, for Kish's effective size
    weighed: Floats
    #: (R, 2) A and B over unsupported rows if each were of the class that lowers, or raises, the ratio most
    least: Floats
    greatest: Floats
    #: (1 + 4R, 1 + 4R) f f' over labelled rows, with weight r1 and r2
    reviewed1: Floats
    reviewed2: Floats
    #: (1 + 2R, 1 + 2R) g g' with weight u over uncertain, then certain rows
    target: Floats
    certain: Floats
    #: (1 + 2R, 1 + 2R) g g' with weight m0 and m1
    model0: Floats
    model1: Floats
    #: (2R, 2R) covariance of (A, B) under the model's scores, with weight m0 and m1
    spread0: Floats
    spread1: Floats

    def __add__(self, other: Moments) -> Moments:
        self._check(other)
        return Moments(self.metric, *(getattr(self, name) + getattr(other, name) for name in SUMS))

    def __sub__(self, other: Moments) -> Moments:
        """What changed, as when a label has come for a row that was summed without it."""
        self._check(other)
        return Moments(self.metric, *(getattr(self, name) - getattr(other, name) for name in SUMS))

    def _check(self, other: Moments) -> None:
        if self.metric != other.metric or self.seen.shape != other.seen.shape:
            raise ValueError(f"sums of {self.metric} and {other.metric} do not add")

    def to_list(self) -> list[float]:
        """The sums as plain numbers, for a database row; of symmetric sums one half."""
        return [float(x) for name in SUMS for x in getattr(self, name)[_places(name, getattr(self, name))]]


SUMS = tuple(field.name for field in fields(Moments))[1:]
SYMMETRIC = SUMS[SUMS.index("reviewed1") :]


def nothing(metric: str, parts: int = 1) -> Moments:
    """The sums over no rows, for a metric of so many ratios.

    >>> len(nothing("accuracy").to_list())
    76
    """
    f, g, t = 1 + 4 * parts, 1 + 2 * parts, 2 * parts
    shapes = [(5,), (parts, 2), (parts, 3), (parts, 2), (parts, 2), (parts, 2)]
    shapes += [(f, f)] * 2 + [(g, g)] * 4 + [(t, t)] * 2
    return Moments(metric, *(np.zeros(shape) for shape in shapes))


def _places(name: str, cell: Floats) -> tuple[NDArray[np.intp], ...]:
    return _upper(len(cell)) if name in SYMMETRIC else np.unravel_index(np.arange(cell.size), cell.shape)


@lru_cache(maxsize=64)
def _upper(size: int) -> tuple[NDArray[np.intp], ...]:
    """Where the upper half of a square is; nobody writes to it."""
    return np.triu_indices(size)
