"""What the script of the review page asks for: cases as fragments, answers in batches.

Every act is safe to repeat, since the page sends again whatever it has no answer to. Refusals carry ``code`` and
``told``, a sentence for the person; they change nothing.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import transaction
from django.http import HttpResponse, JsonResponse, QueryDict
from django.middleware.csrf import get_token
from django.template.loader import render_to_string
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from models_registry import strict_json
from models_registry.errors import Conflict, Invalid, ReviewHubError
from models_registry.numbers import whole
from models_registry.schemas import faults as schema_faults
from models_registry.shapes import FLAG, TEXT
from models_registry.tasks import ring_webhooks
from models_registry.views.base import page
from review import late, leases, queue
from review.forms import AnswerForm
from review.models import Lease, QueueItem
from review.views import stage, surroundings
from review.views.answering import (
    card_html,
    for_script,
    lease_of,
    none_html,
    not_used,
    refused,
    sentence,
    tokens_of,
    withdrawn,
)

if TYPE_CHECKING:
    from django.http import HttpRequest

MOST_AHEAD = 6
MOST_ANSWERS = 20
_SHORT = {"type": "string", "maxLength": 40}
ANSWERS = {
    "type": "object",
    "required": ["answers"],
    "additionalProperties": False,
    "properties": {
        "answers": {
            "type": "array",
            "minItems": 1,
            "maxItems": MOST_ANSWERS,
            "items": {
                "type": "object",
                "required": ["token", "answer"],
                "additionalProperties": False,
                "properties": {
                    "token": {"type": "string", "format": "uuid"},
                    "answer": _SHORT,
                    "note": TEXT,
                    "codes": {"type": "array", "maxItems": 200, "items": {"type": "string", "maxLength": 200}},
                    "seconds": _SHORT,
                    "opened_ago": _SHORT,
                    "first_input": _SHORT,
                    "input": _SHORT,
                    "instead": FLAG,
                },
            },
        }
    },
}


@page
@for_script
@never_cache
@require_POST
def cards(request: HttpRequest, slug: str) -> HttpResponse:
    """Cases as fragments, claimed ahead: those of the ``tokens`` the page held before, else up to ``count`` next ones,
    with ``escalated`` first what was escalated, for who leads. ``again`` is a token of one's own whose case is wanted
    again, ``newer`` one whose case a newer one of the same entity replaced. Where there are fewer than asked for, why
    follows.

    A case goes by its tokens alone: a number of its item would tell when it was queued, and so which cases are old.
    """
    at = stage.desk(request, slug)
    count = whole(request.POST.get("count", "")) or 1
    if "tokens" in request.POST:
        items = stage.held(at, tokens_of(request))
        return HttpResponse("".join(card_html(at, item) for item in items))
    if "again" in request.POST or "newer" in request.POST:
        item = _wanted(at, request)
        items = [] if item is None else stage.held(at, item=item) or stage.claim(at, item=item, reserved=True)
        return HttpResponse("".join(card_html(at, item) for item in items) or none_html(at))
    escalated = bool(at.leads) and request.POST.get("escalated") == "1"
    items = stage.claim(at, count=min(count, MOST_AHEAD), reserved=True, escalated=escalated)
    found = [card_html(at, item) for item in items]
    return HttpResponse("".join(found) + ("" if len(found) >= count else none_html(at)))


@page
@for_script
@never_cache
@require_safe
def state(request: HttpRequest, slug: str) -> HttpResponse:
    """How the queue stands, what this person holds open in it, and a fresh token for forms. Takes nothing."""
    at = stage.desk(request, slug)
    around, end = surroundings.around(at), surroundings.empty(at)
    reason = end["emptiness"].reason
    return JsonResponse({
        "me": at.holder,
        "csrf": get_token(request),
        "waiting": around["depth"],
        "done": around["done_today"],
        "reason": reason,
        "takes": reason == "leased" and around["depth"] != 0,
        "held": [str(item.lease_token) for item in stage.held(at)],
        "undoable": None if around["undoable"] is None else around["undoable"].pk,
        "empty": render_to_string("review/_empty.html", end, request=request),
    })  # fmt: skip


@page
@for_script
@require_POST
def answers(request: HttpRequest, slug: str) -> HttpResponse:
    """Decisions, each stored by itself; the results stand in their order."""
    at = stage.desk(request, slug)
    try:
        body = strict_json.decode(request.body)
    except Invalid:
        return refused("malformed", _("The body is not JSON."), status=HTTPStatus.BAD_REQUEST)
    if found := schema_faults(ANSWERS, body):
        return refused("invalid", f"{found[0].pointer}: {found[0].message}", status=HTTPStatus.BAD_REQUEST)
    results = [_answer(at, one) for one in body["answers"]]
    if any(result["status"] == "saved" for result in results):
        ring_webhooks()
    around = surroundings.around(at)
    return JsonResponse({"results": results, "waiting": around["depth"], "done": around["done_today"]})


@page
@for_script
@require_POST
def give_back(request: HttpRequest, slug: str) -> HttpResponse:
    """Free cases that this page claimed and does not decide, as when it is left or its reviewer pauses or skips."""
    at = stage.desk(request, slug)
    reason = {"skipped": "skipped", "paused": "paused"}.get(request.POST.get("reason", ""), "unseen")
    freed = queue.release_many(tokens=tokens_of(request), holder=at.holder, reason=reason)
    return JsonResponse({"freed": freed})


def _wanted(at: stage.Desk, request: HttpRequest) -> int | None:
    """The item of the lease whose token is ``again``, or the one that replaced that of ``newer``."""
    field = "again" if "again" in request.POST else "newer"
    tokens = tokens_of(request, field)
    if not tokens:
        return None
    lease = lease_of(at, tokens[0])
    return lease.item_id if field == "again" else _newer(at, lease)


def _answer(at: stage.Desk, given: dict[str, Any]) -> dict[str, Any]:
    """Store one answer; what came of it, never an exception."""
    token = UUID(given["token"])
    lease = leases.find(token)
    if lease is None or lease.item.queue_id != at.queue.pk or lease.holder != at.holder:
        return {
            "token": given["token"],
            "status": "conflict",
            "code": "lease_lost",
            "told": _("This case is not yours."),
        }
    form = AnswerForm(_form(given), prediction=lease.item.prediction, shown=lease.model_shown_at is not None)
    told = {"token": given["token"], "name": lease.item.prediction.external_id}
    if not form.is_valid():
        return {**told, "status": "invalid", "errors": {name: str(found[0]) for name, found in form.errors.items()}}
    try:
        with transaction.atomic():
            if given.get("instead"):
                made = late.decide_instead(token=token, principal=at.principal, leads=at.leads, **form.arguments())
            else:
                made = late.decide(token=token, principal=at.principal, leads=at.leads, **form.arguments())
    except Conflict as error:
        return {
            **told,
            "status": "conflict",
            "code": withdrawn(lease) or error.code,
            "told": not_used(lease, error),
            "newer": _newer(at, lease) is not None,
        }
    except Invalid as error:
        places = {fault.pointer.strip("/").split("/")[0]: fault.message for fault in error.errors}
        return {**told, "status": "invalid", "errors": places or {"answer": error.detail}}
    except ReviewHubError as error:
        return {**told, "status": "conflict", "code": error.code, "told": sentence(error.detail)}
    return {**told, "status": "saved", "decision": made.pk, "lease": str(made.lease_id), "label": made.label}


def _newer(at: stage.Desk, lease: Lease) -> int | None:
    """A free item of a later prediction of the same entity, where the lease's own prediction was withdrawn.

    One that this person has claimed ahead is as good as free.
    """
    old = lease.item.prediction
    if lease.item.state != QueueItem.State.WITHDRAWN or not old.entity_id:
        return None
    free = QueueItem.objects.claimable() | QueueItem.objects.leased().filter(lease_holder=at.holder)
    later = free.filter(queue=at.queue, model=old.model_id, prediction__entity_id=old.entity_id)
    return later.filter(prediction__gt=old.pk).order_by("-prediction").values_list("pk", flat=True).first()


def _form(given: dict[str, Any]) -> QueryDict:
    """The answer as the form without script would post it."""
    data = QueryDict(mutable=True)
    for name, value in given.items():
        if name == "codes" and given["answer"].startswith("label:"):
            data.setlist(f"codes.{given['answer'].removeprefix('label:')}", value)
        elif name == "codes":
            data.setlist("codes", value)
        elif name not in ("token", "instead"):
            data[name] = value
    return data
