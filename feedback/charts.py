"""Geometry of the charts of quality and delays: percentages of a figure's width, ready for SVG attributes.

Every chart stands beside a real table of the same figures and is hidden from screen readers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

# Room left and right of the outermost mark.
PAD = 3.0
STEPS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.5)
MOST_TICKS = 5
LOG_TICKS = (0.001, 1, 60, 3600, 86400, 30 * 86400, 365 * 86400)


@dataclass(frozen=True)
class Scale:
    """A linear axis from ``low`` to ``high`` over the figure's width, less the padding."""

    low: float
    high: float

    def x(self, value: float) -> float:
        """Where a value stands, in percent of the width, kept inside the figure."""
        span = self.high - self.low or 1.0
        return min(100.0, max(0.0, PAD + (value - self.low) / span * (100 - 2 * PAD)))

    def ticks(self) -> list[dict[str, Any]]:
        """Round values along the axis, at most five.

        >>> [t["value"] for t in Scale(0.9, 1.0).ticks()]
        [0.9, 0.95, 1.0]
        """
        span = self.high - self.low
        step = next((s for s in STEPS if span / s <= MOST_TICKS - 1 + 1e-9), 10 ** math.ceil(math.log10(span / 5 or 1)))
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [{"value": round(i * step, 6), "x": percent(self.x(i * step))} for i in range(first, last + 1)]


def percent(x: float) -> str:
    return f"{x:.2f}%"


def intervals(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Dots with intervals on one common axis. Each row has ``key``, ``estimate`` and maybe ``low`` and ``high``.

    Rows without an estimate keep their place and are drawn empty.

    >>> chart = intervals([{"key": "weighted", "estimate": 0.5, "low": 0.4, "high": 0.6}])
    >>> [chart["rows"][0][mark] for mark in ("from", "x", "to")]
    ['9.48%', '50.00%', '90.52%']
    """
    known = [
        value for row in rows for value in (row.get("estimate"), row.get("low"), row.get("high")) if value is not None
    ]
    if not known:
        return {"rows": [dict(row) for row in rows], "ticks": []}
    reach = max(max(known) - min(known), 1e-6)
    scale = Scale(min(known) - 0.08 * reach, max(known) + 0.08 * reach)
    return {"rows": [{**row, **_marks(row, scale)} for row in rows], "ticks": scale.ticks()}


def _marks(row: dict[str, Any], scale: Scale) -> dict[str, str]:
    marks: dict[str, str] = {}
    if row.get("estimate") is not None:
        marks["x"] = percent(scale.x(row["estimate"]))
    if row.get("low") is not None and row.get("high") is not None:
        marks |= {"from": percent(scale.x(row["low"])), "to": percent(scale.x(row["high"]))}
    return marks


def delays(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Median and 90th percentile of each hop on one logarithmic axis of seconds.

    >>> chart = delays([{"p50": 1.0, "p90": 10.0}])
    >>> chart["rows"][0]["p50_x"], chart["rows"][0]["p90_x"]
    ('3.00%', '97.00%')
    """
    known = [max(row[key], 0.001) for row in rows for key in ("p50", "p90") if row.get(key) is not None]
    if not known:
        return {"rows": [dict(row) for row in rows], "ticks": []}
    # Whole decades, so that hops of milliseconds and of days share one page.
    scale = Scale(math.floor(math.log10(min(known)) + 1e-9), math.ceil(math.log10(max(known)) - 1e-9))
    ticks = [tick for tick in LOG_TICKS if scale.low - 1e-9 <= math.log10(tick) <= scale.high + 1e-9]
    drawn = [{**row, **{f"{key}_x": _log(row.get(key), scale) for key in ("p50", "p90")}} for row in rows]
    return {"rows": drawn, "ticks": [{"value": tick, "x": percent(scale.x(math.log10(tick)))} for tick in ticks]}


def _log(seconds: float | None, scale: Scale) -> str | None:
    return None if seconds is None else percent(scale.x(math.log10(max(seconds, 0.001))))


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
