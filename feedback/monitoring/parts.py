"""The figures' sums over part of a window: stored days, and rows where a day is cut or has changed."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from feedback.estimators import Outputs, Totals, reliability
from feedback.estimators.questions import HEADLINES
from feedback.monitoring import cells
from feedback.monitoring.cells import Chances
from feedback.monitoring.population import DAY, UNKNOWN, Flags, Floats, Population
from feedback.monitoring.sums import COUNTS, NAMES, SIDES, Shape, Stack, Sums, counts, lost
from models_registry.models import RegisteredModel


@dataclass(frozen=True)
class Part:
    """Some days by their sums, and some rows with the chances that their labels come and have come.

    ``days`` are (day since 1970, sums); ``answered`` (N,) is as ``came`` where what is lost counts as arrived.
    """

    model: RegisteredModel
    shape: Shape
    chances: Chances
    days: list[tuple[int, Sums]]
    rows: Population
    withdrawn: Floats
    comes: Floats
    came: Floats
    answered: Floats
    _found: dict[str, Totals] = field(default_factory=dict)

    def totals(self, name: str) -> Totals:
        """The totals of one question."""
        if name not in self._found:
            self._found.update(self._totals(self._came, {name}, self.came))
        return self._found[name]

    def prepare(self, names: Container[str] | None = None) -> None:
        """Make the totals of many questions at once, of all if None."""
        self._found.update(self._totals(self._came, names, self.came))

    def nonresponse(self, names: Container[str]) -> dict[str, tuple[Totals, Totals, Totals]]:
        """Totals in which what is lost counts as arrived, and what it would add at worst and at best.

        Empty where nothing is lost: no drawn row of a mature cohort is without its label.
        """
        stacks = [self._lost.where(lambda key, side=side: key[-1] == side) for side in SIDES]  # type: ignore[misc]
        if not stacks[0].keys:
            return {}
        kept = {name for name in HEADLINES if name in names}
        whole = self._totals(self._answered, kept, self.answered)
        none = self.shape.nothing.everyone.sums[:, : self.shape.layout.everyone], np.zeros(0)
        sides = [self.shape.layout.totals(*none, one.sums, np.ones(len(one.keys)), kept) for one in stacks]
        return {name: (whole[name], sides[0][name], sides[1][name]) for name in kept}

    def outcomes(self, *, proceeded_only: bool) -> dict[str, Totals]:
        """The totals of the predictions that have an outcome, each counting once."""
        layout = self.shape.of_outcomes
        stack = self._joined("outcomes").where(lambda key: bool(key[1]) or not proceeded_only)
        told = (self.rows.outcome != UNKNOWN) & ((self.rows.disposition == "proceed") | (not proceeded_only))
        some = self.rows.where(np.asarray(told, dtype=bool))
        sums = np.vstack([stack.sums, self.shape.outcomes(some.outputs(self.model), some)])
        ones = np.ones(len(sums))
        return layout.totals(sums[:, : layout.everyone], ones, sums[:, layout.everyone :], ones)

    @cached_property
    def counts(self) -> dict[str, int]:
        """How many there are of everything that is named in `COUNTS`."""
        own = counts(self.rows, self.withdrawn).sums
        found = self._joined("counts").sums.sum(axis=0) + own.sum(axis=0)
        return {name: round(float(value)) for name, value in zip(COUNTS, found, strict=True)}

    @cached_property
    def truth(self) -> dict[str, float | None]:
        """The true value of each headline over the rows whose true class is known."""
        some = self.rows.where(np.asarray(self.rows.truth != UNKNOWN))
        pairs = self._joined("truth").sums.sum(axis=0) + self.shape.truth(some.outputs(self.model), some)
        found, start = {}, 0
        for question in self.shape.layout.questions:
            if question.name in HEADLINES:
                mine = pairs[start : start + 2 * question.parts].reshape(-1, 2)
                values = mine[mine[:, 1] > 0]
                found[question.name] = float(np.mean(values[:, 0] / values[:, 1])) if len(values) else None
                start += 2 * question.parts
        return found

    @cached_property
    def confusion(self) -> Floats:
        """(2, K, K): labelled rows by answer and true class, counted, and by weight."""
        k, start = self.shape.classes, self.shape.layout.labelled
        cut = slice(start, start + k * k), slice(start + k * k, start + 2 * k * k)
        stack = self._joined("labelled")
        found = np.stack([stack.sums[:, cut[0]].sum(axis=0), (1 / self._came) @ stack.sums[:, cut[1]]])
        return (found + self._own_labels[start : start + 2 * k * k].reshape(2, -1)).reshape(2, k, k)

    @cached_property
    def reliability(self) -> reliability.Reliability:
        """The calibration of the score."""
        rows, shape = len(reliability.OF_ROWS), (reliability.CELLS, len(reliability.OF_LABELS))
        stack = self._joined("everyone").sums[:, self.shape.layout.everyone + 2 :].sum(axis=0)
        every = (stack + self._own_everyone[self.shape.layout.everyone + 2 :]).reshape(-1, rows)
        start = self.shape.layout.labelled + 2 * self.shape.classes**2
        labels = self._own_labels[start:].reshape(shape).copy()
        for sums, came in zip(self._joined("labelled").sums[:, start:], self._came, strict=True):
            labels += reliability.weighted(sums.reshape(shape), float(came))
        return reliability.reliability(every, labels)

    def _totals(self, of_days: Floats, names: Container[str] | None, of_rows: Floats) -> dict[str, Totals]:
        layout = self.shape.layout
        own = self._own_labels if of_rows is self.came else self._labels(of_rows)
        everyone = np.vstack([self._joined("everyone").sums, self._own_everyone])[:, : layout.everyone]
        labels = np.vstack([self._joined("labelled").sums, own])[:, : layout.labelled]
        return layout.totals(everyone, np.append(self._comes, 1.0), labels, np.append(of_days, 1.0), names)

    def with_labels(self, labelled: Floats, shares: Mapping[int | None, float] | None = None) -> dict[str, Totals]:
        """The totals of all headlines with these sums of labels in place of the part's own.

        ``shares``: labels are of one random arm alone, with the probability of it by day of routing; that of None
        where a day has none. What is expected of labels is then that much less often to come.
        """
        layout, stack = self.shape.layout, self._joined("everyone")
        comes, own = self._comes, self._own_everyone
        if shares is not None:
            whole = shares[None]
            comes = comes * np.array([shares.get(int(key[1]), whole) for key in stack.keys])
            of_rows = np.array([shares.get(int(day), whole) for day in cells.day_of(self.rows.routed)])
            own = self.shape.of_everyone(self._outputs, self.rows, self.comes * of_rows)
        everyone = np.vstack([stack.sums, own])[:, : layout.everyone]
        rows = labelled[None, : layout.labelled]
        return layout.totals(everyone, np.append(comes, 1.0), rows, np.ones(1), HEADLINES)

    @cached_property
    def _own_everyone(self) -> Floats:
        return self.shape.of_everyone(self._outputs, self.rows, self.comes)

    @cached_property
    def _own_labels(self) -> Floats:
        return self._labels(self.came)

    def _labels(self, came: Floats) -> Floats:
        known = np.asarray(self.rows.label != UNKNOWN)
        return self.shape.of_labels(self._outputs.part(known), self.rows.where(known), came[known])

    @cached_property
    def _outputs(self) -> Outputs:
        return self.rows.outputs(self.model)

    @cached_property
    def _stacks(self) -> dict[str, Stack]:
        found = {}
        for name in NAMES:
            stacks = [getattr(sums, name) for _, sums in self.days]
            stacks.append(getattr(self.shape.nothing, name))
            found[name] = Stack([key for one in stacks for key in one.keys], np.vstack([one.sums for one in stacks]))
        return found

    def _joined(self, name: str) -> Stack:
        return self._stacks[name]

    def _day(self, name: str) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        return np.repeat(
            np.array([day for day, _ in self.days], dtype=np.int64),
            [len(getattr(sums, name).keys) for _, sums in self.days],
        )

    @cached_property
    def _comes(self) -> Floats:
        stack, start = self._joined("everyone"), self.shape.layout.everyone
        return self.chances.comes(stack.keys, self._day("everyone"), share_of(*stack.sums[:, start : start + 2].T))

    @cached_property
    def _came(self) -> Floats:
        return self.chances.came(self._joined("labelled").keys, self._day("labelled"))

    @cached_property
    def _answered(self) -> Floats:
        return self.chances.came(self._joined("labelled").keys, self._day("labelled"), answered=True)

    @cached_property
    def _lost(self) -> Stack:
        """Of stored days and rows, what is lost for good."""
        stored, own = self._joined("lost"), lost(self.shape, self._outputs, self.rows)
        both = Stack([*stored.keys, *own.keys], np.vstack([stored.sums, own.sums]))
        return both.where(lambda key: bool(self.chances.mature(key[2], np.array([key[1]]))[0]))


def share_of(p_gate: Floats, propensity: Floats) -> Floats:
    """The share of gates in a cell's propensity; 0 where nothing could be drawn."""
    return np.divide(p_gate, propensity, out=np.zeros(p_gate.shape), where=propensity > 0)


def chances_of(chances: Chances, rows: Population) -> tuple[Floats, Floats, Floats]:
    """For each row (N,) the chance of its cell: that a label comes, that its own has come, and that among those
    that ever come; 1 where there is no label."""
    day = cells.day_of(rows.occurred)
    keys = [(int(one), *key) for one, key in zip(day, cells.everyone(rows), strict=True)]
    number = {key: place for place, key in enumerate(dict.fromkeys(keys))}
    place = np.array([number[key] for key in keys], dtype=np.int64)
    ways = (np.bincount(place, sums, len(number)).astype(np.float64) for sums in (rows.p_gate, rows.propensity))
    gate = share_of(*ways)
    comes = chances.comes([key[1:] for key in number], np.array([key[0] for key in number], dtype=np.int64), gate)
    came, answered = np.ones(len(rows)), np.ones(len(rows))
    known = np.flatnonzero(rows.label != UNKNOWN)
    told = cells.labelled(rows.where(np.asarray(rows.label != UNKNOWN)))
    pairs = list(zip(day[known].tolist(), told, strict=True))
    number_of = {pair: at for at, pair in enumerate(dict.fromkeys(pairs))}
    at = np.array([number_of[pair] for pair in pairs], dtype=np.int64)
    apart = [pair[1] for pair in number_of], np.array([pair[0] for pair in number_of], dtype=np.int64)
    came[known], answered[known] = chances.came(*apart)[at], chances.came(*apart, answered=True)[at]
    return comes[place], came, answered


def inside(day: int, low: float, high: float) -> bool:
    return low <= day * DAY and (day + 1) * DAY <= high


def between(rows: Population, low: float, high: float) -> Flags:
    return np.asarray((rows.occurred >= low) & (rows.occurred < high), dtype=bool)
