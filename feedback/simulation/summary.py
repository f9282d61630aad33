"""Replications as figures: how far off, how often covered, how wide, beside the naive figure and uniform review."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from feedback.simulation.relearning import averaged
from feedback.simulation.replication import METRICS, Cell, Replication

Floats = NDArray[np.float64]
# What cannot be told from rounding in a comparison of two equal figures.
NOTHING = 1e-9


def summarise(replications: Sequence[Replication]) -> dict[str, Any]:
    """Per policy the metrics over all replications, the share reviewed, and errors caught against uniform review.

    Every figure is a fraction. Replications in which the metric is undefined, or its interval cannot be computed,
    take no part; ``computed`` is the share of the others.
    """
    first = replications[0]
    plain = {metric: _mean(np.array([one.plain[metric] for one in replications])) for metric in METRICS}
    uniform = _mean(np.array([one.caught for one in replications]))
    found: dict[str, Any] = {}
    for name in first.runs:
        runs = [one.runs[name] for one in replications]
        caught = _mean(np.array([run.caught for run in runs]))
        found[name] = {
            "metrics": {metric: _figures([run.cells[metric] for run in runs], plain[metric]) for metric in METRICS},
            "errors_caught_vs_uniform": caught / uniform if uniform and caught is not None else None,
            "review_share": _mean(np.array([run.reviewed for run in runs])),
        }
        if any(run.relearnt for run in runs):
            found[name]["retraining"] = averaged([run.relearnt for run in runs])
    return found


def _figures(cells: Sequence[Cell], plain: float | None) -> dict[str, Any]:
    columns = [[getattr(cell, name) for cell in cells] for name in ("truth", "point", "low", "high")]
    truth, point, low, high = (np.array(column, dtype=np.float64) for column in columns)
    naive, naive_low, naive_high = (
        np.array([getattr(cell, name) for cell in cells], dtype=np.float64)
        for name in ("naive", "naive_low", "naive_high")
    )
    defined = ~np.isnan(truth)
    if not defined.any():
        return dict.fromkeys(NAMES)
    width = _mean((high - low)[defined])
    return {
        "truth": _mean(truth[defined]),
        "bias": _mean((point - truth)[defined]),
        "coverage": _covered(truth, low, high),
        "width": width,
        "width_vs_uniform": width / plain if width is not None and plain else None,
        "naive_bias": _mean((naive - truth)[defined]),
        "naive_coverage": _covered(truth, naive_low, naive_high),
        "effective_n": _mean(np.array([cell.effective_n for cell in cells])),
        "computed": _mean((~np.isnan(low))[defined].astype(np.float64)),
        "published": _mean(np.array([float(cell.published) for cell in cells])),
    }


NAMES = (
    "truth", "bias", "coverage", "width", "width_vs_uniform", "naive_bias", "naive_coverage", "effective_n",
    "computed", "published",
)  # fmt: skip


def _covered(truth: Floats, low: Floats, high: Floats) -> float | None:
    known = ~np.isnan(truth) & ~np.isnan(low)
    inside = (low - NOTHING <= truth) & (truth <= high + NOTHING)
    return _mean(inside[known].astype(np.float64))


def _mean(values: Floats) -> float | None:
    known = values[~np.isnan(values)]
    found = float(known.mean()) if known.size else math.nan
    return None if math.isnan(found) else found
