"""The bodies of this app's API: JSON Schemas of what comes in, functions for what goes out."""

from __future__ import annotations

from typing import Any

from models_registry.contracts import CONTRACT
from models_registry.declarations import DEFINITION, MODEL
from models_registry.models import (
    GateResult,
    LabelDefinition,
    ModelVersion,
    Promotion,
    RegisteredModel,
    WebhookEndpoint,
)
from models_registry.shapes import (
    FLAG,
    NAME,
    NUMBER_OR_NULL,
    OBJECT,
    TEXT,
    TEXT_OR_NULL,
    TIME,
    TIME_OR_NULL,
    WHOLE,
    document,
)
from models_registry.webhooks import EVENTS

__all__ = ["CONTRACT", "DEFINITION", "MODEL"]

VERSION: dict[str, Any] = {
    "type": "object",
    "properties": {"version": NAME, "contract": CONTRACT},
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
        "version": NAME,
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
MODEL_ANSWER = document(
    **{
        **MODEL["properties"],
        "positive_class": TEXT_OR_NULL,
        "costs": {**MODEL["properties"]["costs"], "type": ["object", "null"]},
        "review_cost": NUMBER_OR_NULL,
        "outcomes": document(**{**_OUTCOMES, "horizon_days": NUMBER_OR_NULL}),
        "champion": {**TEXT_OR_NULL, "description": "the version that serves"},
        "simulated": {**FLAG, "description": "its traffic is generated and its truth known"},
        "created_at": TIME,
    }
)
GATE_ANSWER = document(
    gate=TEXT,
    verdict={"enum": GateResult.Verdict.values},
    blocking=FLAG,
    reason=TEXT,
    evidence=OBJECT,
)
VERSION_ANSWER = document(
    version=TEXT,
    model=TEXT,
    state={"enum": ModelVersion.State.values},
    state_reason={**TEXT, "description": "why it was rejected"},
    contract=CONTRACT,
    contract_number=WHOLE,
    artifact_sha256=TEXT_OR_NULL,
    reference_sha256=TEXT_OR_NULL,
    held_out={**FLAG, "description": "the model did not train on the reference rows"},
    snapshot_sha256={**TEXT_OR_NULL, "description": "what it was retrained on"},
    parent={**TEXT_OR_NULL, "description": "the version it was retrained from"},
    origin={"enum": ModelVersion.Origin.values},
    is_champion=FLAG,
    environment={**OBJECT, "description": "library versions found in the file"},
    gates={"type": "array", "items": GATE_ANSWER, "description": "the newest result of each"},
    created_at=TIME,
    checked_at=TIME_OR_NULL,
)
CHAMPION_ANSWER = document(
    version=TEXT,
    contract=CONTRACT,
    artifact_sha256=TEXT_OR_NULL,
    promoted_at=TIME_OR_NULL,
)
DEFINITION_ANSWER = document(number=WHOLE, **DEFINITION["properties"], created_at=TIME)
PROMOTION_ANSWER = document(
    id=TEXT,
    model=TEXT,
    version=TEXT,
    previous=TEXT_OR_NULL,
    kind={"enum": Promotion.Kind.values},
    reason=TEXT,
    actor=TEXT,
    at=TIME,
)
ACTIVATION_ANSWER = document(model=TEXT, kind=TEXT, **CHAMPION_ANSWER["properties"])
WEBHOOK_ANSWER = document(
    id=TEXT,
    url=TEXT,
    events={"type": "array", "items": {"enum": list(EVENTS)}},
    model=TEXT_OR_NULL,
    created_at=TIME,
    secret={**TEXT, "description": "signs the messages; in the answer to POST only"},
)


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
