"""Queues, their items and leases, and what is said about an item under its lease."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from models_registry.shapes import FLAG, NAME, NUMBER, TEXT
from review import adjudication
from review.models import MOST_DECISIONS, Lease, Mode, QueueItem, ReviewDecision, ReviewQueue
from review.queue_settings import LONGEST_LEASE, SHORTEST_LEASE
from review.serializers.predictions import WITHDRAWAL, prediction_body
from review.veil import of_item

if TYPE_CHECKING:
    from models_registry.access import Principal
    from models_registry.models import RegisteredModel


CLAIM: dict[str, Any] = {
    "type": "object",
    "properties": {
        "prefetch": {"type": "integer", "minimum": 0, "maximum": 5},
        "reserved": {**FLAG, "description": "claimed ahead: kept back for a short time until it is opened"},
        "escalated": {**FLAG, "description": "what was escalated first, for who leads a model"},
    },
    "additionalProperties": False,
}
RELEASE: dict[str, Any] = WITHDRAWAL
DECISION: dict[str, Any] = {
    "type": "object",
    "properties": {
        "label": NAME,
        "abstain": FLAG,
        "reason_codes": {"type": "array", "items": NAME, "maxItems": 50},
        "rationale": TEXT,
        "confidence": NUMBER,
        "seconds_active": NUMBER,
        "first_answer": NAME,
        "on_behalf_of": {"type": "string", "minLength": 1, "maxLength": 40},
        "opened_seconds_ago": NUMBER,
        "seconds_to_first_input": NUMBER,
        "input_kind": {"enum": ReviewDecision.Input.values},
    },
    "additionalProperties": False,
}
FIRST_ANSWER: dict[str, Any] = {
    "type": "object",
    "properties": {"label": NAME},
    "required": ["label"],
    "additionalProperties": False,
}
REVEAL_FEATURE: dict[str, Any] = {
    "type": "object",
    "properties": {"feature": {"type": "string", "minLength": 1, "maxLength": 200}},
    "required": ["feature"],
    "additionalProperties": False,
}
QUEUE_SETTINGS: dict[str, Any] = {
    "type": "object",
    "properties": {
        "mode": {"enum": Mode.values},
        "required_decisions": {"type": "integer", "minimum": 1, "maximum": MOST_DECISIONS},
        "two_keys": FLAG,
        "lease_seconds": {"type": "integer", "minimum": SHORTEST_LEASE, "maximum": LONGEST_LEASE},
    },
    "minProperties": 1,
    "additionalProperties": False,
}


def item_body(item: QueueItem, lease: Lease, viewer: Principal) -> dict[str, Any]:
    """A leased item with what its reviewer needs: the case, what may be said, and the model as far as it is shown."""
    prediction, veil = item.prediction, of_item(item, lease)
    payload = prediction.payload
    scores = dict(zip(item.model.classes, prediction.scores, strict=True))
    ranked = sorted(scores.items(), key=lambda pair: -pair[1])
    case = {"features": payload.features, "scores": scores, "value": prediction.value, "groups": prediction.groups}
    shown = prediction_body(prediction, veil=veil, viewer=viewer, **case, raw=payload.raw, context=payload.context)
    definition = max(item.model.definitions.all(), key=lambda row: row.number)
    return {
        "id": str(item.pk),
        "queue": item.queue.slug,
        "kind": item.shown_kind,
        # Both may follow from what the model answered.
        "priority": None if veil.model else item.priority,
        "enqueued_at": item.enqueued_at,
        "due_at": None if veil.model else item.due_at,
        "prediction": shown,
        "explanation": shown["explanation"],
        "alternatives": [] if veil.model else [{"class": label, "score": score} for label, score in ranked],
        "definition": {
            "number": definition.number,
            "classes": definition.classes,
            "guidelines": definition.guidelines,
            "reason_codes": definition.reason_codes,
        },
        "answers": adjudication.answers_of(item),
        "mode": lease.mode,
        "model_shown": not veil.model,
        "lease": {"token": str(lease.token), "expires_at": lease.expires_at},
    }


def lease_body(lease: Lease) -> dict[str, Any]:
    return {
        "token": str(lease.token),
        "item": str(lease.item_id),
        "claimed_at": lease.claimed_at,
        "expires_at": lease.expires_at,
        "renewals": lease.renewals,
        "mode": lease.mode,
        "reserved": lease.reserved,
        "opened_at": lease.opened_at,
        "model_shown_at": lease.model_shown_at,
        "first_answer": lease.first_answer,
        "ended_at": lease.ended_at,
        "ending": lease.ending,
        "reason": lease.reason,
    }


def queue_body(queue: ReviewQueue, models: Collection[RegisteredModel], figures: dict[str, Any]) -> dict[str, Any]:
    """A queue with its figures; ``models`` are those that the reader may see. Reads the prefetched ``models``."""
    seen = sorted(model.slug for model in queue.models.all() if model in models)
    settings = {name: getattr(queue, name) for name in QUEUE_SETTINGS["properties"]}
    pause = {name: getattr(queue, name) for name in ("paused_at", "paused_by", "paused_reason")}
    return {"slug": queue.slug, "models": seen, **figures, **settings, **pause}
