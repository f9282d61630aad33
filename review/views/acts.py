"""What the script of the review page does with the case on screen: opens, keeps, reveals, explains.

Refusals carry ``code`` and ``told``, a sentence for the person; they change nothing.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from django.http import Http404, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from models_registry.errors import Conflict, Forbidden, Invalid
from models_registry.numbers import whole
from models_registry.views.base import page
from review import cases, exposure, leases, queue, veil
from review.models import CaseView, Explanation, Lease, ReviewerSettings
from review.views import stage
from review.views.answering import card_html, lease_of, refused, sentence, withdrawn

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from django.http import HttpRequest


@page
@require_POST
def open_case(request: HttpRequest, slug: str, token: UUID) -> HttpResponse:
    """The case is on screen now."""
    at = stage.desk(request, slug)
    return _lease(at, token, lambda: queue.open_case(token=token, holder=at.holder, long=at.wishes.long_lease))


@page
@require_POST
def keep(request: HttpRequest, slug: str, token: UUID) -> HttpResponse:
    """Give a lease its full time again while the person is at work."""
    at = stage.desk(request, slug)
    return _lease(at, token, lambda: queue.renew(token=token, holder=at.holder, long=at.wishes.long_lease))


@page
@require_POST
def first_answer(request: HttpRequest, slug: str, token: UUID) -> HttpResponse:
    """One's own answer before the model's is shown; the case comes back with both."""
    at = stage.desk(request, slug)
    lease = lease_of(at, token)
    classes = lease.item.model.classes
    place = whole(request.POST.get("answer", "").removeprefix("label:"), below=len(classes))
    if place is None:
        return refused("invalid", _("Choose one of the labels."), status=HTTPStatus.UNPROCESSABLE_ENTITY)
    label = str(classes[place])
    return _changed(at, token, lambda: exposure.first_answer(token=token, principal=at.principal, label=label))


@page
@require_POST
def reveal(request: HttpRequest, slug: str, token: UUID) -> HttpResponse:
    """The model's answer, where the queue shows it on request."""
    at = stage.desk(request, slug)
    return _changed(at, token, lambda: exposure.reveal(token=token, principal=at.principal))


@page
@require_safe
@never_cache
def explanation(request: HttpRequest, slug: str, token: UUID) -> HttpResponse:
    """The factor table for one that was not ready when the case was handed out; nothing while the model is hidden."""
    at = stage.desk(request, slug)
    found = stage.held(at, [token])
    lease = Lease.objects.filter(token=token, model_shown_at__isnull=False).first()
    if not found or lease is None:
        raise Http404
    tries = min(whole(request.GET.get("try", "")) or 1, 99)
    shown = cases.case(found[0].prediction, veil.of_item(found[0], lease), at.principal)
    if shown["explanation"]["state"] == Explanation.Status.READY:
        queue.note_explanation_shown(token=token, holder=at.holder)
    context = {"case": shown, "queue": at.queue, "item": found[0], "tries": tries + 1, "polls": tries < 6}
    return render(request, "review/_explanation.html", context)


@page
@require_POST
def reveal_feature(request: HttpRequest, slug: str, token: UUID) -> HttpResponse:
    """The row of a feature that is hidden by policy, with its value; that one asked is recorded."""
    at = stage.desk(request, slug)
    lease_of(at, token)
    feature, items = request.POST.get("feature", ""), stage.held(at, [token])
    if not items:
        return refused("lease_expired", _("Your time for this case has ended."))
    prediction, where = items[0].prediction, CaseView.Where.REVIEW
    try:
        exposure.reveal_feature(prediction=prediction, principal=at.principal, feature=feature, where=where)
    except Forbidden as error:
        return refused("forbidden", sentence(error.detail), status=HTTPStatus.FORBIDDEN)
    except Invalid as error:
        return refused("invalid", sentence(error.detail), status=HTTPStatus.UNPROCESSABLE_ENTITY)
    hidden = veil.of_item(items[0], Lease.objects.get(token=token))
    case = cases.case(prediction, hidden, at.principal, revealed=[feature])
    [row] = [row for group in case["groups"] for row in group["rows"] if row["name"] == feature]
    return render(request, "review/_feature_row.html", {"row": row, "case": case})


@page
@require_POST
def fold(request: HttpRequest, slug: str) -> HttpResponse:
    """Remember whether this person wants the model's reasons folded away."""
    at = stage.desk(request, slug)
    folded = request.POST.get("folded") == "1"
    ReviewerSettings.objects.update_or_create(user=at.principal.user, defaults={"why_folded": folded})
    return JsonResponse({"folded": folded})


def _lease(at: stage.Desk, token: UUID, act: Callable[[], Lease]) -> HttpResponse:
    lease_of(at, token)
    try:
        lease = act()
    except Conflict as error:
        return refused(withdrawn(lease_of(at, token)) or error.code, sentence(error.detail))
    return JsonResponse({"left": leases.seconds_left(token), "until": lease.expires_at.strftime("%H:%M")})


def _changed(at: stage.Desk, token: UUID, act: Callable[[], Lease]) -> HttpResponse:
    """The case as it looks after the act: with the model's answer, under the same lease."""
    lease_of(at, token)
    try:
        act()
    except Conflict as error:
        return refused(withdrawn(lease_of(at, token)) or error.code, sentence(error.detail))
    except Invalid as error:
        return refused("invalid", error.detail, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    items = stage.held(at, [token])
    if not items:
        raise Http404
    if getattr(getattr(items[0].prediction, "explanation", None), "status", "") == Explanation.Status.READY:
        queue.note_explanation_shown(token=token, holder=at.holder)
    return JsonResponse({"card": card_html(at, items[0])})
