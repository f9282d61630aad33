"""Predictions with their routing, items and decisions, made as rows: what feedback starts from."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import Model

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


def make_case(model: RegisteredModel, external_id: str, **fields: Any) -> Prediction:
    """A routed prediction; with an open item when it was drawn for a gate or an audit."""
    [prediction] = make_cases(model, {external_id: fields})
    return prediction


def make_cases(model: RegisteredModel, cases: dict[str, dict[str, Any]]) -> list[Prediction]:
    """`make_case` for each external id with its fields, all rows of a table in one statement."""
    queue = ReviewQueue.objects.filter(slug=model.slug).first()
    rows = [row for external_id, fields in cases.items() for row in _rows(model, external_id, queue, **fields)]
    for kind in (Prediction, PredictionPayload, RoutingDecision, Resolution, QueueItem):
        kind._default_manager.bulk_create(row for row in rows if type(row) is kind)
    return [row for row in rows if type(row) is Prediction]


def _rows(
    model: RegisteredModel,
    external_id: str,
    queue: ReviewQueue | None,
    *,
    review: str = "audit",
    propensity: float = 0.25,
    disposition: str | None = None,
    features: dict[str, Any] | None = None,
    routing: dict[str, Any] | None = None,
    **fields: Any,
) -> list[Model]:
    scores = fields.pop("scores", [0.8, 0.2])
    place = max(range(len(scores)), key=scores.__getitem__)
    named = {"model": model, "version": model.champion, "external_id": external_id, "occurred_at": NOON}
    values = {"scores": scores, "predicted": model.classes[place], "confidence": scores[place], "status": "routed"}
    prediction = Prediction(**{**named, **values, "fingerprint": "0" * 64, **fields})
    gate = review == "gate"
    told = "hold" if gate else (disposition or "proceed")
    routed = {
        "p_gate": propensity if gate else 0.0, "propensity": propensity, "review": review, "reasons": [],
        "draw": propensity if review == "none" else 0.0, "disposition": told, "model_guess": scores[place],
        "oversight_always": False, "routed_at": prediction.occurred_at + timedelta(seconds=1),
    }  # fmt: skip
    rows: list[Model] = [
        prediction,
        PredictionPayload(prediction=prediction, features=FEATURES if features is None else features),
        RoutingDecision(prediction=prediction, model=model, **{**routed, **(routing or {})}),
    ]
    if not gate:
        rows.append(Resolution(prediction=prediction, model=model, disposition=told, by="model"))
    if review != "none":
        rows.append(QueueItem(prediction=prediction, model=model, queue=queue, kind=review, slot=1))
    return rows


def make_item(prediction: Prediction, *, kind: str, slot: int = 1) -> QueueItem:
    queue = ReviewQueue.objects.get(slug=prediction.model.slug)
    return QueueItem.objects.create(prediction=prediction, model=prediction.model, queue=queue, kind=kind, slot=slot)


def ask(prediction: Prediction) -> QueueItem:
    """The prediction, whose answer is known, put to one more reviewer."""
    return make_item(prediction, kind="gold", slot=prediction.items.count() + 1)


def decide(prediction: Prediction, label: str | None, *, slot: int = 1, **fields: Any) -> ReviewDecision:
    """A decision at the end of the item's chain; without a label an abstention."""
    [decision] = decide_all([(prediction, label, fields)], slot=slot)
    return decision


def decide_all(
    answers: Sequence[tuple[Prediction, str | None, dict[str, Any]]], *, slot: int = 1
) -> list[ReviewDecision]:
    """`decide` for each prediction of one model with its label and fields, all rows of a table in one statement."""
    found = QueueItem.objects.filter(prediction__in=[prediction for prediction, _, _ in answers], slot=slot)
    of_prediction = {item.prediction_id: item for item in found}
    items = [of_prediction[prediction.pk] for prediction, _, _ in answers]
    past = ReviewDecision.objects.filter(item__in=items).order_by("item_id", "-id").distinct("item_id")
    last = {decision.item_id: decision for decision in past}
    definition = answers[0][0].model.definitions.order_by("-number").first()
    until = NOON + timedelta(days=1)
    leases = Lease.objects.bulk_create(
        Lease(token=uuid.uuid4(), item=item, holder="r-alice", expires_at=until) for item in items
    )
    decisions = []
    for (prediction, label, fields), item, lease in zip(answers, items, leases, strict=True):
        values = {
            "label": label, "abstained": label is None, "reviewer": "r-alice", "decided_at": NOON + timedelta(hours=2),
            "claimed_at": NOON + timedelta(hours=1), "supersedes": last.get(item.pk), "definition": definition,
        }  # fmt: skip
        named = {"item": item, "prediction": prediction, "model": prediction.model, "lease": lease}
        decisions.append(ReviewDecision(**{**named, **values, **fields}))
    for state, given in (("decided", True), ("open", False)):
        chosen = [item.pk for item, (_, label, _) in zip(items, answers, strict=True) if bool(label) == given]
        QueueItem.objects.filter(pk__in=chosen).update(state=state)
    return ReviewDecision.objects.bulk_create(decisions)


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
