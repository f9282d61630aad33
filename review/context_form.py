"""The form of a prediction's context as JSON Schema, for the API's description as well as for its checks."""

from __future__ import annotations

from typing import Any

MAX_TEXT = 50_000
MAX_LINKS = 20
MAX_IMAGES = 6
MAX_CELLS = 64

_LINE = {"type": "string", "minLength": 1, "maxLength": 200}
_NUMBERS = {
    "type": "array",
    "minItems": 1,
    "maxItems": MAX_CELLS,
    "items": {
        "type": ["number", "array"],
        "minItems": 3,
        "maxItems": 3,
        "items": {"type": "number"},
        "description": "one number, or three for red, green and blue",
    },
}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "For the reviewer's eyes. `text`, `links`, `images` and `array` are shown as what they are, "
    "any further keys as plain text.",
    "properties": {
        "text": {"type": "string", "maxLength": MAX_TEXT, "description": "shown as it is, without markup"},
        "links": {
            "type": "array",
            "maxItems": MAX_LINKS,
            "items": {
                "type": "object",
                "properties": {
                    "title": _LINE,
                    "url": {"type": "string", "minLength": 1, "maxLength": 2000, "description": "http or https"},
                },
                "required": ["url"],
                "additionalProperties": False,
            },
        },
        "images": {
            "type": "array",
            "maxItems": MAX_IMAGES,
            "items": {
                "type": "object",
                "properties": {
                    "title": _LINE,
                    "alt": {"type": "string", "maxLength": 1000, "description": "what the picture shows, in words"},
                    "data": {
                        "type": "string",
                        "minLength": 1,
                        "description": "a PNG, JPEG, WebP or GIF that does not move, as base64 or a data: URI",
                    },
                },
                "required": ["data"],
                "additionalProperties": False,
            },
        },
        "array": {
            "type": "object",
            "properties": {
                "values": {
                    "type": "array",
                    "minItems": 1,
                    "maxItems": MAX_CELLS,
                    "items": _NUMBERS,
                    "description": "rows from the top, all of one length",
                },
                "min": {"type": "number", "description": "drawn lightest; else the least value"},
                "max": {"type": "number", "description": "drawn darkest; else the largest value"},
                "title": _LINE,
                "features": {
                    "type": "array",
                    "minItems": 1,
                    "maxItems": MAX_CELLS,
                    "items": {
                        "type": "array",
                        "minItems": 1,
                        "maxItems": MAX_CELLS,
                        "items": {"type": ["string", "null"], "maxLength": 200},
                    },
                    "description": "the contract feature of each cell; its attributions are drawn in the same place",
                },
            },
            "required": ["values"],
            "additionalProperties": False,
        },
    },
}
PARTS = tuple(SCHEMA["properties"])
