"""Known cases: what is true of past predictions, how reviewers answered them, and what is kept for practice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from feedback import gold as known
from feedback.forms import KnownCasesForm
from feedback.models import GoldTruth
from feedback.practice import CASES
from feedback.raters import FEWEST
from models_registry import access
from models_registry.errors import Invalid, ReviewHubError
from models_registry.numbers import whole
from models_registry.views.base import model_page, page, principal_of
from review.models import Prediction
from review.veil import without_gold

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest, HttpResponse

    from models_registry.models import RegisteredModel

PAGE = 50


@page
@require_safe
def gold(request: HttpRequest, slug: str) -> HttpResponse:
    """Every known case with its answers, and the cells of truth and suggestion that they fill."""
    model, context = model_page(request, slug, "preview", "gold")
    return render(request, "feedback/gold.html", context | _listed(request, model) | {"form": KnownCasesForm(model)})


@page
@require_POST
def say(request: HttpRequest, slug: str) -> HttpResponse:
    """Say what is true of the predictions that were typed, pasted or uploaded: of all of them, or of none."""
    model, context = model_page(request, slug, "preview", "gold")
    form = KnownCasesForm(model, request.POST, request.FILES)
    if form.is_valid():
        said, places = form.said()
        try:
            done = known.set_many(model=model, said=said, actor=principal_of(request).name, places=places)
        except ReviewHubError as error:
            form.tell(error)
        else:
            count = len(done)
            told = _("One case is known now.") if count == 1 else _("%(count)d cases are known now.") % {"count": count}
            messages.success(request, told)
            return redirect("gold", slug=slug)
    return render(request, "feedback/gold.html", context | _listed(request, model) | {"form": form}, status=422)


@page
@require_POST
def change(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """One prediction's truth: said on its own page, moved between practice and real cases, or taken back."""
    principal = principal_of(request)
    model = access.model_for(principal, slug, "read")
    if "preview" not in principal.abilities(model):
        raise PermissionDenied("saying what is true is for this model's leads and owners")
    rows = Prediction.objects.select_related("model", "gold").filter(model=model, pk=pk)
    prediction = rows.first() if pk < 2**63 else None
    if prediction is None:
        raise Http404
    act, truth = request.POST.get("act"), getattr(prediction, "gold", None)
    try:
        if act == "remove":
            known.unset_gold(prediction=prediction, actor=principal.name)
        elif act in ("practice", "real") and truth is not None:
            known.set_gold(prediction=prediction, value=truth.value, actor=principal.name, practice=act == "practice")
        elif act == "say":
            value = request.POST.get("value", "").replace("\0", "")[:100]
            known.set_gold(prediction=prediction, value=value, actor=principal.name)
    except Invalid as error:
        messages.error(request, " ".join(fault.message for fault in error.errors))
    return redirect("prediction", pk=pk) if request.POST.get("back") == "prediction" else redirect("gold", slug=slug)


def _listed(request: HttpRequest, model: RegisteredModel) -> dict[str, Any]:
    """What is answered and not hidden from this person: a list must not tell which case they are being tested on."""
    truths = GoldTruth.objects.filter(prediction__model=model)
    mine = without_gold(Prediction.objects.filter(model=model, gold__isnull=False), principal_of(request))
    rows = _chosen(request, mine.select_related("gold").order_by("-id"))
    asked = known.asked(model, [row.pk for row in rows])
    return {
        "cells": _cells(model),
        "classes": model.classes,
        "few": FEWEST,
        "total": truths.count(),
        "practice": truths.filter(practice=True).count(),
        "practice_wanted": CASES,
        "rows": [{"prediction": row, "truth": row.gold, "asked": asked[row.pk]} for row in rows[:PAGE]],
        "more": rows[PAGE - 1].pk if len(rows) > PAGE else None,
        "share": _share(model),
    }


def _chosen(request: HttpRequest, rows: QuerySet[Prediction]) -> list[Prediction]:
    if (last := whole(request.GET.get("before", ""))) is not None:
        rows = rows.filter(id__lt=last)
    return list(rows[: PAGE + 1])


def _share(model: RegisteredModel) -> float:
    """After how many reviewed cases a known one follows, by the live policy."""
    control = getattr(model, "routing", None)
    document: dict[str, Any] = {} if control is None or control.active is None else control.active.document
    return float(document.get("gold_share", 0.0))


def _cells(model: RegisteredModel) -> list[dict[str, Any]]:
    """A row for each suggestion, a cell for each truth: cases among real ones and for practice, answers, the right."""
    truths = GoldTruth.objects.filter(prediction__model=model)
    counted: dict[tuple[str, str], list[int]] = {}
    for suggestion, value, practice in truths.values_list("prediction__predicted", "value", "practice"):
        counted.setdefault((suggestion, value), [0, 0])[int(practice)] += 1
    counts = known.confusion_of(model).counts
    k, found = len(model.classes), []
    for place, suggestion in enumerate(model.classes):
        row = []
        for other, truth in enumerate(model.classes):
            shown, hidden = counts[place, other], counts[place + k, other]
            real, kept = counted.get((suggestion, truth), [0, 0])
            row.append(
                {"suggestion": suggestion, "truth": truth, "real": real, "practice": kept, "same": place == other}
                | {f"{name}_n": int(cell.sum()) for name, cell in (("shown", shown), ("hidden", hidden))}
                | {f"{name}_right": int(cell[other]) for name, cell in (("shown", shown), ("hidden", hidden))}
            )
        found.append({"suggestion": suggestion, "cells": row})
    return found
