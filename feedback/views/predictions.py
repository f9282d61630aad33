"""Any prediction, found by its external or entity id, with its whole timeline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.models import Q
from django.http import Http404
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from feedback import gold
from feedback.models import GoldTruth, Label
from feedback.timelines import timeline
from models_registry.errors import Invalid
from models_registry.numbers import whole
from models_registry.views.base import page, principal_of
from review import exposure, redaction
from review.cases import case
from review.models import CaseView, Prediction, Resolution
from review.sightings import looked_at, opened
from review.veil import Veil, of_status, without_gold

if TYPE_CHECKING:
    from collections.abc import Collection

    from django.http import HttpRequest, HttpResponse

    from models_registry.access import Principal
    from review.veil import Veil

PAGE = 30
LONGEST_ID = 200


@page
@require_safe
def predictions(request: HttpRequest) -> HttpResponse:
    """The newest predictions, or those of exactly that external or entity id; a single one opens at once."""
    principal = principal_of(request)
    mine = principal.models("read")
    query = request.GET.get("q", "").strip()[:LONGEST_ID]
    # NUL cannot be stored, so no model has it in its slug.
    slug = request.GET.get("model", "").replace("\0", "")[:LONGEST_ID]
    status = request.GET.get("status", "")
    before = request.GET.get("before", "")
    rows = Prediction.objects.filter(model__in=mine).select_related("model", "version", "routing").order_by("-id")
    if slug:
        rows = rows.filter(model__slug=slug)
    if status in Prediction.Status.values:
        rows = of_status(rows, status, principal) if query else rows.filter(status=status)
    if query:
        # NUL cannot be stored, so nothing carries it and PostgreSQL need not be asked.
        rows = rows.none() if "\0" in query else rows.filter(Q(external_id=query) | Q(entity_id=query))
    if (last := whole(before)) is not None:
        rows = rows.filter(id__lt=last)
    if not query:
        rows = without_gold(rows, principal)
    found = list(rows[: PAGE + 1])
    if query and len(found) == 1 and not before:
        return redirect("prediction", pk=found[0].pk)
    kept = {key: value for key, value in (("q", query), ("model", slug), ("status", status)) if value}
    context = {
        "area": "predictions",
        "rows": _listed(found[:PAGE], principal),
        "more": found[PAGE - 1].pk if len(found) > PAGE else None,
        "query": query,
        "models": mine,
        "slug": slug,
        "status": status,
        "statuses": Prediction.Status.values,
        "kept": kept,
    }
    return render(request, "feedback/predictions.html", context)


@page
@require_safe
def prediction(request: HttpRequest, pk: int) -> HttpResponse:
    """One prediction: what was sent, what the model said and why, and everything that happened since."""
    principal = principal_of(request)
    return _page(request, _found(principal, pk), principal)


@page
@require_POST
def reveal(request: HttpRequest, pk: int) -> HttpResponse:
    """The page of a prediction with one value that is hidden by policy, once it is recorded who asked for it."""
    principal = principal_of(request)
    found = _found(principal, pk)
    feature = request.POST.get("feature", "").replace("\0", "")
    try:
        exposure.reveal_feature(prediction=found, principal=principal, feature=feature, where=CaseView.Where.PAGE)
    except Invalid as error:
        raise Http404(error.detail) from None
    return _page(request, found, principal, revealed=[feature])


def _found(principal: Principal, pk: int) -> Prediction:
    related = ("model", "version__contract", "payload", "routing__policy", "explanation")
    rows = Prediction.objects.select_related(*related).filter(pk=pk, model__in=principal.models("read"))
    found = rows.first() if pk < 2**63 else None
    if found is None:
        raise Http404
    return found


def _page(
    request: HttpRequest, found: Prediction, principal: Principal, revealed: Collection[str] = ()
) -> HttpResponse:
    veil = opened(found, principal, CaseView.Where.PAGE)
    labels = Label.objects.filter(prediction=found, retired_at__isnull=True)
    shown = case(found, veil, principal, revealed)
    context = {
        "area": "predictions",
        "prediction": redaction.row(found, veil),
        "case": shown,
        "masked": [row for group in shown["groups"] for row in group["rows"] if row["hidden"]],
        "veil": veil,
        "timeline": timeline(found, veil, principal),
        "resolution": _resolution(found, veil),
        "standing": labels.none() if veil.labels else labels,
        "open_item": None if veil.gold and veil.own else found.items.open().select_related("queue").first(),
        "siblings": _listed(_siblings(found), principal),
        "known_case": _known_case(found, veil, principal),
        "may_reveal": exposure.may_reveal(found, principal),
    }
    return render(request, "feedback/prediction.html", context)


def _known_case(found: Prediction, veil: Veil, principal: Principal) -> dict[str, Any] | None:
    """For leads and owners who are not to answer it: what is known to be true, and what could be said."""
    settled = found.status in (Prediction.Status.ROUTED, Prediction.Status.DECIDED)
    truth = GoldTruth.objects.filter(prediction=found).first()
    if veil.gold or veil.labels or not (settled or truth) or "preview" not in principal.abilities(found.model):
        return None
    asked = gold.asked(found.model, [found.pk])[found.pk]
    return {"truth": truth, "asked": asked, "classes": found.model.classes}


def _resolution(found: Prediction, veil: Veil) -> Resolution | dict[str, Any] | None:
    if veil.resolution:
        return None
    return redaction.told_of_audit(found, veil) if veil.gold else found.resolutions.order_by("-id").first()


def _listed(rows: list[Prediction], principal: Principal) -> list[Prediction]:
    """The rows as they stand in a list, without what is hidden from the principal."""
    veils = looked_at(rows, principal, CaseView.Where.PAGE)
    shown = []
    for row in rows:
        one = redaction.row(row, veils[row.pk])
        if veils[row.pk].gold and hasattr(row, "routing"):
            one.routing = redaction.routing(row.routing, veils[row.pk])
        shown.append(one)
    # By the times that are told: the ids of gold would put it among the old ones.
    gold = any(veil.gold for veil in veils.values())
    return sorted(shown, key=lambda one: one.received_at, reverse=True) if gold else shown


def _siblings(prediction: Prediction) -> list[Prediction]:
    """Other predictions about the same entity."""
    if not prediction.entity_id:
        return []
    same = Prediction.objects.filter(model=prediction.model, entity_id=prediction.entity_id)
    return list(same.exclude(pk=prediction.pk).order_by("-id")[:5])
