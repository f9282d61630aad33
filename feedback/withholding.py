"""Figures of a model as somebody is told them from whom a single answer is hidden: of whole blocks of days alone.

While something of the model waits whose answer the viewer may not know, figures leave out the days that are not over,
begin and end between blocks of at least `FEWEST` predictions, and leave out parts of fewer. Everybody else is told
all. docs/decisions/blind-reviewers.md says what that stops, and what it does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

from django.utils import timezone

from feedback import monitoring
from feedback.behaviour import behaviour
from feedback.monitoring.blocks import NEVER, edges_of, widened
from feedback.reliance import reliance
from review.withheld import FEWEST, withheld

if TYPE_CHECKING:
    from models_registry.access import Principal
    from models_registry.models import RegisteredModel

Row = TypeVar("Row")
# How many of the newest predictions may be asked about: in steps, so that no two answers differ by a few.
STEP = 100


def edges_for(viewer: Principal, model: RegisteredModel) -> list[datetime] | None:
    """Where figures of the model may begin and end for this viewer; None: anywhere."""
    return edges_of(model, fewest=FEWEST, now=timezone.now()) if withheld(viewer, model) else None


def before_for(viewer: Principal, model: RegisteredModel) -> datetime | None:
    """Predictions from then on are in no figure for this viewer; None: all are."""
    edges = edges_for(viewer, model)
    return None if edges is None else widened(edges, None, None)[1]


def in_steps(last: int) -> int:
    """
    >>> in_steps(1), in_steps(100), in_steps(101)
    (100, 100, 200)
    """
    return -(-last // STEP) * STEP


def quality_for(edges: list[datetime] | None, **asked: Any) -> dict[str, Any]:
    """`monitoring.quality` as far as the ``edges`` of the viewer let it be told."""
    if edges is None:
        return monitoring.quality(**asked)
    start, end = widened(edges, asked.pop("start", None), asked.pop("end", None))
    found = monitoring.quality(**asked, start=start, end=end)
    if 0 < found["population"]["predictions"] < FEWEST:
        # Of one version, or one value of a group: as if there were none.
        found = monitoring.quality(**asked, end=NEVER) | {"window": found["window"]}
    calibration = found["calibration"]
    calibration["bins"] = _enough(calibration["bins"], [one["n"] for one in calibration["bins"]])
    if "groups" in found:
        parts = list(found["groups"].items())
        found["groups"] = dict(_enough(parts, [part["predictions"] for _, part in parts]))
    return found


def series_for(edges: list[datetime] | None, **asked: Any) -> list[dict[str, Any]]:
    """`monitoring.quality_series`; of single days and weeks those that begin and end between blocks."""
    if edges is None:
        return monitoring.quality_series(**asked)
    start, end = widened(edges, asked.pop("start", None), asked.pop("end", None))
    found = monitoring.quality_series(**asked, start=start, end=end)
    between = {edge.isoformat() for edge in edges}
    whole = [point for point in found if point["from"] in between and point["to"] in between]
    return [point for point in whole if point["predictions"] == 0 or point["predictions"] >= FEWEST]


def reliance_for(
    edges: list[datetime] | None, *, model: RegisteredModel, start: datetime | None = None, end: datetime | None = None
) -> dict[str, Any]:
    """`reliance`, of items that came before the last edge."""
    if edges is None:
        return reliance(model=model, start=start, end=end)
    start, end = widened(edges, start, end)
    return reliance(model=model, start=start, end=end)


def behaviour_for(edges: list[datetime] | None, *, model: RegisteredModel) -> dict[str, Any]:
    """`behaviour`, without the days that are not over and those on which little was predicted."""
    if edges is None:
        return behaviour(model=model)
    found = behaviour(model=model, now=widened(edges, None, None)[1])
    found["days"] = [day for day in found["days"] if day["predictions"] >= FEWEST]
    return found


def reasons_for(edges: list[datetime] | None, reasons: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Reasons with how often each was one, without those of a few."""
    return reasons if edges is None else _enough(reasons, [one["n"] for one in reasons])


def _enough(rows: Sequence[Row], counts: Sequence[int]) -> list[Row]:
    """The rows but those of a few, and of further ones as many as keep the few from being the rest of a whole.

    >>> _enough("abcd", [40, 3, 25, 60])
    ['a', 'd']
    >>> _enough("abcd", [40, 12, 11, 60])
    ['a', 'd']
    >>> _enough("ab", [40, 0])
    ['a', 'b']
    """
    order = sorted(range(len(rows)), key=lambda place: counts[place])
    gone: set[int] = set()
    hidden = 0
    for place in order:
        if counts[place] and (counts[place] < FEWEST or 0 < hidden < FEWEST):
            gone.add(place)
            hidden += counts[place]
    return [row for place, row in enumerate(rows) if place not in gone]
