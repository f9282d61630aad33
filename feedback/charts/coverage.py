"""Error that remains against the share that is accepted unseen, as a curve over [0, 1]."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from feedback.charts.axes import Scale, percent


def coverage_risk(points: Sequence[dict[str, Any]], marks: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """A curve of shares over [0, 1]: ``x`` and ``y``, and ``low`` and ``high`` where ``measured``.

    Points that are not measured make a second, dashed line. ``marks`` have ``key``, ``x`` and ``y``. Line and
    band are in a box of 100 by 100 that is stretched over the figure, marks and ticks in percent of it.

    >>> chart = coverage_risk([{"x": 1.0, "y": 0.1, "measured": False}, {"x": 0.5, "y": 0.05, "measured": False}], [])
    >>> chart["dashed"], chart["line"], chart["ticks_y"][1]
    ('100.00,9.09 50.00,54.55', '', {'value': 0.05, 'y': '54.55%'})
    """
    known = [p for p in points if p.get("y") is not None]
    sure = [p for p in known if p["measured"]]
    shown = [m for m in marks if m["y"] is not None]
    heights = [row["y"] for row in (*known, *shown)] + [p["high"] for p in sure]
    scale = Scale(0.0, 1.1 * max([*heights, 0.005]))

    def y(value: float) -> float:
        return 100.0 * (1.0 - min(value, scale.high) / scale.high)

    def path(rows: Sequence[dict[str, Any]], key: str) -> str:
        return " ".join(f"{100 * p['x']:.2f},{y(p[key]):.2f}" for p in rows)

    return {
        "line": path(sure, "y"),
        "band": f"{path(sure, 'high')} {path(sure[::-1], 'low')}" if len(sure) > 1 else "",
        "dashed": path(known, "y") if len(sure) < len(known) else "",
        "marks": [{"key": m["key"], "x": percent(100 * m["x"]), "y": percent(y(m["y"]))} for m in shown],
        "ticks_x": [{"value": value, "x": percent(100 * value)} for value in (0.0, 0.25, 0.5, 0.75, 1.0)],
        "ticks_y": [{"value": tick["value"], "y": percent(y(tick["value"]))} for tick in scale.ticks()],
    }
