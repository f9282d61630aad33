"""Columns over time: what came, by kind, against what was done and what there is room for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from feedback.charts.axes import Scale, percent, times
from feedback.charts.history import lines, seconds

# The part of a slice that its column fills.
FILL = 0.72


def flow(slices: Sequence[dict[str, Any]], kinds: Sequence[str], *, capacity: float | None = None) -> dict[str, Any]:
    """Stacked columns of arrivals by kind, a line of reviews done, and the capacity of one slice.

    Each slice has ``from``, ``to`` (ISO), ``by_kind`` {kind: n} and ``done``.

    >>> day = {"from": "1970-01-01T00:00:00+00:00", "to": "1970-01-02T00:00:00+00:00", "done": 1}
    >>> chart = flow([{**day, "by_kind": {"gate": 1, "audit": 1}}], ("gate", "audit"))
    >>> [(box["kind"], box["y"], box["height"]) for box in chart["boxes"]]
    [('gate', '50.00%', '50.00%'), ('audit', '0.00%', '50.00%')]
    """
    tops = [sum(s["by_kind"].values()) for s in slices] + [s["done"] for s in slices]
    if not any(tops):
        return {"empty": True}
    x = Scale(seconds(slices[0]["from"]), seconds(slices[-1]["to"]), pad=0.0)
    y = Scale(0.0, max([*tops, capacity or 0]), pad=0.0)
    middle = [x.x((seconds(s["from"]) + seconds(s["to"])) / 2) for s in slices]
    return {
        "boxes": [box for s in slices for box in _boxes(s, kinds, x, y)],
        "done": lines(middle, [float(s["done"]) for s in slices], y),
        "capacity": None if capacity is None else percent(y.y(capacity)),
        "x": times(x),
        "y": y.ticks(),
    }


def level(slices: Sequence[dict[str, Any]], name: str) -> dict[str, Any]:
    """An area of one count at the end of each slice, such as the backlog.

    >>> day = {"from": "1970-01-01T00:00:00+00:00", "to": "1970-01-02T00:00:00+00:00"}
    >>> level([{**day, "backlog": 0}, {**day, "to": "1970-01-03T00:00:00+00:00", "backlog": 4}], "backlog")["area"]
    '50.00,100.00 50.00,100.00 100.00,0.00 100.00,100.00'
    """
    if not any(s[name] for s in slices):
        return {"empty": True}
    x = Scale(seconds(slices[0]["from"]), seconds(slices[-1]["to"]), pad=0.0)
    y = Scale(0.0, max(s[name] for s in slices), pad=0.0)
    ends = [(x.x(seconds(s["to"])), y.y(s[name])) for s in slices]
    line = " ".join(f"{across:.2f},{down:.2f}" for across, down in ends)
    area = f"{ends[0][0]:.2f},100.00 {line} {ends[-1][0]:.2f},100.00"
    return {"line": line, "area": area, "x": times(x), "y": y.ticks()}


def _boxes(given: dict[str, Any], kinds: Sequence[str], x: Scale, y: Scale) -> list[dict[str, Any]]:
    begin, end = x.x(seconds(given["from"])), x.x(seconds(given["to"]))
    width = (end - begin) * FILL
    found, below = [], 0
    for kind in kinds:
        count = given["by_kind"].get(kind, 0)
        if count:
            top, bottom = y.y(below + count), y.y(below)
            place = {"x": percent(begin + (end - begin - width) / 2), "width": percent(width)}
            found.append({"kind": kind, **place, "y": percent(top), "height": percent(bottom - top)})
        below += count
    return found
