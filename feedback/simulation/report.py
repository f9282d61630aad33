"""The answer of a simulation as a document and as lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from feedback.simulation.champion import encoded
from feedback.simulation.replication import Replication
from feedback.simulation.routes import Floats, Options, Setup
from feedback.simulation.summary import summarise
from feedback.simulation.table import Table

COLUMNS = (
    ("truth", "truth", 8), ("bias", "bias", 9), ("coverage", "covered", 8), ("width", "width", 8),
    ("width_vs_uniform", "vs uniform", 11), ("naive_bias", "naive bias", 11), ("naive_coverage", "covered", 8),
    ("effective_n", "eff. n", 9), ("published", "shown", 7),
)  # fmt: skip


def setup(table: Table, scores: Floats, options: Options, costs: tuple[float, float] | None = None) -> Setup:
    """The rows after the champion's, with what errors cost: ``costs`` of a missed positive and a false alarm."""
    start = len(table.labels) - len(scores)
    inputs = encoded(table.features, start)[start:].reset_index(drop=True) if options.retrain else None
    prices = 1.0 - np.eye(len(table.classes))
    if costs is not None and table.positive is not None:
        prices[1 - table.positive, table.positive], prices[table.positive, 1 - table.positive] = costs
    return Setup(
        scores,
        table.labels[start:],
        table.tier[start:],
        table.classes,
        table.positive,
        prices,
        options,
        rows=len(table.labels),
        inputs=inputs,
    )


def document(setup: Setup, replications: Sequence[Replication]) -> dict[str, Any]:
    """``{"rows", "window", "replications", "policies"}``; every figure is a fraction."""
    return {
        "rows": setup.rows,
        "window": min(setup.options.window, setup.labels.size // 2),
        "replications": len(replications),
        "policies": summarise(replications),
    }


def lines(found: dict[str, Any], setup: Setup) -> Iterator[str]:
    """The document as a table of fixed width, one block for each policy."""
    options = setup.options
    yield (
        f"{found['replications']} windows of {found['window']:,} out of the last {setup.labels.size:,} of "
        f"{found['rows']:,} rows, {options.budget:.0%} reviewed; widths beside a plain mean under uniform review"
    )
    head = f"{'':22}" + "".join(f"{title:>{width}}" for _, title, width in COLUMNS)
    for name, policy in found["policies"].items():
        caught = policy["errors_caught_vs_uniform"]
        more = "" if caught is None else f", {caught:.2f} x the errors that uniform review catches"
        yield ""
        yield f"{name}: {policy['review_share']:.1%} reviewed{more}"
        yield head
        for metric, figures in policy["metrics"].items():
            cells = "".join(f"{_cell(key, figures[key]):>{width}}" for key, _, width in COLUMNS)
            yield f"  {metric:20}{cells}"
        for arm, figures in (policy.get("retraining") or {}).items():
            if isinstance(figures, dict):
                yield f"  retraining, {arm:12}" + "  ".join(f"{key} {value:.4f}" for key, value in figures.items())


def _cell(key: str, value: float | None) -> str:
    if value is None:
        return "-"
    if key == "effective_n":
        return f"{value:,.0f}"
    if key in ("coverage", "naive_coverage", "published"):
        return f"{value:.3f}"
    return f"{value:+.4f}" if key in ("bias", "naive_bias") else f"{value:.4f}"
