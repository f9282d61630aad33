"""Parts that several bodies of this app have in common."""

from __future__ import annotations

from typing import Any

NAME: dict[str, Any] = {"type": "string", "minLength": 1, "maxLength": 100}
TIME: dict[str, Any] = {"type": "string", "format": "date-time"}
# An end that may be left open.
TIME_OR_NONE: dict[str, Any] = {"anyOf": [TIME, {"type": "null"}]}
# Why somebody did it, in a word at least.
REASON: dict[str, Any] = {"type": "string", "maxLength": 500, "pattern": r"\S"}
