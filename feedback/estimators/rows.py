"""From rows as they were logged to their sums."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from feedback.estimators.metrics import (
    AUTO_ACCEPTED_ERROR,
    Flags,
    Floats,
    Integers,
    Outputs,
    Ratio,
    needed,
    ratios,
)
from feedback.estimators.sums import Moments, nothing
from feedback.raters import Confusion, unbiased

UNKNOWN = -1
NOTHING = 1e-18
# Numbers held at once, so that they stay in the processor's cache: a macro average has 2 K^2 for each row.
MOST_AT_ONCE = 100_000


@dataclass(frozen=True)
class Rows:
    """N rows as they were logged: ``labels`` -1 where unknown, ``drawn`` for review or not.

    ``arrival`` is the probability that a drawn row's label has arrived, given the row's own review;
    ``arrival_of_all`` the same before it was known whether and how the row would be reviewed. ``screen`` (N,) says
    which gold answers tell how a row's label was given, the class that the model answered where None.
    """

    labels: Integers
    propensity: Floats
    drawn: Flags | None = None
    arrival: Floats | None = None
    arrival_of_all: Floats | None = None
    screen: Integers | None = None

    def __post_init__(self) -> None:
        for cells in (self.propensity, self.arrival, self.arrival_of_all):
            if cells is None:
                continue
            if cells.shape != self.labels.shape:
                raise ValueError("scores are (N, K), labels and propensity (N,)")
            if cells.size and not (cells.min() >= 0 and cells.max() <= 1):
                raise ValueError("a propensity is a probability, and so is arrival")

    def part(self, rows: slice | Flags) -> Rows:
        cells = (self.labels, self.propensity, self.drawn, self.arrival, self.arrival_of_all, self.screen)
        return Rows(*(cell if cell is None else cell[rows] for cell in cells))  # type: ignore[arg-type]


def summed(metric: str, outputs: Outputs, rows: Rows, reviewers: Confusion | None = None) -> Moments:
    """The sums; with ``reviewers`` a label counts what their answer is worth, and the guess stays as it is."""

    def tables(part: slice) -> tuple[Floats, list[Ratio]]:
        some = outputs.part(part)
        return _normalised(some.beliefs), ratios(metric, some)

    parts = len(ratios(metric, outputs.part(slice(0, 0))))
    return _in_pieces(metric, outputs, parts, rows, tables, reviewers)


def sums_of(metric: str, scores: Floats, found: list[Ratio], rows: Rows, reviewers: Confusion | None = None) -> Moments:
    """The sums of given ratios, under the rules of the metric named; with ``reviewers`` the rows need their screen."""
    table = _table(found)
    return _sums(metric, _normalised(scores), table, rows, _seen(_worth(table, rows.screen, reviewers), rows.labels))


def labelled(metric: str, outputs: Outputs, rows: Rows) -> tuple[Outputs, Rows, Floats, Floats]:
    """The n rows with a label: themselves, A and B (2R, K, n) by class, the weight r1 (n,), 0 where unsupported."""
    known = np.asarray(rows.labels != UNKNOWN)
    outputs, rows = outputs.part(known), rows.part(known)
    weights = _weights(metric, rows)
    return outputs, rows, _table(ratios(metric, outputs)), np.where(weights.supported, weights.r1, 0.0)


def lost_moments(metric: str, outputs: Outputs, propensity: Floats) -> tuple[Moments, Moments]:
    """What drawn rows whose label will never come would add, all of the worst and all of the best class.

    The rows themselves stay, unlabelled, in the sums of their population; these are added beside them.
    A macro average takes each class's own worst case, so its bounds hold and may be wider than need be.
    """
    found = []
    p, table = _normalised(outputs.beliefs), _table(ratios(metric, outputs))
    rows = Rows(np.zeros(p.shape[1], dtype=np.int64), propensity, np.ones(p.shape[1], dtype=bool))
    for a, b in _worst(table):
        sums = _sums(metric, p, table, rows, (a, b))
        empty = nothing(metric, len(a))
        kept = ("reviewed1", "reviewed2", "weighed")
        counts = np.array([0.0, 0.0, 0.0, *sums.counts[3:]])
        found.append(replace(empty, counts=counts, **{name: getattr(sums, name) for name in kept}))
    return found[0], found[1]


def _in_pieces(
    metric: str,
    outputs: Outputs,
    parts: int,
    rows: Rows,
    tables: Callable[[slice], tuple[Floats, list[Ratio]]],
    reviewers: Confusion | None = None,
) -> Moments:
    """The sums, piece by piece."""
    n = rows.labels.size
    screens = outputs.predicted if rows.screen is None else rows.screen
    if outputs.scores.ndim != 2 or outputs.scores.shape[0] != n or outputs.predicted.shape != (n,):
        raise ValueError("scores are (N, K), labels and propensity (N,)")
    size = max(1, MOST_AT_ONCE // (2 * parts * outputs.classes))
    found = nothing(metric, parts)
    for start in range(0, n, size):
        piece = slice(start, start + size)
        some = rows.part(piece)
        p, ratio = tables(piece)
        table = _table(ratio)
        answers = _worth(table, screens[piece], reviewers)
        found += _sums(metric, p, table, some, _seen(answers, some.labels))
    return found


def _sums(metric: str, p: Floats, table: Floats, rows: Rows, seen: tuple[Floats, Floats]) -> Moments:
    """The sums of rows with probabilities p (K, n), ``table`` (2R, K, n) of A and B, and their true A and B (R, n)."""
    known, parts = rows.labels != UNKNOWN, len(table) // 2
    w = _weights(metric, rows)
    fixed = np.all(table == table[:, :1], axis=(0, 1))
    guess = np.einsum("kn,mkn->mn", p, table)
    if fixed.any():
        guess = np.where(fixed, table[:, 0], guess)
    a, b = (cell[:, known] for cell in seen)
    rb = (w.r1 * w.supported)[known] * b
    fitted = np.flatnonzero(w.supported & ~fixed & known)
    g = np.vstack([np.ones(p.shape[1]), guess])
    f = np.vstack([g[:, fitted], np.vstack(seen)[:, fitted] - guess[:, fitted]])
    loose, sure = _places(w.supported & ~fixed), _places(w.supported & fixed)
    free, bound = g[:, loose], g[:, sure]
    around = (table[:, :, loose] - guess[:, None, loose]).reshape(2 * parts, -1)
    weight0, weight1 = ((p[:, loose] * m[loose]).ravel() for m in (w.m0, w.m1))
    without = w.u * ~w.supported
    least, greatest = _worst(table) if without.any() else (seen, seen)
    return Moments(
        metric,
        counts=np.array(
            [p.shape[1], known.sum(), without.sum(), fitted.size, w.unsure[fitted].sum()], dtype=np.float64
        ),
        guess=(guess @ w.u).reshape(2, parts).T,
        seen=np.array([a.sum(axis=1), b.sum(axis=1), (a * a).sum(axis=1)]).T,
        weighed=np.array([rb.sum(axis=1), (rb * rb).sum(axis=1)]).T,
        least=np.array([cell @ without for cell in least]).T,
        greatest=np.array([cell @ without for cell in greatest]).T,
        reviewed1=_products(f, w.r1[fitted]),
        reviewed2=_products(f, w.r2[fitted]),
        target=_products(free, w.u[loose]),
        certain=_products(bound, w.u[sure]),
        model0=_products(free, w.m0[loose]),
        model1=_products(free, w.m1[loose]),
        spread0=_products(around, weight0),
        spread1=_products(around, weight1),
    )


def _worth(table: Floats, screen: Integers | None, reviewers: Confusion | None) -> Floats:
    """What a label of each class is worth of a table (2R, K, n): itself, where no gold answers say otherwise."""
    if reviewers is None:
        return table
    if screen is None:
        raise ValueError("labels are corrected by the screen under which they were given")
    return unbiased(table, screen, reviewers)


def _places(kept: Flags) -> slice | NDArray[np.intp]:
    """An index of the rows kept; of all of them one that copies nothing."""
    return slice(None) if kept.all() else np.flatnonzero(kept)


@dataclass(frozen=True)
class _Weights:
    """(n,) each, q = pi G being the probability that the label is known; without arrival, G = 1.

    ``r1`` and ``r2`` are of labelled rows, ``m0`` and ``m1`` of all, ``u`` says who is of the population. For all
    rows: r1 = 1 / q, r2 = (1 - q) / q^2, m0 = u = 1, m1 = (1 - q) / q. For those that were not drawn:
    r1 = (1 - pi) / q, r2 = r1^2, m0 = 1 - pi, m1 = (1 - pi)^2 / q, u = 1 if not drawn. ``supported`` rows could
    have been labelled, the label of ``unsure`` ones has weight in a variance.
    """

    r1: Floats
    r2: Floats
    m0: Floats
    m1: Floats
    u: Floats
    supported: Flags
    unsure: Flags


def _weights(metric: str, rows: Rows) -> _Weights:
    pi, ones = rows.propensity, np.ones(rows.labels.size)
    came = ones if rows.arrival is None else rows.arrival
    comes = came if rows.arrival_of_all is None else rows.arrival_of_all
    supported = (pi * comes > 0) & (pi * came > 0)
    q, q_all = np.where(supported, pi * came, 1.0), np.where(supported, pi * comes, 1.0)
    if metric == AUTO_ACCEPTED_ERROR:
        r1, left = (1 - pi) / q, np.where(needed(rows.drawn), 0.0, 1.0)
        return _Weights(r1, r1 * r1, 1 - pi, (1 - pi) * (1 - pi) / q_all, left, supported, pi < 1)
    return _Weights(1 / q, (1 - q) / (q * q), ones, (1 - q_all) / q_all, ones, supported, q < 1)


def _normalised(scores: Floats) -> Floats:
    """(K, N): each row's scores as probabilities that sum to 1."""
    p = np.ascontiguousarray(scores.T, dtype=np.float64)
    return np.asarray(p / np.maximum(p.sum(axis=0), NOTHING), dtype=np.float64)


def _table(found: list[Ratio]) -> Floats:
    """(2R, K, N): all numerators, then all denominators."""
    return np.stack([ratio.numerator.T for ratio in found] + [ratio.denominator.T for ratio in found])


def _seen(table: Floats, labels: Integers) -> tuple[Floats, Floats]:
    """A and B (R, n) of the true class; of the first one where that is unknown, which no sum reads."""
    picked = table[:, np.maximum(labels, 0), np.arange(labels.size)]
    parts = len(table) // 2
    return picked[:parts], picked[parts:]


def _worst(table: Floats) -> tuple[tuple[Floats, Floats], tuple[Floats, Floats]]:
    """A and B (R, n) of the class that lowers the ratio most, and of the one that raises it most.

    Where B is fixed that is the class of the least A. Where it is not (recall), A is 0 or B and the ratio
    in [0, 1]: A - B / 2 ranks the classes as A - theta B does for every theta in between.
    """
    parts = len(table) // 2
    a, b = table[:parts], table[parts:]
    found = []
    for place in ((a - b / 2).argmin(axis=1), (a - b / 2).argmax(axis=1)):
        at = place[:, None]
        found.append((np.take_along_axis(a, at, 1)[:, 0], np.take_along_axis(b, at, 1)[:, 0]))
    return found[0], found[1]


def _products(x: Floats, weight: Floats) -> Floats:
    """sum of weight x x' over the columns of x; symmetric to the last bit."""
    product = (x * weight) @ x.T
    return np.asarray((product + product.T) / 2, dtype=np.float64)
