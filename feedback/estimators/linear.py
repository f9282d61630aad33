"""Means of what each row would add by its true class: many questions to the same labels, a few passes each.

The model-assisted estimator of `measure` where the number of rows is known, so that nothing has to be
linearised: docs/statistics.md, the mean of any table. Tables and beliefs are (K, N), classes first.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from feedback.estimators.intervals import Z95, Estimate, State, publishable, shrunk, student, wilson
from feedback.estimators.metrics import Flags, Floats, Integers
from feedback.estimators.ratio import FEWEST_FOR_TUNING
from feedback.estimators.rows import UNKNOWN

NOTHING = 1e-12


@dataclass(frozen=True)
class Evidence:
    """N rows and what is known of their true class.

    ``beliefs`` (K, N) the model's probabilities, ``labels`` (N,) class indexes, -1 where unknown, ``seen``
    (N,) the probability q with which a row's label is known by now.
    """

    beliefs: Floats
    labels: Integers
    seen: Floats

    def __len__(self) -> int:
        return int(self.labels.size)

    @property
    def known(self) -> Flags:
        return np.asarray(self.labels != UNKNOWN)

    def where(self, keep: Flags) -> Evidence:
        return Evidence(self.beliefs[:, keep], self.labels[keep], self.seen[keep])

    def guess(self, table: Floats) -> Floats:
        """What the model expects each row to add, (N,)."""
        return np.asarray(np.einsum("kn,kn->n", self.beliefs, table))


@dataclass(frozen=True)
class Figure:
    """A mean as labels tell it, and as the model's own word has it; the word is None without any row."""

    estimate: Estimate
    guess: float | None

    @property
    def measured(self) -> bool:
        return self.estimate.state is State.OK

    @property
    def value(self) -> float | None:
        """What to show: the estimate where there is one, else the model's word."""
        return self.estimate.point if self.measured else self.guess


def mean(evidence: Evidence, table: Floats, *, proportion: bool = False) -> Figure:
    """The mean of ``table[true class of i, i]`` over all rows.

    ``proportion``: entries are at least 0 and the interval is Wilson's, of the mean as a share of the most that
    it can be; else it is Student's. Rows whose entries are all equal need no label. Where a row that does had
    no chance of one the state is `State.UNSUPPORTED`.

    >>> evidence = Evidence(np.full((2, 4), 0.5), np.array([0, 0, 1, -1]), np.array([1.0, 1.0, 1.0, 0.0]))
    >>> found = mean(evidence, np.array([[0.0, 1.0, 0.0, 3.0], [1.0, 0.0, 1.0, 3.0]]))
    >>> found.estimate.point, found.estimate.standard_error, found.guess
    (1.25, 0.0, 1.125)
    """
    n, labels = len(evidence), int(evidence.known.sum())
    if n == 0:
        return Figure(Estimate(None, None, None, None, 0.0, State.INSUFFICIENT), None)
    guess = evidence.guess(table)
    word = float(guess.mean())
    doubtful = np.any(np.abs(table - table[0]) > NOTHING, axis=0)
    q = evidence.seen
    unsupported = float(np.mean(doubtful & (q <= 0)))
    if unsupported:
        nothing = Estimate(None, None, None, None, 0.0, State.UNSUPPORTED, labels=labels, unsupported_share=unsupported)
        return Figure(nothing, word)
    rows = np.flatnonzero(doubtful & evidence.known)
    if rows.size == 0 and doubtful.any():
        return Figure(Estimate(None, None, None, None, 0.0, State.INSUFFICIENT, labels=labels), word)
    if rows.size == 0:
        return Figure(Estimate(word, word, word, 0.0, float(n), State.OK, labels=labels), word)
    weight = 1.0 / q[rows]
    b0, b1, fitted = tuned(guess[rows], table[evidence.labels[rows], rows], weight * (weight - 1.0))
    h = np.where(doubtful, b0 + b1 * guess, table[0])
    residual = table[evidence.labels[rows], rows] - h[rows]
    point = (float(h.sum()) + _sum(weight, residual)) / n
    kish = float(weight.sum()) ** 2 / _sum(weight, weight)
    # Residuals of a line through the same labels are too small by the parameters that were fitted.
    sampled = _sum(weight * (weight - 1.0), residual, residual) * max(kish, 1.0) / max(kish - fitted, 1.0)
    odds = np.where(doubtful, 1.0 / np.where(doubtful, q, 1.0) - 1.0, 0.0)
    spread = np.maximum(evidence.guess(table * table) - guess**2, 0.0)
    modelled = _sum(odds, spread + (guess - h) ** 2)
    error = max(sampled, modelled) ** 0.5 / n
    most = float(table.max(axis=0).mean()) if proportion else None
    return Figure(_interval(point, error, n, kish, labels, most), word)


def tuned(guess: Floats, truth: Floats, weight: Floats) -> tuple[float, float, int]:
    """Intercept and slope of the weighted regression of the truth on its guess, and how many of the two were fitted.

    The guess itself, (0, 1), where too few rows have weight.

    >>> tuned(np.array([0.0, 1.0] * 10), np.array([1.0, 3.0] * 10), np.ones(20))
    (1.0, 2.0, 2)
    """
    if np.count_nonzero(weight) < FEWEST_FOR_TUNING:
        return 0.0, 1.0, 0
    share = weight / weight.sum()
    mean_x, mean_y = _sum(share, guess), _sum(share, truth)
    across = _sum(share, guess - mean_x, guess - mean_x)
    if across <= NOTHING:
        return mean_y, 0.0, 1
    slope = _sum(share, guess - mean_x, truth - mean_y) / across
    return mean_y - slope * mean_x, slope, 2


def shares_of_total(evidence: Evidence, table: Floats, parts: Iterable[Floats]) -> list[Figure]:
    """sum(part * table) / sum(table) for each part (N,) in [0, 1]: the share of a total that lies in it.

    The interval is that of the linearised ratio, cut to [0, 1]. No estimate where the total is nothing.
    """
    below = mean(evidence, table)
    return [_share_of(evidence, table, part, below) for part in parts]


def _share_of(evidence: Evidence, table: Floats, part: Floats, below: Figure) -> Figure:
    above = mean(evidence, table * part)
    word = above.guess / below.guess if above.guess is not None and below.guess else None
    top, bottom = above.estimate.point, below.estimate.point
    if top is None or bottom is None or bottom <= NOTHING:
        state = State.INSUFFICIENT if below.measured else below.estimate.state
        return Figure(Estimate(None, None, None, None, 0.0, state, labels=below.estimate.labels), word)
    ratio = top / bottom
    error = (mean(evidence, table * (part - ratio)).estimate.standard_error or 0.0) / bottom
    ratio = min(1.0, max(0.0, ratio))
    low, high = max(0.0, ratio - Z95 * error), min(1.0, ratio + Z95 * error)
    # The part may hold much less evidence than the whole.
    effective = min(above.estimate.effective_n, below.estimate.effective_n)
    state = publishable(effective, high - low)
    found = Estimate(ratio, low, high, error, effective, state, labels=below.estimate.labels)
    return Figure(found, word)


def _sum(*columns: Floats) -> float:
    """The sum of the products of columns; without the threads of a matrix product, which cost more than it."""
    return float(np.einsum(",".join(["n"] * len(columns)) + "->", *columns))


def _interval(point: float, error: float, n: int, kish: float, labels: int, most: float | None) -> Estimate:
    """Wilson's of ``point / most`` times ``most``, Student's where that is None."""
    if most is None:
        half = student(kish - 1) * error
        return Estimate(point, point - half, point + half, error, kish, publishable(kish, None), labels=labels)
    # Entries far below 1 have a mean far below 1: a share pulled towards one half of all rows would be pulled up,
    # and what it is known to with it.
    share = min(1.0, max(0.0, point / most))
    size = float(n)
    if error > NOTHING:
        # Pulled, so that no error among the labels keeps a variance; but never worth more rows for being pulled.
        pulled, variance = shrunk(share, kish), (error / most) ** 2
        size = min(pulled * (1 - pulled) / variance, max(kish, share * (1 - share) / variance))
    low, high = (most * end for end in wilson(share, size, student(kish - 1)))
    return Estimate(most * share, low, high, error, kish, publishable(kish, high - low), labels=labels)
