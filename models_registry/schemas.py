"""Documents against JSON Schema: every fault at once, each with a JSON pointer. No coercion anywhere."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import Any

import jsonschema_rs
import msgspec

from models_registry.errors import Fault

MAX_MESSAGE = 300


def faults(schema: dict[str, Any], document: Any, *, prefix: str = "") -> list[Fault]:
    """Every fault of the document, in document order of the validator; empty when it is valid.

    ``prefix`` is put before each pointer, for a document that is part of a larger body.

    >>> faults({"type": "object", "properties": {"n": {"type": "integer"}}}, {"n": "1"})
    [Fault(pointer='/n', code='type', message='"1" is not of type "integer"')]
    """
    validator = compiled(msgspec.json.encode(schema, order="sorted"))
    return [] if validator.is_valid(document) else collect(validator, document, prefix=prefix)


def collect(validator: jsonschema_rs.Draft202012Validator, document: Any, *, prefix: str = "") -> list[Fault]:
    """Every fault that a compiled validator finds."""
    return [fault for error in validator.iter_errors(document) for fault in _from_error(error, prefix)]


@lru_cache(maxsize=1024)
def compiled(schema: bytes) -> jsonschema_rs.Draft202012Validator:
    """The validator of a schema given as canonical JSON bytes; compiled once per process."""
    return jsonschema_rs.Draft202012Validator(msgspec.json.decode(schema), validate_formats=True)


def pointer(*path: str | int) -> str:
    """A JSON pointer (RFC 6901) from path parts."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def instant(text: str) -> datetime:
    """An RFC 3339 time with a zone; raises ValueError on one without.

    >>> instant("2026-01-02T03:04:05Z").isoformat()
    '2026-01-02T03:04:05+00:00'
    """
    parsed = datetime.fromisoformat(text)
    if parsed.tzinfo is None:
        raise ValueError("a time needs a zone, for example 2026-01-02T03:04:05Z")
    return parsed


def _from_error(error: Any, prefix: str) -> list[Fault]:
    place = prefix + pointer(*error.instance_path)
    kind = error.kind
    if kind.name in ("additionalProperties", "unevaluatedProperties"):
        return [Fault(place + pointer(key), "unknown_field", "this field is not known here") for key in kind.unexpected]
    if kind.name == "required":
        return [Fault(place + pointer(kind.property), "required", "this field is required")]
    message = error.message if len(error.message) <= MAX_MESSAGE else error.message[: MAX_MESSAGE - 1] + "…"
    return [Fault(place, _CODES.get(kind.name, kind.name), message)]


_CODES = {
    "enum": "not_allowed",
    "const": "not_allowed",
    "minimum": "out_of_range",
    "maximum": "out_of_range",
    "exclusiveMinimum": "out_of_range",
    "exclusiveMaximum": "out_of_range",
    "minLength": "length",
    "maxLength": "length",
    "minItems": "length",
    "maxItems": "length",
    "minProperties": "length",
    "maxProperties": "length",
    "uniqueItems": "duplicate",
    "propertyNames": "name",
}
