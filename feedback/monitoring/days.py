"""Stored sums of days, and how they are kept from ever being answered when they are stale.

Triggers write a `DayChange` in the transaction of whatever changes a day: a routing, a withdrawal, a label made or
retired. A day's sums are read only in a snapshot without such a mark. Who sums a day anew takes the marks first, then
reads the rows, and stores its sums only if those very marks are still there, removing them in the same statement:
a change that came too late for it has left a mark of its own, and of two who sum at once one stores.
"""

from __future__ import annotations

import math
import time
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.db import connection

from feedback.models import DayChange
from feedback.monitoring.population import DAY, load, withdrawn
from feedback.monitoring.sums import Shape, Sums, summed
from models_registry.models import RegisteredModel

# Macro averages of so many classes still fit into a day's sums; with more, figures are read from rows.
MOST_CLASSES = 8
FIRST = date(1970, 1, 1)
# A day since 1970, and its sums as they are stored.
Stored = tuple[int, bytes | None]
_EVER = (-700_000, 2_900_000)

_STORED = """
    SELECT d.day - DATE '1970-01-01', s.sums
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
_MARKS = "SELECT array_agg(id) FROM feedback_daychange WHERE model_id = %(model)s AND day = %(day)s"
_STORE = """
    WITH held AS MATERIALIZED (SELECT id FROM feedback_daychange WHERE id = ANY(%(marks)s) ORDER BY id FOR UPDATE),
    all_held AS MATERIALIZED (SELECT count(*) = cardinality(%(marks)s::bigint[]) AS ours FROM held),
    removed AS (DELETE FROM feedback_daychange c USING all_held WHERE all_held.ours AND c.id = ANY(%(marks)s))
    INSERT INTO feedback_daysums (model_id, day, basis, sums, computed_at)
    SELECT %(model)s, %(day)s, %(basis)s, %(sums)s, clock_timestamp() FROM all_held WHERE ours
    ON CONFLICT (model_id, day) DO UPDATE
    SET basis = excluded.basis, sums = excluded.sums, computed_at = excluded.computed_at
"""


def stored(model: RegisteredModel, shape: Shape, low: float, high: float, cut: list[int]) -> list[Stored]:
    """Each day (since 1970) of [low, high) of which anything is known, with its sums; None where they are stale.

    Days in ``cut`` are needed in part and come without sums.
    """
    first = math.floor(max(low / DAY, _EVER[0]))
    last = math.floor(min(high / DAY, _EVER[1]))
    with connection.cursor() as cursor:
        cursor.execute(
            _STORED,
            {"model": model.pk, "basis": shape.basis, "cut": cut, "first": first, "last": last},
        )
        return [(int(day), None if sums is None else bytes(sums)) for day, sums in cursor.fetchall()]


def sum_day(model: RegisteredModel, shape: Shape, day: int) -> bool:
    """Sum a day (since 1970) that has changed; whether the sums were stored."""
    named: dict[str, Any] = {"model": model.pk, "day": FIRST + timedelta(days=day)}
    with connection.cursor() as cursor:
        cursor.execute(_MARKS, named)
        [marks] = cursor.fetchone()
    if not marks:
        return False
    span = [(day * DAY, (day + 1) * DAY)]
    sums = summed(model, shape, load(model, span), withdrawn(model, span))
    return _store(named | {"marks": marks, "basis": shape.basis, "sums": sums.to_bytes()})


def refresh(model: RegisteredModel, *, now: datetime | None = None, seconds: float = 60.0) -> bool:
    """Sum the past days of a model that have changed, newest first; False if the time did not suffice.

    The present day changes all the time and is read from its rows.
    """
    shape, deadline = Shape(model), time.monotonic() + seconds
    today = (now or datetime.now(UTC)).date()
    changed = DayChange.objects.filter(model=model, day__lt=today)
    if shape.classes > MOST_CLASSES:
        changed.delete()
        return True
    with connection.cursor() as cursor:
        cursor.execute(_MARK_OUTDATED, {"model": model.pk, "basis": shape.basis})
    for day in list(changed.order_by("-day").values_list("day", flat=True).distinct()):
        if time.monotonic() > deadline:
            return False
        sum_day(model, shape, (day - FIRST).days)
    return True


def _store(values: dict[str, Any]) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(_STORE, values)
        return bool(cursor.rowcount)


def sums_of(stored_days: list[Stored], version: int | None) -> list[tuple[int, Sums]]:
    """The days whose sums are there."""
    return [(day, Sums.from_bytes(sums).of_version(version)) for day, sums in stored_days if sums is not None]
