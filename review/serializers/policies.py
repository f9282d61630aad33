"""Policies, their shadows and the kill switch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from models_registry.shapes import FLAG, REASON, TIME_OR_NONE

if TYPE_CHECKING:
    from models_registry.errors import Fault
    from review.models import PolicyVersion, RoutingControl
    from review.shadows import Summary


KILL_SWITCH: dict[str, Any] = {
    "type": "object",
    "properties": {
        "on": FLAG,
        "reason": REASON,
        "expires_at": TIME_OR_NONE,
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


def _warning(fault: Fault) -> dict[str, str]:
    return {"pointer": fault.pointer, "code": fault.code, "message": fault.message}
