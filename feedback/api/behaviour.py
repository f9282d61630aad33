"""GET /models/{slug}/reliance/ and /behaviour/: what people and the model do, and how much of it is the people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.response import Response
from rest_framework.views import APIView

from feedback.api.people import BEHAVIOUR_ANSWER, RELIANCE_ANSWER
from feedback.api.times import window
from feedback.reliance import seen_by
from feedback.withholding import behaviour_for, edges_for, reliance_for
from models_registry import access
from models_registry.api.base import caller, known_parameters

if TYPE_CHECKING:
    from rest_framework.request import Request

WINDOW = {
    "from": "a day or a time with a zone; items that came to people from then on, of the last 90 days by default",
    "to": "a day or a time with a zone; items that came before",
}


class Reliance(APIView):
    """How much more often people agree with the model because they are shown it, from the random blind arm.

    Rows of single reviewers go to leads and owners; everybody else finds their own alone.
    """

    scopes = {"get": "read"}

    @extend_schema(
        summary="Measure the reliance gap",
        parameters=[OpenApiParameter(name, str, description=words) for name, words in WINDOW.items()],
        responses={200: RELIANCE_ANSWER},
    )
    def get(self, request: Request, slug: str) -> Response:
        known_parameters(request, *WINDOW)
        who = caller(request)
        model = access.model_for(who, slug, "read")
        start, end = window(request)
        found = reliance_for(edges_for(who, model), model=model, start=start, end=end)
        leads = "preview" in who.abilities(model)
        return Response({**found, "reviewers": seen_by(found["reviewers"], leads=leads, own=who.pseudonym)})


class Behaviour(APIView):
    """What the model and its people did, by day: passed, held, overridden, escalated, skipped, undone, and counters."""

    scopes = {"get": "read"}

    @extend_schema(summary="Watch behaviour over time", responses={200: BEHAVIOUR_ANSWER})
    def get(self, request: Request, slug: str) -> Response:
        known_parameters(request)
        who = caller(request)
        model = access.model_for(who, slug, "read")
        return Response(behaviour_for(edges_for(who, model), model=model))
