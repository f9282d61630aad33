"""The bodies of this app's API: JSON Schemas of what comes in, functions for what goes out."""

from __future__ import annotations

from typing import Any

from models_registry.contracts import CONTRACT
from models_registry.declarations import DEFINITION, MODEL
from models_registry.models import (
    LabelDefinition,
    ModelVersion,
    Promotion,
    RegisteredModel,
    WebhookEndpoint,
)
from models_registry.webhooks import EVENTS

__all__ = ["CONTRACT", "DEFINITION", "MODEL"]

_TEXT = {"type": "string"}
_TEXT_OR_NULL = {"type": ["string", "null"]}
_TIME = {"type": "string", "format": "date-time"}
_TIME_OR_NULL = {"type": ["string", "null"], "format": "date-time"}
_WHOLE = {"type": "integer"}
_FLAG = {"type": "boolean"}
_OBJECT = {"type": "object"}

VERSION: dict[str, Any] = {
    "type": "object",
    "properties": {"version": {"type": "string", "minLength": 1, "maxLength": 100}, "contract": CONTRACT},
    "required": ["version", "contract"],
    "additionalProperties": False,
}
# The same as multipart, which alone carries files.
VERSION_UPLOAD: dict[str, Any] = {
    "type": "object",
    "properties": {
        "version": VERSION["properties"]["version"],
        "contract": {"type": "string", "description": "the data contract, as JSON"},
        "artifact": {"type": "string", "format": "binary", "description": "the model as a .skops file"},
        "reference": {
            "type": "string",
            "format": "binary",
            "description": "CSV or Parquet: features, `label`, optional `score.<class>`",
        },
        "held_out": {"enum": ["true", "false"], "description": "true if the model did not train on the reference rows"},
    },
    "required": ["version", "contract"],
    "additionalProperties": False,
}
PROMOTION: dict[str, Any] = {
    "type": "object",
    "properties": {
        "version": {"type": "string", "minLength": 1, "maxLength": 100},
        "reason": {"type": "string", "maxLength": 2000, "pattern": r"\S"},
    },
    "required": ["version", "reason"],
    "additionalProperties": False,
}
WEBHOOK: dict[str, Any] = {
    "type": "object",
    "properties": {
        "url": {"type": "string", "minLength": 1, "maxLength": 500},
        "events": {"type": "array", "items": {"enum": list(EVENTS)}, "minItems": 1, "uniqueItems": True},
        "model": {"type": "string", "minLength": 1, "maxLength": 63},
    },
    "required": ["url"],
    "additionalProperties": False,
}

_OUTCOMES = MODEL["properties"]["outcomes"]["properties"]
MODEL_ANSWER: dict[str, Any] = {
    "type": "object",
    "properties": {
        **MODEL["properties"],
        "positive_class": _TEXT_OR_NULL,
        "costs": {**MODEL["properties"]["costs"], "type": ["object", "null"]},
        "review_cost": {"type": ["number", "null"]},
        "outcomes": {
            "type": "object",
            "properties": {**_OUTCOMES, "horizon_days": {"type": ["number", "null"]}},
        },
        "champion": {**_TEXT_OR_NULL, "description": "the version that serves"},
        "simulated": {"type": "boolean", "description": "its traffic is generated and its truth known"},
        "created_at": _TIME,
    },
}
GATE_ANSWER: dict[str, Any] = {
    "type": "object",
    "properties": {
        "gate": _TEXT,
        "verdict": {"enum": ["passed", "failed", "insufficient_data"]},
        "blocking": _FLAG,
        "reason": _TEXT,
        "evidence": _OBJECT,
    },
}
VERSION_ANSWER: dict[str, Any] = {
    "type": "object",
    "properties": {
        "version": _TEXT,
        "model": _TEXT,
        "state": {"enum": ["checking", "ready", "rejected"]},
        "state_reason": {"type": "string", "description": "why it was rejected"},
        "contract": CONTRACT,
        "contract_number": _WHOLE,
        "artifact_sha256": _TEXT_OR_NULL,
        "reference_sha256": _TEXT_OR_NULL,
        "held_out": {"type": "boolean", "description": "the model did not train on the reference rows"},
        "snapshot_sha256": {**_TEXT_OR_NULL, "description": "what it was retrained on"},
        "parent": {**_TEXT_OR_NULL, "description": "the version it was retrained from"},
        "origin": {"enum": ["registered", "retrained"]},
        "is_champion": _FLAG,
        "environment": {"type": "object", "description": "library versions found in the file"},
        "gates": {"type": "array", "items": GATE_ANSWER, "description": "the newest result of each"},
        "created_at": _TIME,
        "checked_at": _TIME_OR_NULL,
    },
}
CHAMPION_ANSWER: dict[str, Any] = {
    "type": "object",
    "properties": {
        "version": _TEXT,
        "contract": CONTRACT,
        "artifact_sha256": _TEXT_OR_NULL,
        "promoted_at": _TIME_OR_NULL,
    },
}
DEFINITION_ANSWER: dict[str, Any] = {
    "type": "object",
    "properties": {"number": _WHOLE, **DEFINITION["properties"], "created_at": _TIME},
}
PROMOTION_ANSWER: dict[str, Any] = {
    "type": "object",
    "properties": {
        "id": _TEXT,
        "model": _TEXT,
        "version": _TEXT,
        "previous": _TEXT_OR_NULL,
        "kind": {"enum": ["activation", "promotion", "rollback"]},
        "reason": _TEXT,
        "actor": _TEXT,
        "at": _TIME,
    },
}
ACTIVATION_ANSWER: dict[str, Any] = {
    "type": "object",
    "properties": {"model": _TEXT, "kind": _TEXT, **CHAMPION_ANSWER["properties"]},
}
WEBHOOK_ANSWER: dict[str, Any] = {
    "type": "object",
    "properties": {
        "id": _TEXT,
        "url": _TEXT,
        "events": {"type": "array", "items": {"enum": list(EVENTS)}},
        "model": _TEXT_OR_NULL,
        "created_at": _TIME,
        "secret": {"type": "string", "description": "signs the messages; in the answer to POST only"},
    },
}


def page_of(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of a cursor page of such results."""
    links = {"next": _TEXT_OR_NULL, "previous": _TEXT_OR_NULL}
    return {"type": "object", "properties": {"results": {"type": "array", "items": schema}, **links}}


def model_body(model: RegisteredModel) -> dict[str, Any]:
    return {
        "slug": model.slug,
        "name": model.name,
        "task": model.task,
        "classes": model.classes,
        "positive_class": model.positive_class,
        "oversight": model.oversight,
        "costs": model.costs,
        "review_cost": model.review_cost,
        "disposition_of": model.disposition_of,
        "outcomes": {"complete_for": model.outcomes_complete_for, "horizon_days": model.outcomes_horizon_days},
        "champion": model.champion.version if model.champion else None,
        "simulated": model.simulated,
        "created_at": model.created_at,
    }


def version_body(version: ModelVersion) -> dict[str, Any]:
    """A version with the newest result of each of its gates."""
    newest = {result.gate: result for result in reversed(version.gate_results.all())}
    return {
        "version": version.version,
        "model": version.model.slug,
        "state": version.state,
        "state_reason": version.state_reason,
        "contract": version.contract.document,
        "contract_number": version.contract.number,
        "artifact_sha256": version.artifact_id,
        "reference_sha256": version.reference_id,
        "held_out": version.reference_held_out,
        "snapshot_sha256": version.snapshot_sha256,
        "parent": version.parent.version if version.parent else None,
        "origin": version.origin,
        "is_champion": version.is_champion,
        "environment": version.environment,
        "gates": [
            {"gate": r.gate, "verdict": r.verdict, "blocking": r.blocking, "reason": r.reason, "evidence": r.evidence}
            for r in newest.values()
        ],
        "created_at": version.created_at,
        "checked_at": version.checked_at,
    }


def champion_body(champion: ModelVersion, promotion: Promotion | None) -> dict[str, Any]:
    return {
        "version": champion.version,
        "contract": champion.contract.document,
        "artifact_sha256": champion.artifact_id,
        "promoted_at": promotion.at if promotion else None,
    }


def definition_body(definition: LabelDefinition) -> dict[str, Any]:
    return {
        "number": definition.number,
        "classes": definition.classes,
        "guidelines": definition.guidelines,
        "reason_codes": definition.reason_codes,
        "implicit": definition.implicit,
        "created_at": definition.created_at,
    }


def promotion_body(promotion: Promotion) -> dict[str, Any]:
    return {
        "id": str(promotion.pk),
        "model": promotion.model.slug,
        "version": promotion.version.version,
        "previous": promotion.previous.version if promotion.previous else None,
        "kind": promotion.kind,
        "reason": promotion.reason,
        "actor": promotion.actor,
        "at": promotion.at,
    }


def webhook_body(endpoint: WebhookEndpoint) -> dict[str, Any]:
    """An endpoint without its secret, which only the answer to its creation shows."""
    return {
        "id": str(endpoint.pk),
        "url": endpoint.url,
        "events": endpoint.events,
        "model": endpoint.model.slug if endpoint.model else None,
        "created_at": endpoint.created_at,
    }
