"""What every endpoint shares: the strict JSON parser, problem+json, and cursor pagination.

Apps get these through the DRF settings and import nothing from here.
"""

from __future__ import annotations

import base64
import logging
import re
import sys
from typing import IO, TYPE_CHECKING, Any

import msgspec
from django.conf import settings
from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.db import DataError, InterfaceError, OperationalError
from django.http import Http404, HttpResponse
from django.template.loader import render_to_string
from django.views import defaults
from rest_framework import exceptions
from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.response import Response

from models_registry.errors import Fault, Invalid, NotFound, ReviewHubError, TooLarge, UnsupportedMedia
from models_registry.strict_json import decode
from reviewhub import request_ids

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.http import HttpRequest
    from rest_framework.request import Request
    from rest_framework.views import APIView

logger = logging.getLogger("reviewhub.api")

_PROBLEM_DOCS = "/api/v1/docs/#problem-"
# What `encode_cursor` writes: an offset, a direction, the id to go on from.
_CURSOR = re.compile(r"(?:o=([0-9]{1,3})&)?(r=1&)?p=([0-9]{1,18})")


class JSONRenderer(BaseRenderer):
    """JSON by msgspec, which refuses to turn a non-finite number into null."""

    media_type = "application/json"
    format = "json"
    charset = None

    def render(self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None) -> bytes:
        return b"" if data is None else msgspec.json.encode(data)


class StrictJSONParser(BaseParser):
    """JSON in UTF-8 that means one thing only.

    Refused: NaN, infinities, overflow, integers beyond 2^53-1, NUL, lone surrogates, duplicate keys,
    more than 32 levels, objects of more than 2,000 keys, and bodies over the limit.
    """

    media_type = "application/json"

    def parse(
        self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        charset = _charset(media_type or "")
        if charset not in ("", "utf-8", "utf8"):
            raise UnsupportedMedia(f"send JSON in UTF-8, not {charset}")
        # A view may take less than the installation does.
        limit = getattr((parser_context or {}).get("view"), "max_body_bytes", settings.REVIEWHUB["MAX_BODY_BYTES"])
        try:
            raw = stream.read(limit + 1)
        except RequestDataTooBig:
            raise TooLarge(f"the body is larger than {limit} bytes") from None
        if len(raw) > limit:
            raise TooLarge(f"the body is larger than {limit} bytes")
        return decode(raw)


def _charset(media_type: str) -> str:
    found = re.search(r"charset\s*=\s*\"?([^\s;\"]+)", media_type, re.IGNORECASE)
    return found.group(1).lower() if found else ""


class IdCursorPagination(CursorPagination):
    """Newest first by id; a cursor that was not made here is one clear 400."""

    ordering = "-id"
    page_size_query_param = "page_size"
    max_page_size = 500

    def decode_cursor(self, request: Request) -> Cursor | None:
        """The cursor of the query, read strictly: base64 as DRF decodes it would skip over what is none."""
        text = request.query_params.get(self.cursor_query_param)
        if text is None:
            return None
        found = _CURSOR.fullmatch(base64.b64decode(text, validate=True).decode("ascii"))
        if found is None:
            raise ValueError
        offset, reverse, position = found.groups()
        # DRF compares positions as text, whatever its stubs say.
        return Cursor(offset=int(offset or 0), reverse=bool(reverse), position=position)  # type: ignore[arg-type]

    def paginate_queryset(self, queryset: Any, request: Request, view: APIView | None = None) -> Any:
        try:
            return super().paginate_queryset(queryset, request, view)
        except (NotFound, exceptions.NotFound, ValueError, OverflowError, DataError):
            raise Invalid("this cursor was not made here", code="invalid_cursor") from None


_DRF_CODES = {
    400: "invalid_body",
    401: "not_authenticated",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    406: "not_acceptable",
    415: "unsupported_media_type",
    429: "throttled",
}


def problem_response(error: Exception, context: dict[str, Any]) -> Response | None:
    """The RFC 9457 answer to any exception a view raised; None lets a programming error surface as 500."""
    request = context.get("request")
    headers: dict[str, str] = {}
    faults: list[Fault] = []
    if isinstance(error, ReviewHubError):
        status, code, detail, faults = error.status, error.code, error.detail, error.errors
        headers.update(error.headers)
    elif isinstance(error, exceptions.APIException):
        status = error.status_code
        code = "csrf" if "CSRF" in str(error.detail) else _DRF_CODES.get(status, "error")
        detail = str(error.detail) if isinstance(error.detail, str) else "the request is not valid"
        if wait := getattr(error, "wait", None):
            headers["Retry-After"] = str(int(wait) + 1)
        if challenge := getattr(error, "auth_header", None):
            headers["WWW-Authenticate"] = challenge
    elif isinstance(error, Http404):
        status, code, detail = 404, "not_found", "there is no such object"
    elif isinstance(error, PermissionDenied):
        status, code, detail = 403, "forbidden", "this credential may not do that"
    elif isinstance(error, RequestDataTooBig):
        status, code, detail = 413, "too_large", "the body is too large"
    elif isinstance(error, DataError):
        status, code, detail = 400, "invalid_text", "the database cannot store a value of this body"
        logger.warning("database refused a value: %s", type(error.__cause__).__name__)
    elif isinstance(error, OperationalError | InterfaceError):
        status, code, detail = 503, "database_unavailable", "the database is away; try again"
    else:
        return None
    if status == 503:
        headers["Retry-After"] = "2"
    response = Response(problem(status, code, detail, faults, request), status=status, headers=headers)
    response.content_type = "application/problem+json"
    return response


def problem(status: int, code: str, detail: str, faults: list[Fault], request: Any) -> dict[str, Any]:
    """The body of a problem: RFC 9457 members plus ``code`` and every fault."""
    return {
        "type": _PROBLEM_DOCS + code,
        "title": code.replace("_", " "),
        "status": status,
        "detail": detail,
        "instance": getattr(request, "path", ""),
        "code": code,
        "errors": [{"pointer": f.pointer, "code": f.code, "message": f.message} for f in faults],
    }


def problem_answer(request: HttpRequest, status: int, code: str, detail: str) -> HttpResponse:
    """A problem from outside of any API view."""
    body = msgspec.json.encode(problem(status, code, detail, [], request))
    return HttpResponse(body, status=status, content_type="application/problem+json")


def bad_request(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
    """handler400. What answers where no view did is a problem under /api/, the product's page elsewhere."""
    if not is_api(request):
        return _broken(request, "400.html", 400)
    return problem_answer(request, 400, "bad_request", "the request is not one that can be answered")


def page_not_found(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
    """handler404."""
    if not is_api(request):
        return defaults.page_not_found(request, *args, **kwargs)
    return problem_answer(request, 404, "not_found", "there is no such endpoint")


def server_error(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
    """handler500; Django has logged the exception. PostgreSQL being away is no error of ours: come back soon."""
    away = isinstance(sys.exc_info()[1], OperationalError | InterfaceError)
    if away:
        answer = (
            problem_answer(request, 503, "database_unavailable", "the database is away; try again")
            if is_api(request)
            else HttpResponse(
                "ReviewHub cannot reach its database. Try again in a moment.", status=503, content_type="text/plain"
            )
        )
        answer.headers["Retry-After"] = "2"
        return answer
    if not is_api(request):
        return _broken(request, "500.html", 500)
    return problem_answer(request, 500, "server_error", "an error of ours, which has been logged")


def _broken(request: HttpRequest, template: str, status: int) -> HttpResponse:
    """A page made without the request: what broke may be what its context would need."""
    return HttpResponse(render_to_string(template, request_ids.of_request(request)), status=status)


def is_api(request: HttpRequest) -> bool:
    return request.path.startswith("/api/")
