"""What a lease's holder asks to be shown, and the values that are hidden by policy."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.response import Response
from rest_framework.views import APIView

from models_registry.api.base import caller, checked, known_parameters, no_body
from models_registry.errors import NotFound
from review import exposure, leases, queue
from review.api.bodies import LEASE_ANSWER, REVEALED_ANSWER, SHOWN_ANSWER
from review.models import CaseView, Prediction
from review.serializers import FIRST_ANSWER, REVEAL_FEATURE, item_body, lease_body

if TYPE_CHECKING:
    from typing import Any

    from rest_framework.request import Request

    from models_registry.access import Principal
    from review.models import Lease

OVER = "lease_expired, lease_lost or already_decided"


class Open(APIView):
    """The case is on screen now: a lease that was claimed ahead gets its full time. Safe to repeat."""

    scopes = {"post": "review"}

    @extend_schema(
        summary="Open a leased case",
        request=None,
        responses={200: LEASE_ANSWER, 409: OpenApiResponse(description=OVER)},
    )
    def post(self, request: Request, token: str) -> Response:
        known_parameters(request)
        no_body(request)
        principal = caller(request)
        lease = queue.open_case(token=lease_token(principal, token), holder=principal.pseudonym)
        return Response({"lease": lease_body(lease)})


class FirstAnswer(APIView):
    """Under ``blind_first``: say what you think, and the answer carries the model's. It stays and can be repeated."""

    scopes = {"post": "review"}

    @extend_schema(
        summary="Give the first answer",
        request={"application/json": FIRST_ANSWER},
        responses={
            200: SHOWN_ANSWER,
            409: OpenApiResponse(description=f"first_answer_given, mode_conflict, {OVER}"),
        },
    )
    def post(self, request: Request, token: str) -> Response:
        known_parameters(request)
        label = checked(FIRST_ANSWER, request.data)["label"]
        principal = caller(request)
        lease = exposure.first_answer(token=lease_token(principal, token), principal=principal, label=label)
        return Response(_shown(lease, principal))


class Reveal(APIView):
    """Under ``on_request``: the answer carries the model's answer, and from now on it counts as shown."""

    scopes = {"post": "review"}

    @extend_schema(
        summary="Ask for the model's answer",
        request=None,
        responses={200: SHOWN_ANSWER, 409: OpenApiResponse(description=f"mode_conflict, {OVER}")},
    )
    def post(self, request: Request, token: str) -> Response:
        known_parameters(request)
        no_body(request)
        principal = caller(request)
        lease = exposure.reveal(token=lease_token(principal, token), principal=principal)
        return Response(_shown(lease, principal))


class RevealFeature(APIView):
    """The value of a sensitive feature, for who holds the case, leads and owners. Who asked is recorded."""

    scopes = {"post": "review"}

    @extend_schema(
        summary="Ask for a hidden value",
        request={"application/json": REVEAL_FEATURE},
        responses={200: REVEALED_ANSWER, 403: OpenApiResponse(description="you do not hold the case")},
    )
    def post(self, request: Request, pk: int) -> Response:
        known_parameters(request)
        principal = caller(request)
        feature = checked(REVEAL_FEATURE, request.data)["feature"]
        rows = Prediction.objects.select_related("version__contract", "payload", "model")
        found = rows.filter(pk=pk, model__in=principal.models("review")).first() if pk < 2**63 else None
        if found is None:
            raise NotFound("there is no such prediction")
        value = exposure.reveal_feature(
            prediction=found, principal=principal, feature=feature, where=CaseView.Where.API
        )
        return Response({"feature": feature, "value": value})


def lease_token(principal: Principal, token: str) -> UUID:
    """The token, once it is known that its model, if it has one, is not hidden from the principal."""
    try:
        parsed = UUID(token)
    except ValueError:
        raise NotFound("a lease token is a UUID") from None
    lease = leases.find(parsed)
    if lease is not None:
        principal.require("review", lease.item.model)
    return parsed


def _shown(lease: Lease, principal: Principal) -> dict[str, Any]:
    [item] = queue.loaded([lease.item_id], lease.item.queue)
    return {"lease": lease_body(lease), "item": item_body(item, lease, principal)}
