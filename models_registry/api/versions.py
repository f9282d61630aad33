"""Versions: upload, wait for the worker's verdict, read back."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import connection
from drf_spectacular.utils import extend_schema
from rest_framework.parsers import MultiPartParser
from rest_framework.response import Response
from rest_framework.views import APIView

from models_registry import access, registration, serializers, tasks
from models_registry.api.base import caller, known_parameters, listing, version_for
from models_registry.api.uploads import version_arguments
from models_registry.errors import Fault, Invalid
from models_registry.models import ModelVersion
from models_registry.shapes import page_of

if TYPE_CHECKING:
    from rest_framework.request import Request

WAIT_SECONDS = 30.0
POLL_SECONDS = 0.1
# Waiting holds a web thread: at most a quarter of them wait, the others answer at once.
_waiting = threading.BoundedSemaphore(max(1, settings.REVIEWHUB["WEB_THREADS"] // 4))


def wait_for_check(version: ModelVersion, seconds: float) -> ModelVersion:
    """The version once a worker has checked it, or as it is after so many seconds.

    Inside a transaction no worker can see the row, so there is nothing to wait for.
    """
    if connection.in_atomic_block or not _waiting.acquire(blocking=False):
        return version
    try:
        deadline = time.monotonic() + seconds
        while version.state == ModelVersion.State.CHECKING and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
            version.refresh_from_db(fields=["state", "state_reason", "environment", "checked_at"])
    finally:
        _waiting.release()
    return version


class VersionList(APIView):
    """The versions of a model, newest first.

    POST registers one: 201 once a worker has checked its files, 202 with state `checking` where that takes longer
    than 30 seconds. A version without files may also come as JSON; files need multipart.
    """

    scopes = {"get": "read", "post": "admin"}
    parser_classes = [MultiPartParser, *APIView.parser_classes]

    @extend_schema(
        operation_id="models_versions_list",
        summary="List versions",
        responses={200: page_of(serializers.VERSION_ANSWER)},
    )
    def get(self, request: Request, slug: str) -> Response:
        model = access.model_for(caller(request), slug, "read")
        rows = model.versions.select_related("model", "contract", "parent").prefetch_related("gate_results")
        return listing(self, request, rows, serializers.version_body)

    @extend_schema(
        summary="Register a version",
        request={"multipart/form-data": serializers.VERSION_UPLOAD, "application/json": serializers.VERSION},
        responses={201: serializers.VERSION_ANSWER, 202: serializers.VERSION_ANSWER},
    )
    def post(self, request: Request, slug: str) -> Response:
        known_parameters(request)
        model = access.model_for(caller(request), slug, "admin")
        row = registration.register_version(model=model, actor=caller(request).name, **version_arguments(request))
        if row.state == ModelVersion.State.CHECKING:
            tasks.ring_check(row.pk)
            row = wait_for_check(row, WAIT_SECONDS)
        if row.state == ModelVersion.State.REJECTED:
            raise _rejection(row)
        return Response(serializers.version_body(row), status=201 if row.state == ModelVersion.State.READY else 202)


class VersionDetail(APIView):
    """A version with its contract, its files' hashes and the newest result of each gate."""

    scopes = {"get": "read"}

    @extend_schema(summary="Show a version", responses={200: serializers.VERSION_ANSWER})
    def get(self, request: Request, slug: str, version: str) -> Response:
        known_parameters(request)
        model = access.model_for(caller(request), slug, "read")
        return Response(serializers.version_body(version_for(model, version)))


def _rejection(version: ModelVersion) -> Invalid:
    """What the worker found, which it wrote down as ``code: sentence``."""
    code, _, reason = version.state_reason.partition(": ")
    place = "/artifact" if version.artifact_id and code != "invalid_reference" else "/reference"
    return Invalid(f"rejected: {reason}", code=code, errors=[Fault(place, code, reason)])
