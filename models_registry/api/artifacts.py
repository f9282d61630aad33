"""The bytes of model files, by their SHA-256."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from django.http import FileResponse, HttpResponse
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.views import APIView

from models_registry import artifacts
from models_registry.api.base import caller, known_parameters
from models_registry.errors import NotFound
from models_registry.models import ModelVersion

if TYPE_CHECKING:
    from django.http.response import HttpResponseBase
    from rest_framework.request import Request

_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_BINARY = {"type": "string", "format": "binary"}


class ArtifactContent(APIView):
    """A model file of a model on which the caller has a part; the bytes never change, so they may be kept."""

    scopes = {"get": ("ingest", "read")}

    @extend_schema(
        summary="Fetch a model file",
        responses={
            (200, "application/octet-stream"): _BINARY,
            304: OpenApiResponse(description="the bytes you have are these (If-None-Match)"),
        },
    )
    def get(self, request: Request, sha256: str) -> HttpResponseBase:
        known_parameters(request)
        models = caller(request).models(("ingest", "read"))
        ready = ModelVersion.objects.filter(model__in=models, state=ModelVersion.State.READY)
        if not _SHA256.match(sha256) or not ready.filter(artifact=sha256).exists():
            raise NotFound("there is no artifact with this SHA-256")
        etag = f'"{sha256}"'
        headers = {"ETag": etag, "Cache-Control": "private, max-age=31536000, immutable"}
        known = [tag.strip().removeprefix("W/") for tag in request.headers.get("If-None-Match", "").split(",")]
        if etag in known or "*" in known:
            return HttpResponse(status=304, headers=headers)
        return FileResponse(
            artifacts.open_checked(sha256),
            as_attachment=True,
            filename=f"{sha256}.skops",
            content_type="application/octet-stream",
            headers=headers,
        )
