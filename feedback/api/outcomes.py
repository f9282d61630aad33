"""POST /outcomes/ and /outcomes/bulk/."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drf_spectacular.utils import extend_schema
from rest_framework.response import Response
from rest_framework.views import APIView

from feedback import outcomes
from feedback.api.bodies import OUTCOME_ANSWER, OUTCOMES_ANSWER
from feedback.serializers import OUTCOME, OUTCOMES, outcome_body
from feedback.tasks import ring_labels
from models_registry import access
from models_registry.api.base import caller, checked, known_parameters
from models_registry.errors import Fault, NotFound

if TYPE_CHECKING:
    from rest_framework.request import Request


class Outcome(APIView):
    """Report what the world said about one prediction."""

    scopes = {"post": "ingest"}

    @extend_schema(summary="Report an outcome", request={"application/json": OUTCOME}, responses={202: OUTCOME_ANSWER})
    def post(self, request: Request) -> Response:
        known_parameters(request)
        body = checked(OUTCOME, request.data)
        access.model_for(caller(request), body["model"], "ingest")
        [recorded] = outcomes.record(bodies=[body], actor=caller(request).name)
        ring_labels()
        return Response(outcome_body(recorded), status=202)


class OutcomeBulk(APIView):
    """Report up to 1000 outcomes: all are stored, or none."""

    scopes = {"post": "ingest"}

    @extend_schema(
        summary="Report a batch of outcomes",
        request={"application/json": OUTCOMES},
        responses={202: OUTCOMES_ANSWER},
    )
    def post(self, request: Request) -> Response:
        known_parameters(request)
        bodies = checked(OUTCOMES, request.data)["outcomes"]
        _may_report(caller(request), bodies)
        recorded = outcomes.record(bodies=bodies, actor=caller(request).name, prefix="/outcomes")
        replayed = sum(answer.replayed for answer in recorded)
        ring_labels()
        results = [outcome_body(answer) for answer in recorded]
        return Response({"accepted": len(recorded) - replayed, "replayed": replayed, "results": results}, status=202)


def _may_report(principal: access.Principal, bodies: list[dict[str, Any]]) -> None:
    """NotFound with every place that names a model the caller has no part in."""
    missing = set()
    for slug in {body["model"] for body in bodies}:
        try:
            access.model_for(principal, slug, "ingest")
        except NotFound:
            missing.add(slug)
    if missing:
        places = [place for place, body in enumerate(bodies) if body["model"] in missing]
        faults = [Fault(f"/outcomes/{place}/model", "not_found", "there is no such model") for place in places]
        raise NotFound("a model that the batch names does not exist", errors=faults)
