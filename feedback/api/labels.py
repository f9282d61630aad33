"""GET /models/{slug}/labels/: the labelled rows as CSV or NDJSON, streamed, with a monotone cursor."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

import msgspec
from django.http import StreamingHttpResponse
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.renderers import BaseRenderer
from rest_framework.views import APIView

from feedback import datasets, disclosure, labels
from feedback.delimited import as_csv
from models_registry import access
from models_registry.api.base import caller, known_parameters
from models_registry.errors import Fault, Invalid

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.http.response import HttpResponseBase
    from rest_framework.request import Request

    from models_registry.models import RegisteredModel

LINES = 500
LONGEST = 1_000_000
_WHOLE = re.compile(r"[0-9]{1,18}\Z")


class Csv(BaseRenderer):
    """Chosen by Accept; the rows are streamed by the view, so this renders nothing but problems."""

    media_type = "text/csv"
    format = "csv"
    charset = None

    def render(
        self, data: Any, accepted_media_type: str | None = None, renderer_context: Mapping[str, Any] | None = None
    ) -> bytes:
        return b"" if data is None else msgspec.json.encode(data)


class Ndjson(Csv):
    media_type = "application/x-ndjson"
    format = "ndjson"


class NdjsonToo(Ndjson):
    media_type = "application/ndjson"


class Labels(APIView):
    """All standing labels after a cursor. ``X-Next-After`` and ``Link`` carry the cursor for the next time.

    Left out for a person who reviews: cases that they may still have to answer. Empty for a person who is no owner:
    sensitive features.
    """

    scopes = {"get": "export"}
    renderer_classes = [Csv, Ndjson, NdjsonToo]

    @extend_schema(
        summary="Read the labels",
        parameters=[
            OpenApiParameter("after", int, description="the cursor of the last answer; 0 to begin"),
            OpenApiParameter("limit", int, description=f"1 to {LONGEST} rows"),
            OpenApiParameter("kinds", str, description="`explicit`, the default, or `explicit,implicit`"),
        ],
        responses={(200, "text/csv"): str, (200, "application/x-ndjson"): str},
    )
    def get(self, request: Request, slug: str) -> HttpResponseBase:
        known_parameters(request, "after", "limit", "kinds", "format")
        principal = caller(request)
        model = access.model_for(principal, slug, "export")
        after, limit = _number(request, "after", 0, None), _number(request, "limit", LONGEST, LONGEST)
        mapping = _mapping(request, model)
        # What was accepted before this request is in the answer, whether or not a worker has come by.
        labels.pull_all()
        upto = max(after, datasets.last_of(model, after=after, limit=limit))
        now, columns = timezone.now(), datasets.columns_of(model)
        if mapping is not None:
            columns.append(datasets.LABEL_KIND)
        rows = datasets.rows_of(model, after=after, upto=upto, now=now, columns=columns)
        if mapping is not None:
            rows = chain(rows, datasets.implicit_rows(model, mapping, columns=columns, now=now))
        masked = disclosure.masked_columns(model, principal)
        empty = {column.name: None for column in columns if column.feature in masked}
        rows = ({**row, **empty} for row in disclosure.exported(rows, principal))
        form = request.accepted_renderer
        lines = as_csv([column.name for column in columns], rows) if form.format == "csv" else as_ndjson(rows)
        response = StreamingHttpResponse(lines, content_type=f"{form.media_type}; charset=utf-8")
        response["Content-Disposition"] = f'attachment; filename="{model.slug}-labels.{form.format}"'
        response["X-Next-After"] = str(upto)
        response["Link"] = f'<{request.build_absolute_uri(request.path)}?after={upto}>; rel="next"'
        return response


def as_ndjson(rows: Iterator[dict[str, Any]]) -> Iterator[bytes]:
    """One JSON object per line, values exactly as they are."""
    while block := list(islice(rows, LINES)):
        yield b"".join(msgspec.json.encode(row) + b"\n" for row in block)


def _mapping(request: Request, model: RegisteredModel) -> dict[str, dict[str, str]] | None:
    """What implicit feedback means, where it is asked for; None where it is not.

    Refused without a declared meaning, and together with ``after`` or ``limit``: the cursor is of labels.
    """
    kinds = request.query_params.get("kinds", "explicit").split(",")
    if kinds == ["explicit"]:
        return None
    if sorted(kinds) != ["explicit", "implicit"]:
        raise _refused("kinds", "not_allowed", "give explicit, or explicit,implicit")
    if name := next((name for name in ("after", "limit") if name in request.query_params), None):
        raise _refused(name, "not_allowed", "implicit feedback is exported from the start and whole")
    definition = model.definitions.order_by("-number").first()
    mapping: dict[str, dict[str, str]] = {} if definition is None else definition.implicit
    if not mapping:
        raise _refused("kinds", "no_mapping", "the newest label definition does not say what implicit feedback means")
    return mapping


def _refused(name: str, code: str, message: str) -> Invalid:
    return Invalid(message, code="invalid_parameter", errors=[Fault(f"/{name}", code, message)])


def _number(request: Request, name: str, default: int, most: int | None) -> int:
    text = request.query_params.get(name)
    if text is None:
        return default
    if not _WHOLE.match(text) or (most is not None and not 1 <= int(text) <= most):
        raise _refused(name, "out_of_range", f"{name} is a whole number" + (f" from 1 to {most}" if most else ""))
    return int(text)
