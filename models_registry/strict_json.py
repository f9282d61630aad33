"""JSON that means one thing only: what every body and every uploaded document is decoded with.

Refused: NaN, infinities, overflow, integers beyond 2^53-1, NUL, lone surrogates, duplicate keys,
more than 32 levels, and objects of more than 2,000 keys.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from models_registry.errors import Fault, Invalid
from models_registry.schemas import pointer

MAX_DEPTH = 32
MAX_KEYS = 2_000
MAX_TEXT = 500_000
MAX_INTEGER = 2**53 - 1
# Inside JSON text a NUL can only be written like this.
_NUL = b"\\u0000"
_KEY = re.compile(rb'"\s*:')
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"(\s*:)?', re.DOTALL)


def decode(raw: bytes) -> Any:
    """One JSON document from bytes; raises Invalid naming what is wrong.

    >>> decode(b'{"a": ":", "b": 1}')
    {'a': ':', 'b': 1}
    """
    try:
        document = msgspec.json.decode(raw)
    except RecursionError:
        raise Invalid(f"nested deeper than {MAX_DEPTH} levels", code="too_deep") from None
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
        raise Invalid(f"not valid JSON: {error}", code="malformed_json") from None
    keys = _survey(document, may_hold_nul=_NUL in raw)
    if keys is None:
        keys = _inspect(document)
    # The cheap count is never too small: equal means exact. A text that begins with a colon makes it too large.
    if len(_KEY.findall(raw)) != keys and _count_keys(raw) != keys:
        raise Invalid("an object has the same key twice", code="duplicate_key")
    return document


def _survey(document: Any, *, may_hold_nul: bool) -> int | None:
    """How many keys the document has, or None when something in it deserves a closer look.

    The same walk as ``_inspect`` without the places, which cost most of the time and are rarely asked for.
    """
    keys = 0
    level: list[Any] = [document]
    for _ in range(MAX_DEPTH + 1):
        below: list[Any] = []
        for value in level:
            kind = type(value)
            if kind is float:
                continue
            if kind is dict:
                keys += len(value)
                if len(value) > MAX_KEYS or (may_hold_nul and any("\0" in key for key in value)):
                    return None
                below.extend(value.values())
            elif kind is list:
                below.extend(value)
            elif kind is str:
                if len(value) >= MAX_TEXT or (may_hold_nul and "\0" in value):
                    return None
            elif kind is int and not -MAX_INTEGER <= value <= MAX_INTEGER:
                return None
        if not below:
            return keys
        level = below
    return None


def _inspect(document: Any) -> int:
    """Walk the document without recursion, refusing what the database or other readers would bend; counts keys."""
    keys = 0
    level: list[tuple[str, Any]] = [("", document)]
    for depth in range(MAX_DEPTH + 2):
        below: list[tuple[str, Any]] = []
        for place, value in level:
            kind = type(value)
            if kind is dict:
                keys += len(value)
                below.extend(_children(place, value))
            elif kind is list:
                below.extend((f"{place}/{i}", child) for i, child in enumerate(value) if type(child) is not float)
            elif kind is str:
                if "\0" in value:
                    raise _fault(place, "invalid_text", "text contains NUL")
                if len(value) >= MAX_TEXT:
                    raise _fault(place, "too_long", f"text of {MAX_TEXT} characters or more")
            elif kind is int and not -MAX_INTEGER <= value <= MAX_INTEGER:
                raise _fault(place, "out_of_range", "an integer beyond 2^53-1 cannot be read exactly everywhere")
        if not below:
            return keys
        if depth == MAX_DEPTH:
            raise Invalid(f"nested deeper than {MAX_DEPTH} levels", code="too_deep")
        level = below
    return keys


def _children(place: str, value: dict[str, Any]) -> list[tuple[str, Any]]:
    if len(value) > MAX_KEYS:
        raise _fault(place, "too_many_keys", f"more than {MAX_KEYS} keys in one object")
    below = []
    for key, child in value.items():
        if "\0" in key:
            raise _fault(place, "invalid_text", "a key contains NUL")
        # Numbers with a fraction and nulls have nothing left to check.
        if type(child) is not float and child is not None:
            below.append((place + pointer(key), child))
    return below


def _count_keys(raw: bytes) -> int:
    return sum(1 for match in _STRING.finditer(raw) if match.group(1) is not None)


def _fault(place: str, code: str, message: str) -> Invalid:
    return Invalid(message, code=code, errors=[Fault(place, code, message)])
