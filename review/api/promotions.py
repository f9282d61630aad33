"""Promoting a version, which must suit the live policy as well as its gates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.response import Response

import models_registry.api
from models_registry import promotion, tasks
from models_registry.access import model_for
from models_registry.api.base import caller, checked, known_parameters, version_for
from models_registry.serializers import PROMOTION, PROMOTION_ANSWER, promotion_body
from review import policy_versions, samplers

if TYPE_CHECKING:
    from rest_framework.request import Request


class PromotionList(models_registry.api.PromotionList):
    """Changes of the champion. POST promotes a version that suits the live policy and whose gates have passed."""

    scopes = {"get": "read", "post": "admin"}

    @extend_schema(
        summary="Promote a version",
        request={"application/json": PROMOTION},
        responses={
            200: PROMOTION_ANSWER,
            409: OpenApiResponse(description="gate_failed or gates_missing, with each gate under errors"),
        },
    )
    def post(self, request: Request, slug: str) -> Response:
        known_parameters(request)
        model = model_for(caller(request), slug, "admin")
        body = checked(PROMOTION, request.data)
        version = version_for(model, body["version"])
        made = promotion.promote(
            model=model,
            version=version,
            reason=body["reason"],
            actor=caller(request).name,
            evidence={"contract": policy_versions.is_covered(model=model, contract=version.contract.document)},
        )
        samplers.follow_champion(model)
        tasks.ring_webhooks()
        return Response(promotion_body(made))
