"""Routing in one worker: predictions a second from received to routed, with sampling, features and a shadow.

Starts a PostgreSQL of its own. The first batch of each round warms up.
"""

from __future__ import annotations

import json
import statistics
import time
from pathlib import Path
from typing import Any

ROWS, ROUNDS, BATCH, GOAL = 10_000, 3, 500, 8_000
SAMPLED: dict[str, Any] = {
    "review": [{"name": "low", "when": {"field": "confidence", "lt": 0.55}, "p": 1.0, "kind": "gate"}],
    "sampling": {"kind": "active", "budget": 0.15, "tau": 0.5},
}
FEATURES: dict[str, Any] = {
    **SAMPLED,
    "rules": [{"name": "many", "when": {"field": "feature.count_0", "gt": 998}, "disposition": "refuse"}],
}


def receive(model: Any, tag: str) -> None:
    """ROWS received predictions with every confidence from one half to one."""
    from benchmarks.ingest import prediction
    from review.models import Prediction, PredictionPayload

    made = []
    for number in range(ROWS):
        confidence = 0.5 + number % 1000 / 2000
        made.append(
            Prediction(
                model=model,
                version=model.champion,
                external_id=f"{tag}-{number}",
                fingerprint="0" * 64,
                occurred_at="2026-01-01T00:00:00Z",
                scores=[confidence, 1 - confidence],
                predicted="no",
                confidence=confidence,
            )
        )
    Prediction.objects.bulk_create(made, batch_size=2000)
    PredictionPayload.objects.bulk_create(
        (PredictionPayload(prediction=row, features=prediction("x")["features"]) for row in made), batch_size=2000
    )


def rate(model: Any, tag: str) -> float:
    """Predictions a second through ``route_batch``, after the first batch."""
    from review import routing

    receive(model, tag)
    done = routing.route_batch(limit=BATCH)
    started = time.perf_counter()
    while routed := routing.route_batch(limit=BATCH):
        done += routed
    assert done == ROWS
    return (ROWS - BATCH) / (time.perf_counter() - started)


def measure(home: Path) -> None:
    from benchmarks.ingest import prepare
    from models_registry.models import RegisteredModel
    from review import policy_versions

    prepare()
    model = RegisteredModel.objects.select_related("champion").get(slug="bench")
    sides = {
        "routing.sampled": (SAMPLED, None),
        "routing.features": (FEATURES, None),
        "routing.shadow": (SAMPLED, SAMPLED),
    }
    for name, (document, shadow) in sides.items():
        live = policy_versions.create(model=model, document=document, actor="bench")
        policy_versions.activate(policy=live, actor="bench")
        if shadow is not None:
            watched = policy_versions.create(model=model, document=shadow, actor="bench")
            policy_versions.shadow(policy=watched, actor="bench")
        figure = statistics.median(rate(model, f"{name}-{turn}") for turn in range(ROUNDS))
        line = {"benchmark": name, "figure": round(figure, 1), "unit": "predictions/s", "goal": GOAL}
        print(json.dumps({**line, "reached": figure >= GOAL}), flush=True)


if __name__ == "__main__":
    from benchmarks.ingest import main

    main(measure)
