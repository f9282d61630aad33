"""Practice: known cases, the keys taught one at a time, each answer told at once. Works with buttons alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.http import Http404
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from feedback import practice as practising
from feedback.models import PracticeAnswer
from models_registry import access
from models_registry.numbers import whole
from models_registry.views.base import page, principal_of
from review import keys
from review.cases import case as shown_case
from review.models import ReviewerSettings

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from feedback.models import GoldTruth
    from models_registry.models import RegisteredModel

# The actions that have a button once they were taught; the others are only told of.
BUTTONS = ("agree", "other", "abstain", "note", "skip", "undo")


@page
@never_cache
@require_safe
def practice(request: HttpRequest, slug: str) -> HttpResponse:
    """The case in hand, or what came of one just answered, or at the end what came of all."""
    principal = principal_of(request)
    model = access.model_for(principal, slug, "review")
    progress = practising.progress_of(model, principal.pseudonym)
    place = _place(request, progress)
    context: dict[str, Any] = {
        "area": "queues",
        "model": model,
        "progress": progress,
        "wanted": practising.CASES,
        "queue": model.queues.order_by("slug").first(),
        "leads": "preview" in principal.abilities(model),
    }
    told = _told(request, progress, principal.pseudonym)
    if told is not None:
        context |= {"told": told, "place": progress.cases.index(told["case"])}
    elif place is not None:
        context |= _shown(request, model, progress, place)
    else:
        context["rows"] = [
            {"case": one, "answer": progress.answers.get(one.pk), "right": progress.is_right(one)}
            for one in progress.cases
        ]
    return render(request, "feedback/practice.html", context)


@page
@require_POST
def answer(request: HttpRequest, slug: str) -> HttpResponse:
    """Keep an answer and tell; skip and undo only move on and back."""
    principal = principal_of(request)
    model = access.model_for(principal, slug, "review")
    progress = practising.progress_of(model, principal.pseudonym)
    place = whole(request.POST.get("case", ""), below=len(progress.cases))
    given = request.POST.get("answer", "")
    if place is None:
        return redirect("practice", slug=slug)
    if given == "undo":
        return _at(slug, case=max(place - 1, 0) + 1)
    if given == "skip":
        return _at(slug, case=place + 2) if place + 1 < len(progress.cases) else redirect("practice", slug=slug)
    case = progress.cases[place]
    known, label = _label(given, case, model)
    if not known:
        return _at(slug, case=place + 1)
    kept = practising.answer(prediction=case.prediction, reviewer=principal.pseudonym, label=label)
    return _at(slug, told=kept.pk)


def _place(request: HttpRequest, progress: practising.Progress) -> int | None:
    """The place of the case asked for, else of the first that waits; None where all are answered."""
    asked = whole(request.GET.get("case", ""), below=len(progress.cases) + 1)
    if asked:
        return asked - 1
    return progress.cases.index(progress.left[0]) if progress.left else None


def _told(request: HttpRequest, progress: practising.Progress, reviewer: str) -> dict[str, Any] | None:
    told = whole(request.GET.get("told", ""))
    if told is None:
        return None
    kept = PracticeAnswer.objects.filter(pk=told, reviewer=reviewer).first()
    case = next((one for one in progress.cases if kept is not None and one.pk == kept.prediction_id), None)
    if kept is None or case is None:
        raise Http404
    agreed = kept.label == case.prediction.predicted
    return {
        "case": case,
        "answer": kept,
        "right": kept.label == kept.truth,
        "misled": agreed and kept.label != kept.truth,
    }


def _shown(request: HttpRequest, model: RegisteredModel, progress: practising.Progress, place: int) -> dict[str, Any]:
    case = progress.cases[place]
    own = ReviewerSettings.objects.filter(user=request.user.pk).first()
    bound = keys.bindings_of(own, model.classes)
    taught = practising.lessons(model)[: place + 1]
    labels = [
        {"number": number, "value": value, "key": bound.get(f"label:{number}", "")}
        for number, value in enumerate(model.classes)
    ]
    acts = [{"action": keys.BY_NAME[name], "key": bound.get(name, "")} for name in taught if name in BUTTONS]
    return {
        "place": place,
        "prediction": case.prediction,
        "case": shown_case(case.prediction),
        "p": case.prediction,
        "labels": labels,
        "acts": acts,
        "lesson": _lesson(taught, place, bound),
        "definition": model.definitions.order_by("-number").first(),
    }


def _lesson(taught: list[str], place: int, bound: dict[str, str]) -> dict[str, Any]:
    """What this case teaches: the labels, one more action, or nothing new."""
    if place >= len(taught):
        return {"kind": "none"}
    name = taught[place]
    if name == "labels":
        return {"kind": "labels"}
    return {"kind": "action", "action": keys.BY_NAME[name], "key": bound.get(name, ""), "button": name in BUTTONS}


def _label(given: str, case: GoldTruth, model: RegisteredModel) -> tuple[bool, str | None]:
    """Whether this is an answer, and its label; None for one that was withheld."""
    said = case.prediction.predicted
    if given in ("abstain", "agree"):
        return True, None if given == "abstain" else said
    if given == "other" and len(model.classes) == 2:
        return True, next(name for name in model.classes if name != said)
    place = whole(given.removeprefix("label:"), below=len(model.classes)) if given.startswith("label:") else None
    return (False, None) if place is None else (True, model.classes[place])


def _at(slug: str, **query: int) -> HttpResponse:
    return redirect(f"{reverse('practice', args=[slug])}?{urlencode(query)}")
