"""A model's past cut into blocks of whole days, so that no two windows of them differ by a few predictions.

Who may not know a single answer could take it from two figures: one of a window with the case and one without. Windows
that begin and end between blocks differ by whole blocks.
"""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np

from feedback.monitoring.population import DAY
from feedback.monitoring.reading import read, time_of
from models_registry.models import RegisteredModel

Window = tuple[datetime | None, datetime]
NEVER = datetime(1970, 1, 1, tzinfo=UTC)


def edges_of(model: RegisteredModel, *, fewest: int, now: datetime) -> list[datetime]:
    """The ends of blocks of whole days (UTC) with at least ``fewest`` routed predictions each, oldest first.

    The first block has no beginning. Days that are not over are in none, nor are the last ones while they are too few.
    """
    today = np.floor(now.timestamp() / DAY) * DAY
    reading = read(model, now=now, end=time_of(today))
    own = np.floor(reading.rows.occurred / DAY).astype(int).tolist()
    found, held = [], 0
    for day in sorted({*(day for day, _ in reading.days), *own}):
        held += reading.part(day * DAY, (day + 1) * DAY).counts["predictions"]
        if held >= fewest:
            found.append(time_of((day + 1) * DAY))
            held = 0
    return found


def widened(edges: list[datetime], start: datetime | None, end: datetime | None) -> Window:
    """The window of whole blocks around [start, end), as far as there are any; the last block where it is later.

    >>> days = [datetime(2026, 1, day, tzinfo=UTC) for day in (5, 7, 8)]
    >>> [edge and edge.day for edge in widened(days, days[0].replace(hour=9), days[0].replace(hour=10))]
    [5, 7]
    >>> [edge and edge.day for edge in widened(days, days[2].replace(hour=9), None)]
    [7, 8]
    >>> widened([], None, None) == (None, NEVER)
    True
    """
    if not edges:
        return None, NEVER
    last = next((edge for edge in edges if end is not None and edge >= end), edges[-1])
    before = [edge for edge in edges if edge < last and start is not None and edge <= start]
    if start is not None and start >= last:
        before = [edge for edge in edges if edge < last]
    return (before[-1] if before else None), last
