"""Snapshots over HTTP: ask for one, read its manifest, fetch its Parquet parts in whole or by range."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO

from django.http import FileResponse, HttpResponse, StreamingHttpResponse
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.response import Response
from rest_framework.views import APIView

from feedback import datasets, disclosure
from feedback.api.bodies import SNAPSHOT_ANSWER, SNAPSHOTS
from feedback.models import SnapshotPart
from feedback.serializers import NOTHING, snapshot_body
from feedback.tasks import ring_snapshots
from models_registry import access, artifacts
from models_registry.api.base import caller, checked, known_parameters, listing, number
from models_registry.errors import Forbidden, NotFound, RangeUnsatisfiable

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http.response import HttpResponseBase
    from rest_framework.request import Request

    from feedback.models import DatasetSnapshot
    from models_registry.models import RegisteredModel

PARQUET = "application/vnd.apache.parquet"
CHUNK = 256 * 1024
_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})\Z")


class SnapshotList(APIView):
    """The snapshots of a model, and the request for another, for which a key needs `admin`."""

    scopes = {"get": "read", "post": "export"}

    @extend_schema(operation_id="models_snapshots_list", summary="List snapshots", responses={200: SNAPSHOTS})
    def get(self, request: Request, slug: str) -> Response:
        model = access.model_for(caller(request), slug, "read")
        return listing(self, request, _snapshots(model), snapshot_body)

    @extend_schema(
        summary="Ask for a snapshot", request={"application/json": NOTHING}, responses={202: SNAPSHOT_ANSWER}
    )
    def post(self, request: Request, slug: str) -> Response:
        known_parameters(request)
        model = access.model_for(caller(request), slug, "export")
        # The scope read is for GET; a person who may export may also take a snapshot.
        if caller(request).key is not None and "admin" not in caller(request).abilities(model):
            raise Forbidden("a key needs the scope 'admin' to take a snapshot")
        checked(NOTHING, {} if request.data is None else request.data)
        snapshot = datasets.request_snapshot(model=model, actor=caller(request).name)
        ring_snapshots()
        return Response(snapshot_body(_snapshots(model).get(pk=snapshot.pk)), status=202)


class SnapshotDetail(APIView):
    """The manifest: status, content hash, columns, and where the Parquet parts are."""

    scopes = {"get": "read"}

    @extend_schema(summary="Show a snapshot", responses={200: SNAPSHOT_ANSWER})
    def get(self, request: Request, slug: str, pk: str) -> Response:
        known_parameters(request)
        model = access.model_for(caller(request), slug, "read")
        snapshot = _snapshots(model).filter(pk=number(pk)).first()
        if snapshot is None:
            raise NotFound(f"model {slug!r} has no snapshot {pk}")
        return Response(snapshot_body(snapshot))


class SnapshotFile(APIView):
    """One Parquet part. HEAD, Range, If-Range and If-None-Match are honoured."""

    scopes = {"get": "export"}

    @extend_schema(
        summary="Fetch a part of a snapshot",
        responses={
            (200, PARQUET): bytes,
            (206, PARQUET): bytes,
            304: OpenApiResponse(description="the bytes you have are these (If-None-Match)"),
            416: OpenApiResponse(description="the part has no such range"),
        },
    )
    def get(self, request: Request, slug: str, pk: str, place: str) -> HttpResponseBase:
        known_parameters(request)
        model = access.model_for(caller(request), slug, "export")
        parts = SnapshotPart.objects.select_related("artifact", "snapshot").filter(
            snapshot__model=model, snapshot_id=number(pk)
        )
        part = parts.filter(number=number(place), snapshot__status="ready").first()
        if part is None:
            raise NotFound(f"snapshot {pk} has no part {place}")
        last = part.snapshot.query.get("last_label_id", 0)
        disclosure.give_file(model=model, snapshot=part.snapshot_id, last_label=last, viewer=caller(request))
        response = _ranged(request, part)
        response["Accept-Ranges"] = "bytes"
        response["ETag"] = f'"{part.artifact_id}"'
        # The bytes under a hash never change; who may read them does.
        response["Cache-Control"] = "private, no-cache"
        return response


def _snapshots(model: RegisteredModel) -> QuerySet[DatasetSnapshot]:
    return model.snapshots.select_related("model").prefetch_related("parts__artifact").order_by("-id")


def _ranged(request: Request, part: SnapshotPart) -> HttpResponseBase:
    """The whole file, the one range that was asked for, 304 or 416 (RFC 9110, section 14)."""
    size, etag = part.artifact.size, f'"{part.artifact_id}"'
    if etag in (tag.strip() for tag in request.headers.get("If-None-Match", "").split(",")):
        return HttpResponse(status=304)
    wanted = _range(request, size, etag)
    if wanted is not None and wanted[0] >= wanted[1]:
        raise RangeUnsatisfiable(size)
    name = f"{part.snapshot_id}-{part.number}.parquet"
    file = artifacts.open_checked(part.artifact_id)
    if wanted is None:
        return FileResponse(file, content_type=PARQUET, as_attachment=True, filename=f"snapshot-{name}")
    start, end = wanted
    response = StreamingHttpResponse(_Slice(file, start, end), status=206, content_type=PARQUET)
    response["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    response["Content-Length"] = str(end - start)
    return response


def _range(request: Request, size: int, etag: str) -> tuple[int, int] | None:
    """First byte and the one after the last; None for the whole file, an empty range for one that is not there.

    Several ranges at once, or a header that cannot be read, count as none.
    """
    found = _RANGE.match(request.headers.get("Range", "").replace(" ", ""))
    if found is None or request.headers.get("If-Range", etag) != etag or found.group(0) == "bytes=-":
        return None
    first, last = found.groups()
    if not first:
        return max(0, size - int(last)), size
    if last and int(last) < int(first):
        return None
    return int(first), min(size, int(last) + 1) if last else size


class _Slice:
    """Some bytes of an open file; the response closes it, read or not."""

    def __init__(self, file: BinaryIO, start: int, end: int) -> None:
        self.file, self.start, self.end = file, start, end
        self.close = file.close

    def __iter__(self) -> Iterator[bytes]:
        place = self.file.seek(self.start)
        while place < self.end and (chunk := self.file.read(min(CHUNK, self.end - place))):
            place += len(chunk)
            yield chunk
