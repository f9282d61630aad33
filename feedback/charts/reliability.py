"""The reliability diagram: how often cases of a score come true, against the score."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from feedback.charts.axes import Scale, percent

FULL = Scale(0.0, 1.0)


def reliability(bins: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Dots with intervals on the unit square; a dot on the diagonal is a score that can be taken at its word.

    Each bin has ``mean_score``, ``share``, ``share_low``, ``share_high``; one without a share is left out.

    >>> chart = reliability([{"mean_score": 0.5, "share": 0.5, "share_low": 0.0, "share_high": 1.0}])
    >>> chart["dots"]
    [{'x': '50.00%', 'y': '50.00%', 'top': '3.00%', 'bottom': '97.00%'}]
    """
    dots = []
    for row in bins:
        if row.get("share") is None or row.get("mean_score") is None:
            continue
        dot = {"x": percent(FULL.x(row["mean_score"])), "y": percent(FULL.y(row["share"]))}
        if row.get("share_low") is not None and row.get("share_high") is not None:
            dot |= {"top": percent(FULL.y(row["share_high"])), "bottom": percent(FULL.y(row["share_low"]))}
        dots.append(dot)
    return {"dots": dots, "x": FULL.ticks("share"), "y": FULL.ticks("share")}
