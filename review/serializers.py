"""The bodies of this app's API: JSON Schemas of what comes in, functions for what goes out."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

from review import adjudication, context, resolutions, veiled
from review.models import Explanation, Lease, Mode, Prediction, QueueItem, ReviewDecision, ReviewQueue
from review.models.queue import MOST_DECISIONS
from review.queue_settings import LONGEST_LEASE, SHORTEST_LEASE
from review.veil import NOTHING, Veil, of_item

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from models_registry.access import Principal
    from models_registry.errors import Fault
    from models_registry.models import RegisteredModel
    from review.models import PolicyVersion, Resolution, RoutingControl
    from review.shadows import Summary

MAX_BULK = 1000

_NAME = {"type": "string", "minLength": 1, "maxLength": 100}
_TIME = {"type": "string", "format": "date-time"}
_SCALAR = {"type": ["string", "number", "boolean", "null"], "maxLength": 1000}


def _map(values: dict[str, Any], *, most: int = 100) -> dict[str, Any]:
    return {"type": "object", "propertyNames": _NAME, "additionalProperties": values, "maxProperties": most}


PREDICTION: dict[str, Any] = {
    "type": "object",
    "properties": {
        "model": {"type": "string", "minLength": 1, "maxLength": 63},
        "version": _NAME,
        "external_id": {"type": "string", "minLength": 1, "maxLength": 200},
        "features": {"type": "object"},
        "scores": {
            "type": "object",
            "additionalProperties": {"type": "number", "minimum": 0, "maximum": 1},
            "minProperties": 2,
        },
        "attributions": {"type": "object", "additionalProperties": {"type": "number"}},
        "base_value": {"type": "number"},
        "groups": _map(_SCALAR),
        "entity_id": {"type": "string", "minLength": 1, "maxLength": 200},
        "value": {"type": "number"},
        "occurred_at": _TIME,
        "as_of": _map(_TIME),
        "feature_sets": _map(
            {
                "type": "object",
                "properties": {"version": _NAME, "computed_at": _TIME},
                "required": ["version"],
                "additionalProperties": False,
            }
        ),
        "raw": {},
        "latency_ms": {"type": "number", "minimum": 0},
        "counters": _map({"type": "number"}),
        "context": context.SCHEMA,
    },
    "required": ["model", "external_id", "features", "scores"],
    "additionalProperties": False,
}
PREDICTIONS: dict[str, Any] = {
    "type": "object",
    "properties": {"predictions": {"type": "array", "items": PREDICTION, "minItems": 1, "maxItems": MAX_BULK}},
    "required": ["predictions"],
    "additionalProperties": False,
}
WITHDRAWAL: dict[str, Any] = {
    "type": "object",
    "properties": {"reason": {"type": "string", "minLength": 1, "maxLength": 500}},
    "required": ["reason"],
    "additionalProperties": False,
}

CLAIM: dict[str, Any] = {
    "type": "object",
    "properties": {
        "prefetch": {"type": "integer", "minimum": 0, "maximum": 5},
        "reserved": {"type": "boolean", "description": "claimed ahead: kept back for a short time until it is opened"},
        "escalated": {"type": "boolean", "description": "what was escalated first, for who leads a model"},
    },
    "additionalProperties": False,
}
RELEASE: dict[str, Any] = WITHDRAWAL
DECISION: dict[str, Any] = {
    "type": "object",
    "properties": {
        "label": _NAME,
        "abstain": {"type": "boolean"},
        "reason_codes": {"type": "array", "items": _NAME, "maxItems": 50},
        "rationale": {"type": "string"},
        "confidence": {"type": "number"},
        "seconds_active": {"type": "number"},
        "first_answer": _NAME,
        "on_behalf_of": {"type": "string", "minLength": 1, "maxLength": 40},
        "opened_seconds_ago": {"type": "number"},
        "seconds_to_first_input": {"type": "number"},
        "input_kind": {"enum": ReviewDecision.Input.values},
    },
    "additionalProperties": False,
}
FIRST_ANSWER: dict[str, Any] = {
    "type": "object",
    "properties": {"label": _NAME},
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
        "two_keys": {"type": "boolean"},
        "lease_seconds": {"type": "integer", "minimum": SHORTEST_LEASE, "maximum": LONGEST_LEASE},
    },
    "minProperties": 1,
    "additionalProperties": False,
}


def described(predictions: QuerySet[Prediction], viewer: Principal | None = None) -> QuerySet[Prediction]:
    """The rows with all that ``prediction_body`` looks at, so that a page of them costs a few queries."""
    related = predictions.select_related("model", "version", "routing__policy", "explanation")
    found = related.prefetch_related("decisions", "resolutions")
    # What a contract marks as sensitive matters to persons; the systems that poll need not read it.
    return found if viewer is not None and viewer.key is not None else found.prefetch_related("version__contract")


def prediction_body(
    prediction: Prediction,
    labels: Sequence[dict[str, Any]] = (),
    *,
    veil: Veil = NOTHING,
    viewer: Principal | None = None,
    **case: Any,
) -> dict[str, Any]:
    """One prediction as the API shows it to the viewer, behind the veil.

    ``labels`` are bodies made by the app that owns labels; ``case`` is what a review shows besides.
    """
    routing = getattr(prediction, "routing", None)
    explanation = getattr(prediction, "explanation", None)
    body = _head(prediction, prediction.model.slug, prediction.version.version)
    if routing is not None:
        body |= {
            "disposition": routing.disposition,
            "review": routing.review,
            "propensity": routing.propensity,
            "draw": routing.draw,
            "reasons": routing.reasons,
            "policy": routing.policy.number if routing.policy else None,
            "routed_at": routing.routed_at,
        }
    decisions = veiled.decisions(prediction.decisions.all(), veil, viewer)
    body |= {
        "withdrawn_reason": prediction.withdrawn_reason,
        "explanation": None if explanation is None else explanation_body(explanation),
        "decisions": [_named(decision, veil, viewer) for decision in decisions],
        "labels": list(labels),
        "resolution": resolutions.current(prediction),
    }
    return veiled.prediction({**body, **case}, prediction, veil, viewer)


def received_body(prediction: Prediction, *, model: str, version: str) -> dict[str, Any]:
    """A prediction that was stored a moment ago: nothing has happened to it, so nothing is looked up."""
    return _head(prediction, model, version)


def _head(prediction: Prediction, model: str, version: str) -> dict[str, Any]:
    return {
        "id": str(prediction.pk),
        "model": model,
        "version": version,
        "external_id": prediction.external_id,
        "entity_id": prediction.entity_id,
        "status": prediction.status,
        "predicted": prediction.predicted,
        "confidence": prediction.confidence,
        "occurred_at": prediction.occurred_at,
        "received_at": prediction.received_at,
        # Until it is routed the caller holds.
        "disposition": "hold",
        "review": "none",
        "propensity": None,
        "draw": None,
        "reasons": [],
        "policy": None,
        "routed_at": None,
        "withdrawn_reason": "",
        "explanation": None,
        "decisions": [],
        "labels": [],
        "resolution": {"state": "pending", "label": None, "disposition": "hold", "by": None, "at": None},
        "hidden": [],
        "masked": [],
    }


def explanation_body(explanation: Explanation) -> dict[str, Any]:
    """Attributions over contract features, largest first, or why there are none."""
    return {
        "status": explanation.status,
        "explained_class": explanation.explained_class or None,
        "contributions": explanation.contributions,
        "base_value": explanation.base_value,
        "output": explanation.output,
        "space": explanation.space or None,
        "origin": explanation.origin or None,
        "explainer": explanation.explainer or None,
        "mismatch": explanation.mismatch,
        "contrast": explanation.contrast,
        "flips": explanation.flips,
        "similar": [{**one, "prediction": str(one["prediction"])} for one in explanation.similar],
        "reason": explanation.reason,
        "computed_at": explanation.computed_at,
    }


def decision_body(decision: ReviewDecision) -> dict[str, Any]:
    """One row of an item's chain: an answer, an abstention, or the undo of the row it supersedes."""
    shown_at = decision.model_shown_at
    return {
        "id": str(decision.pk),
        "kind": decision.kind,
        "label": decision.label,
        "abstained": decision.abstained,
        "reviewer": decision.reviewer,
        "reason_codes": decision.reason_codes,
        "rationale": decision.rationale,
        "confidence": decision.confidence,
        "first_answer": decision.first_answer,
        "mode": decision.mode,
        "model_shown_at": shown_at,
        "model_shown_seconds": None if shown_at is None else (decision.decided_at - shown_at).total_seconds(),
        "blind_share": decision.blind_share,
        "blind_draw": decision.blind_draw,
        "explanation_shown": decision.explanation_shown,
        "opened_at": decision.opened_at,
        "seconds_to_first_input": decision.seconds_to_first_input,
        "input_kind": decision.input_kind or None,
        "seconds_active": decision.seconds_active,
        "claimed_at": decision.claimed_at,
        "decided_at": decision.decided_at,
        "supersedes": str(decision.supersedes_id) if decision.supersedes_id else None,
    }


def _named(decision: ReviewDecision, veil: Veil, viewer: Principal | None) -> dict[str, Any]:
    """The decision, without its reviewer's name where that is hidden."""
    body = decision_body(decision)
    hidden = veil.names and not (viewer is not None and veiled.is_own(decision, viewer))
    return {**body, "reviewer": None} if hidden else body


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
        # It may follow from the score.
        "priority": None if veil.model else item.priority,
        "enqueued_at": item.enqueued_at,
        "due_at": item.due_at,
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


KILL_SWITCH: dict[str, Any] = {
    "type": "object",
    "properties": {
        "on": {"type": "boolean"},
        "reason": {"type": "string", "maxLength": 500, "pattern": r"\S"},
        "expires_at": {"anyOf": [_TIME, {"type": "null"}]},
    },
    "required": ["on", "reason"],
    "additionalProperties": False,
}


def policy_body(
    policy: PolicyVersion, control: RoutingControl | None, warnings: Sequence[Fault] | None = None
) -> dict[str, Any]:
    """A policy with its document and whether it is the live or the shadow one; ``warnings`` where they were sought."""
    body = {
        "number": policy.number,
        "document": policy.document,
        "note": policy.note,
        "active": control is not None and control.active_id == policy.pk,
        "shadow": control is not None and control.shadow_id == policy.pk,
        "created_by": policy.created_by,
        "created_at": policy.created_at,
    }
    return body if warnings is None else {**body, "warnings": [_warning(warning) for warning in warnings]}


def shadow_body(policy: PolicyVersion, summary: Summary, control: RoutingControl | None) -> dict[str, Any]:
    """Shares of the predictions that both saw, as it was and as the shadow would have had it."""
    return {
        "number": policy.number,
        "shadow": control is not None and control.shadow_id == policy.pk,
        "predictions": summary.predictions,
        "live": summary.live,
        "would": summary.shadow,
        "changed": summary.changed,
    }


def kill_switch_body(control: RoutingControl, *, on: bool) -> dict[str, Any]:
    return {
        "on": on,
        "reason": control.kill_switch_reason,
        "expires_at": control.kill_switch_expires_at,
        "changed_by": control.changed_by,
        "changed_at": control.changed_at,
    }


def resolution_body(resolution: Resolution) -> dict[str, Any]:
    """One entry of the feed; its ``id`` is the cursor that comes after it."""
    return {
        "id": str(resolution.pk),
        "prediction": str(resolution.prediction_id),
        "external_id": resolution.prediction.external_id,
        "model": resolution.model.slug,
        "state": "final",
        "label": resolution.label,
        "disposition": resolution.disposition,
        "by": resolution.by,
        "decision": str(resolution.decision_id) if resolution.decision_id else None,
        "at": resolution.at,
    }


def _warning(fault: Fault) -> dict[str, str]:
    return {"pointer": fault.pointer, "code": fault.code, "message": fault.message}
