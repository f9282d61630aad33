"""The first page: what waits for this person, and how their models do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.models import OuterRef, Q, Subquery
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from feedback.models import TrainingRun
from feedback.monitoring import midnight
from feedback.withholding import edges_for, quality_for
from models_registry.models import ModelVersion, Promotion
from models_registry.promotion import blocking_results
from models_registry.views.base import page, principal_of
from review import queue
from review.models import Prediction, ReviewDecision, ReviewQueue, RoutingControl

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from models_registry.access import Principal
    from models_registry.models import RegisteredModel

# The first page asks for so many models at most.
HEADLINES = 8
# And each over the last days, whole ones, which need no rows.
DAYS = 30


@page
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    principal = principal_of(request)
    models = list(principal.models("read").select_related("champion", "routing__active"))
    context = {
        "area": "home",
        "queues": _queues(principal),
        "days": DAYS,
        "models": [_model(model, principal, headline=i < HEADLINES) for i, model in enumerate(models)],
        "tasks": _tasks(principal),
        "recent": list(
            ReviewDecision.objects.filter(reviewer=principal.pseudonym, kind="decision", superseded_by__isnull=True)
            .select_related("prediction", "model")
            .order_by("-id")[:5]
        ),
        "may": principal.abilities(),
    }
    return render(request, "feedback/home.html", context)


def _queues(principal: Principal) -> list[dict[str, Any]]:
    mine = principal.models("review")
    lines = list(ReviewQueue.objects.filter(models__in=mine).distinct())
    counts = queue.counts(lines, mine)
    rows = [{"queue": line, **counts[line.pk]} for line in lines]
    return sorted(rows, key=lambda row: (-row["depth"], row["queue"].slug))


def _model(model: RegisteredModel, viewer: Principal, *, headline: bool) -> dict[str, Any]:
    found = None
    if headline and model.champion_id is not None:
        start = midnight(timezone.now(), days=DAYS)
        found = quality_for(edges_for(viewer, model), model=model, start=start, metrics=("accuracy",))
    return {
        "model": model,
        "accuracy": found and found["metrics"]["accuracy"],
        "recent": found is not None,
        "predictions": Prediction.objects.filter(model=model).count()
        if found is None
        else found["population"]["predictions"],
        "policy": getattr(getattr(model, "routing", None), "active", None),
    }


def _tasks(principal: Principal) -> list[dict[str, Any]]:
    """What an owner should look at: kill switches, models without champion or policy, candidates, failed runs."""
    owned = principal.models("admin")
    tasks: list[dict[str, Any]] = [
        {"kind": "kill", "model": control.model}
        for control in RoutingControl.objects.filter(model__in=owned, kill_switch=True).select_related("model")
    ]
    tasks += [{"kind": "champion", "model": model} for model in owned.filter(champion__isnull=True)]
    tasks += [
        {"kind": "policy", "model": model}
        for model in owned.filter(Q(routing__isnull=True) | Q(routing__active__isnull=True), champion__isnull=False)
    ]
    newest = Promotion.objects.filter(model=OuterRef("model")).order_by("-id").values("at")[:1]
    candidates = ModelVersion.objects.filter(
        model__in=owned, origin=ModelVersion.Origin.RETRAINED, state=ModelVersion.State.READY, promotions__isnull=True
    ).annotate(since=Subquery(newest))
    tasks += [
        {
            "kind": "candidate",
            "model": version.model,
            "version": version,
            "blocked": [result.gate for result in blocking_results(version)],
        }
        for version in candidates.filter(Q(since__isnull=True) | Q(created_at__gt=Subquery(newest))).select_related(
            "model"
        )
    ]
    newest_run = TrainingRun.objects.filter(model=OuterRef("model")).order_by("-id").values("id")[:1]
    failed = TrainingRun.objects.filter(model__in=owned, status=TrainingRun.Status.FAILED, id=Subquery(newest_run))
    return tasks + [{"kind": "failed", "model": run.model, "run": run} for run in failed.select_related("model")]
