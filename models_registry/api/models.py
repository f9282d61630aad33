"""Models, their label definitions, their champion and its promotions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drf_spectacular.utils import extend_schema
from rest_framework.response import Response
from rest_framework.views import APIView

from models_registry import access, registration, serializers
from models_registry.api.base import caller, known_parameters, listing
from models_registry.errors import NotFound
from models_registry.models import RegisteredModel
from models_registry.shapes import page_of

if TYPE_CHECKING:
    from rest_framework.request import Request


class ModelList(APIView):
    """The models on which the caller has a part. Registering one also makes its queue, so that is done above."""

    scopes = {"get": "read"}

    @extend_schema(
        operation_id="models_list",
        summary="List your models",
        responses={200: page_of(serializers.MODEL_ANSWER)},
    )
    def get(self, request: Request) -> Response:
        rows = caller(request).models("read").select_related("champion")
        return listing(self, request, rows, serializers.model_body)


class ModelDetail(APIView):
    """A model as it was declared, with its champion."""

    scopes = {"get": "read"}

    @extend_schema(summary="Show a model", responses={200: serializers.MODEL_ANSWER})
    def get(self, request: Request, slug: str) -> Response:
        known_parameters(request)
        return Response(serializers.model_body(access.model_for(caller(request), slug, "read")))


class DefinitionList(APIView):
    """What the classes mean to a reviewer. Definitions are numbered; the newest is the one that is shown."""

    scopes = {"get": "read", "post": "admin"}

    @extend_schema(
        operation_id="models_definitions_list",
        summary="List label definitions",
        responses={200: page_of(serializers.DEFINITION_ANSWER)},
    )
    def get(self, request: Request, slug: str) -> Response:
        model = access.model_for(caller(request), slug, "read")
        return listing(self, request, model.definitions.all(), serializers.definition_body)

    @extend_schema(
        summary="Add a label definition",
        request={"application/json": serializers.DEFINITION},
        responses={201: serializers.DEFINITION_ANSWER},
    )
    def post(self, request: Request, slug: str) -> Response:
        known_parameters(request)
        model = access.model_for(caller(request), slug, "admin")
        made = registration.add_definition(model=model, body=request.data, actor=caller(request).name)
        return Response(serializers.definition_body(made), status=201)


class Champion(APIView):
    """What serving asks for: which version, under which contract, with which bytes."""

    scopes = {"get": ("ingest", "read")}

    @extend_schema(summary="Ask what should serve", responses={200: serializers.CHAMPION_ANSWER})
    def get(self, request: Request, slug: str) -> Response:
        known_parameters(request)
        model = access.model_for(caller(request), slug, ("ingest", "read"))
        # One query, so that version and contract belong together while somebody promotes.
        found = RegisteredModel.objects.select_related("champion__contract").get(pk=model.pk).champion
        if found is None:
            raise NotFound(f"model {slug!r} has no champion yet", code="no_champion")
        return Response(serializers.champion_body(found, found.promotions.first()))


class PromotionList(APIView):
    """Changes of the champion. A promotion must also suit the live policy, so POST is added above."""

    scopes = {"get": "read"}

    @extend_schema(
        operation_id="models_promotions_list",
        summary="List promotions",
        responses={200: page_of(serializers.PROMOTION_ANSWER)},
    )
    def get(self, request: Request, slug: str) -> Response:
        model = access.model_for(caller(request), slug, "read")
        rows = model.promotions.select_related("model", "version", "previous")
        return listing(self, request, rows, serializers.promotion_body)
