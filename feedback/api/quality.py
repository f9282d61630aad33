"""GET /models/{slug}/quality/ and /delays/."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.response import Response
from rest_framework.views import APIView

from feedback import monitoring
from feedback.api.measured import DELAYS_ANSWER, QUALITY_ANSWER
from feedback.api.times import refused, time_of, window
from feedback.estimators.questions import HEADLINES
from feedback.monitoring.series import LENGTHS
from feedback.withholding import edges_for, quality_for, series_for
from models_registry import access
from models_registry.api.base import caller, known_parameters, version_for

if TYPE_CHECKING:
    from rest_framework.request import Request

PARAMETERS = {
    "from": "a day or a time with a zone; predictions made from then on",
    "to": "a day or a time with a zone; predictions made before",
    "metric": f"some of {', '.join(HEADLINES)}, separated by commas",
    "group": "`name` for every value of the group, `name:value` for one; of the newest 200,000 predictions at most",
    "version": "one version of the model",
    "series": "`day` or `week`: also the metric over time, of the first one asked for, and what changed meanwhile",
}


class Quality(APIView):
    """How good the model is on live traffic, from labels weighted by how they became known."""

    scopes = {"get": "read"}

    @extend_schema(
        summary="Estimate live quality",
        parameters=[OpenApiParameter(name, str, description=words) for name, words in PARAMETERS.items()],
        responses={200: QUALITY_ANSWER},
    )
    def get(self, request: Request, slug: str) -> Response:
        known_parameters(request, *PARAMETERS)
        who = caller(request)
        model = access.model_for(who, slug, "read")
        given = request.query_params
        start, end = window(request)
        group, _, value = given.get("group", "").partition(":")
        if "group" in given and (not group or "\0" in given["group"]):
            raise refused("group", "format", "give the name of a group, or name:value")
        by = given.get("series")
        if by is not None and by not in LENGTHS:
            raise refused("series", "not_allowed", "give day or week")
        if by is not None and group:
            raise refused("series", "not_allowed", "a group has no series: leave out one of the two")
        metrics = _metrics(request)
        whole: dict[str, Any] = {
            "model": model,
            "start": start,
            "end": end,
            "version": version_for(model, given["version"]) if "version" in given else None,
        }
        edges = edges_for(who, model)
        document = quality_for(edges, **whole, group=group or None, group_value=value or None, metrics=metrics)
        if by is not None:
            document["series"] = series_for(edges, **whole, metric=metrics[0], by=by)
            document["changes"] = monitoring.changes(model=model, start=start, end=end)
        return Response(document)


class Delays(APIView):
    """How long each step from an event to its label takes."""

    scopes = {"get": "read"}

    @extend_schema(
        summary="Measure delays",
        parameters=[OpenApiParameter("since", str, description="days restated since this day or time; a day ago")],
        responses={200: DELAYS_ANSWER},
    )
    def get(self, request: Request, slug: str) -> Response:
        known_parameters(request, "since")
        model = access.model_for(caller(request), slug, "read")
        return Response(monitoring.delays(model=model, since=time_of(request, "since")))


def _metrics(request: Request) -> tuple[str, ...]:
    if "metric" not in request.query_params:
        return HEADLINES
    asked = tuple(request.query_params["metric"].split(","))
    if unknown := [name for name in asked if name not in HEADLINES]:
        raise refused("metric", "not_allowed", f"{unknown[0][:100]!r} is none of {', '.join(HEADLINES)}")
    return asked
