"""Live quality beside reviewers' errors: against their labels, corrected by gold items, and by the blind arm alone.

Gold items tell how often one person errs, so what is corrected is one answer of each drawn case: that to the item of
the draw, though others settled the case otherwise. It is known once it is given, with a chance of its own.

The sums of all rows are those of stored days; the answered rows are read one by one, as what an answer is worth hangs
on the screen under which it was given. So many of them at most, newest days first: beyond that the gold items leave
more doubt than the draw, and the window says where it begins.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any

import numpy as np

from feedback import gold
from feedback.estimators import Estimate, State, Totals, estimate
from feedback.estimators import unweighted as naive
from feedback.estimators.corrected import corrected_totals
from feedback.estimators.rows import Rows
from feedback.monitoring import cells, figures
from feedback.monitoring.cells import Chances
from feedback.monitoring.nonresponse import rate
from feedback.monitoring.parts import Part, chances_of
from feedback.monitoring.population import (
    DAY,
    UNKNOWN,
    Answered,
    Flags,
    Floats,
    Integers,
    Population,
    load_answered,
)
from feedback.monitoring.reading import Reading, time_of
from feedback.monitoring.sums import COUNTS
from feedback.raters import Confusion, screens
from models_registry.models import ModelVersion

# Answered rows that are read one by one.
MOST_LABELS = 20_000
SCREENS = ("shown", "hidden")
_LABELS = [COUNTS.index(f"labelled_{kind}") for kind in cells.KINDS]
_DRAWN = [COUNTS.index(kind) for kind in cells.KINDS]


@dataclass(frozen=True)
class About:
    """What all is about: one ``version``, or the predictions with this ``value`` of a ``group``."""

    version: ModelVersion | None = None
    group: str | None = None
    value: str | None = None


@dataclass(frozen=True)
class Given:
    """The answered rows of a part with the answer as label, how it was given, and the chance that it has come (N,)."""

    rows: Population
    answered: Answered
    came: Floats

    def where(self, keep: Flags) -> Given:
        return Given(self.rows.where(keep), self.answered.where(keep), self.came[keep])

    def as_rows(self, came: Floats, screen: Integers | None = None) -> Rows:
        return Rows(self.rows.label, self.rows.propensity, self.rows.drawn, came, screen=screen)


def beside_reviewers(
    reading: Reading, names: Sequence[str], about: About, *, now: datetime, most: int = MOST_LABELS
) -> dict[str, Any]:
    """The part of the quality document about reviewers' errors."""
    keep: Flags | None = None if about.value is None else np.asarray(reading.rows.group == about.value, dtype=bool)
    low = _low(reading, most)
    every, part = reading.part(low, reading.held), reading.part(low, reading.held, keep)
    answers = _of_answers(reading)
    found = _given(answers, low, about)
    gold_answers = gold.confusion_of(reading.model, now)
    given = answers.part(low, reading.held, keep)
    asked = _Asked(part, given, found, gold_answers, enough=figures.enough(every.counts))
    arm = _Arm.of(answers, low, keep, found)
    return {
        "window": {
            "from": time_of(low).isoformat() if np.isfinite(low) else None,
            "to": time_of(reading.held).isoformat() if np.isfinite(reading.held) else now.isoformat(),
            "cut": most if low > reading.low else None,
        },
        "labels": {
            "shown": int((~found.answered.hidden).sum()),
            "hidden": int(found.answered.hidden.sum()),
            "drawn_hidden": int(found.answered.drawn.sum()),
        },
        "gold": _gold(reading.model.classes, gold_answers, asked.screen),
        "hidden_arm": None if arm is None else {"from": arm.begins, "share": arm.mean_share},
        "metrics": {
            name: {
                "labels": _short(asked.plain(name)),
                "corrected": _short(asked.corrected(name)),
                "hidden_arm": _short(_NOTHING if arm is None else arm.estimate(name)),
            }
            for name in names
        },
    }


_NOTHING = Estimate(None, None, None, None, 0.0, State.INSUFFICIENT)


def _short(found: Estimate) -> dict[str, Any]:
    shown = figures.shown(found)
    return {name: shown[name] for name in ("estimate", "low", "high", "effective_n", "state", "labels")}


class _Asked:
    """The figures of one part, as labels say and as gold answers correct what is ``given``, its answers."""

    def __init__(self, part: Part, given: Part, found: Given, reviewers: Confusion, *, enough: bool) -> None:
        self.part, self.given, self.found, self.reviewers, self.enough = part, given, found, reviewers, enough
        self.screen = screens(found.rows.predicted, found.answered.hidden, part.shape.classes)
        self.outputs = found.rows.outputs(part.model)

    def plain(self, name: str) -> Estimate:
        totals = self.part.totals(name)
        return estimate(totals) if self.enough else naive(totals)

    def corrected(self, name: str) -> Estimate:
        plain = naive(self.part.totals(name))
        if not self.enough or not self.reviewers.counts.any():
            return plain
        # Rows of screens that gold answers do not tell of are read as they are; then there is no figure.
        return corrected_totals(name, self.outputs, self.rows, self.reviewers, self._totals[name])

    @cached_property
    def rows(self) -> Rows:
        return self.found.as_rows(self.found.came, self.screen)

    @cached_property
    def _totals(self) -> dict[str, Totals]:
        labels = self.part.shape.layout.of_labels(self.outputs, self.rows, self.reviewers)
        return self.given.with_labels(labels)


@dataclass(frozen=True)
class _Arm:
    """The window since which each review could fall into the random blind arm, by the answers of that arm alone.

    Such an answer is known with the propensity times the share of the arm, which is a thinning as arrival is. What
    others made of the case has no part in it: that hangs on the answer.
    """

    part: Part
    begins: str | None
    mean_share: float
    totals: dict[str, Totals]

    @classmethod
    def of(cls, reading: Reading, low: float, keep: Flags | None, found: Given) -> _Arm | None:
        without = found.rows.occurred[found.answered.share <= 0]
        begin = low
        if without.size:
            last = float(without.max())
            whole = (np.floor(last / DAY) + 1) * DAY
            stored = any(day == int(last // DAY) for day, _ in reading.days)
            begin = max(low, whole if stored else np.nextafter(last, np.inf))
        some = found.where(np.asarray(found.rows.occurred >= begin))
        if not some.answered.drawn.any() or begin >= reading.held:
            return None
        part = reading.part(begin, reading.held, keep)
        drawn = some.where(some.answered.drawn)
        outputs = drawn.rows.outputs(reading.model)
        labels = part.shape.layout.of_labels(outputs, drawn.as_rows(drawn.came * drawn.answered.share))
        totals = part.with_labels(labels, _shares(some))
        begins = time_of(begin).isoformat() if np.isfinite(begin) else None
        return cls(part, begins, _mean_share(some.answered.share), totals)

    def estimate(self, name: str) -> Estimate:
        return estimate(self.totals[name])


def _shares(found: Given) -> dict[int | None, float]:
    """The share of the arm by day of routing, so that its inverse is the mean of inverses; None: of all."""
    days = cells.day_of(found.rows.routed)
    by_day: dict[int | None, float] = {None: _mean_share(found.answered.share)}
    for day in np.unique(days).tolist():
        by_day[int(day)] = _mean_share(found.answered.share[days == day])
    return by_day


def _mean_share(share: Floats) -> float:
    return float(1 / np.mean(1 / share))


def _low(reading: Reading, most: int) -> float:
    """The midnight since which there are no more answers than are read, at least that of the newest with any."""
    counted: dict[int, int] = {}
    # Where several people decide there are answers without a label, though never more than were drawn.
    alone = reading.arrivals.answers is None
    for day, sums in reading.days:
        own = sums.counts.sums[:, _LABELS if alone else _DRAWN]
        counted[day] = counted.get(day, 0) + round(float(own.sum()))
    old = reading.rows.occurred < reading.held
    known = reading.rows.label != UNKNOWN if alone else reading.rows.drawn
    given = cells.day_of(reading.rows.occurred[known & old])
    for day, count in zip(*np.unique(given, return_counts=True), strict=True):
        counted[int(day)] = counted.get(int(day), 0) + int(count)
    total, low = 0, reading.low
    for day in sorted(counted, reverse=True):
        total += counted[day]
        if total > most:
            later = [other for other in counted if other > day and counted[other]]
            return max(reading.low, (day + 1 if later else day) * DAY)
    return low


def _of_answers(reading: Reading) -> Reading:
    """The same with the chances of answers, which come before the label where others decide too."""
    learned = reading.arrivals.answers
    if learned is None:
        return reading
    chances = Chances(learned, reading.chances.now, reading.chances.low, reading.chances.high)
    comes, came, answered = chances_of(chances, reading.rows)
    return replace(reading, chances=chances, comes=comes, came=came, answered=answered)


def _given(answers: Reading, low: float, about: About) -> Given:
    rows, answered = load_answered(answers.model, [(low, answers.held)], version=about.version, group=about.group)
    found = Given(rows, answered, np.ones(len(rows)))
    if about.value is not None:
        found = found.where(np.asarray(rows.group == about.value, dtype=bool))
    _, came, _ = chances_of(answers.chances, found.rows)
    return Given(found.rows, found.answered, came)


def _gold(classes: list[str], reviewers: Confusion, needed: Integers) -> list[dict[str, Any]]:
    """Each cell in which gold answers were given or are needed: how often reviewers were right, and what lacks."""
    k, found = len(classes), []
    labels = np.bincount(needed, minlength=2 * k)
    for screen in range(2 * k):
        for truth in range(k):
            counts = reviewers.counts[screen, truth]
            n, right = int(counts.sum()), int(counts[truth])
            if n or labels[screen]:
                missing = int(reviewers.missing[screen, truth]) if labels[screen] else 0
                found.append(
                    {"screen": SCREENS[screen // k], "suggestion": classes[screen % k], "truth": classes[truth]}
                    | {"answers": n, "right": right, **rate(right, n), "missing": missing}
                    | {"labels": int(labels[screen])}
                )
    return found
