"""A table as real ones are: columns that the model sees, one that it does not, and a risk tier that routing sees."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from feedback import simulation

ADULT = "REVIEWHUB_ADULT_CSV"
ROWS = 30_000


def adult() -> Path | None:
    """The census table that the environment names, None where it names none."""
    named = os.environ.get(ADULT, "")
    return Path(named) if named else None


@cache
def table(name: str = "made", rows: int = ROWS) -> simulation.Table:
    """``adult``, or a made table whose positives are about a quarter, as its are."""
    path = adult()
    if name == "adult" and path is not None:
        hidden = ["capital-gain", "capital-loss"]
        tier = [f"{column}:gt:0" for column in hidden]
        return simulation.read(path, target="income-per-year", hidden=hidden, tier=tier)
    rng = np.random.default_rng(7)
    x = rng.normal(size=(rows, 4))
    kind = rng.integers(0, 5, rows)
    gain = np.where(rng.random(rows) < 0.13, rng.gamma(2.0, 1.0, rows), 0.0)
    logit = 2.2 * x[:, 0] + 1.2 * x[:, 1] * x[:, 2] + 0.9 * (kind - 2) - 2.6 + 0.8 * gain
    labels = (rng.random(rows) < 1 / (1 + np.exp(-logit))).astype(np.int64)
    columns = {f"x{n}": x[:, n] for n in range(4)} | {
        "kind": pd.Categorical.from_codes(kind, list("abcde")).astype(object)
    }
    return simulation.Table(pd.DataFrame(columns), labels, ("no", "yes"), 1, gain > 0)


@cache
def scored(name: str = "made", rows: int = ROWS) -> np.ndarray:
    return simulation.train(table(name, rows))


def setup(name: str, *, rows: int = ROWS, rare: bool = False, **options: object) -> simulation.Setup:
    """The table behind a simulation with costs 5 : 1; ``rare`` keeps 7 % of the positives."""
    chosen = simulation.Options(**options)  # type: ignore[arg-type]
    found = simulation.setup(table(name, rows), scored(name, rows), chosen, (5.0, 1.0))
    if not rare:
        return found
    keep = (found.labels == 0) | (np.random.default_rng(3).random(found.labels.size) < 0.07)
    cells = (found.scores[keep], found.labels[keep], found.tier[keep])
    return simulation.Setup(*cells, found.classes, found.positive, found.costs, chosen, rows=int(keep.sum()))
