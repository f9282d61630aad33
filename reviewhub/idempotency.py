"""Idempotency-Key for every POST of the API: the same key and body get the first answer again.

The answer is stored in the transaction of its effects, so there is never one without the other. A
refusal is not stored, nor is an empty answer: the next try executes. Keys belong to one credential
and one address.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, cast

import msgspec
from django.conf import settings
from django.core.exceptions import RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent
from django.db import InterfaceError, OperationalError, transaction
from django.http import HttpResponse
from django.http.multipartparser import MultiPartParserError
from django.urls import Resolver404, resolve
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.parsers import MultiPartParser

from models_registry.authentication import ServiceKeyAuthentication
from models_registry.models import IdempotencyKey
from reviewhub.api import problem_answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.core.files.uploadedfile import UploadedFile
    from django.http import HttpRequest
    from django.http.response import HttpResponseBase
    from rest_framework.request import Request

_KEY = re.compile(r"[\x21\x23-\x7e]{16,128}\Z")


class IdempotencyMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        header = request.headers.get("Idempotency-Key")
        if header is None or request.method != "POST" or not request.path.startswith("/api/v1/"):
            return self.get_response(request)
        key = header[1:-1] if len(header) > 1 and header[0] == header[-1] == '"' else header
        if not _KEY.match(key):
            detail = "an Idempotency-Key is 16 to 128 visible ASCII characters"
            return problem_answer(request, 400, "invalid_key", detail)
        try:
            credential = _credential(request)
            if credential is None:
                # Refused by the endpoint; whoever is not known gets no stored answer either.
                return self.get_response(request)
            return self._answer(request, key, f"{credential}\n{request.get_full_path()}", _fingerprint(request))
        except RequestDataTooBig:
            return problem_answer(request, 413, "too_large", "the body is too large")
        except (MultiPartParserError, TooManyFieldsSent, TooManyFilesSent) as error:
            return problem_answer(request, 400, "invalid_body", f"the upload cannot be read: {error}")
        except (OperationalError, InterfaceError):
            away = problem_answer(request, 503, "database_unavailable", "the database is away; try again")
            away.headers["Retry-After"] = "2"
            return away

    def _answer(self, request: HttpRequest, key: str, scope: str, fingerprint: str) -> HttpResponseBase:
        # Of several requests at once the first inserts the row; the others wait here until it commits.
        with transaction.atomic():
            stored, created = IdempotencyKey.objects.get_or_create(
                scope=hashlib.sha256(scope.encode()).hexdigest(), key=key, defaults={"fingerprint": fingerprint}
            )
            if created:
                response = self.get_response(request)
                if response.status_code >= 400 or response.status_code == 204 or response.streaming:
                    # Nothing happened, so nothing is remembered: the next try executes.
                    transaction.set_rollback(True)
                else:
                    _store(stored, cast("HttpResponse", response))
                return response
        if stored.fingerprint != fingerprint:
            detail = "this Idempotency-Key came with another body before"
            return problem_answer(request, 422, "idempotency_key_reused", detail)
        return _replay(stored)


def _credential(request: HttpRequest) -> str | None:
    """Who asks, by the key or the session that is valid now; None for whoever will be refused."""
    try:
        found = ServiceKeyAuthentication().authenticate(cast("Request", request))
    except AuthenticationFailed:
        return None
    if found is not None and found[0].key is not None:
        return f"key:{found[0].key.pk}"
    return f"user:{request.user.pk}" if request.user.is_authenticated else None


def _fingerprint(request: HttpRequest) -> str:
    """The hash of what was sent; of a form its parts, because each try draws a boundary of its own.

    Raises RequestDataTooBig, and what Django raises for a form that cannot be read.
    """
    if request.content_type != "multipart/form-data" or not _takes_forms(request):
        return hashlib.sha256(request.body).hexdigest()
    limits = settings.REVIEWHUB
    if int(request.META.get("CONTENT_LENGTH") or 0) > 2 * limits["MAX_ARTIFACT_BYTES"] + limits["MAX_BODY_BYTES"]:
        raise RequestDataTooBig
    files = [(name, [_file(file) for file in given]) for name, given in request.FILES.lists()]
    return hashlib.sha256(msgspec.json.encode([sorted(request.POST.lists()), sorted(files)])).hexdigest()


def _takes_forms(request: HttpRequest) -> bool:
    try:
        view = resolve(request.path_info).func
    except Resolver404:
        return False
    return MultiPartParser in getattr(getattr(view, "cls", None), "parser_classes", ())


def _file(file: UploadedFile[bytes]) -> tuple[str, str]:
    digest = hashlib.sha256()
    for chunk in file.chunks():
        digest.update(chunk)
    file.seek(0)
    return file.name or "", digest.hexdigest()


def _store(row: IdempotencyKey, response: HttpResponse) -> None:
    row.status = response.status_code
    row.content_type = response.headers.get("Content-Type", "")
    row.body = response.content
    row.save(update_fields=["status", "content_type", "body"])


def _replay(row: IdempotencyKey) -> HttpResponse:
    response = HttpResponse(bytes(row.body or b""), status=row.status, content_type=row.content_type)
    response.headers["Idempotency-Replayed"] = "true"
    return response
