"""A short id for each request: in its answer's header, on error pages, and on every log line it causes."""

from __future__ import annotations

import secrets
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest, HttpResponse

HEADER = "X-Request-ID"
_current: ContextVar[str] = ContextVar("request_id", default="")


def current() -> str:
    """The id of the request being answered in this thread; empty outside of any."""
    return _current.get()


class RequestIdMiddleware:
    """First of all, so that whatever fails later has an id. It is made here and never taken from the caller."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        token = _current.set(secrets.token_hex(8))
        try:
            response = self.get_response(request)
            response.headers[HEADER] = current()
            return response
        finally:
            _current.reset(token)


def of_request(request: HttpRequest) -> dict[str, str]:
    """For templates: ``request_id``."""
    return {"request_id": current()}
