"""The feed of final resolutions: what a caller polls to act on held cases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.response import Response
from rest_framework.views import APIView

from models_registry.access import model_for
from models_registry.api.base import caller, known_parameters
from models_registry.errors import Fault, Invalid
from models_registry.models import RegisteredModel
from review import redaction, resolutions
from review.api.bodies import RESOLUTIONS
from review.models import CaseView, Resolution
from review.serializers import resolution_body
from review.sightings import looked_at

if TYPE_CHECKING:
    from rest_framework.request import Request

    from models_registry.access import Principal

PAGE_SIZE = 100
MAX_PAGE_SIZE = 1000
_MAX_CURSOR = 2**63 - 1


class ResolutionFeed(APIView):
    """Final resolutions in the order of their commits. ``cursor`` of one answer is ``after`` of the next.

    It never skips one: an id that is not in an answer yet is larger than every id that is.
    """

    scopes = {"get": "read"}

    @extend_schema(
        summary="Read the feed of resolutions",
        parameters=[
            OpenApiParameter("model", str, description="only this model"),
            OpenApiParameter("after", str, description="the cursor of the last answer"),
            OpenApiParameter("page_size", int, description=f"1 to {MAX_PAGE_SIZE}"),
        ],
        responses={200: RESOLUTIONS},
    )
    def get(self, request: Request) -> Response:
        known_parameters(request, "model", "after", "page_size")
        size = _number(request, "page_size", PAGE_SIZE, least=1, most=MAX_PAGE_SIZE)
        after = _number(request, "after", 0, least=0, most=_MAX_CURSOR)
        models = caller(request).models("read")
        if (slug := request.query_params.get("model")) is not None:
            models = RegisteredModel.objects.filter(pk=model_for(caller(request), slug, "read").pk)
        rows = list(resolutions.feed(models=models, after=after)[: size + 1])
        more, rows = len(rows) > size, rows[:size]
        cursor = rows[-1].pk if rows else after
        query = request.query_params.copy()
        query["after"] = str(cursor)
        return Response(
            {
                "results": _shown(rows, caller(request)),
                "cursor": str(cursor),
                "next": request.build_absolute_uri(f"{request.path}?{query.urlencode()}") if more else None,
                "previous": None,
            }
        )


def _shown(rows: list[Resolution], viewer: Principal) -> list[dict[str, Any]]:
    """The entries behind the veils of their predictions; of a gold item only the first, as an audit has it."""
    veils = looked_at([row.prediction for row in rows], viewer, CaseView.Where.API)
    shown = []
    for row in rows:
        veil = veils[row.prediction_id]
        if not (veil.gold and row.decision_id is not None and row.by == Resolution.By.PERSON):
            shown.append(redaction.resolution(resolution_body(row), row, veil))
    return shown


def _number(request: Request, name: str, default: int, *, least: int, most: int) -> int:
    text = request.query_params.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 19 and least <= int(text) <= most):
        code = "invalid_cursor" if name == "after" else "invalid_parameter"
        fault = Fault(f"/{name}", "out_of_range", f"a whole number from {least} to {most}")
        raise Invalid(f"{name}: {fault.message}", code=code, errors=[fault])
    return int(text)
