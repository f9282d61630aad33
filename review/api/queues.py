"""Queues, claims, leases, decisions and undo over HTTP. Thin: parse, call one step, answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.response import Response
from rest_framework.views import APIView

from models_registry.api.base import caller, checked, known_parameters, listing, no_body, number
from models_registry.errors import Forbidden, NotFound
from models_registry.models.lookups import by_unique
from models_registry.tasks import ring_webhooks
from review import decisions, queue, queue_settings
from review.api.bodies import CLAIM_ANSWER, DECISION_ANSWER, LEASE_ANSWER, QUEUE_ANSWER, QUEUES
from review.api.exposure import lease_token
from review.models import Lease, ReviewDecision, ReviewQueue
from review.serializers import (
    CLAIM,
    DECISION,
    QUEUE_SETTINGS,
    RELEASE,
    decision_body,
    item_body,
    lease_body,
    queue_body,
)

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from rest_framework.request import Request

    from models_registry.access import Principal
    from models_registry.models import RegisteredModel


class QueueList(APIView):
    """The queues of your models with their figures."""

    scopes = {"get": "read"}

    @extend_schema(operation_id="queues_list", summary="List queues", responses={200: QUEUES})
    def get(self, request: Request) -> Response:
        models = caller(request).models("read")
        queues = ReviewQueue.objects.filter(models__in=models).distinct().prefetch_related("models")
        seen, figures = set(models), dict[int, dict[str, Any]]()
        return listing(
            self,
            request,
            queues,
            lambda row: queue_body(row, seen, figures[row.pk]),
            prepare=lambda page: figures.update(queue.counts(page, models)),
        )


class QueueDetail(APIView):
    """How much waits in a queue, for how long, how much of it is being decided."""

    scopes = {"get": "read", "patch": "admin"}

    @extend_schema(summary="Show a queue", responses={200: QUEUE_ANSWER})
    def get(self, request: Request, slug: str) -> Response:
        known_parameters(request)
        row, models = _queue(caller(request), slug, "read")
        return Response(queue_body(row, set(models), queue.counts([row], models)[row.pk]))

    @extend_schema(
        summary="Change the settings of a queue",
        description="For who owns every model of the queue. Cases that are out on a lease keep the mode they had.",
        request={"application/json": QUEUE_SETTINGS},
        responses={200: QUEUE_ANSWER},
    )
    def patch(self, request: Request, slug: str) -> Response:
        known_parameters(request)
        row, models = _queue(caller(request), slug, "admin")
        queue_settings.change(queue=row, principal=caller(request), **checked(QUEUE_SETTINGS, request.data))
        return Response(queue_body(row, set(models), queue.counts([row], models)[row.pk]))


class Claim(APIView):
    """Lease the next items. 204 says in ``Reason`` why there is none.

    ``empty``, ``leased`` (others have it all), ``paused``, ``escalated`` (what waits is for who leads the model) or
    ``not_for_you`` (what waits was handed to a colleague, or passed on by you).
    """

    scopes = {"post": "review"}

    @extend_schema(
        summary="Claim items",
        request={"application/json": CLAIM},
        responses={
            200: OpenApiResponse(CLAIM_ANSWER, description="the leased items with all that a review shows"),
            204: OpenApiResponse(description="nothing to claim; header Reason says why"),
        },
    )
    def post(self, request: Request, slug: str) -> Response:
        known_parameters(request)
        row, models = _queue(caller(request), slug, "review")
        body = checked(CLAIM, request.data)
        holder, leads = caller(request).pseudonym, caller(request).models("preview").filter(queues=row)
        items = queue.claim(
            queue=row, models=models, holder=holder, count=max(1, int(body.get("prefetch", 1))), leads=leads,
            reserved=body.get("reserved", False), escalated=body.get("escalated", False),
        )  # fmt: skip
        if not items:
            found = queue.emptiness(queue=row, models=models, holder=holder, leads=leads)
            return Response(status=204, headers={"Reason": found.reason})
        # The claim's own row says what is shown, whatever the queue was set to since.
        out = Lease.objects.in_bulk([item.lease_token for item in items])
        bodies = [item_body(item, out[item.lease_token], caller(request)) for item in items if item.lease_token in out]
        return Response({"items": bodies, "item": bodies[0]})


class Renew(APIView):
    """Give a lease its full time again; its holder alone can."""

    scopes = {"post": "review"}

    @extend_schema(
        summary="Renew a lease",
        request=None,
        responses={200: LEASE_ANSWER, 409: OpenApiResponse(description="lease_expired, lease_lost or lease_limit")},
    )
    def post(self, request: Request, token: str) -> Response:
        known_parameters(request)
        no_body(request)
        lease = queue.renew(token=lease_token(caller(request), token), holder=caller(request).pseudonym)
        return Response({"lease": lease_body(lease)})


class Release(APIView):
    """Put an item back without an answer, with the reason."""

    scopes = {"post": "review"}

    @extend_schema(
        summary="Release a lease",
        request={"application/json": RELEASE},
        responses={200: LEASE_ANSWER, 409: OpenApiResponse(description="lease_expired, lease_lost or already_decided")},
    )
    def post(self, request: Request, token: str) -> Response:
        known_parameters(request)
        reason = checked(RELEASE, request.data)["reason"]
        principal = caller(request)
        lease = queue.release(token=lease_token(principal, token), holder=principal.pseudonym, reason=reason)
        return Response({"lease": lease_body(lease)})


class Decide(APIView):
    """Answer a leased item. The same token with the same answer again returns the same decision."""

    scopes = {"post": "review"}

    @extend_schema(
        summary="Decide a leased item",
        request={"application/json": DECISION},
        responses={
            200: DECISION_ANSWER,
            400: OpenApiResponse(description="every fault of the answer, with its pointer"),
            409: OpenApiResponse(description="lease_expired, lease_lost or already_decided"),
        },
    )
    def post(self, request: Request, token: str) -> Response:
        known_parameters(request)
        parsed = lease_token(caller(request), token)
        decision = decisions.decide(token=parsed, principal=caller(request), **checked(DECISION, request.data))
        ring_webhooks()
        return Response({"decision": decision_body(decision)})


class Undo(APIView):
    """Take a decision back within the window; the answer is the row that supersedes it."""

    scopes = {"post": "review"}

    @extend_schema(
        summary="Undo a decision",
        request=None,
        responses={
            200: OpenApiResponse(DECISION_ANSWER, description="the undo, a decision row of kind undo"),
            403: OpenApiResponse(description="somebody else's decision, and not a lead or owner"),
            409: OpenApiResponse(
                description="undo_window_closed, answers_seen, already_undone, superseded or withdrawn"
            ),
        },
    )
    def post(self, request: Request, pk: str) -> Response:
        known_parameters(request)
        no_body(request)
        decision = ReviewDecision.objects.select_related("model").filter(pk=number(pk)).first()
        if decision is None:
            raise NotFound
        undone = decisions.undo(decision=decision, principal=caller(request))
        ring_webhooks()
        return Response({"decision": decision_body(undone)})


def _queue(principal: Principal, slug: str, ability: str) -> tuple[ReviewQueue, QuerySet[RegisteredModel]]:
    """The queue and those of its models on which the principal has the ability; NotFound hides all others."""
    row = by_unique(ReviewQueue, "slug", slug)
    held = [] if row is None else [abilities for m in row.models.all() if (abilities := principal.abilities(m))]
    if row is None or not held:
        raise NotFound(f"there is no queue {slug[:80]!r}")
    if not any(ability in abilities for abilities in held):
        raise Forbidden(f"this needs {ability!r} on a model of queue {slug!r}")
    return row, principal.models(ability).filter(queues=row)
