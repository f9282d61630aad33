"""The review page: one case, one decision. Each answer is a fragment that takes the place of the stage.

Without script the same forms post and come back to the page by redirect.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from models_registry.errors import Conflict, ReviewHubError
from models_registry.models import LabelDefinition, RegisteredModel
from models_registry.tasks import ring_webhooks
from models_registry.views.base import page, principal_of
from review import cases, decisions, leases, queue
from review.forms import AnswerForm
from review.models import Lease, Prediction, QueueItem, ReviewDecision, ReviewQueue

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from models_registry.access import Principal

Context = dict[str, Any]
KEYED_LABELS = 9


@page
@never_cache
@require_safe
def review(request: HttpRequest, slug: str) -> HttpResponse:
    """The case this person holds. A page view takes nothing: the stage asks for the next case by POST."""
    line, models, principal = _queue(request, slug)
    held = _held(line, models, principal)
    context = _stage(line, models, principal, held) if held else _waiting(line, models, principal)
    return render(request, "review/review.html", {**context, "area": "queues"})


@page
@require_POST
def claim(request: HttpRequest, slug: str) -> HttpResponse:
    line, models, principal = _queue(request, slug)
    wanted = request.POST.get("item", "")
    item = _take(line, models, principal, int(wanted)) if wanted.isdecimal() and len(wanted) < 19 else None
    return _answer(request, line, models, principal, item=item, note=request.POST.get("note", ""))


@page
@require_POST
def decide(request: HttpRequest, slug: str, token: UUID) -> HttpResponse:
    """Store the answer and show the next case; what stands in the way is said, and the note is kept."""
    line, models, principal = _queue(request, slug)
    lease = leases.find(token)
    if lease is None or lease.item.queue_id != line.pk or lease.holder != principal.pseudonym:
        raise Http404
    form = AnswerForm(request.POST, prediction=lease.item.prediction)
    note = request.POST.get("note", "")
    if not form.is_valid():
        told = " ".join(str(error) for errors in form.errors.values() for error in errors)
        return _answer(request, line, models, principal, note=note, problem=told)
    try:
        made = decisions.decide(token=token, principal=principal, **form.arguments())
    except Conflict as error:
        return _after_conflict(request, line, models, principal, lease, error, note)
    except ReviewHubError as error:
        told = " ".join(fault.message for fault in error.errors) or error.detail
        return _answer(request, line, models, principal, note=note, problem=told)
    ring_webhooks()
    return _answer(request, line, models, principal, saved=made)


@page
@require_POST
def skip(request: HttpRequest, slug: str, token: UUID) -> HttpResponse:
    line, models, principal = _queue(request, slug)
    try:
        queue.release(token=token, holder=principal.pseudonym, reason="skipped")
    except Conflict as error:
        return _answer(request, line, models, principal, problem=error.detail.capitalize() + ".")
    return _answer(request, line, models, principal, told="Skipped. Others see it first.")


@page
@require_POST
def undo(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Take one's decision back and get that case again, with the former answer marked."""
    line, models, principal = _queue(request, slug)
    made = get_object_or_404(ReviewDecision, pk=pk, item__queue=line, reviewer=principal.pseudonym)
    try:
        decisions.undo(decision=made, principal=principal)
    except Conflict as error:
        return _answer(request, line, models, principal, problem=error.detail.capitalize() + ".")
    ring_webhooks()
    item = _take(line, models, principal, made.item_id)
    told = (
        f"Undone: {made.label or 'can’t tell'}. Decide again." if item else "Undone. The case waits in the queue again."
    )
    return _answer(request, line, models, principal, item=item, told=told, former=made, note=made.rationale)


@page
@require_POST
def keep(request: HttpRequest, slug: str, token: UUID) -> HttpResponse:
    """Give a lease its full time again while the person is at work; the fragment carries the new end."""
    _, _, principal = _queue(request, slug)
    try:
        lease = queue.renew(token=token, holder=principal.pseudonym)
    except Conflict as error:
        return render(request, "review/_lease.html", {"over": True, "told": error.detail}, status=409)
    return render(request, "review/_lease.html", {"lease": lease, "seconds_left": leases.seconds_left(token)})


@page
@require_safe
def explanation(request: HttpRequest, slug: str, token: UUID) -> HttpResponse:
    """The factor table for one that was not ready when the case was handed out."""
    line, models, principal = _queue(request, slug)
    held = _held(line, models, principal, token)
    if held is None:
        raise Http404
    tries = min(int(request.GET.get("try", "1")) if request.GET.get("try", "1").isdecimal() else 1, 99)
    shown = cases.case(held.prediction)
    if shown["explanation"]["state"] == "ready":
        queue.note_explanation_shown(token=token, holder=principal.pseudonym)
    context = {"case": shown, "queue": line, "item": held, "tries": tries + 1, "polls": tries < 6}
    return render(request, "review/_explanation.html", context)


def _queue(request: HttpRequest, slug: str) -> tuple[ReviewQueue, list[RegisteredModel], Principal]:
    """The queue and those of its models the person may review; 404 when there is none."""
    principal = principal_of(request)
    line = get_object_or_404(ReviewQueue, slug=slug)
    models = list(principal.models("review").filter(queues=line))
    if not models:
        raise Http404
    return line, models, principal


def _held(
    line: ReviewQueue, models: list[RegisteredModel], principal: Principal, token: UUID | None = None
) -> QueueItem | None:
    """The item whose lease this person holds already: the newest claim first, as after an undo."""
    items = QueueItem.objects.leased().filter(queue=line, model__in=models, lease_holder=principal.pseudonym)
    if token is not None:
        items = items.filter(lease_token=token)
    related = ("model", "prediction__model", "prediction__version__contract", "prediction__payload")
    return (
        items.select_related(*related, "prediction__routing__policy", "prediction__explanation")
        .order_by("-lease_expires_at", "id")
        .first()
    )


def _take(line: ReviewQueue, models: list[RegisteredModel], principal: Principal, item: int) -> QueueItem | None:
    return next(iter(queue.claim(queue=line, models=models, holder=principal.pseudonym, item=item)), None)


def _answer(
    request: HttpRequest,
    line: ReviewQueue,
    models: list[RegisteredModel],
    principal: Principal,
    *,
    item: QueueItem | None = None,
    saved: ReviewDecision | None = None,
    told: str = "",
    problem: str = "",
    **more: Any,
) -> HttpResponse:
    """The stage with the case in hand, else the one still held, else the next one, else why there is none."""
    if saved is not None:
        told = f"Saved: {saved.label or 'can’t tell'}."
    if not getattr(request, "htmx", False):
        if told or problem:
            messages.add_message(request, messages.ERROR if problem else messages.SUCCESS, problem or told)
        _ = item or _held(line, models, principal) or _next(line, models, principal)
        return redirect("review", slug=line.slug)
    item = item or _held(line, models, principal) or _next(line, models, principal)
    context = _stage(line, models, principal, item) if item else _empty(line, models, principal)
    return render(request, "review/_stage.html", {**context, "told": told, "problem": problem, **more})


def _next(line: ReviewQueue, models: list[RegisteredModel], principal: Principal) -> QueueItem | None:
    return next(iter(queue.claim(queue=line, models=models, holder=principal.pseudonym)), None)


def _after_conflict(
    request: HttpRequest,
    line: ReviewQueue,
    models: list[RegisteredModel],
    principal: Principal,
    lease: Lease,
    error: Conflict,
    note: str,
) -> HttpResponse:
    """A lease that merely ran out is taken again, so that one more key press is enough; else the note is shown."""
    if error.code == "lease_expired":
        item = _take(line, models, principal, lease.item_id)
        if item is not None:
            problem = "Your hold on this case had ended, so nothing was stored. You have it again: answer once more."
            return _answer(request, line, models, principal, item=item, problem=problem, note=note)
    external_id = lease.item.prediction.external_id
    problem = f"Your answer on {external_id} was not used: {error.detail}."
    return _answer(request, line, models, principal, problem=problem, kept_note=note)


def _stage(line: ReviewQueue, models: list[RegisteredModel], principal: Principal, item: QueueItem) -> Context:
    lease = Lease.objects.select_related("item").get(token=cast("UUID", item.lease_token))
    definition = leases.definition_of(lease)
    labels = [
        {"value": label, "key": str(i + 1) if i < KEYED_LABELS else "", "codes": _codes(definition, label), "number": i}
        for i, label in enumerate(item.model.classes)
    ]
    return {
        **_around(line, models, principal),
        "item": item,
        "case": cases.case(item.prediction),
        "definition": definition,
        "labels": labels,
        "any_codes": any(label["codes"] for label in labels),
        "lease": lease,
        "seconds_left": leases.seconds_left(lease.token),
        "polls": True,
        "tries": 1,
        "earlier": _earlier(item.prediction, principal),
    }


def _codes(definition: LabelDefinition, label: str) -> list[str]:
    codes: list[str] = definition.reason_codes.get(label, [])
    return codes


def _earlier(prediction: Prediction, principal: Principal) -> list[ReviewDecision]:
    """What this person said of the case before and took back."""
    mine = ReviewDecision.objects.filter(prediction=prediction, reviewer=principal.pseudonym, kind="decision")
    return list(mine.order_by("-id")[:3])


def _empty(line: ReviewQueue, models: list[RegisteredModel], principal: Principal) -> Context:
    newest = Prediction.objects.filter(model__in=models).order_by("-id").values_list("received_at", flat=True).first()
    return {
        **_around(line, models, principal),
        "emptiness": queue.emptiness(queue=line, models=models, holder=principal.pseudonym),
        "newest": newest,
    }


def _waiting(line: ReviewQueue, models: list[RegisteredModel], principal: Principal) -> Context:
    return {**_around(line, models, principal), "starting": True}


def _around(line: ReviewQueue, models: list[RegisteredModel], principal: Principal) -> Context:
    """What the bar shows around any case: how much waits, how much this person did today, what can be undone."""
    today = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
    mine = ReviewDecision.objects.filter(item__queue=line, reviewer=principal.pseudonym, kind="decision")
    window = timezone.now() - timedelta(seconds=settings.REVIEWHUB["UNDO_SECONDS"])
    undoable = mine.filter(superseded_by__isnull=True, decided_at__gt=window, item__state__in=["decided", "open"])
    return {
        "queue": line,
        "depth": queue.depth(line, models),
        "done_today": mine.filter(
            superseded_by__isnull=True, decided_at__gte=today, decided_at__lt=today + timedelta(days=1)
        ).count(),
        "undoable": undoable.select_related("prediction").order_by("-id").first(),
        "models": models,
    }
