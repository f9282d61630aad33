"""Alerts over HTTP: what a model's checks found, and the word that somebody has seen it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.response import Response
from rest_framework.views import APIView

from feedback import alerts
from feedback.api.bodies import ALERT_ANSWER, ALERTS
from feedback.models import Alert
from feedback.serializers import alert_body
from models_registry import access
from models_registry.api.base import caller, known_parameters, listing, no_body, number
from models_registry.errors import Fault, Invalid, NotFound

if TYPE_CHECKING:
    from rest_framework.request import Request


class AlertList(APIView):
    """The alerts of a model, newest first."""

    scopes = {"get": "read"}

    @extend_schema(
        operation_id="models_alerts_list",
        summary="List alerts",
        parameters=[OpenApiParameter("state", str, enum=Alert.State.values)],
        responses={200: ALERTS},
    )
    def get(self, request: Request, slug: str) -> Response:
        model = access.model_for(caller(request), slug, "read")
        theirs = alerts.visible(model, caller(request).abilities(model))
        state = request.query_params.get("state")
        if state is not None and state not in Alert.State.values:
            fault = Fault("/state", "not_allowed", f"one of {', '.join(Alert.State.values)}")
            raise Invalid("there is no such state", code="invalid_parameter", errors=[fault])
        rows = theirs if state is None else theirs.filter(state=state)
        return listing(self, request, rows, alert_body, "state")


class AlertAcknowledgement(APIView):
    """The word that somebody has seen an alert; whoever was first stays named."""

    scopes = {"post": "admin"}

    @extend_schema(
        summary="Acknowledge an alert",
        request=None,
        responses={200: ALERT_ANSWER, 409: OpenApiResponse(description="it is resolved already")},
    )
    def post(self, request: Request, slug: str, pk: str) -> Response:
        known_parameters(request)
        no_body(request)
        model = access.model_for(caller(request), slug, "admin")
        alert = model.alerts.select_related("model").filter(pk=number(pk)).first()
        if alert is None:
            raise NotFound(f"model {slug!r} has no alert {pk}")
        return Response(alert_body(alerts.acknowledge(alert=alert, actor=caller(request).name)))
