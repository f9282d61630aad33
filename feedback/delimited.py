"""Rows as lines of CSV that a spreadsheet opens without running any of them."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import islice
from typing import Any

LINES = 500
# What a spreadsheet would run as a formula, also behind blanks, quotes or separators; plain numbers are none.
_FORMULA = re.compile(r"[\s\"';,|]*[=+\-@\t\r]")
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?\Z")


def as_csv(columns: list[str], rows: Iterator[dict[str, Any]]) -> Iterator[bytes]:
    """CSV with a header line; text that a spreadsheet would take for a formula gets an apostrophe before it."""
    yield _lines([[harmless(name) for name in columns]])
    while block := list(islice(rows, LINES)):
        yield _lines([_cell(row[name]) for name in columns] for row in block)


def harmless(text: str) -> str:
    """
    >>> harmless("=1+1"), harmless("-5.5"), harmless('" @x'), harmless("a=b")
    ("'=1+1", '-5.5', '\\'" @x', 'a=b')
    """
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.match(text) else text


def _lines(rows: Iterable[list[Any]]) -> bytes:
    out = io.StringIO()
    csv.writer(out, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\r\n").writerows(rows)
    return out.getvalue().encode()


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        return harmless(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bool):
        return str(value).lower()
    return json.dumps(value) if isinstance(value, list) else value
