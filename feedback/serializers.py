"""The bodies of this app's API: JSON Schemas of what comes in, functions for what goes out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from models_registry.shapes import FLAG
from models_registry.training.pipelines import ESTIMATORS

if TYPE_CHECKING:
    from feedback.gold import Asked
    from feedback.models import Alert, DatasetSnapshot, GoldTruth, Label, TrainingRun
    from feedback.outcomes import Recorded
    from models_registry.models import GateResult
    from review.models import Prediction

MAX_BULK = 1000

OUTCOME: dict[str, Any] = {
    "type": "object",
    "properties": {
        "model": {"type": "string", "minLength": 1, "maxLength": 63},
        "external_id": {"type": "string", "minLength": 1, "maxLength": 200},
        "value": {"type": "string", "minLength": 1, "maxLength": 100},
        "observed_at": {"type": "string", "format": "date-time"},
        "source": {"type": "string", "minLength": 1, "maxLength": 100},
        "kind": {"enum": ["explicit", "implicit"]},
        "definition": {"type": "integer", "minimum": 1, "maximum": 2**31 - 1},
        "final": FLAG,
    },
    "required": ["model", "external_id", "value", "observed_at", "source", "kind"],
    "additionalProperties": False,
}
OUTCOMES: dict[str, Any] = {
    "type": "object",
    "properties": {"outcomes": {"type": "array", "items": OUTCOME, "minItems": 1, "maxItems": MAX_BULK}},
    "required": ["outcomes"],
    "additionalProperties": False,
}
_KNOWN: dict[str, Any] = {
    "type": "object",
    "properties": {
        "external_id": {"type": "string", "minLength": 1, "maxLength": 200},
        "prediction": {"type": "string", "minLength": 1, "maxLength": 20, "pattern": "^[0-9]+$"},
        "value": {"type": ["string", "null"], "minLength": 1, "maxLength": 100},
        "practice": FLAG,
    },
    "required": ["value"],
    "additionalProperties": False,
}
GOLD: dict[str, Any] = _KNOWN
GOLD_BULK: dict[str, Any] = {
    "type": "object",
    "properties": {"gold": {"type": "array", "items": _KNOWN, "minItems": 1, "maxItems": MAX_BULK}},
    "required": ["gold"],
    "additionalProperties": False,
}
# Either of both, as the API's description has it.
GOLD_REQUEST: dict[str, Any] = {
    "type": "object",
    "properties": {
        **_KNOWN["properties"],
        "value": {**_KNOWN["properties"]["value"], "description": "null takes back what was said"},
        "practice": {**FLAG, "description": "for the practice queue alone"},
        "gold": {**GOLD_BULK["properties"]["gold"], "description": "several such objects instead of one"},
    },
    "additionalProperties": False,
}
RETRAINING: dict[str, Any] = {
    "type": "object",
    "properties": {
        "snapshot": {"type": "string", "minLength": 1, "maxLength": 20},
        "estimator": {"enum": list(ESTIMATORS)},
        "reason": {"type": "string", "minLength": 1, "maxLength": 500, "pattern": "\\S"},
    },
    "required": ["reason"],
    "additionalProperties": False,
}
NOTHING: dict[str, Any] = {"type": "object", "properties": {}, "additionalProperties": False}


def outcome_body(recorded: Recorded) -> dict[str, Any]:
    """One stored outcome, and whether the same report had come before."""
    event = recorded.event
    return {
        "id": str(event.pk),
        "prediction": str(event.prediction_id),
        "value": event.value,
        "observed_at": event.observed_at,
        "before_prediction": event.before_prediction,
        "replayed": recorded.replayed,
    }


def label_body(label: Label) -> dict[str, Any]:
    """A label as its prediction shows it: from where, how it became known, and with which probability."""
    return {
        "id": str(label.pk),
        "label": label.value,
        "source": label.source,
        "selection": label.selection,
        "propensity": label.propensity,
        "definition": label.definition.number,
        "observed_at": label.observed_at,
        "created_at": label.created_at,
    }


def gold_body(prediction: Prediction, asked: Asked) -> dict[str, Any]:
    """What is known of a prediction, null where nothing is, and how its reviewers answered."""
    truth: GoldTruth | None = getattr(prediction, "gold", None)
    return {
        "prediction": str(prediction.pk),
        "external_id": prediction.external_id,
        "suggestion": prediction.predicted,
        "value": truth and truth.value,
        "practice": truth is not None and truth.practice,
        "set_by": truth and truth.set_by,
        "set_at": truth and truth.set_at,
        "asked": asked.asked,
        "answered": asked.answered,
        "right": asked.right,
    }


def snapshot_body(snapshot: DatasetSnapshot) -> dict[str, Any]:
    """The manifest: what is in the snapshot, under which hash, and where its parts are."""
    path = f"/api/v1/models/{snapshot.model.slug}/snapshots/{snapshot.pk}/"
    parts = [
        {
            "number": part.number,
            "url": f"{path}parts/{part.number}",
            "row_count": part.row_count,
            "size": part.artifact.size,
            "sha256": part.artifact_id,
        }
        for part in snapshot.parts.all()
    ]
    return {
        "id": str(snapshot.pk),
        "model": snapshot.model.slug,
        "status": snapshot.status,
        "sha256": snapshot.sha256,
        "row_count": snapshot.row_count,
        "schema": snapshot.schema,
        "query": snapshot.query,
        "parts": parts,
        "failure": snapshot.failure or None,
        "created_by": snapshot.created_by,
        "created_at": snapshot.created_at,
        "ready_at": snapshot.ready_at,
    }


def training_run_body(run: TrainingRun) -> dict[str, Any]:
    """One training run; figures and gates are there once a candidate was fitted."""
    gates = sorted(run.candidate.gate_results.all(), key=lambda result: result.pk) if run.candidate else []
    return {
        "id": str(run.pk),
        "model": run.model.slug,
        "status": run.status,
        "reason": run.reason,
        "estimator": run.estimator or None,
        "snapshot": None if run.snapshot_id is None else str(run.snapshot_id),
        "champion": run.champion.version if run.champion else None,
        "candidate": run.candidate.version if run.candidate else None,
        "weights": run.weights,
        "metrics": run.metrics,
        "gates": [gate_body(result) for result in gates],
        "progress": run.progress,
        "failure": run.failure or None,
        "requested_by": run.requested_by,
        "requested_at": run.requested_at,
        "started_at": run.started_at,
        "finished_at": run.finished_at,
    }


def gate_body(result: GateResult) -> dict[str, Any]:
    return {
        "gate": result.gate,
        "verdict": result.verdict,
        "blocking": result.blocking,
        "reason": result.reason,
        "evidence": result.evidence,
    }


def alert_body(alert: Alert) -> dict[str, Any]:
    """One alert with its evidence, and who has seen it."""
    return {
        "id": str(alert.pk),
        "kind": alert.kind,
        "subject": alert.subject or None,
        "severity": alert.severity,
        "title": alert.title,
        "detail": alert.detail,
        "state": alert.state,
        "times_seen": alert.times_seen,
        "opened_at": alert.opened_at,
        "last_seen_at": alert.last_seen_at,
        "acknowledged_at": alert.acknowledged_at,
        "acknowledged_by": alert.acknowledged_by or None,
        "resolved_at": alert.resolved_at,
    }
