"""Webhook endpoints: who is told, about which events, where."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from django.db.models import Q
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.response import Response
from rest_framework.views import APIView

from models_registry import access, serializers, webhooks
from models_registry.api.base import caller, checked, known_parameters, listing
from models_registry.errors import Fault, Invalid, NotFound
from models_registry.models import RegisteredModel, WebhookEndpoint
from models_registry.shapes import page_of

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from rest_framework.request import Request

_NUMBER = re.compile(r"[0-9]{1,18}\Z")


class WebhookList(APIView):
    """Endpoints of the caller's models; those of all models belong to callers whose abilities do."""

    scopes = {"get": "read", "post": "admin", "delete": "admin"}

    @extend_schema(
        operation_id="webhooks_list",
        summary="List webhook endpoints",
        responses={200: page_of(serializers.WEBHOOK_ANSWER)},
    )
    def get(self, request: Request) -> Response:
        rows = _endpoints(caller(request), "read").select_related("model")
        return listing(self, request, rows, serializers.webhook_body)

    @extend_schema(
        summary="Add a webhook endpoint",
        request={"application/json": serializers.WEBHOOK},
        responses={201: serializers.WEBHOOK_ANSWER},
    )
    def post(self, request: Request) -> Response:
        known_parameters(request)
        body = checked(serializers.WEBHOOK, request.data)
        made = webhooks.create_endpoint(
            url=body["url"],
            events=body.get("events", webhooks.EVENTS),
            model=_model(caller(request), body.get("model")),
            actor=caller(request).name,
        )
        return Response({**serializers.webhook_body(made), "secret": made.secret}, status=201)

    @extend_schema(
        operation_id="webhooks_destroy_by_query",
        summary="Remove the webhook endpoint named in the query",
        parameters=[OpenApiParameter("id", OpenApiTypes.STR, required=True)],
        responses={204: None},
    )
    def delete(self, request: Request) -> Response:
        known_parameters(request, "id")
        return _deleted(request, request.query_params.get("id", ""))


class WebhookDetail(APIView):
    """One webhook endpoint, without its secret."""

    scopes = {"get": "read", "delete": "admin"}

    @extend_schema(summary="Show a webhook endpoint", responses={200: serializers.WEBHOOK_ANSWER})
    def get(self, request: Request, number: str) -> Response:
        known_parameters(request)
        return Response(serializers.webhook_body(_endpoint(caller(request), number, "read")))

    @extend_schema(summary="Remove a webhook endpoint", responses={204: None})
    def delete(self, request: Request, number: str) -> Response:
        known_parameters(request)
        return _deleted(request, number)


def _endpoints(principal: access.Principal, ability: str) -> QuerySet[WebhookEndpoint]:
    visible = Q(model__in=principal.models(ability))
    if principal.is_unbound:
        visible |= Q(model__isnull=True)
    return WebhookEndpoint.objects.filter(visible, disabled_at__isnull=True)


def _endpoint(principal: access.Principal, number: str, ability: str) -> WebhookEndpoint:
    found = _NUMBER.match(number) and _endpoints(principal, "read").filter(pk=int(number)).first()
    if not found:
        raise NotFound("there is no such webhook endpoint")
    if found.model is not None:
        principal.require(ability, found.model)
    return found


def _deleted(request: Request, number: str) -> Response:
    webhooks.delete_endpoint(endpoint=_endpoint(caller(request), number, "admin"), actor=caller(request).name)
    return Response(status=204)


def _model(principal: access.Principal, slug: str | None) -> RegisteredModel | None:
    """The model that was named, or the only one the caller can mean."""
    if slug is not None:
        return access.model_for(principal, slug, "admin")
    if principal.is_unbound:
        return None
    if principal.key is not None:
        return principal.key.model
    raise Invalid(errors=[Fault("/model", "required", "name one of your models")])
