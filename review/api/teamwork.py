"""What the endpoints around a decision answer: comments and overrides, as JSON Schemas."""

from __future__ import annotations

from models_registry.shapes import FLAG, TEXT, TEXT_OR_NULL, TIME, TIME_OR_NULL, document, page_of

_COMMENT = document(
    id=TEXT,
    kind={"enum": ["comment", "escalation", "handover", "flag", "unflag"]},
    author={**TEXT_OR_NULL, "description": "a pseudonym"},
    addressee=TEXT_OR_NULL,
    text=TEXT_OR_NULL,
    hidden={**FLAG, "description": "somebody else's, while your own answer is out"},
    at=TIME,
)
COMMENTS = page_of(_COMMENT)
COMMENT_ANSWER = document(comment=_COMMENT)
_OVERRIDE = document(
    id=TEXT,
    scope={"enum": ["case", "segment", "model"]},
    prediction=TEXT_OR_NULL,
    external_id=TEXT_OR_NULL,
    when={"type": ["object", "null"]},
    label=TEXT_OR_NULL,
    disposition={"enum": ["proceed", "hold", "refuse", None]},
    reason=TEXT_OR_NULL,
    hidden={**FLAG, "description": "of a case that waits for your own answer"},
    created_by=TEXT,
    created_at=TIME,
    expires_at=TIME_OR_NULL,
    ended_at=TIME_OR_NULL,
    ended_by=TEXT,
)
OVERRIDES = page_of(_OVERRIDE)
OVERRIDE_ANSWER = document(override=_OVERRIDE)
