"""Predictions that wait in a queue, made as rows: the step under test begins there."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.db.models import F

from models_registry.models import RegisteredModel
from review.models import (
    Lease,
    Prediction,
    PredictionPayload,
    QueueItem,
    Resolution,
    ReviewQueue,
    RoutingDecision,
)


def make_prediction(model: RegisteredModel, external_id: str = "p-1", **fields: Any) -> Prediction:
    [prediction] = make_predictions(model, [external_id], **fields)
    return prediction


def make_predictions(model: RegisteredModel, external_ids: Iterable[str], **fields: Any) -> list[Prediction]:
    """Predictions that differ by their external id alone, in bulk."""
    values = {"scores": [0.6, 0.4], "predicted": "ok", "confidence": 0.6, "status": "routed", "fingerprint": "0" * 64}
    features = fields.pop("features", {"amount": 12.5, "age": 41, "country": "DE"})
    payload = {name: fields.pop(name) for name in ("attributions", "base_value") if name in fields}
    version = fields.pop("version", model.champion)
    shared = {"model": model, "version": version, "occurred_at": "2026-01-01T00:00:00Z", **values, **fields}
    predictions = Prediction.objects.bulk_create(Prediction(external_id=name, **shared) for name in external_ids)
    PredictionPayload.objects.bulk_create(
        PredictionPayload(prediction=prediction, features=features, **payload) for prediction in predictions
    )
    return predictions


def make_item(model: RegisteredModel, external_id: str = "p-1", *, kind: str = "gate", **fields: Any) -> QueueItem:
    """An open item of a routed prediction: held for a gate, or told to proceed for all others."""
    [item] = make_routed_items(model, [external_id], kind=kind, **fields)
    return item


def make_routed_items(
    model: RegisteredModel, external_ids: Iterable[str], *, kind: str = "gate", **fields: Any
) -> list[QueueItem]:
    """`make_item` for each external id, in bulk."""
    predictions = make_predictions(model, external_ids)
    gate = kind == "gate"
    RoutingDecision.objects.bulk_create(
        RoutingDecision(
            prediction=prediction, model=model, draw=0.1, p_gate=float(gate), propensity=1.0 if gate else 0.3,
            review="gate" if gate else "audit", disposition="hold" if gate else "proceed", reasons=["low_confidence"],
            model_guess=0.6, oversight_always=False,
        ) for prediction in predictions
    )  # fmt: skip
    if not gate:
        Resolution.objects.bulk_create(
            Resolution(prediction=prediction, model=model, label="ok", disposition="proceed", by="model")
            for prediction in predictions
        )
    queue = ReviewQueue.objects.get(slug=model.slug)
    return QueueItem.objects.bulk_create(
        QueueItem(prediction=prediction, model=model, queue=queue, kind=kind, **fields) for prediction in predictions
    )


def make_items(model: RegisteredModel, count: int) -> list[QueueItem]:
    """Many open items, in bulk, without routing decisions."""
    queue = ReviewQueue.objects.get(slug=model.slug)
    shared: dict[str, Any] = {"model": model, "version": model.champion, "scores": [0.6, 0.4], "predicted": "ok"}
    predictions = Prediction.objects.bulk_create(
        Prediction(external_id=f"m-{i}", confidence=0.6, status="routed", fingerprint="0" * 64,
                   occurred_at="2026-01-01T00:00:00Z", **shared) for i in range(count)
    )  # fmt: skip
    PredictionPayload.objects.bulk_create(PredictionPayload(prediction=p, features={}) for p in predictions)
    return QueueItem.objects.bulk_create(
        QueueItem(prediction=p, model=model, queue=queue, kind="gate") for p in predictions
    )


def expire(item: QueueItem) -> None:
    """Move the item's lease into the past, as time would."""
    hour = timedelta(hours=1)
    token = QueueItem.objects.get(pk=item.pk).lease_token
    QueueItem.objects.filter(pk=item.pk).update(lease_expires_at=F("lease_expires_at") - hour)
    Lease.objects.filter(token=token).update(claimed_at=F("claimed_at") - hour, expires_at=F("expires_at") - hour)
