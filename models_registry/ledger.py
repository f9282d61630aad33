"""The audit ledger: one row per change, written in the transaction of the change."""

from __future__ import annotations

from typing import Any

from models_registry.models import AuditEvent, RegisteredModel


def record(
    *, actor: str, action: str, subject: str, model: RegisteredModel | None = None, detail: dict[str, Any] | None = None
) -> AuditEvent:
    """Write who did what to what. Call it inside the transaction that makes the change."""
    return AuditEvent.objects.create(
        actor=actor, action=action, subject=subject[:200], model=model, detail=detail or {}
    )
