"""Policies and the kill switch over HTTP. Thin: parse, call one step, answer."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.response import Response
from rest_framework.views import APIView

from models_registry.access import model_for
from models_registry.api.base import caller, checked, known_parameters, listing, no_body
from models_registry.errors import Fault, Invalid
from models_registry.schemas import instant
from review import policy_facts, policy_versions, previews, shadows
from review.api.bodies import KILL_SWITCH_ANSWER, POLICIES, POLICY_ANSWER, SHADOW_ANSWER
from review.models import RoutingControl
from review.policies import POLICY
from review.serializers import KILL_SWITCH, kill_switch_body, policy_body, shadow_body
from review.withheld import FEWEST, withheld

if TYPE_CHECKING:
    from rest_framework.request import Request

    from models_registry.models import RegisteredModel

_BODY = {"application/json": POLICY}


class PolicyList(APIView):
    """The policies of a model, newest first. POST stores a document; it is not obeyed before its activation."""

    scopes = {"get": "read", "post": "admin"}

    @extend_schema(operation_id="models_policies_list", summary="List policies", responses={200: POLICIES})
    def get(self, request: Request, slug: str) -> Response:
        model = model_for(caller(request), slug, "read")
        control = _control(model)
        return listing(self, request, model.policies.all(), lambda policy: policy_body(policy, control))

    @extend_schema(summary="Store a policy", request=_BODY, responses={201: POLICY_ANSWER})
    def post(self, request: Request, slug: str) -> Response:
        known_parameters(request)
        model = model_for(caller(request), slug, "admin")
        policy = policy_versions.create(model=model, document=document_of(request), actor=caller(request).name)
        warnings = previews.warnings_of(model=model, document=policy.document)
        return Response(policy_body(policy, _control(model), warnings), status=201)


class PolicyDetail(APIView):
    """One policy with its document, and whether it is the live or the shadow one."""

    scopes = {"get": "read"}

    @extend_schema(summary="Show a policy", responses={200: POLICY_ANSWER})
    def get(self, request: Request, slug: str, number: int) -> Response:
        known_parameters(request)
        model = model_for(caller(request), slug, "read")
        return Response(policy_body(policy_versions.find(model=model, number=number), _control(model)))


class PolicyActivation(APIView):
    """Make a policy the live one. Going back is activating an older number."""

    scopes = {"post": "admin"}

    @extend_schema(summary="Activate a policy", request=None, responses={200: POLICY_ANSWER})
    def post(self, request: Request, slug: str, number: int) -> Response:
        known_parameters(request)
        no_body(request)
        model = model_for(caller(request), slug, "admin")
        policy = policy_versions.find(model=model, number=number)
        control = policy_versions.activate(policy=policy, actor=caller(request).name)
        warnings = previews.warnings_of(model=model, document=policy.document)
        return Response(policy_body(policy, control, warnings))


class PolicyShadow(APIView):
    """The policy that is watched without being obeyed: name it, see what it would have done, take it off."""

    scopes = {"get": "read", "post": "admin", "delete": "admin"}

    @extend_schema(summary="Compare a shadow policy with the live one", responses={200: SHADOW_ANSWER})
    def get(self, request: Request, slug: str, number: int) -> Response:
        known_parameters(request)
        who = caller(request)
        policy = policy_versions.find(model=model_for(who, slug, "read"), number=number)
        today = timezone.now().astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        before = today if withheld(who, policy.model) else None
        found = shadows.summary(policy, before=before, fewest=1 if before is None else FEWEST)
        return Response(shadow_body(policy, found, _control(policy.model)))

    @extend_schema(summary="Shadow a policy", request=None, responses={200: POLICY_ANSWER})
    def post(self, request: Request, slug: str, number: int) -> Response:
        known_parameters(request)
        no_body(request)
        model = model_for(caller(request), slug, "admin")
        policy = policy_versions.find(model=model, number=number)
        control = policy_versions.shadow(policy=policy, actor=caller(request).name)
        return Response(policy_body(policy, control))

    @extend_schema(summary="Take a shadow policy off", responses={200: POLICY_ANSWER})
    def delete(self, request: Request, slug: str, number: int) -> Response:
        known_parameters(request)
        no_body(request)
        model = model_for(caller(request), slug, "admin")
        policy = policy_versions.find(model=model, number=number)
        control = policy_versions.take_off_shadow(policy=policy, actor=caller(request).name)
        return Response(policy_body(policy, control))


class KillSwitch(APIView):
    """While it is on, every new prediction of the model is held for a person."""

    scopes = {"get": "read", "post": "admin"}

    @extend_schema(summary="Show the kill switch", responses={200: KILL_SWITCH_ANSWER})
    def get(self, request: Request, slug: str) -> Response:
        known_parameters(request)
        return self._answer(policy_versions.control_of(model=model_for(caller(request), slug, "read")))

    @extend_schema(
        summary="Set the kill switch",
        request={"application/json": KILL_SWITCH},
        responses={200: KILL_SWITCH_ANSWER},
    )
    def post(self, request: Request, slug: str) -> Response:
        known_parameters(request)
        model = model_for(caller(request), slug, "admin")
        body = checked(KILL_SWITCH, request.data)
        control = policy_versions.set_kill_switch(
            model=model,
            on=body["on"],
            reason=body["reason"].strip(),
            expires_at=None if body.get("expires_at") is None else _time(body["expires_at"]),
            actor=caller(request).name,
        )
        return self._answer(control)

    def _answer(self, control: RoutingControl) -> Response:
        return Response(kill_switch_body(control, on=policy_facts.is_stopped(control, timezone.now())))


def _control(model: RegisteredModel) -> RoutingControl | None:
    return RoutingControl.objects.select_related("active").filter(model=model).first()


def document_of(request: Request) -> Any:
    """The body; no body at all is not the empty policy."""
    if request.META.get("CONTENT_LENGTH") in (None, "", "0"):
        raise Invalid("send the policy document", errors=[Fault("", "required", "the body is empty")])
    return request.data


def _time(text: str) -> Any:
    try:
        return instant(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise Invalid(errors=[Fault("/expires_at", "format", str(error))]) from None
