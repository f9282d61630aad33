"""Any prediction, found by its external or entity id, with its whole timeline."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db.models import Q
from django.http import Http404
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from feedback.models import Label
from feedback.timelines import timeline
from models_registry.views.base import page, principal_of
from review.cases import case
from review.models import Prediction

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

PAGE = 30
LONGEST_ID = 200


@page
@require_safe
def predictions(request: HttpRequest) -> HttpResponse:
    """The newest predictions, or those of exactly that external or entity id; a single one opens at once."""
    mine = principal_of(request).models("read")
    query = request.GET.get("q", "").strip()[:LONGEST_ID]
    # NUL cannot be stored, so no model has it in its slug.
    slug = request.GET.get("model", "").replace("\0", "")[:LONGEST_ID]
    status = request.GET.get("status", "")
    before = request.GET.get("before", "")
    rows = Prediction.objects.filter(model__in=mine).select_related("model", "version", "routing").order_by("-id")
    if slug:
        rows = rows.filter(model__slug=slug)
    if status in Prediction.Status.values:
        rows = rows.filter(status=status)
    if query:
        # NUL cannot be stored, so nothing carries it and PostgreSQL need not be asked.
        rows = rows.none() if "\0" in query else rows.filter(Q(external_id=query) | Q(entity_id=query))
    if before.isdecimal() and len(before) < 19:
        rows = rows.filter(id__lt=int(before))
    found = list(rows[: PAGE + 1])
    if query and len(found) == 1 and not before:
        return redirect("prediction", pk=found[0].pk)
    kept = {key: value for key, value in (("q", query), ("model", slug), ("status", status)) if value}
    context = {
        "area": "predictions",
        "rows": found[:PAGE],
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
    related = ("model", "version__contract", "payload", "routing__policy", "explanation")
    found = (
        Prediction.objects.select_related(*related).filter(pk=pk, model__in=principal.models("read")).first()
        if pk < 2**63
        else None
    )
    if found is None:
        raise Http404
    resolution = found.resolutions.order_by("-id").first()
    context = {
        "area": "predictions",
        "prediction": found,
        "case": case(found),
        "timeline": timeline(found),
        "resolution": resolution,
        "standing": Label.objects.filter(prediction=found, retired_at__isnull=True),
        "open_item": found.items.open().select_related("queue").first(),
        "siblings": _siblings(found),
    }
    return render(request, "feedback/prediction.html", context)


def _siblings(prediction: Prediction) -> list[Prediction]:
    """Other predictions about the same entity."""
    if not prediction.entity_id:
        return []
    same = Prediction.objects.filter(model=prediction.model, entity_id=prediction.entity_id)
    return list(same.exclude(pk=prediction.pk).order_by("-id")[:5])
