"""Predictions with their routing, items and decisions, made as rows: what feedback starts from."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from models_registry.models import RegisteredModel
from review.models import (
    Lease,
    Prediction,
    PredictionPayload,
    QueueItem,
    Resolution,
    ReviewDecision,
    ReviewQueue,
    RoutingDecision,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
FEATURES = {"amount": 12.5, "age": 41, "country": "DE"}


def make_case(
    model: RegisteredModel,
    external_id: str,
    *,
    review: str = "audit",
    propensity: float = 0.25,
    disposition: str | None = None,
    features: dict[str, Any] | None = None,
    routing: dict[str, Any] | None = None,
    **fields: Any,
) -> Prediction:
    """A routed prediction; with an open item when it was drawn for a gate or an audit."""
    scores = fields.pop("scores", [0.8, 0.2])
    place = max(range(len(scores)), key=scores.__getitem__)
    named = {"model": model, "version": model.champion, "external_id": external_id, "occurred_at": NOON}
    values = {"scores": scores, "predicted": model.classes[place], "confidence": scores[place], "status": "routed"}
    prediction = Prediction.objects.create(**{**named, **values, "fingerprint": "0" * 64, **fields})
    PredictionPayload.objects.create(prediction=prediction, features=FEATURES if features is None else features)
    gate = review == "gate"
    told = "hold" if gate else (disposition or "proceed")
    routed = {
        "p_gate": propensity if gate else 0.0, "propensity": propensity, "review": review, "reasons": [],
        "draw": propensity if review == "none" else 0.0, "disposition": told, "model_guess": scores[place],
        "oversight_always": False, "routed_at": prediction.occurred_at + timedelta(seconds=1),
    }  # fmt: skip
    RoutingDecision.objects.create(prediction=prediction, model=model, **{**routed, **(routing or {})})
    if not gate:
        Resolution.objects.create(prediction=prediction, model=model, disposition=told, by="model")
    if review != "none":
        make_item(prediction, kind=review)
    return prediction


def make_item(prediction: Prediction, *, kind: str, slot: int = 1) -> QueueItem:
    queue = ReviewQueue.objects.get(slug=prediction.model.slug)
    return QueueItem.objects.create(prediction=prediction, model=prediction.model, queue=queue, kind=kind, slot=slot)


def ask(prediction: Prediction) -> QueueItem:
    """The prediction, whose answer is known, put to one more reviewer."""
    return make_item(prediction, kind="gold", slot=prediction.items.count() + 1)


def decide(prediction: Prediction, label: str | None, *, slot: int = 1, **fields: Any) -> ReviewDecision:
    """A decision at the end of the item's chain; without a label an abstention."""
    item = prediction.items.get(slot=slot)
    lease = Lease.objects.create(token=uuid.uuid4(), item=item, holder="r-alice", expires_at=NOON + timedelta(days=1))
    values = {
        "label": label, "abstained": label is None, "reviewer": "r-alice", "decided_at": NOON + timedelta(hours=2),
        "claimed_at": NOON + timedelta(hours=1), "supersedes": item.decisions.order_by("-id").first(),
        "definition": item.model.definitions.order_by("-number").first(),
    }  # fmt: skip
    named = {"item": item, "prediction": prediction, "model": item.model, "lease": lease}
    decision = ReviewDecision.objects.create(**{**named, **values, **fields})
    QueueItem.objects.filter(pk=item.pk).update(state="decided" if label else "open")
    return decision


def undo(decision: ReviewDecision) -> ReviewDecision:
    shared = {"item": decision.item, "prediction": decision.prediction, "model": decision.model}
    QueueItem.objects.filter(pk=decision.item_id).update(state="open")
    return ReviewDecision.objects.create(
        **shared, kind="undo", supersedes=decision, reviewer="r-alice", definition=decision.definition
    )


def outcome_body(external_id: str, value: str = "fraud", **changes: Any) -> dict[str, Any]:
    body = {
        "model": "payments", "external_id": external_id, "value": value, "observed_at": "2026-03-20T00:00:00Z",
        "source": "chargeback", "kind": "explicit",
    }  # fmt: skip
    return {**body, **changes}
