"""POST /models/{slug}/policies/preview/."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.response import Response
from rest_framework.views import APIView

from feedback.api.bodies import PREVIEW_ANSWER
from feedback.disclosure import visible
from feedback.whatif import LAST, MOST, preview_document, what_if
from feedback.withholding import before_for, in_steps
from models_registry.access import model_for
from models_registry.api.base import caller, known_parameters
from models_registry.errors import Fault, Invalid
from review.api.policies import document_of
from review.policies import POLICY

if TYPE_CHECKING:
    from rest_framework.request import Request


class PolicyPreview(APIView):
    """What a document would have done with the last predictions, beside the live policy. Changes nothing."""

    scopes = {"post": "preview"}

    @extend_schema(
        summary="Preview a policy",
        request={"application/json": POLICY},
        parameters=[
            OpenApiParameter("last", int, description=f"how many predictions, 1 to {MOST}; {LAST} by default"),
            OpenApiParameter(
                "half_width",
                float,
                description="seek the budget that makes the interval of a week's accuracy this narrow, each way",
            ),
        ],
        responses={200: PREVIEW_ANSWER},
    )
    def post(self, request: Request, slug: str) -> Response:
        known_parameters(request, "last", "half_width")
        model = model_for(caller(request), slug, "preview")
        before, last = before_for(caller(request), model), _last(request)
        found = what_if(
            model=model,
            document=document_of(request),
            last=last if before is None else min(in_steps(last), MOST),
            half_width=_half_width(request),
            before=before,
        )
        told = preview_document(found)
        seen = visible([int(pk) for move in told["moves"] for pk in move["examples"]], caller(request))
        for move in told["moves"]:
            move["examples"] = [pk for pk in move["examples"] if int(pk) in seen]
        return Response(told)


def _last(request: Request) -> int:
    text = request.query_params.get("last", str(LAST))
    if not (text.isascii() and text.isdigit() and len(text) < 8 and 1 <= int(text) <= MOST):
        raise _out_of_range("last", f"1 to {MOST} predictions")
    return int(text)


def _half_width(request: Request) -> float | None:
    text = request.query_params.get("half_width")
    if text is None:
        return None
    try:
        wanted = float(text)
    except ValueError:
        wanted = math.nan
    if not 0 < wanted < 1:
        raise _out_of_range("half_width", "a share above 0 and below 1, for example 0.02")
    return wanted


def _out_of_range(name: str, message: str) -> Invalid:
    return Invalid(message, code="invalid_parameter", errors=[Fault(f"/{name}", "out_of_range", message)])
