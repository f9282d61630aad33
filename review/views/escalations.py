"""What waits for who leads a model: what colleagues escalated, and answers that differ."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from models_registry.errors import Conflict
from models_registry.models import DatabaseNow
from models_registry.views.base import page, principal_of
from review import escalation, queue
from review.adjudication import without_lead
from review.models import Comment, QueueItem, ReviewerSettings
from review.veil import veils
from review.views.surroundings import granted_by

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

SHOWN = 100


@page
@require_safe
def escalations(request: HttpRequest) -> HttpResponse:
    """Every such case of the models this person leads, the longest waiting first."""
    principal = principal_of(request)
    led = principal.models("preview")
    if not led.exists():
        raise PermissionDenied(_("Escalated cases are for who leads a model"))
    waiting = QueueItem.objects.open().filter(tier=1, model__in=led).select_related("queue", "model", "prediction")
    items = list(waiting.order_by("enqueued_at", "id")[: SHOWN + 1])
    veil = veils(principal, [item.prediction for item in items])
    notes = Comment.objects.filter(
        prediction__in=[item.prediction_id for item in items], kind=Comment.Kind.ESCALATION
    ).order_by("id")
    last = {note.prediction_id: note for note in notes}
    live = set(QueueItem.objects.leased().filter(pk__in=[item.pk for item in items]).values_list("pk", flat=True))
    stranded = without_lead(items)
    owned = set(principal.models("admin").values_list("pk", flat=True))
    granting = {model: granted_by([model]) for model in {item.model_id for item in items if item.pk in stranded}}
    rows = [
        {
            "item": item,
            "note": _note(item, last.get(item.prediction_id)),
            "hidden": veil[item.prediction_id].colleagues,
            "held": item.pk in live,
            "mine": item.pk in live and item.lease_holder == principal.pseudonym,
            "stranded": item.pk in stranded,
            "granting": granting.get(item.model_id),
            "returns": item.model_id in owned and item.kind != QueueItem.Kind.ADJUDICATION and item.pk not in live,
        }
        for item in items[:SHOWN]
    ]
    lines = sorted({item.queue.slug for item in items})
    context = {"area": "queues", "rows": rows, "more": len(items) > SHOWN, "lines": lines}
    return render(request, "review/escalations.html", context)


def _note(item: QueueItem, last: Comment | None) -> Comment | None:
    """The note, but for one that would tell how old the case of a gold item is."""
    old = last is not None and item.kind == QueueItem.Kind.GOLD and last.at < item.enqueued_at
    return None if old else last


@page
@require_POST
def take(request: HttpRequest, pk: int) -> HttpResponse:
    """Claim that case and go to it."""
    principal = principal_of(request)
    led = list(principal.models("preview"))
    item = QueueItem.objects.select_related("queue").filter(pk=pk, model__in=led, tier=1).first()
    if item is None:
        raise Http404
    wishes = ReviewerSettings.objects.filter(user=principal.user).first()
    found = queue.claim(
        queue=item.queue, models=led, holder=principal.pseudonym, item=item.pk, leads=led,
        long=wishes is not None and wishes.long_lease,
    )  # fmt: skip
    mine = QueueItem.objects.filter(pk=pk, lease_holder=principal.pseudonym, lease_expires_at__gt=DatabaseNow())
    if not found and not mine.exists():
        messages.error(request, _("That case is not free any more, or you have answered it."))
        return redirect("escalations")
    return redirect("review", slug=item.queue.slug)


@page
@require_POST
def give_back(request: HttpRequest, pk: int) -> HttpResponse:
    """Let every reviewer have that case again."""
    principal = principal_of(request)
    item = QueueItem.objects.select_related("model").filter(pk=pk, model__in=principal.models("preview")).first()
    if item is None:
        raise Http404
    try:
        escalation.give_back(item=item, principal=principal)
    except Conflict as refused:
        messages.error(request, refused.detail)
    else:
        messages.success(request, _("Every reviewer can have that case again."))
    return redirect("escalations")
