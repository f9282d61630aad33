"""The list of queues a person may claim from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from models_registry.views.base import page, principal_of
from review import queue, queue_settings
from review.forms import PauseForm, QueueSettingsForm
from review.models import QueueItem, ReviewQueue

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse


@page
@require_safe
def queues(request: HttpRequest) -> HttpResponse:
    """Every queue with a model this person reviews, the deepest first."""
    return _listed(request)


def _listed(request: HttpRequest, refused: tuple[ReviewQueue, PauseForm] | None = None) -> HttpResponse:
    """The list of queues; with what was wrong with the form of one of them."""
    principal = principal_of(request)
    mine = principal.models("review")
    lines = list(ReviewQueue.objects.filter(models__in=mine).distinct().prefetch_related("models"))
    counts = queue.counts(lines, mine)
    led = set(principal.models("preview").values_list("pk", flat=True))
    owned = set(principal.models("admin").values_list("pk", flat=True))
    rows = [
        {
            "queue": line,
            **counts[line.pk],
            "leads": any(model.pk in led for model in line.models.all()),
            "owns": owned.issuperset(model.pk for model in line.models.all()),
            "form": refused[1]
            if refused and refused[0] == line
            else PauseForm(initial={"on": 0 if line.paused_at else 1}, auto_id=f"id_{line.slug}_%s"),
        }
        for line in sorted(lines, key=lambda line: (-counts[line.pk]["depth"], line.slug))
    ]
    waiting = QueueItem.objects.open().filter(tier=1, model__in=led).count() if led else 0
    context = {"area": "queues", "rows": rows, "leads_any": bool(led), "escalated": waiting}
    return render(request, "review/queues.html", context, status=422 if refused else 200)


@page
@require_POST
def pause(request: HttpRequest, slug: str) -> HttpResponse:
    """Stop or go on handing out items; a lead's or owner's matter."""
    line = get_object_or_404(ReviewQueue, slug=slug)
    principal = principal_of(request)
    if not principal.models("review").filter(queues=line).exists():
        raise Http404
    if not principal.models("preview").filter(queues=line).exists():
        raise PermissionDenied("pausing a queue is for its leads and owners")
    form = PauseForm(request.POST, auto_id=f"id_{line.slug}_%s")
    if not form.is_valid():
        return _listed(request, (line, form))
    if form.cleaned_data["on"] == "1":
        queue.pause(queue=line, actor=principal.name, reason=form.cleaned_data["reason"])
        messages.success(request, f"{line.slug} is paused. Cases already handed out can still be decided.")
    else:
        queue.resume(queue=line, actor=principal.name)
        messages.success(request, f"{line.slug} hands out cases again.")
    return redirect("queues")


@page
@require_http_methods(["GET", "HEAD", "POST"])
def settings(request: HttpRequest, slug: str) -> HttpResponse:
    """How the queue is worked: an owner's matter."""
    line = get_object_or_404(ReviewQueue, slug=slug)
    principal = principal_of(request)
    if not principal.models("read").filter(queues=line).exists():
        raise Http404
    if not queue_settings.may_change(line, principal):
        raise PermissionDenied("a queue's settings are for who owns every model of it")
    names = list(QueueSettingsForm.base_fields)
    initial = {name: getattr(line, name) for name in names}
    form = QueueSettingsForm(request.POST if request.method == "POST" else None, initial=initial)
    if form.is_valid():
        queue_settings.change(queue=line, principal=principal, **form.cleaned_data)
        messages.success(request, f"{line.slug} is set. Cases that are out keep the mode they were handed out with.")
        return redirect("queue-settings", slug=slug)
    context = {"area": "queues", "queue": line, "form": form}
    return render(request, "review/queue_settings.html", context, status=422 if form.is_bound else 200)
