"""A model's labels: the newest ones, how long each step took, and what to take away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from feedback import charts, datasets, tasks
from feedback.models import DatasetSnapshot, Label
from feedback.monitoring.ledger import waits
from feedback.views.delays import hop_rows
from models_registry.views.base import model_page, page, principal_of
from review.models import CaseView
from review.sightings import looked_at

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from models_registry.models import RegisteredModel

NEWEST = 15
SNAPSHOTS = 10
LIVE = (DatasetSnapshot.Status.QUEUED, DatasetSnapshot.Status.RUNNING)


@page
@require_safe
def labels(request: HttpRequest, slug: str) -> HttpResponse:
    model, context = model_page(request, slug, "read", "labels")
    standing = Label.objects.filter(model=model, retired_at__isnull=True)
    newest = list(standing.select_related("prediction", "decision", "outcome").order_by("-id")[:NEWEST])
    veils = looked_at([label.prediction for label in newest], principal_of(request), CaseView.Where.PAGE)
    by_source = {row["source"]: row["n"] for row in standing.values("source").annotate(n=Count("pk")).order_by()}
    measured = waits(model, now=timezone.now()).hops()
    rows = [row for row in hop_rows(measured) if row["n"]]
    context |= {
        "labels": [label for label in newest if not veils[label.prediction_id].labels],
        "by_source": by_source,
        "total": sum(by_source.values()),
        "delays": charts.delays(rows),
        "origin": request.build_absolute_uri("/")[:-1],
        **_snapshots(model),
    }
    return render(request, "feedback/labels.html", context)


@page
@require_POST
def take_snapshot(request: HttpRequest, slug: str) -> HttpResponse:
    model, context = model_page(request, slug, "read", "labels")
    if "export" not in context["abilities"]:
        raise PermissionDenied("taking an export is for this model's analysts and owners")
    snapshot = datasets.request_snapshot(model=model, actor=request.user.get_username())
    tasks.ring_snapshots()
    messages.success(request, f"Snapshot {snapshot.pk} is queued. Its parts appear below when it is ready.")
    return redirect("labels", slug=slug)


@page
@require_safe
def snapshots(request: HttpRequest, slug: str) -> HttpResponse:
    """The snapshots alone, for the page to follow one that is being made."""
    model, context = model_page(request, slug, "read", "labels")
    return render(request, "feedback/_snapshots.html", {**context, **_snapshots(model)})


def _snapshots(model: RegisteredModel) -> dict[str, Any]:
    recent = list(model.snapshots.prefetch_related("parts__artifact")[:SNAPSHOTS])
    return {"snapshots": recent, "snapshots_live": any(row.status in LIVE for row in recent)}
