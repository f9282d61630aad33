"""GET /models/{slug}/counterfactual/."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.response import Response
from rest_framework.views import APIView

from feedback.api.bodies import COUNTERFACTUAL_ANSWER
from feedback.estimators import State
from feedback.whatif import EverythingProceeded, OtherAnswers, everything_proceeded, other_answers
from feedback.withholding import before_for
from models_registry.access import model_for
from models_registry.api.base import caller, known_parameters
from models_registry.errors import Fault, Invalid

if TYPE_CHECKING:
    from rest_framework.request import Request

    from feedback.estimators import Estimate

PARAMETERS = {
    "threshold": "a model of two classes: the positive answer from this score on",
    "disposition": "`proceed`: every prediction had gone on, whatever its policy said",
}


class Counterfactual(APIView):
    """What other answers or another disposition would have brought, from what was logged. Changes nothing."""

    scopes = {"get": "read"}

    @extend_schema(
        summary="Estimate a change from logged decisions",
        parameters=[
            OpenApiParameter("threshold", float, description=PARAMETERS["threshold"]),
            OpenApiParameter("disposition", str, enum=["proceed"], description=PARAMETERS["disposition"]),
        ],
        responses={200: COUNTERFACTUAL_ANSWER},
    )
    def get(self, request: Request, slug: str) -> Response:
        known_parameters(request, *PARAMETERS)
        who = caller(request)
        model = model_for(who, slug, "read")
        threshold, disposition = _threshold(request), request.query_params.get("disposition")
        if disposition not in (None, "proceed"):
            raise _refused("disposition", "not_allowed", "give proceed")
        if threshold is None and disposition is None:
            raise _refused("threshold", "required", "say what to change: a threshold, or a disposition")
        before = before_for(who, model)
        answers = None if threshold is None else other_answers(model=model, threshold=threshold, before=before)
        proceeded = None if disposition is None else everything_proceeded(model=model, before=before)
        return Response(
            {
                "answers": None if answers is None else _answers(answers),
                "dispositions": None if proceeded is None else _dispositions(proceeded),
            }
        )


def _threshold(request: Request) -> float | None:
    text = request.query_params.get("threshold")
    if text is None:
        return None
    try:
        threshold = float(text)
    except ValueError:
        threshold = math.nan
    if not 0 <= threshold <= 1:
        raise _refused("threshold", "out_of_range", "a score from 0 to 1, for example 0.3")
    return threshold


def _answers(found: OtherAnswers) -> dict[str, Any]:
    metrics = {
        name: {side: _figure(getattr(compared, side)) for side in ("candidate", "live", "difference")}
        for name, compared in found.metrics.items()
    }
    names = ("threshold", "positive", "predictions", "labels", "changed", "unsupported")
    return {**{name: getattr(found, name) for name in names}, "metrics": metrics}


def _dispositions(found: EverythingProceeded) -> dict[str, Any]:
    shares = {
        name: {
            "unsupported": valued.unsupported,
            "effective_n": valued.effective_n,
            "observed": _figure(valued.live),
            **{way: _figure(getattr(valued, way)) for way in ("ips", "self_normalised", "doubly_robust")},
        }
        for name, valued in found.shares.items()
    }
    names = ("population", "predictions", "proceeded", "outcomes")
    return {**{name: getattr(found, name) for name in names}, "shares": shares}


def _figure(given: Estimate) -> dict[str, Any]:
    shown = given.state is State.OK
    return {
        "estimate": given.point if shown else None,
        "low": given.low if shown else None,
        "high": given.high if shown else None,
        "state": str(given.state),
        "unsupported": given.unsupported_share,
    }


def _refused(name: str, code: str, message: str) -> Invalid:
    return Invalid(message, code="invalid_parameter", errors=[Fault(f"/{name}", code, message)])
