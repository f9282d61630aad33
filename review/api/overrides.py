"""Overrides over HTTP: on a case, on a segment, or on the whole model, which is its kill switch."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Any

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.response import Response
from rest_framework.views import APIView

from models_registry.access import model_for
from models_registry.api.base import caller, checked, known_parameters, listing, no_body
from models_registry.errors import Fault, Invalid, NotFound
from models_registry.numbers import whole
from models_registry.schemas import instant
from models_registry.tasks import ring_webhooks
from review import overrides, policy_versions
from review.api.teamwork import OVERRIDE_ANSWER, OVERRIDES
from review.models import Override, Prediction
from review.serializers import OVERRIDE, override_body
from review.veil import veils

if TYPE_CHECKING:
    from datetime import datetime

    from rest_framework.request import Request

    from models_registry.access import Principal
    from models_registry.models import RegisteredModel

# What goes with each scope, beside the reason.
_TAKES = {"case": {"prediction", "label", "disposition"}, "segment": {"when", "disposition", "expires_at"}}
_TAKES["model"] = {"disposition", "expires_at"}
_NEEDS = {"case": {"prediction"}, "segment": {"when", "disposition"}, "model": set[str]()}


class OverrideList(APIView):
    """A person's word before the model's. What it says of a case is hidden while your own answer to it is out.

    `case` tells the caller of one prediction something else; `segment` is obeyed like a first rule from the next
    batch on, until it ends or expires; `model` turns the kill switch on, and needs `admin`.
    """

    scopes = {"get": "preview", "post": "preview"}

    @extend_schema(operation_id="models_overrides_list", summary="List overrides", responses={200: OVERRIDES})
    def get(self, request: Request, slug: str) -> Response:
        principal = caller(request)
        rows = model_for(principal, slug, "preview").overrides.select_related("prediction")
        hidden: set[int] = set()

        def look(page: list[Override]) -> None:
            cases = [row.prediction for row in page if row.prediction is not None]
            hidden.update(pk for pk, found in veils(principal, cases).items() if found.others)

        return listing(
            self, request, rows, lambda row: override_body(row, hidden=row.prediction_id in hidden), prepare=look
        )

    @extend_schema(
        summary="Override a case, a segment or a model",
        request={"application/json": OVERRIDE},
        responses={201: OVERRIDE_ANSWER, 409: OpenApiResponse(description="conflict or withdrawn")},
    )
    def post(self, request: Request, slug: str) -> Response:
        known_parameters(request)
        principal = caller(request)
        model = model_for(principal, slug, "preview")
        body = checked(OVERRIDE, request.data)
        _fits(body)
        made = _MAKE[body["scope"]](model, principal, body)
        ring_webhooks()
        return Response({"override": override_body(made)}, status=201)


class OverrideEnd(APIView):
    """Let the policy decide again. A case cannot be ended: its caller has been told, and can be told otherwise."""

    scopes = {"post": "preview"}

    @extend_schema(
        summary="End an override",
        request=None,
        responses={200: OVERRIDE_ANSWER, 409: OpenApiResponse(description="override_final")},
    )
    def post(self, request: Request, slug: str, pk: int) -> Response:
        known_parameters(request)
        no_body(request)
        principal = caller(request)
        model = model_for(principal, slug, "preview")
        found = model.overrides.select_related("prediction", "model").filter(pk=pk).first() if pk < 2**63 else None
        if found is None:
            raise NotFound("there is no such override")
        if found.scope == Override.Scope.MODEL:
            principal.require("admin", model)
            if found.ended_at is None:
                reason = "its override was ended"
                policy_versions.set_kill_switch(model=model, on=False, reason=reason, actor=principal.name)
            found.refresh_from_db()
        else:
            found = overrides.end_override(override=found, principal=principal)
        return Response({"override": override_body(found)})


def _fits(body: dict[str, Any]) -> None:
    """Refuse what does not go with the scope, and ask for what must."""
    scope = body["scope"]
    given = {name for name in body if body[name] is not None} - {"scope", "reason"}
    faults = [
        Fault(f"/{name}", "not_allowed", f"an override of scope {scope!r} takes no {name!r}")
        for name in sorted(given - _TAKES[scope])
    ]
    faults += [Fault(f"/{name}", "required", "missing") for name in sorted(_NEEDS[scope] - given)]
    if scope == "model" and body.get("disposition") not in (None, "hold"):
        faults.append(Fault("/disposition", "not_allowed", "a model as a whole can only be held for a person"))
    if faults:
        raise Invalid(errors=faults)


def _case(model: RegisteredModel, principal: Principal, body: dict[str, Any]) -> Override:
    pk = whole(body["prediction"])
    rows = Prediction.objects.select_related("model").filter(model=model)
    found = None if pk is None else rows.filter(pk=pk).first()
    if found is None:
        raise Invalid(errors=[Fault("/prediction", "not_allowed", "the model has no such prediction")])
    given = {name: body.get(name) for name in ("label", "disposition")}
    return overrides.override_case(prediction=found, principal=principal, reason=body["reason"], **given)


def _segment(model: RegisteredModel, principal: Principal, body: dict[str, Any]) -> Override:
    return overrides.override_segment(
        model=model,
        principal=principal,
        when=body["when"],
        disposition=body["disposition"],
        reason=body["reason"],
        expires_at=_time(body.get("expires_at")),
    )


def _model(model: RegisteredModel, principal: Principal, body: dict[str, Any]) -> Override:
    principal.require("admin", model)
    policy_versions.set_kill_switch(
        model=model,
        on=True,
        reason=body["reason"].strip(),
        actor=principal.name,
        expires_at=_time(body.get("expires_at")),
    )
    return model.overrides.filter(scope=Override.Scope.MODEL)[:1].get()


_MAKE = {"case": _case, "segment": _segment, "model": _model}


def _time(text: str | None) -> datetime | None:
    try:
        return None if text is None else instant(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise Invalid(errors=[Fault("/expires_at", "format", str(error))]) from None
