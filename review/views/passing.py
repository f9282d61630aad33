"""What the review page passes on to others: escalations, hand-overs, flags, comments."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from django.http import HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from models_registry.errors import Conflict, Forbidden, ReviewHubError
from models_registry.views.base import page
from review import comments, escalation, handover, veil
from review.views import stage
from review.views.answering import lease_of, refused, sentence

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from django.http import HttpRequest


@page
@require_POST
def escalate(request: HttpRequest, slug: str, token: UUID) -> HttpResponse:
    at = stage.desk(request, slug)
    lease_of(at, token)
    note = _note(request)
    return _done(lambda: escalation.escalate(token=token, principal=at.principal, note=note), _("Escalated."))


@page
@require_POST
def hand_over(request: HttpRequest, slug: str, token: UUID) -> HttpResponse:
    at = stage.desk(request, slug)
    lease_of(at, token)
    to, note = request.POST.get("to", ""), _note(request)
    return _done(lambda: handover.hand_over(token=token, principal=at.principal, to=to, note=note), _("Handed over."))


@page
@require_POST
def flag(request: HttpRequest, slug: str, token: UUID) -> HttpResponse:
    """Mark the case for discussion, or take the mark away; it decides nothing."""
    at = stage.desk(request, slug)
    prediction = lease_of(at, token).item.prediction
    on = request.POST.get("on") == "1"
    act = comments.flag if on else comments.unflag
    return _done(
        lambda: act(prediction=prediction, principal=at.principal), _("Flagged.") if on else _("No longer flagged.")
    )


@page
@require_POST
def comment(request: HttpRequest, slug: str, token: UUID) -> HttpResponse:
    """Keep a comment on the case in hand; answers with all that is written, or goes back to the page without script."""
    at = stage.desk(request, slug)
    lease = lease_of(at, token)
    prediction, text = lease.item.prediction, request.POST.get("text", "").replace("\0", "")
    answer = _done(lambda: comments.comment(prediction=prediction, principal=at.principal, text=text), _("Kept."))
    if request.headers.get("X-Requested-With") != "fetch":
        return redirect(redirect("review", slug=slug).url + "?plain")
    if answer.status_code != HTTPStatus.OK:
        return answer
    hidden = veil.of_item(lease.item, lease)
    written = comments.written(prediction, at.holder, own_alone=hidden.colleagues, since=hidden.asked_at)
    context = {"queue": at.queue, "item": lease.item, "veil": hidden, "written": written, "me": at.holder}
    return render(request, "review/_comments.html", context)


@page
@require_safe
@never_cache
def colleagues(request: HttpRequest, slug: str, token: UUID) -> HttpResponse:
    """Who the case may be handed over to."""
    at = stage.desk(request, slug)
    return JsonResponse({"colleagues": handover.colleagues(lease_of(at, token).item, at.principal)})


def _done(act: Callable[[], Any], told: str) -> HttpResponse:
    try:
        act()
    except Conflict as error:
        return refused(error.code, sentence(error.detail))
    except Forbidden as error:
        return refused("forbidden", sentence(error.detail), status=HTTPStatus.FORBIDDEN)
    except ReviewHubError as error:
        first = error.errors[0].message if error.errors else error.detail
        return refused("invalid", sentence(first), status=HTTPStatus.UNPROCESSABLE_ENTITY)
    return JsonResponse({"told": told})


def _note(request: HttpRequest) -> str:
    return request.POST.get("note", "").replace("\0", "")
