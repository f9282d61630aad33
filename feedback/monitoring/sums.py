"""What a day of predictions adds to every figure, by cell; the sums of any span are sums of these."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import msgspec
import numpy as np

from feedback.estimators import METRICS, Outputs, reliability
from feedback.estimators.questions import HEADLINES, questions
from feedback.estimators.rows import Rows
from feedback.estimators.stacks import Layout
from feedback.monitoring import cells
from feedback.monitoring.population import UNKNOWN, Flags, Floats, Population, costs_of, positive_of
from models_registry.models import RegisteredModel

# Part of what makes stored sums comparable: raise it when their meaning changes.
FORMAT = 2
COUNTS = (
    "predictions", "none", "gate", "audit", "labelled_gate", "labelled_audit", "manual", "unsupported", "both",
    "conflicts", "proceed", "withdrawn", "withdrawn_labelled",
)  # fmt: skip
SIDES = ("worst", "best")


@dataclass(frozen=True)
class Stack:
    """Sums (C, W) of C cells by key."""

    keys: list[tuple[Any, ...]]
    sums: Floats

    def where(self, keep: Callable[[tuple[Any, ...]], bool]) -> Stack:
        places = [place for place, key in enumerate(self.keys) if keep(key)]
        return Stack([self.keys[place] for place in places], self.sums[places])


@dataclass(frozen=True)
class Sums:
    """One day. The first of every key is the version.

    ``everyone`` and ``labelled`` by the cells of `cells`; the first ends with the sums of p_gate and propensity and
    with the bins of the score, the second with the confusion matrix, raw and by weight, and the bins of labels.
    ``lost`` (version, day of routing, kind, side): what drawn rows without a label would add. ``outcomes`` (version,
    proceeded or not): both halves of the figures of outcomes. ``truth`` (version): above and below the line.
    """

    everyone: Stack
    labelled: Stack
    lost: Stack
    outcomes: Stack
    counts: Stack
    truth: Stack

    def of_version(self, version: int | None) -> Sums:
        if version is None:
            return self
        return Sums(*(getattr(self, name).where(lambda key: key[0] == version) for name in NAMES))

    def to_bytes(self) -> bytes:
        parts = {}
        for name in NAMES:
            stack: Stack = getattr(self, name)
            parts[name] = [stack.keys, list(stack.sums.shape), np.ascontiguousarray(stack.sums).tobytes()]
        return msgspec.msgpack.encode(parts)

    @classmethod
    def from_bytes(cls, stored: bytes | memoryview) -> Sums:
        found = {}
        for name, (keys, shape, sums) in msgspec.msgpack.decode(stored).items():
            found[name] = Stack([tuple(key) for key in keys], np.frombuffer(sums, dtype=np.float64).reshape(shape))
        return cls(**found)


NAMES = ("everyone", "labelled", "lost", "outcomes", "counts", "truth")


class Shape:
    """How the sums of one model are laid out: which questions, in which columns."""

    def __init__(self, model: RegisteredModel) -> None:
        self.classes, self.positive = len(model.classes), positive_of(model)
        self.layout = Layout(questions(self.classes, self.positive))
        self.of_outcomes = Layout(tuple(one for one in self.layout.questions if one.name in METRICS))
        self.truths = sum(one.parts for one in self.layout.questions if one.name in HEADLINES)
        facts = [FORMAT, model.classes, self.positive, costs_of(model).tolist()]
        #: changes where stored sums would no longer mean the same
        self.basis = msgspec.json.encode(facts).decode()

    @cached_property
    def nothing(self) -> Sums:
        k, bins = self.classes, reliability.CELLS
        widths = {
            "everyone": self.layout.everyone + 2 + bins * len(reliability.OF_ROWS),
            "labelled": self.layout.labelled + 2 * k * k + bins * len(reliability.OF_LABELS),
            "lost": self.layout.labelled,
            "outcomes": self.of_outcomes.everyone + self.of_outcomes.labelled,
            "counts": len(COUNTS),
            "truth": 2 * self.truths,
        }
        return Sums(**{name: Stack([], np.zeros((0, width))) for name, width in widths.items()})

    def of_everyone(self, outputs: Outputs, rows: Population, comes: Floats | None = None) -> Floats:
        sums = self.layout.of_everyone(outputs, Rows(rows.label, rows.propensity, rows.drawn, None, comes))
        ways = [rows.p_gate.sum(), rows.propensity.sum()]
        bins = reliability.of_rows(self._score(outputs))
        return np.concatenate([sums, ways, bins.ravel()])

    def of_labels(self, outputs: Outputs, rows: Population, came: Floats | None = None) -> Floats:
        sums = self.layout.of_labels(outputs, Rows(rows.label, rows.propensity, rows.drawn, came))
        weight = 1 / (rows.propensity if came is None else rows.propensity * came)
        pairs = rows.predicted * self.classes + rows.label
        confusion = [np.bincount(pairs, w, self.classes**2) for w in (np.ones(len(rows)), weight)]
        true = rows.label == (rows.predicted if self.positive is None else self.positive)
        bins = reliability.of_labels(self._score(outputs), true.astype(np.int64), weight)
        return np.concatenate([sums, *confusion, bins.ravel()])

    def outcomes(self, outputs: Outputs, rows: Population) -> Floats:
        certain = Rows(rows.outcome, np.ones(len(rows)), np.zeros(len(rows), dtype=bool))
        layout = self.of_outcomes
        return np.concatenate([layout.of_everyone(outputs, certain), layout.of_labels(outputs, certain)])

    def truth(self, outputs: Outputs, rows: Population) -> Floats:
        """Of rows whose true class is known: what stands above and below the line of each headline."""
        every, left, found = np.arange(len(rows)), ~rows.drawn, []
        for question in self.layout.questions:
            if question.name in HEADLINES:
                kept = left if question.name == HEADLINES[-1] else np.ones(len(rows), dtype=bool)
                for ratio in question.ratios(outputs):
                    found += [table[every, rows.truth][kept].sum() for table in (ratio.numerator, ratio.denominator)]
        return np.array(found)

    def _score(self, outputs: Outputs) -> Floats:
        """What is calibrated: the score of the positive class, with more than two classes that of the answer."""
        if self.positive is not None:
            return outputs.scores[:, self.positive]
        return np.asarray(outputs.scores[np.arange(len(outputs.predicted)), outputs.predicted], dtype=np.float64)


def summed(model: RegisteredModel, shape: Shape, rows: Population, withdrawn: Floats) -> Sums:
    """The sums of some predictions of one day, and of those withdrawn (M, 3)."""
    outputs, empty = rows.outputs(model), shape.nothing

    def stack(name: str, keys: Sequence[Hashable], which: Flags, of: Callable[[Outputs, Population], Floats]) -> Stack:
        some = np.flatnonzero(which)
        places: dict[Any, list[int]] = {}
        for place, key in zip(some.tolist(), keys, strict=True):
            places.setdefault(key, []).append(place)
        found = []
        for here in places.values():
            kept = np.zeros(len(rows), dtype=bool)
            kept[here] = True
            found.append(of(outputs.part(kept), rows.where(kept)))
        return Stack(list(places), np.array(found)) if found else getattr(empty, name)

    known, told, true = rows.label != UNKNOWN, rows.outcome != UNKNOWN, rows.truth != UNKNOWN
    proceeded = (rows.disposition == "proceed").astype(int)
    return Sums(
        everyone=stack("everyone", cells.everyone(rows), np.ones(len(rows), dtype=bool), shape.of_everyone),
        labelled=stack("labelled", cells.labelled(rows.where(known)), known, shape.of_labels),
        lost=lost(shape, outputs, rows),
        outcomes=stack(
            "outcomes", list(zip(rows.version[told].tolist(), proceeded[told].tolist(), strict=True)), told,
            shape.outcomes,
        ),
        counts=counts(rows, withdrawn),
        truth=stack("truth", [(version,) for version in rows.version[true].tolist()], true, shape.truth),
    )  # fmt: skip


def lost(shape: Shape, outputs: Outputs, rows: Population) -> Stack:
    """What drawn rows without a label would add, by version, day of routing, kind and side."""
    waiting = np.flatnonzero(rows.drawn & (rows.label == UNKNOWN) & ~rows.manual)
    day = cells.day_of(rows.routed)
    places: dict[tuple[int, int, str], list[int]] = {}
    for place in waiting.tolist():
        places.setdefault((int(rows.version[place]), int(day[place]), rows.review[place]), []).append(place)
    keys, sums = [], []
    for key, here in places.items():
        kept = np.zeros(len(rows), dtype=bool)
        kept[here] = True
        keys += [(*key, side) for side in SIDES]
        sums += list(shape.layout.of_lost(outputs.part(kept), rows.propensity[kept]))
    return Stack(keys, np.array(sums)) if keys else shape.nothing.lost


def counts(rows: Population, withdrawn: Floats) -> Stack:
    known = rows.label != UNKNOWN
    columns = [np.ones(len(rows), dtype=bool), *(rows.review == kind for kind in ("none", "gate", "audit"))]
    columns += [(rows.review == kind) & known for kind in cells.KINDS]
    columns += [rows.manual, rows.propensity <= 0, rows.conflict != UNKNOWN, rows.conflict == 1]
    columns += [rows.disposition == "proceed"]
    table = np.array(columns, dtype=np.float64)
    versions = sorted({*rows.version.tolist(), *withdrawn[:, 0].astype(int).tolist()})
    found = np.zeros((len(versions), len(COUNTS)))
    for place, version in enumerate(versions):
        gone = withdrawn[withdrawn[:, 0] == version]
        found[place] = [*table[:, rows.version == version].sum(axis=1), len(gone), gone[:, 2].sum()]
    return Stack([(version,) for version in versions], found)
