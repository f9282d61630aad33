"""Predictions that wait to be routed, made as rows."""

from __future__ import annotations

from typing import Any

from models_registry.models import RegisteredModel
from review.models import PolicyVersion, Prediction, PredictionPayload, RoutingControl

FEATURES = {"amount": 12.5, "age": 41, "country": "DE"}


def receive(model: RegisteredModel, count: int = 1, *, confidence: float = 0.9, **fields: Any) -> list[Prediction]:
    """Received predictions r-0, r-1, … that the model says ``ok`` to, with that confidence."""
    payload = {name: fields.pop(name) for name in ("as_of", "feature_sets") if name in fields}
    features, first = fields.pop("features", FEATURES), fields.pop("first", 0)
    values = {"scores": [confidence, 1 - confidence], "predicted": model.classes[0], "confidence": confidence, **fields}
    made = Prediction.objects.bulk_create(
        Prediction(model=model, version=model.champion, external_id=f"r-{number}", fingerprint="0" * 64,
                   occurred_at="2026-01-01T00:00:00Z", **values) for number in range(first, first + count)
    )  # fmt: skip
    PredictionPayload.objects.bulk_create(
        PredictionPayload(prediction=prediction, features=features, **payload) for prediction in made
    )
    return made


def obey(model: RegisteredModel, document: dict[str, Any] | None, **control: Any) -> PolicyVersion | None:
    """Make a document the live policy without any check; None for no policy."""
    policy = None
    if document is not None:
        number = model.policies.count() + 1
        policy = PolicyVersion.objects.create(model=model, number=number, document=document, created_by="test")
    RoutingControl.objects.filter(model=model).update(active=policy, **control)
    return policy
