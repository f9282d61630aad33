"""What a model is, who may do what with it, and what every app writes in its own transaction."""

from models_registry.models.access import Invitation, Membership, Person, ServiceKey
from models_registry.models.clock import DatabaseNow
from models_registry.models.events import AuditEvent, IdempotencyKey, WebhookDelivery, WebhookEndpoint
from models_registry.models.promotion import Evaluation, GateResult, Promotion
from models_registry.models.registry import (
    Artifact,
    Calibration,
    DataContract,
    LabelDefinition,
    ModelVersion,
    ReferenceProfile,
    RegisteredModel,
)

__all__ = [
    "Artifact",
    "AuditEvent",
    "Calibration",
    "DataContract",
    "DatabaseNow",
    "Evaluation",
    "GateResult",
    "IdempotencyKey",
    "Invitation",
    "LabelDefinition",
    "Membership",
    "ModelVersion",
    "Person",
    "Promotion",
    "ReferenceProfile",
    "RegisteredModel",
    "ServiceKey",
    "WebhookDelivery",
    "WebhookEndpoint",
]
