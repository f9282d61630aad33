"""The review page and, without script, its forms: each posts and comes back to the page by redirect.

With script the page stays and talks to ``acts``; what both show is made in ``stage``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from models_registry.errors import Conflict, ReviewHubError
from models_registry.numbers import whole
from models_registry.tasks import ring_webhooks
from models_registry.views.base import page
from review import decisions, late, queue
from review.forms import AnswerForm
from review.models import ReviewDecision
from review.views import stage, surroundings
from review.views.answering import lease_of, not_used

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from review.models import QueueItem


@page
@never_cache
@require_safe
def review(request: HttpRequest, slug: str) -> HttpResponse:
    """The page; the script asks for cases. A page view takes nothing. ``?escalated`` has who leads begin with those.

    With ``?plain`` the case this person holds stands in the page itself, for browsers without script: not
    otherwise, as another tab of the same person may have it on screen.
    """
    at = stage.desk(request, slug)
    context = surroundings.surroundings(at) | {"escalated": bool(at.leads) and "escalated" in request.GET}
    if "plain" in request.GET:
        found = stage.held(at)
        context |= stage.card(at, found[0]) if found else surroundings.empty(at) if "none" in request.GET else {}
        context["plain"] = True
    return render(request, "review/review.html", context)


@page
@require_POST
def claim(request: HttpRequest, slug: str) -> HttpResponse:
    """Take the next case, or the named one, and show it without script."""
    at = stage.desk(request, slug)
    wanted = whole(request.POST.get("item", ""))
    if wanted is not None and (items := stage.claim(at, item=wanted)):
        _open(at, items[0])
    return _next(at)


@page
@require_POST
def decide(request: HttpRequest, slug: str, token: UUID) -> HttpResponse:
    """Store the answer; what stands in the way is said. For forms posted without script."""
    at = stage.desk(request, slug)
    lease = lease_of(at, token)
    form = AnswerForm(request.POST, prediction=lease.item.prediction, shown=lease.model_shown_at is not None)
    if not form.is_valid():
        told = " ".join(str(error) for errors in form.errors.values() for error in errors)
        return _told(request, at, told, fault=True)
    try:
        made = late.decide(token=token, principal=at.principal, leads=at.leads, **form.arguments())
    except Conflict as error:
        return _told(request, at, not_used(lease, error), fault=True)
    except ReviewHubError as error:
        told = " ".join(fault.message for fault in error.errors) or error.detail
        return _told(request, at, told, fault=True)
    ring_webhooks()
    return _told(request, at, _("Saved: %(answer)s.") % {"answer": made.label or _("can’t tell")})


@page
@require_POST
def skip(request: HttpRequest, slug: str, token: UUID) -> HttpResponse:
    at = stage.desk(request, slug)
    try:
        queue.release(token=token, holder=at.holder, reason="skipped")
    except Conflict as error:
        return _told(request, at, error.detail.capitalize() + ".", fault=True)
    return _told(request, at, _("Skipped. Others see it first."))


@page
@require_POST
def undo(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Take one's decision back and get that case again."""
    at = stage.desk(request, slug)
    made = get_object_or_404(ReviewDecision, pk=pk, item__queue=at.queue, reviewer=at.holder)
    try:
        decisions.undo(decision=made, principal=at.principal)
    except Conflict as error:
        return _told(request, at, error.detail.capitalize() + ".", fault=True)
    ring_webhooks()
    if items := stage.claim(at, item=made.item_id):
        _open(at, items[0])
        return _told(request, at, _("Undone: %(answer)s. Decide again.") % {"answer": made.label or _("can’t tell")})
    return _told(request, at, _("Undone. The case waits in the queue again."))


def _open(at: stage.Desk, item: QueueItem) -> None:
    queue.open_case(token=cast("UUID", item.lease_token), holder=at.holder, long=at.wishes.long_lease)


def _told(request: HttpRequest, at: stage.Desk, told: str, *, fault: bool = False) -> HttpResponse:
    messages.add_message(request, messages.ERROR if fault else messages.SUCCESS, told)
    return _next(at)


def _next(at: stage.Desk) -> HttpResponse:
    """Back to the page with the case still held, else the next one, else why there is none."""
    found = stage.held(at) or stage.claim(at)
    path = redirect("review", slug=at.queue.slug).url + ("?plain" if found else "?plain&none")
    return HttpResponseRedirect(path)
