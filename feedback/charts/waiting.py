"""Curves of waiting: the share that has arrived by each age, on a logarithmic axis of seconds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from feedback.charts.axes import Scale, percent
from feedback.charts.dots import log_ticks

SHARES = (0.0, 0.5, 0.9, 1.0)
# Sooner than this is at once.
LEAST = 1.0
LEAST_DECADES = 0.5


def waiting(curves: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Each curve has ``curve``: [{seconds, share}], and keeps its other names; a step line is added as ``line``.

    Also the places where half and nine tenths have arrived, where they have (``p50``, ``p90`` in seconds).

    >>> chart = waiting([{"curve": [{"seconds": 10.0, "share": 0.5}, {"seconds": 100.0, "share": 1.0}], "p50": 10.0}])
    >>> chart["curves"][0]["line"]
    '0.00,97.00 0.00,97.00 0.00,50.00 100.00,50.00 100.00,3.00'
    >>> chart["curves"][0]["points"]
    [{'x': '0.00%', 'y': '50.00%'}]
    """
    ages = [max(float(step["seconds"]), LEAST) for curve in curves for step in curve["curve"]]
    if not ages:
        return {"empty": True}
    low, high = math.log10(min(ages)), math.log10(max(ages))
    x, y = Scale(low, max(high, low + LEAST_DECADES), pad=0.0), Scale(0.0, 1.0)
    return {
        "curves": [{**curve, **_drawn(curve, x, y)} for curve in curves],
        "x": log_ticks(x),
        "y": [{"y": percent(y.y(share)), "text": f"{100 * share:.0f} %"} for share in SHARES],
    }


def _drawn(curve: dict[str, Any], x: Scale, y: Scale) -> dict[str, Any]:
    """A curve goes on to the end of the axis only where it is complete: after its last step nothing is known."""
    places: list[tuple[float, float]] = [(0.0, y.y(0.0))]
    for step in curve["curve"]:
        at = x.x(math.log10(max(float(step["seconds"]), LEAST)))
        places += [(at, places[-1][1]), (at, y.y(float(step["share"])))]
    known = [(curve[name], share) for name, share in (("p50", 0.5), ("p90", 0.9)) if curve.get(name) is not None]
    points = [{"x": percent(x.x(math.log10(max(float(s), LEAST)))), "y": percent(y.y(share))} for s, share in known]
    line = " ".join(f"{across:.2f},{down:.2f}" for across, down in places) if curve["curve"] else ""
    return {"line": line, "points": points}
