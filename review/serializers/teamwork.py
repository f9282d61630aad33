"""The bodies of what people do beside answering: pass a case on, comment on it, override what was said."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from models_registry.shapes import NAME, REASON, TIME_OR_NONE

if TYPE_CHECKING:
    from review.models import Comment, Override

_NOTE = {"type": "string", "maxLength": 2000}
ESCALATION: dict[str, Any] = {"type": "object", "properties": {"note": _NOTE}, "additionalProperties": False}
HANDOVER: dict[str, Any] = {
    "type": "object",
    "properties": {
        "to": {"type": "string", "minLength": 1, "maxLength": 150, "description": "a pseudonym or a user name"},
        "note": _NOTE,
    },
    "required": ["to"],
    "additionalProperties": False,
}
COMMENT: dict[str, Any] = {
    "type": "object",
    "properties": {"kind": {"enum": ["comment", "flag", "unflag"]}, "text": _NOTE},
    "additionalProperties": False,
}
OVERRIDE: dict[str, Any] = {
    "type": "object",
    "properties": {
        "scope": {"enum": ["case", "segment", "model"]},
        "prediction": {"type": "string", "maxLength": 20, "description": "the id of the case"},
        "when": {"type": "object", "description": "of a segment: a condition as in a policy; docs/policy.md"},
        "label": {**NAME, "description": "of a case: what holds"},
        "disposition": {"enum": ["proceed", "hold", "refuse"]},
        "reason": REASON,
        "expires_at": TIME_OR_NONE,
    },
    "required": ["scope", "reason"],
    "additionalProperties": False,
}


def comment_body(comment: Comment, viewer: str, *, hidden: bool = False, nameless: bool = False) -> dict[str, Any]:
    """What somebody wrote; ``hidden`` leaves out the text of others, ``nameless`` who they are."""
    hidden, nameless = hidden and comment.author != viewer, nameless and comment.author != viewer
    return {
        "id": str(comment.pk),
        "kind": comment.kind,
        "author": None if nameless or hidden else comment.author,
        "addressee": None if nameless else comment.addressee or None,
        "text": None if hidden else comment.text,
        "hidden": hidden,
        "at": comment.at,
    }


def override_body(override: Override, *, hidden: bool = False) -> dict[str, Any]:
    """An override; ``hidden`` leaves out what it says of its case."""
    case = override.prediction
    said = {"label": override.label, "disposition": override.disposition, "reason": override.reason}
    return {
        "id": str(override.pk),
        "scope": override.scope,
        "prediction": None if case is None else str(case.pk),
        "external_id": None if case is None else case.external_id,
        "when": override.when,
        **(dict.fromkeys(said) if hidden else said),
        "hidden": hidden,
        "created_by": override.created_by,
        "created_at": override.created_at,
        "expires_at": override.expires_at,
        "ended_at": override.ended_at,
        "ended_by": override.ended_by,
    }
