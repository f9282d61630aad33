"""Idempotency-Key for every POST of the API: the same key and body get the first answer again.

The answer is stored in the transaction of its effects, so there is never one without the other. A
refusal is not stored: the next try executes. Keys are scoped to credential and route.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

import msgspec
from django.core.exceptions import RequestDataTooBig
from django.db import transaction
from django.http import HttpResponse

from models_registry.models import IdempotencyKey
from reviewhub.api import problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

_KEY = re.compile(r"[\x21\x23-\x7e]{16,128}\Z")


class IdempotencyMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if (
            request.method != "POST"
            or "Idempotency-Key" not in request.headers
            or not request.path.startswith("/api/v1/")
        ):
            return self.get_response(request)
        header = request.headers["Idempotency-Key"]
        key = header[1:-1] if len(header) > 1 and header[0] == header[-1] == '"' else header
        if not _KEY.match(key):
            return _refusal(request, 400, "invalid_key", "an Idempotency-Key is 16 to 128 printable ASCII characters")
        credential = request.headers.get("Authorization") or request.COOKIES.get("sessionid", "")
        scope = hashlib.sha256(f"{credential}\n{request.get_full_path()}".encode()).hexdigest()
        try:
            fingerprint = hashlib.sha256(request.body).hexdigest()
        except RequestDataTooBig:
            return _refusal(request, 413, "too_large", "the body is too large")
        with transaction.atomic():
            stored, created = IdempotencyKey.objects.get_or_create(
                scope=scope, key=key, defaults={"fingerprint": fingerprint}
            )
            if created:
                response = self.get_response(request)
                if response.status_code >= 400 or getattr(response, "streaming", False):
                    # Nothing happened, so nothing is remembered: the next try executes.
                    transaction.set_rollback(True)
                else:
                    _store(stored, response)
                return response
        if stored.fingerprint != fingerprint:
            return _refusal(
                request, 422, "idempotency_key_reused", "this Idempotency-Key came with another body before"
            )
        return _replay(stored)


def _store(row: IdempotencyKey, response: HttpResponseBase) -> None:
    if hasattr(response, "render") and not getattr(response, "is_rendered", True):
        response.render()
    row.status = response.status_code
    row.content_type = response.get("Content-Type", "")
    row.body = bytes(getattr(response, "content", b""))
    row.save(update_fields=["status", "content_type", "body"])


def _replay(row: IdempotencyKey) -> HttpResponse:
    response = HttpResponse(bytes(row.body or b""), status=row.status, content_type=row.content_type)
    response["Idempotency-Replayed"] = "true"
    return response


def _refusal(request: HttpRequest, status: int, code: str, detail: str) -> HttpResponse:
    body = msgspec.json.encode(problem(status, code, detail, [], request))
    return HttpResponse(body, status=status, content_type="application/problem+json")
