"""Dots with intervals, one row each on a common axis: metrics, groups, classes, hops."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from feedback.charts.axes import Scale, anchor, around, percent

# Spans a person knows; those of the second line where there is room between the first.
LOG_TICKS = (
    ((0.001, "1 ms"), (1, "1 s"), (60, "1 min"), (3600, "1 h"), (86400, "1 d"), (2592000, "30 d")),
    ((10, "10 s"), (600, "10 min"), (21600, "6 h"), (604800, "7 d"), (31536000, "1 y")),
    ((172800, "2 d"), (1209600, "14 d")),
)
APART = 13.0


def intervals(
    rows: Sequence[dict[str, Any]], kind: str = "number", *, low: float = -math.inf, high: float = math.inf
) -> dict[str, Any]:
    """Dots with intervals on one common axis. Each row has ``key``, ``estimate`` and maybe ``low`` and ``high``.

    A row with an interval and no estimate is a range without a dot; one with neither keeps its place, empty.

    >>> chart = intervals([{"key": "weighted", "estimate": 0.5, "low": 0.4, "high": 0.6}])
    >>> [chart["rows"][0][mark] for mark in ("from", "x", "to")]
    ['9.48%', '50.00%', '90.52%']
    """
    known = [float(row[name]) for row in rows for name in ("estimate", "low", "high") if row.get(name) is not None]
    if not known:
        return {"rows": [dict(row) for row in rows], "ticks": []}
    scale = around(known, low=low, high=high)
    return {"rows": [{**row, **_marks(row, scale)} for row in rows], "ticks": scale.ticks(kind)}


def _marks(row: dict[str, Any], scale: Scale) -> dict[str, str]:
    marks: dict[str, str] = {}
    if row.get("estimate") is not None:
        marks["x"] = percent(scale.x(row["estimate"]))
    if row.get("low") is not None and row.get("high") is not None:
        begin, end = scale.x(row["low"]), scale.x(row["high"])
        marks |= {"from": percent(begin), "to": percent(end), "width": percent(end - begin)}
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
    drawn = [{**row, **{f"{key}_x": _log(row.get(key), scale) for key in ("p50", "p90")}} for row in rows]
    return {"rows": drawn, "ticks": log_ticks(scale)}


def log_ticks(scale: Scale) -> list[dict[str, Any]]:
    """Spans a person knows along an axis of the logarithm of seconds, none so close that their words collide.

    >>> [tick["text"] for tick in log_ticks(Scale(0, 4))]
    ['1 s', '10 s', '1 min', '10 min', '1 h']
    >>> [tick["text"] for tick in log_ticks(Scale(-1, 7))]
    ['1 s', '1 min', '1 h', '1 d', '30 d']
    """
    kept: list[tuple[float, float, str]] = []
    for seconds, text in (tick for ticks in LOG_TICKS for tick in ticks):
        at = math.log10(seconds)
        place = scale.x(at)
        if scale.low - 1e-9 <= at <= scale.high + 1e-9 and all(abs(place - other) >= APART for _, other, _ in kept):
            kept.append((seconds, place, text))
    return [{"value": s, "text": text, "x": percent(x), "anchor": anchor(x)} for s, x, text in sorted(kept)]


def _log(seconds: float | None, scale: Scale) -> str | None:
    return None if seconds is None else percent(scale.x(math.log10(max(seconds, 0.001))))
