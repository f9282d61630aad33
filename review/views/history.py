"""One's own decisions: to read, to look at, to take back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.http import HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from models_registry.errors import Conflict
from models_registry.tasks import ring_webhooks
from models_registry.views.base import page
from review import cases, decisions, veil
from review.models import ReviewDecision
from review.views import stage, surroundings
from review.views.answering import card_html, for_script, refused, sentence, tokens_of

if TYPE_CHECKING:
    from django.http import HttpRequest


@page
@for_script
@require_POST
def undo(request: HttpRequest, slug: str, pk: int | None = None) -> HttpResponse:
    """Take one's decision back, the latest where none is named, and get the case again with the answer marked."""
    at = stage.desk(request, slug)
    if "token" in request.POST:
        made = surroundings.standing(at).filter(lease_id__in=tokens_of(request, "token")).first()
        if made is None:
            return refused("nothing_to_undo", _("There is nothing to undo."))
    elif pk is None:
        made = surroundings.undoable(at)
        if made is None:
            return refused("nothing_to_undo", _("There is nothing to undo."))
    else:
        made = get_object_or_404(ReviewDecision, pk=pk, item__queue=at.queue, reviewer=at.holder)
    try:
        decisions.undo(decision=made, principal=at.principal)
    except Conflict as error:
        return refused(error.code, sentence(error.detail))
    ring_webhooks()
    items = stage.held(at, item=made.item_id) or stage.claim(at, item=made.item_id, reserved=True)
    answer = made.label or _("can’t tell")
    if not items:
        return JsonResponse({"undone": made.pk, "told": _("Undone. The case waits in the queue again."), "card": ""})
    told = _("Undone: %(answer)s. Decide again.") % {"answer": answer}
    found = card_html(at, items[0], former=made, note=made.rationale)
    return JsonResponse({"undone": made.pk, "told": told, "card": found})


@page
@require_safe
@never_cache
def history(request: HttpRequest, slug: str) -> HttpResponse:
    """This person's last decisions, as a list."""
    at = stage.desk(request, slug)
    return render(request, "review/_history.html", {"queue": at.queue, "decisions": surroundings.latest(at)})


@page
@require_safe
@never_cache
def past(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """A case that this person decided, to read."""
    at = stage.desk(request, slug)
    related = ("item__model", "prediction__model", "prediction__version__contract", "prediction__payload")
    rows = ReviewDecision.objects.select_related(*related, "prediction__routing__policy", "prediction__explanation")
    made = get_object_or_404(rows, pk=pk, item__queue=at.queue, reviewer=at.holder, kind="decision")
    made.item.queue = at.queue
    # An answered case is shown as it was answered: what was hidden then stays hidden here.
    hidden = veil.veil(at.principal, made.prediction) | veil.Veil(model=made.model_shown_at is None)
    context = {
        "queue": at.queue, "item": made.item, "made": made, "hidden": hidden.model, "mode": made.mode,
        "case": cases.case(made.prediction, hidden, at.principal), "veil": hidden, "past": True,
        "definition": made.definition,
        "folded": at.wishes.why_folded,
        "reopens": next((row.reopens for row in surroundings.latest(at) if row.pk == made.pk), False),  # type: ignore[attr-defined]
    }  # fmt: skip
    return render(request, "review/_past.html", context)
