"""Documents of quality made by hand, for what the page says about states that rows seldom reach."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

BEGIN = datetime(2026, 3, 2, tzinfo=UTC)
WEEK = timedelta(days=7)


def figure(estimate: float | None = 0.84, **changes: Any) -> dict[str, Any]:
    """A published figure, 3 points to each side; without an estimate one of too few labels."""
    shown = estimate is not None
    low, high = (estimate - 0.03, estimate + 0.03) if estimate is not None else (None, None)
    made: dict[str, Any] = {
        "estimate": estimate,
        "low": low,
        "high": high,
        "state": "ok" if shown else "insufficient_data",
        "effective_n": 400.0 if shown else 12.0,
        "labels": 420 if shown else 14,
        "naive": 0.61,
        "naive_low": 0.55,
        "naive_high": 0.67,
        "sequence": {"low": 0.8 if shown else None, "high": 0.9 if shown else None},
        "label_free": 0.87,
        "departs": False,
        "bounds": None,
        "unsupported_share": 0.0,
        "nonresponse": None,
        "constant": 0.7,
    }
    return {**made, **changes}


def quality(**changes: Any) -> dict[str, Any]:
    """The document of a model with two classes in which all is well."""
    shares, losses = ("accuracy", "precision", "recall"), ("cost", "brier", "log_loss")
    metrics = {name: figure() for name in shares} | {name: figure(constant=0.95) for name in losses}
    made: dict[str, Any] = {
        "window": {"from": BEGIN.isoformat(), "to": (BEGIN + 8 * WEEK).isoformat()},
        "metrics": metrics | {"auto_accepted_error": figure(0.021, low=0.0121, high=0.0306)},
        "baseline": {
            "prevalence": {"legit": {"estimate": 0.7, "low": 0.6, "high": 0.8}},
            "constant_class": "legit",
            "no_better_than_constant": False,
            "accuracy_may_lead": True,
        },
        "outcomes": {"population": "none", "metrics": {"accuracy": figure(None)}},
        "maturity": {"drawn": 500, "decided": 450, "share": 0.9},
        "population": {"predictions": 2000, "labelled": 420, "labelled_without_draw": 0},
        "conflicts": {"both": 0, "conflicts": 0, "rate": None, "low": None, "high": None, "examples": []},
    }
    return {**made, **changes}


def series(estimates: list[float | None], *, immature: int = 0, restated: tuple[int, ...] = ()) -> list[dict[str, Any]]:
    """One slice a week; the last ``immature`` ones are too young."""
    return [
        {
            "from": (BEGIN + place * WEEK).isoformat(),
            "to": (BEGIN + (place + 1) * WEEK).isoformat(),
            "predictions": 250,
            "outcomes": figure(0.8 if place == 0 else None),
            "maturity": 0.9,
            "mature": place < len(estimates) - immature,
            "restated": place in restated,
            **figure(estimate),
        }
        for place, estimate in enumerate(estimates)
    ]


def change(weeks: float, kind: str = "model", text: str = "version 2 serves") -> dict[str, Any]:
    return {"at": (BEGIN + weeks * WEEK).isoformat(), "kind": kind, "text": text}
