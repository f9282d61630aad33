"""A metric over time: interval band, lines, outcomes, what is not mature yet, and what was changed when.

Lines and areas are points of a box of 100 by 100 that is stretched to the figure; marks and words stand in percent.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from feedback.charts.axes import Scale, around, percent, times

Point = dict[str, Any]
# Numbers of changes closer than this, in percent of the width, stand in lanes below each other.
APART = 7.0
LANES = 3
TOGETHER = 1.0
# With more slices than this, dots are small and those of lesser lines are left out.
DENSE = 45


def history(points: Sequence[Point], changes: Sequence[Point] = (), kind: str = "number") -> dict[str, Any]:
    """The chart of one metric over slices of time; nothing but ``empty`` where no slice has a figure.

    ``points`` have ``from`` and ``to`` (ISO), ``estimate``, ``low``, ``high``, ``naive``, ``label_free``,
    ``outcomes``, ``mature``, ``restated``; what is missing leaves a gap. ``changes`` have ``at`` (ISO).
    """
    shown = _values(points)
    if not shown:
        return {"empty": True}
    x = Scale(seconds(points[0]["from"]), seconds(points[-1]["to"]), pad=0.0)
    low, high = (0.0, 1.0) if kind == "share" else (-math.inf, math.inf)
    y = around(shown, low=low, high=high)
    known = [p.get("estimate") is not None for p in points]
    middle = [x.x((seconds(p["from"]) + seconds(p["to"])) / 2) for p in points]
    marks = numbered(changes, x)
    return {
        "y": y.ticks(kind),
        "x": times(x),
        "bands": [_band([(middle[i], points[i]) for i in run], y) for run in runs(known) if len(run) > 1],
        "bars": [_bar(middle[i], points[i], y) for run in runs(known) if len(run) == 1 for i in run],
        "line": lines(middle, [p.get("estimate") for p in points], y),
        "naive": lines(middle, [p.get("naive") for p in points], y),
        "naive_dots": _dots(middle, [p.get("naive") for p in points], y),
        "label_free": lines(middle, [p.get("label_free") for p in points], y),
        "dots": [
            {**dot, "restated": bool(points[dot["place"]].get("restated"))}
            for dot in _dots(middle, [p.get("estimate") for p in points], y)
        ],
        "outcomes": [
            {**dot, **_reach(points[dot["place"]]["outcomes"], y)}
            for dot in _dots(middle, [(p.get("outcomes") or {}).get("estimate") for p in points], y)
        ],
        "immature": _immature(points, x),
        "marks": marks,
        "marks_height": 18 * (1 + max((mark["lane"] for mark in marks), default=-1)),
        "dense": len(points) > DENSE,
        "any_restated": any(p.get("restated") for p in points),
    }


def seconds(at: str | datetime) -> float:
    """
    >>> seconds("1970-01-02T00:00:00+00:00")
    86400.0
    """
    return (datetime.fromisoformat(at) if isinstance(at, str) else at).timestamp()


def runs(known: Iterable[bool]) -> list[list[int]]:
    """The places that stand together without a gap.

    >>> runs([True, True, False, True])
    [[0, 1], [3]]
    """
    found: list[list[int]] = []
    last = -2
    for place, there in enumerate(known):
        if there:
            if place != last + 1:
                found.append([])
            found[-1].append(place)
            last = place
    return found


def lines(x: Sequence[float], values: Sequence[float | None], y: Scale) -> list[str]:
    """Points of one line for each stretch without a gap; a lone value has no line.

    >>> lines([0, 50, 100], [0.0, 1.0, None], Scale(0, 1, pad=0))
    ['0.00,100.00 50.00,0.00']
    """
    known = {i: y.y(value) for i, value in enumerate(values) if value is not None}
    stretches = runs(i in known for i in range(len(values)))
    return [" ".join(f"{x[i]:.2f},{known[i]:.2f}" for i in run) for run in stretches if len(run) > 1]


def numbered(changes: Sequence[Point], x: Scale) -> list[dict[str, Any]]:
    """Changes within the axis, numbered by time; those at one place share a mark, close ones go to another lane.

    >>> found = numbered([{"at": "1970-01-01T00:00:00+00:00"}, {"at": "1970-01-01T01:00:00+00:00"}], Scale(0, 86400))
    >>> [(mark["numbers"], mark["lane"]) for mark in found]
    [('1', 0), ('2', 1)]
    """
    marks: list[dict[str, Any]] = []
    for number, change in enumerate(changes, 1):
        at = seconds(change["at"])
        if not x.low <= at <= x.high:
            continue
        place = x.x(at)
        if marks and place - marks[-1]["place"] < TOGETHER:
            marks[-1]["numbers"] = f"{marks[-1]['numbers'].partition('–')[0]}–{number}"
            continue
        taken = {mark["lane"] for mark in marks if place - mark["place"] < APART}
        lane = next((lane for lane in range(LANES) if lane not in taken), 0)
        marks.append({"place": place, "x": percent(place), "numbers": str(number), "lane": lane, "y": 9 + 18 * lane})
    return marks


def _values(points: Sequence[Point]) -> list[float]:
    names = ("estimate", "low", "high", "naive", "label_free")
    found = [p.get(name) for p in points for name in names]
    found += [(p.get("outcomes") or {}).get(name) for p in points for name in ("estimate", "low", "high")]
    return [float(value) for value in found if value is not None]


def _band(run: Sequence[tuple[float, Point]], y: Scale) -> str:
    there = [f"{x:.2f},{y.y(p['high']):.2f}" for x, p in run]
    back = [f"{x:.2f},{y.y(p['low']):.2f}" for x, p in reversed(run)]
    return " ".join(there + back)


def _bar(x: float, point: Point, y: Scale) -> dict[str, str]:
    return {"x": percent(x), **_reach(point, y)}


def _reach(point: Point, y: Scale) -> dict[str, str]:
    if point.get("low") is None or point.get("high") is None:
        return {}
    return {"top": percent(y.y(point["high"])), "bottom": percent(y.y(point["low"]))}


def _dots(x: Sequence[float], values: Sequence[float | None], y: Scale) -> list[dict[str, Any]]:
    known = [(i, value) for i, value in enumerate(values) if value is not None]
    return [{"place": i, "x": percent(x[i]), "y": percent(y.y(value))} for i, value in known]


def _immature(points: Sequence[Point], x: Scale) -> dict[str, Any] | None:
    """The span at the end from which on no slice is mature."""
    place = len(points)
    while place and points[place - 1].get("mature") is False:
        place -= 1
    if place == len(points):
        return None
    begin = x.x(seconds(points[place]["from"]))
    return {"x": percent(begin), "width": percent(100 - begin), "from": points[place]["from"]}
