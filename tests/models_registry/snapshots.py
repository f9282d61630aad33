"""Snapshot parts as the child process is handed them, from plain columns."""

from __future__ import annotations

from typing import Any

import numpy as np

from models_registry.training.rows import to_parquet

CONTRACT: dict[str, Any] = {
    "features": [
        {"name": "amount", "dtype": "float"},
        {"name": "age", "dtype": "int", "nullable": True},
        {"name": "country", "dtype": "category", "values": ["DE", "FR"]},
        {"name": "new", "dtype": "bool"},
    ]
}
CLASSES = ["ok", "fraud"]
COSTS = [[0.0, 5.0], [1.0, 0.0]]


def traffic(rows: int, *, seed: int = 0) -> tuple[list[dict[str, Any]], np.ndarray]:
    """Records of CONTRACT, and the truth (0 or 1): fraud grows with the amount, more so in FR."""
    draw = np.random.default_rng(seed)
    amount, country, new = draw.normal(size=rows), draw.choice(["DE", "FR"], rows), draw.random(rows) < 0.5
    age = draw.integers(18, 80, rows)
    logit = 1.5 * amount - 1.0 + 1.2 * (country == "FR") + 0.5 * new
    truth = (draw.random(rows) < 1 / (1 + np.exp(-logit))).astype(int)
    records = [
        {
            "amount": float(amount[i]),
            "age": None if i % 10 == 0 else int(age[i]),
            "country": str(country[i]),
            "new": bool(new[i]),
        }
        for i in range(rows)
    ]
    return records, truth


def part(
    records: list[dict[str, Any]],
    truth: np.ndarray | list[int],
    *,
    weight: np.ndarray | list[float | None] | None = None,
    scores: np.ndarray | None = None,
    first_id: int = 1,
    **columns: list[Any],
) -> bytes:
    """One Parquet part; every third row is held out. Give further columns, or other values for these, by name."""
    n = len(records)
    posted = np.full((n, 2), 0.5) if scores is None else scores
    table: dict[str, list[Any]] = {
        "prediction_id": [str(first_id + i) for i in range(n)],
        "entity_id": [None] * n,
        "version": ["1"] * n,
        "label": [CLASSES[int(value)] for value in truth],
        "label_source": ["review"] * n,
        "weight": [1.0] * n if weight is None else [None if w is None else float(w) for w in weight],
        "split": ["holdout" if i % 3 == 0 else "train" for i in range(n)],
        "score.ok": posted[:, 0].tolist(),
        "score.fraud": posted[:, 1].tolist(),
        **{name: [record[name] for record in records] for name in ("amount", "age", "country", "new")},
    }
    return to_parquet({**table, **columns})
