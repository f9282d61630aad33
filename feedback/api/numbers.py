"""Numbers in paths: anything else in their place names nothing."""

from __future__ import annotations

import re

from models_registry.errors import NotFound

_WHOLE = re.compile(r"[0-9]{1,18}\Z")


def number(text: str) -> int:
    """The number in a path; raises NotFound for what is none, so that the answer is a problem and no page."""
    if not _WHOLE.match(text):
        raise NotFound
    return int(text)
