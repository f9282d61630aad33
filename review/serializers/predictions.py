"""Predictions: what is sent in, and one as the API shows it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from models_registry.shapes import NAME, NUMBER, TIME
from review import context, redaction, resolutions
from review.models import Explanation, Prediction, ReviewDecision
from review.veil import NOTHING, Veil

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from models_registry.access import Principal
    from review.models import Resolution


MAX_BULK = 1000

_SCALAR = {"type": ["string", "number", "boolean", "null"], "maxLength": 1000}


def _map(values: dict[str, Any], *, most: int = 100) -> dict[str, Any]:
    return {"type": "object", "propertyNames": NAME, "additionalProperties": values, "maxProperties": most}


PREDICTION: dict[str, Any] = {
    "type": "object",
    "properties": {
        "model": {"type": "string", "minLength": 1, "maxLength": 63},
        "version": NAME,
        "external_id": {"type": "string", "minLength": 1, "maxLength": 200},
        "features": {"type": "object"},
        "scores": {
            "type": "object",
            "additionalProperties": {"type": "number", "minimum": 0, "maximum": 1},
            "minProperties": 2,
        },
        "attributions": {"type": "object", "additionalProperties": NUMBER},
        "base_value": NUMBER,
        "groups": _map(_SCALAR),
        "entity_id": {"type": "string", "minLength": 1, "maxLength": 200},
        "value": NUMBER,
        "occurred_at": TIME,
        "as_of": _map(TIME),
        "feature_sets": _map(
            {
                "type": "object",
                "properties": {"version": NAME, "computed_at": TIME},
                "required": ["version"],
                "additionalProperties": False,
            }
        ),
        "raw": {},
        "latency_ms": {"type": "number", "minimum": 0},
        "counters": _map(NUMBER),
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
    decisions = redaction.decisions(prediction.decisions.all(), veil, viewer)
    body |= {
        "withdrawn_reason": prediction.withdrawn_reason,
        "explanation": None if explanation is None else explanation_body(explanation),
        "decisions": [_named(decision, veil, viewer) for decision in decisions],
        "labels": list(labels),
        "resolution": resolutions.current(prediction),
    }
    return redaction.prediction({**body, **case}, prediction, veil, viewer)


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
    hidden = veil.names and not (viewer is not None and redaction.is_own(decision, viewer))
    return {**body, "reviewer": None} if hidden else body


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
