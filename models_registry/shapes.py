"""The parts that the JSON Schemas of bodies are put together from, in every app."""

from __future__ import annotations

from typing import Any

Shape = dict[str, Any]

TEXT: Shape = {"type": "string"}
TEXT_OR_NULL: Shape = {"type": ["string", "null"]}
TEXTS: Shape = {"type": "array", "items": TEXT}
NAME: Shape = {"type": "string", "minLength": 1, "maxLength": 100}
# Why somebody did it, in a word at least.
REASON: Shape = {"type": "string", "maxLength": 500, "pattern": r"\S"}
TIME: Shape = {"type": "string", "format": "date-time"}
TIME_OR_NULL: Shape = {"type": ["string", "null"], "format": "date-time"}
# An end that may be left open.
TIME_OR_NONE: Shape = {"anyOf": [TIME, {"type": "null"}]}
WHOLE: Shape = {"type": "integer"}
NUMBER: Shape = {"type": "number"}
NUMBER_OR_NULL: Shape = {"type": ["number", "null"]}
FLAG: Shape = {"type": "boolean"}
OBJECT: Shape = {"type": "object"}


def document(**properties: Any) -> Shape:
    """The schema of an object with these members."""
    return {"type": "object", "properties": properties}


def by_name(schema: Shape) -> Shape:
    """The schema of an object with one such value per name."""
    return {"type": "object", "additionalProperties": schema}


def page_of(schema: Shape) -> Shape:
    """The schema of a cursor page of such results."""
    return document(results={"type": "array", "items": schema}, next=TEXT_OR_NULL, previous=TEXT_OR_NULL)
