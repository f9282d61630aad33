"""Predictions in columns, made without a database: what one policy sees of one or many cases."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from review.policies import Batch, Choice, Policy, Setting, choose_many

CLASSES = ["ok", "fraud"]
FEATURES = {"amount": 10.0, "age": 40, "country": "DE"}


def setting(**changes: Any) -> Setting:
    values: dict[str, Any] = {
        "classes": CLASSES,
        "costs": {"ok": [0, 5], "fraud": [1, 0]},
        "disposition_of": {"fraud": "refuse"},
        "queue": "payments",
    }
    return Setting(**{**values, **changes})


def case(confidence: float = 0.9, *, predicted: str = "ok", **cells: Any) -> Batch:
    """One prediction. ``features``, ``groups``, ``stale``, ``value``, ``novelty``, ``unusual``; else of the setting."""
    own = {name: cells.pop(name) for name in ("features", "groups", "stale", "unusual") if name in cells}
    numbers = {name: np.array([cells.pop(name)], dtype=float) for name in ("value", "novelty") if name in cells}
    scores = [confidence, 1 - confidence] if predicted == "ok" else [1 - confidence, confidence]
    one = np.array([confidence])
    return Batch(
        setting=setting(**cells),
        scores=np.array([scores]),
        predicted=np.array([CLASSES.index(predicted)]),
        confidence=one,
        guess=one,
        **numbers,
        **{"features": [FEATURES], **{name: [cell] for name, cell in own.items()}},
    )


def many(cases: list[Batch]) -> Batch:
    """Cases of one setting as one batch."""

    def column(name: str) -> Any:
        cells = [getattr(one, name) for one in cases]
        if all(cell is None for cell in cells):
            return None
        if name in ("value", "novelty"):
            return np.concatenate([np.array([np.nan]) if cell is None else cell for cell in cells])
        if isinstance(cells[0], np.ndarray):
            return np.concatenate(cells)
        empty = () if name == "unusual" else None
        return [empty if cell is None else cell[0] for cell in cells]

    names = [name for name in Batch.__slots__ if name != "setting"]
    return replace(cases[0], **{name: column(name) for name in names})


def choose(policy: Policy | None, at: Batch, u: float) -> Choice:
    """The choice for one case and its draw."""
    return choose_many(policy, at, np.array([u])).row(0)


def traffic(rows: int, *, seed: int = 0, **changes: Any) -> Batch:
    """Predictions with confidence between one half and one, scores alone."""
    confidence = np.random.default_rng(seed).uniform(0.5, 1.0, rows)
    scores = np.column_stack([confidence, 1 - confidence])
    return Batch(setting(**changes), scores, np.zeros(rows, dtype=np.int64), confidence, confidence)
