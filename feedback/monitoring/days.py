"""Stored sums of days, and how they are kept from ever being answered when they are stale.

Triggers write a `DayChange` in the transaction of whatever changes a day: a routing, a withdrawal, a label made or
retired. A day's sums are read only in a snapshot without such a mark. Who sums a day anew takes the marks first, then
reads the rows, and stores its sums only if those very marks are still there, removing them in the same statement:
a change that came too late for it has left a mark of its own, and of two who sum at once one stores.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np

from feedback.models import DayChange
from feedback.monitoring.population import DAY, Floats, Population, Span, load, withdrawn
from feedback.monitoring.sums import Shape, Sums, summed
from feedback.monitoring.waits import NOTHING, waits_of
from models_registry import sql
from models_registry.models import RegisteredModel

# With more days to sum anew than these, they are summed and stored before they are read.
MOST_STALE = 3
# Days whose rows are held at once.
AT_ONCE = 5
# Macro averages of so many classes still fit into a day's sums; with more, figures are read from rows.
MOST_CLASSES = 8
FIRST = date(1970, 1, 1)
# A day since 1970, and its sums as they are stored.
Stored = tuple[int, bytes | None]
_EVER = (-700_000, 2_900_000)

_STORED = """
    SELECT d.day - DATE '1970-01-01', s.{column}
    FROM (SELECT day FROM feedback_daysums WHERE model_id = %(model)s
          UNION SELECT day FROM feedback_daychange WHERE model_id = %(model)s) d
    LEFT JOIN feedback_daysums s ON s.model_id = %(model)s AND s.day = d.day AND s.basis = %(basis)s
        AND s.day - DATE '1970-01-01' <> ALL(%(cut)s)
        AND NOT EXISTS (SELECT FROM feedback_daychange c WHERE c.model_id = %(model)s AND c.day = s.day)
    WHERE d.day - DATE '1970-01-01' BETWEEN %(first)s AND %(last)s
    ORDER BY 1
"""
# The facts about the model have changed since: costs, for one.
_MARK_OUTDATED = """
    INSERT INTO feedback_daychange (model_id, day)
    SELECT s.model_id, s.day FROM feedback_daysums s
    WHERE s.model_id = %(model)s AND s.basis <> %(basis)s
      AND NOT EXISTS (SELECT FROM feedback_daychange c WHERE c.model_id = s.model_id AND c.day = s.day)
"""
_MARKS = """
    SELECT day - DATE '1970-01-01', array_agg(id) FROM feedback_daychange
    WHERE model_id = %(model)s AND day - DATE '1970-01-01' = ANY(%(days)s) GROUP BY day ORDER BY day
"""
_STORE = """
    WITH held AS MATERIALIZED (SELECT id FROM feedback_daychange WHERE id = ANY(%(marks)s) ORDER BY id FOR UPDATE),
    all_held AS MATERIALIZED (SELECT count(*) = cardinality(%(marks)s::bigint[]) AS ours FROM held),
    removed AS (DELETE FROM feedback_daychange c USING all_held WHERE all_held.ours AND c.id = ANY(%(marks)s))
    INSERT INTO feedback_daysums (model_id, day, basis, sums, waits, computed_at)
    SELECT %(model)s, %(day)s, %(basis)s, %(sums)s, %(waits)s, clock_timestamp() FROM all_held WHERE ours
    ON CONFLICT (model_id, day) DO UPDATE
    SET basis = excluded.basis, sums = excluded.sums, waits = excluded.waits, computed_at = excluded.computed_at
"""


def stored(
    model: RegisteredModel, shape: Shape, low: float, high: float, cut: Sequence[int] = (), *, column: str = "sums"
) -> list[Stored]:
    """Each day (since 1970) of [low, high) of which anything is known, with its sums; None where they are stale.

    Days in ``cut`` are needed in part and come without. ``column`` is "sums" or "waits".
    """
    first = math.floor(max(low / DAY, _EVER[0]))
    last = math.floor(min(high / DAY, _EVER[1]))
    values: dict[str, Any] = {"model": model.pk, "basis": shape.basis, "cut": list(cut), "first": first, "last": last}
    return [
        (int(day), None if found is None else bytes(found))
        for day, found in sql.rows(_STORED.format(column=column), values)
    ]


def kept(
    model: RegisteredModel, shape: Shape, low: float, high: float, cut: Sequence[int] = (), *,
    before: int, column: str = "sums",
) -> list[Stored]:  # fmt: skip
    """As `stored`, with days ``before`` that one summed anew and stored where many of them are stale."""
    found = stored(model, shape, low, high, cut, column=column)
    stale = [day for day, sums in found if sums is None and day not in cut and day < before]
    if len(stale) <= MOST_STALE:
        return found
    _mark_outdated(model, shape)
    sum_days(model, shape, stale)
    return stored(model, shape, low, high, cut, column=column)


def sum_days(model: RegisteredModel, shape: Shape, days: Sequence[int], *, until: float = math.inf) -> bool:
    """Sum days (since 1970) that have changed, some of them at a time in the order given; False if ``until``, on the
    monotonic clock, came before the last."""
    for start in range(0, len(days), AT_ONCE):
        if time.monotonic() > until:
            return False
        _sum_some(model, shape, days[start : start + AT_ONCE])
    return True


def _sum_some(model: RegisteredModel, shape: Shape, days: Sequence[int]) -> None:
    """Take the marks of some days first, then read their rows at once."""
    marks = dict(sql.rows(_MARKS, {"model": model.pk, "days": list(days)}))
    spans = spans_of(marks)
    waits = waits_of(model, spans)
    if shape.classes > MOST_CLASSES:
        found = dict.fromkeys(marks, b"")
    else:
        rows, gone = load(model, spans), withdrawn(model, spans)
        found = {day: _summed(model, shape, rows, gone, day).to_bytes() for day in marks}
    for day, sums in found.items():
        values = {"model": model.pk, "day": FIRST + timedelta(days=day), "basis": shape.basis, "marks": marks[day]}
        _store(values | {"sums": sums, "waits": waits.get(day, NOTHING).to_bytes()})


def _summed(model: RegisteredModel, shape: Shape, rows: Population, gone: Floats, day: int) -> Sums:
    low, high = day * DAY, (day + 1) * DAY
    # Rows are in the order of time.
    of_day = slice(*np.searchsorted(rows.occurred, [low, high]))
    return summed(model, shape, rows.where(of_day), gone[(gone[:, 1] >= low) & (gone[:, 1] < high)])


def spans_of(days: Iterable[int], low: float = -math.inf, high: float = math.inf) -> list[Span]:
    """Days as spans, neighbours joined, cut to [low, high)."""
    found: list[Span] = []
    for day in sorted(days):
        begin, end = max(day * DAY, low), min((day + 1) * DAY, high)
        if found and found[-1][1] == begin:
            found[-1] = found[-1][0], end
        elif begin < end:
            found.append((begin, end))
    return found


def refresh(model: RegisteredModel, *, now: datetime | None = None, seconds: float = 60.0) -> bool:
    """Sum the past days of a model that have changed, newest first; False if the time did not suffice.

    The present day changes all the time and is read from its rows.
    """
    shape, deadline = Shape(model), time.monotonic() + seconds
    today = (now or datetime.now(UTC)).date()
    changed = DayChange.objects.filter(model=model, day__lt=today)
    _mark_outdated(model, shape)
    days = changed.order_by("-day").values_list("day", flat=True).distinct()
    return sum_days(model, shape, [(day - FIRST).days for day in days], until=deadline)


def _mark_outdated(model: RegisteredModel, shape: Shape) -> None:
    sql.change(_MARK_OUTDATED, {"model": model.pk, "basis": shape.basis})


def _store(values: dict[str, Any]) -> bool:
    return sql.change(_STORE, values) > 0


def sums_of(stored_days: list[Stored], version: int | None) -> list[tuple[int, Sums]]:
    """The days whose sums are there."""
    return [(day, Sums.from_bytes(sums).of_version(version)) for day, sums in stored_days if sums is not None]
