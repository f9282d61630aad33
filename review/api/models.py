"""Registering a model with its queue, and activating its first version under its policy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.response import Response
from rest_framework.views import APIView

import models_registry.api
from models_registry import promotion, tasks
from models_registry.access import model_for
from models_registry.api import wait_for_check
from models_registry.api.base import caller, known_parameters, no_body, version_for
from models_registry.errors import Forbidden
from models_registry.models import ModelVersion
from models_registry.serializers import ACTIVATION_ANSWER, MODEL, MODEL_ANSWER, champion_body, model_body
from review import onboarding, policy_versions, samplers
from review.models import RoutingControl

if TYPE_CHECKING:
    from rest_framework.request import Request

WAIT_SECONDS = 45.0


class ModelList(models_registry.api.ModelList):
    """The models on which the caller has a part; POST registers one with its queue. A person becomes its owner."""

    scopes = {"get": "read", "post": "admin"}

    @extend_schema(
        summary="Register a model and its queue",
        request={"application/json": MODEL},
        responses={201: MODEL_ANSWER},
    )
    def post(self, request: Request) -> Response:
        known_parameters(request)
        principal = caller(request)
        if principal.key is not None and not principal.is_unbound:
            raise Forbidden("a key that is bound to one model cannot register others")
        model = onboarding.add_model(body=request.data, actor=principal.name, owner=principal.user)
        return Response(model_body(model), status=201)


class VersionActivation(APIView):
    """Make a version the champion for the first time, once it is checked and a policy is live."""

    scopes = {"post": "admin"}

    @extend_schema(
        summary="Activate the first version",
        request=None,
        responses={200: ACTIVATION_ANSWER, 409: OpenApiResponse(description="each missing gate under errors")},
    )
    def post(self, request: Request, slug: str, version: str) -> Response:
        known_parameters(request)
        no_body(request)
        model = model_for(caller(request), slug, "admin")
        row = version_for(model, version)
        if row.state == ModelVersion.State.CHECKING:
            tasks.ring_check(row.pk)
            row = wait_for_check(row, WAIT_SECONDS)
        evidence = {
            "contract": policy_versions.is_covered(model=model, contract=row.contract.document),
            "policy": RoutingControl.objects.filter(model=model, active__isnull=False).exists(),
        }
        made = promotion.activate(model=model, version=row, evidence=evidence, actor=caller(request).name)
        samplers.follow_champion(model)
        tasks.ring_webhooks()
        body = {"model": model.slug, "kind": made.kind, **champion_body(row, made)}
        return Response(body)
