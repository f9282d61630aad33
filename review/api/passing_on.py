"""Leases that end by passing the case on: to who leads the model, or to a colleague."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.response import Response
from rest_framework.views import APIView

from models_registry.api.base import caller, checked, known_parameters
from review import escalation, handover
from review.api.bodies import LEASE_ANSWER
from review.api.exposure import OVER, lease_token
from review.serializers import ESCALATION, HANDOVER, lease_body

if TYPE_CHECKING:
    from rest_framework.request import Request


class Escalate(APIView):
    """Leave a case to who leads its model. It does not come back to who escalated it. Safe to repeat."""

    scopes = {"post": "review"}

    @extend_schema(
        summary="Escalate a leased case",
        request={"application/json": ESCALATION},
        responses={200: LEASE_ANSWER, 409: OpenApiResponse(description=f"highest_tier, no_lead, {OVER}")},
    )
    def post(self, request: Request, token: str) -> Response:
        known_parameters(request)
        note = checked(ESCALATION, request.data).get("note", "")
        principal = caller(request)
        lease = escalation.escalate(token=lease_token(principal, token), principal=principal, note=note)
        return Response({"lease": lease_body(lease)})


class HandOver(APIView):
    """Keep a case for one colleague, by pseudonym or user name; after a while it is everybody's again."""

    scopes = {"post": "review"}

    @extend_schema(
        summary="Hand a leased case over",
        request={"application/json": HANDOVER},
        responses={
            200: LEASE_ANSWER,
            400: OpenApiResponse(description="`/to` is nobody who may decide this case"),
            409: OpenApiResponse(description=OVER),
        },
    )
    def post(self, request: Request, token: str) -> Response:
        known_parameters(request)
        body = checked(HANDOVER, request.data)
        principal = caller(request)
        lease = handover.hand_over(
            token=lease_token(principal, token), principal=principal, to=body["to"], note=body.get("note", "")
        )
        return Response({"lease": lease_body(lease)})
