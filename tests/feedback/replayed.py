"""Routed traffic of many confidences, with the labels of whatever was drawn."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from feedback import labels
from models_registry.models import RegisteredModel
from review import routing
from review.models import Prediction, PredictionPayload
from tests.feedback.cases import decide_all

START = datetime(2026, 3, 1, tzinfo=UTC)


def send(model: RegisteredModel, count: int, *, seed: int = 0, name: str = "t", hours: float = 1.0) -> None:
    """Predictions a number of hours apart, with features and groups, routed by whatever policy is live."""
    rng = np.random.default_rng(seed)
    first = rng.uniform(0.02, 0.98, count).round(3)
    made = Prediction.objects.bulk_create(
        Prediction(
            model=model,
            version=model.champion,
            external_id=f"{name}-{number}",
            fingerprint="0" * 64,
            scores=[score, 1 - score],
            predicted=model.classes[int(score < 0.5)],
            confidence=max(score, 1 - score),
            value=None if number % 3 else 2.0,
            groups=None if number % 5 == 0 else {"segment": "vip" if number % 4 == 0 else "plain", "size": number % 7},
            occurred_at=START + timedelta(hours=hours * number),
        )
        for number, score in enumerate(first.tolist())
    )
    countries = ("DE", "FR", None)
    PredictionPayload.objects.bulk_create(
        PredictionPayload(prediction=p, features={"amount": n % 50, "age": n % 90, "country": countries[n % 3]})
        for n, p in enumerate(made)
    )
    while routing.route_batch(limit=500):
        pass


def truth_of(prediction: Prediction) -> str:
    """Wrong for every third prediction."""
    right = prediction.pk % 3 != 0
    return str(next(c for c in prediction.model.classes if (c == prediction.predicted) is right))


def label_all(model: RegisteredModel, **fields: Any) -> None:
    waiting = Prediction.objects.filter(model=model, items__state="open").select_related("model")
    decide_all([(prediction, truth_of(prediction), fields) for prediction in waiting])
    labels.pull_all()
