"""A window of predictions, read once: stored days where they hold, rows where a day is cut or has changed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from feedback.arrivals import Arrivals, arrivals_of
from feedback.known_tables import count_unknown
from feedback.monitoring import days
from feedback.monitoring.cells import Chances
from feedback.monitoring.parts import Part, between, chances_of, inside
from feedback.monitoring.population import DAY, Flags, Floats, Population, Span, load, since, withdrawn
from feedback.monitoring.sums import Shape, Sums
from models_registry.models import ModelVersion, RegisteredModel

# What is read from rows is read from so many of the newest at most.
NEWEST = 200_000


@dataclass(frozen=True)
class Reading:
    """Predictions of [low, high), in seconds; ``held`` is the end of those that are old enough for a figure.

    ``oldest`` is the time from which on outcomes are not expected to be there yet. ``cut``: only so many
    of the newest predictions were read, and ``low`` is the first of them; None where all were.
    """

    model: RegisteredModel
    shape: Shape
    arrivals: Arrivals
    chances: Chances
    low: float
    high: float
    held: float
    oldest: float
    cut: int | None
    days: list[tuple[int, Sums]]
    rows: Population
    withdrawn: Floats
    comes: Floats
    came: Floats
    answered: Floats

    def part(self, low: float, high: float, keep: Flags | None = None) -> Part:
        """What of the window lies in [low, high): edges of days, or of the window; ``keep`` rows alone."""
        kept = between(self.rows, low, high)
        if keep is not None:
            kept &= keep
        gone = self.withdrawn[(self.withdrawn[:, 1] >= low) & (self.withdrawn[:, 1] < high)]
        return Part(
            model=self.model,
            shape=self.shape,
            chances=self.chances,
            days=[(day, sums) for day, sums in self.days if inside(day, low, high)],
            rows=self.rows.where(kept),
            withdrawn=gone,
            comes=self.comes[kept],
            came=self.came[kept],
            answered=self.answered[kept],
        )

    @property
    def first(self) -> float | None:
        """When the window's first prediction was made; of a stored day its midnight."""
        found = [float(day * DAY) for day, _ in self.days] + self.rows.occurred[:1].tolist()
        return min(found, default=None)


def read(
    model: RegisteredModel,
    *,
    now: datetime,
    start: datetime | None = None,
    end: datetime | None = None,
    version: ModelVersion | None = None,
    group: str | None = None,
    from_rows: bool = False,
    arrivals: Arrivals | None = None,
) -> Reading:
    """Read the predictions of [start, end). ``from_rows`` takes no stored sums, as a ``group`` cannot."""
    count_unknown()
    arrivals = arrivals or arrivals_of(model, now=now)
    shape, low, high = Shape(model), _edge(start, -np.inf), _edge(end, np.inf)
    held = min(high, now.timestamp() - young(arrivals))
    horizon = model.outcomes_horizon_days
    # Without a horizon no outcome ever counts as missing.
    oldest = -np.inf if horizon is None else min(high, now.timestamp() - horizon * DAY)
    chances = Chances(arrivals.model, now.timestamp(), low, held)
    cut, rest = None, [(low, high)]
    found: list[tuple[int, Sums]] = []
    many = shape.classes > days.MOST_CLASSES
    if group is not None or many:
        most = NEWEST // shape.classes if many else NEWEST
        kept = since(model, newest=most, start=start, end=end)
        cut, low = None if kept == start else most, _edge(kept, -np.inf)
        rest = [(low, high)]
    elif not from_rows:
        found, rest = _stored(model, shape, version, Window(low, high, (held, oldest)), now)
    rows = load(model, rest, version=version, group=group)
    comes, came, answered = chances_of(chances, rows)
    gone = withdrawn(model, rest, version=version)
    return Reading(
        model, shape, arrivals, chances, low, high, held, oldest, cut, found, rows, gone, comes, came, answered
    )


def young(arrivals: Arrivals) -> float:
    """The age in seconds from which on predictions are in a figure: where labels no longer arrive as they did,
    that of mature cohorts."""
    holds = arrivals.model.holds_from()
    if not arrivals.shift.shifted:
        return holds
    return max([holds, *(age for age in arrivals.model.mature.values() if age is not None)])


@dataclass(frozen=True)
class Window:
    low: float
    high: float
    edges: tuple[float, ...]

    def cut(self) -> list[int]:
        """Days that are needed in part: those in which an edge lies."""
        edges = {edge for edge in (self.low, self.high, *self.edges) if np.isfinite(edge) and edge % DAY}
        return sorted({int(edge // DAY) for edge in edges if self.low <= edge <= self.high})


def _stored(
    model: RegisteredModel, shape: Shape, version: ModelVersion | None, window: Window, now: datetime
) -> tuple[list[tuple[int, Sums]], list[Span]]:
    """The stored days, and the spans that are left to read from rows."""
    cut, today = window.cut(), int(now.timestamp() // DAY)
    found = days.kept(model, shape, window.low, window.high, cut, before=today)
    missing = {day for day, sums in found if sums is None} | set(cut)
    sums = days.sums_of(found, None if version is None else version.pk)
    return sums, days.spans_of(missing, window.low, window.high)


def _edge(moment: datetime | None, default: float) -> float:
    return default if moment is None else moment.timestamp()


def time_of(seconds: float) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=float(seconds))
