"""Sums of many cells as two matrices, and the totals of all of them at once.

What a row adds before its label is known goes by the chance that a label comes (``everyone``); what its label
adds goes by the chance that this one has come (``labelled``). Kept apart, each cell holds half as many numbers.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from feedback.estimators.arrival import Totals
from feedback.estimators.metrics import AUTO_ACCEPTED_ERROR, Floats, Outputs
from feedback.estimators.questions import HEADLINES, Question
from feedback.estimators.rows import UNKNOWN, Rows, lost_moments, sums_of
from feedback.estimators.sums import SUMS, SYMMETRIC, nothing
from feedback.raters import Confusion

# Rows whose tables are held at once.
CHUNK = 20_000
_OF_LABELS = ("seen", "weighed", "reviewed1", "reviewed2")


@dataclass(frozen=True)
class Layout:
    """Where the sums of each question stand in the columns of ``everyone`` and of ``labelled``."""

    questions: tuple[Question, ...]

    @property
    def everyone(self) -> int:
        return sum(len(_places(question.parts)[0]) for question in self.questions)

    @property
    def labelled(self) -> int:
        return sum(len(_places(question.parts)[1]) for question in self.questions)

    def of_everyone(self, outputs: Outputs, rows: Rows) -> Floats:
        """What these rows add whatever their labels say."""
        blind = Rows(np.full(rows.labels.size, UNKNOWN), rows.propensity, rows.drawn, None, rows.arrival_of_all)
        return self._summed(outputs, blind, 0)

    def of_labels(self, outputs: Outputs, rows: Rows, reviewers: Confusion | None = None) -> Floats:
        """What the labels of these rows add, all of which are labelled; with ``reviewers`` what they are worth."""
        return self._summed(outputs, rows, 1, reviewers)

    def _summed(self, outputs: Outputs, rows: Rows, half: int, reviewers: Confusion | None = None) -> Floats:
        found = [np.zeros(len(_places(question.parts)[half])) for question in self.questions]
        for start in range(0, rows.labels.size, CHUNK):
            piece = slice(start, start + CHUNK)
            some, part = outputs.part(piece), rows.part(piece)
            for place, question in enumerate(self.questions):
                sums = sums_of(question.metric, some.beliefs, question.ratios(some), part, reviewers)
                found[place] += np.array(sums.to_list())[_places(question.parts)[half]]
        return np.concatenate(found)

    def of_lost(self, outputs: Outputs, propensity: Floats) -> tuple[Floats, Floats]:
        """What labels that will never come would add at worst and at best, for `nonresponse_bounds`."""
        worst, best = (np.zeros(self.labelled) for _ in range(2))
        start = 0
        for question in self.questions:
            places = _places(question.parts)[1]
            if question.name in HEADLINES:
                for whole, sums in zip((worst, best), lost_moments(question.name, outputs, propensity), strict=True):
                    whole[start : start + len(places)] = np.array(sums.to_list())[places]
            start += len(places)
        return worst, best

    def totals(
        self, everyone: Floats, comes: Floats, labelled: Floats, came: Floats, names: Container[str] | None = None
    ) -> dict[str, Totals]:
        """The totals of every question, or of those named: cells (C, `everyone`) with the chance (C,) that a label
        comes, and cells (D, `labelled`) with the chance (D,) that theirs has come; no cells are no population."""
        late = np.asarray(came < 1, dtype=np.float64)
        first = np.stack([np.ones_like(comes), 1 / comes, (1 - comes) / comes])
        second = np.stack([np.ones_like(came), 1 / came, 1 / came**2, (1 - came) / came**2, late])
        found, a, b = {}, 0, 0
        for question in self.questions:
            left, right = (len(half) for half in _places(question.parts))
            if names is None or question.name in names:
                halves = first @ everyone[:, a : a + left], second @ labelled[:, b : b + right]
                found[question.name] = _totals(question, *halves)
            a, b = a + left, b + right
        return found


def _totals(question: Question, everyone: Floats, labelled: Floats) -> Totals:
    parts = question.parts
    plain, over, beside = (_Fields(parts, 0, row) for row in everyone)
    one, by, square, unsure, late = (_Fields(parts, 1, row) for row in labelled)
    counts = plain.counts + one.counts
    if question.metric == AUTO_ACCEPTED_ERROR:
        squares, variance = square.reviewed2, square.reviewed2 + by.reviewed1
        model, spread = over.model1 + plain.model0, over.spread1 + plain.spread0
    else:
        squares, variance = square.reviewed2 + square.reviewed1, square.reviewed2 + unsure.reviewed1
        model, spread = over.model1 + beside.model0, over.spread1 + beside.spread0
        # Where labels may be late none is certain to be known, so all have weight in the fit.
        counts[4] += late.counts[3] - late.counts[4]
    return Totals(
        question.metric,
        counts=counts,
        guess=plain.guess,
        seen=one.seen,
        weighed=np.column_stack([by.weighed[:, 0], square.weighed[:, 1]]),
        least=plain.least,
        greatest=plain.greatest,
        first=by.reviewed1,
        square=squares,
        variance=variance,
        target=plain.target,
        certain=plain.certain,
        model=model,
        spread=spread,
    )


class _Fields:
    """The sums of one half by name, read from its columns; what belongs to the other half is 0."""

    def __init__(self, parts: int, half: int, columns: Floats) -> None:
        self._parts, self._whole = parts, np.zeros(_length(parts))
        self._whole[_places(parts)[half]] = columns

    def __getattr__(self, name: str) -> Floats:
        start, stop, shape = _shapes(self._parts)[name]
        cells = self._whole[start:stop]
        if name not in SYMMETRIC:
            return cells.reshape(shape).copy()
        found = np.zeros(shape)
        upper = _upper(shape[0])
        found[upper] = cells
        found.T[upper] = cells
        return found


@cache
def _shapes(parts: int) -> dict[str, tuple[int, int, tuple[int, ...]]]:
    """Where each sum stands in the flat list of `Moments`, and its shape."""
    empty, found, start = nothing("accuracy", parts), {}, 0
    for name in SUMS:
        cell = getattr(empty, name)
        size = len(cell) * (len(cell) + 1) // 2 if name in SYMMETRIC else cell.size
        found[name] = start, start + size, cell.shape
        start += size
    return found


@cache
def _upper(size: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    return np.triu_indices(size)


def _length(parts: int) -> int:
    return max(stop for _, stop, _ in _shapes(parts).values())


@cache
def _places(parts: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The places in the flat list of `Moments` of both halves; the second and the last two counts are of labels."""
    labels = {1, 3, 4} | {place for name in _OF_LABELS for place in range(*_shapes(parts)[name][:2])}
    rest = [place for place in range(_length(parts)) if place not in labels]
    return np.array(rest, dtype=np.intp), np.array(sorted(labels), dtype=np.intp)
