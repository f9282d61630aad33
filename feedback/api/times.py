"""Times in the query of a request."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from models_registry.errors import Fault, Invalid

if TYPE_CHECKING:
    from rest_framework.request import Request


def time_of(request: Request, name: str) -> datetime | None:
    """A time with a zone, or a day, which begins at midnight UTC."""
    text = request.query_params.get(name)
    if text is None:
        return None
    try:
        # A plus sign that was not escaped arrives as a blank.
        found = datetime.fromisoformat(text.replace(" ", "+"))
        if found.tzinfo is None and len(text) > len("2026-01-02"):
            raise ValueError
        return found.replace(tzinfo=found.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        raise refused(name, "format", "give a day or a time with a zone, for example 2026-01-02T03:04:05Z") from None


def window(request: Request) -> tuple[datetime | None, datetime | None]:
    """``from`` and ``to``; Invalid where the one is not before the other."""
    start, end = time_of(request, "from"), time_of(request, "to")
    if start is not None and end is not None and start >= end:
        raise refused("from", "out_of_range", "the window ends before it begins")
    return start, end


def refused(name: str, code: str, message: str) -> Invalid:
    return Invalid(message, code="invalid_parameter", errors=[Fault(f"/{name}", code, message)])
