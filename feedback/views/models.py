"""A model's page: its versions with metrics and gates, promotion, rollback, and retraining."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from feedback import retraining, tasks
from feedback.alerts import visible
from feedback.forms import RetrainForm
from feedback.models import TrainingRun
from models_registry import promotion
from models_registry.errors import ReviewHubError
from models_registry.forms import ReasonForm
from models_registry.models import Evaluation, GateResult, ModelVersion, RegisteredModel
from models_registry.tasks import ring_webhooks
from models_registry.views.base import model_page, page, tell
from review import policy_versions, samplers

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

HISTORY = 20
METRICS = (("accuracy", "Accuracy", "share"), ("log_loss", "Log loss", "number"), ("cost", "Cost", "number"))
LIVE = (TrainingRun.Status.QUEUED, TrainingRun.Status.RUNNING)


@page
@require_safe
def model(request: HttpRequest, slug: str) -> HttpResponse:
    found, context = model_page(request, slug, "read", "model")
    return render(
        request, "feedback/model.html", {**context, **_of(found, context["abilities"]), "retrain_form": RetrainForm()}
    )


@page
@require_POST
def promote(request: HttpRequest, slug: str, version: str) -> HttpResponse:
    """Make a version the champion; a gate that speaks against it is told with its reason."""
    found, _ = model_page(request, slug, "admin", "model")
    if "\0" in version:
        raise Http404
    wanted = get_object_or_404(ModelVersion, model=found, version=version)
    form = ReasonForm(request.POST)
    if not form.is_valid():
        messages.error(request, f"Say why {wanted.version} should serve: a reason is kept with every promotion.")
        return redirect("model", slug=slug)
    try:
        promotion.promote(
            model=found,
            version=wanted,
            reason=form.cleaned_data["reason"],
            actor=request.user.get_username(),
            evidence={"contract": policy_versions.is_covered(model=found, contract=wanted.contract.document)},
        )
        samplers.follow_champion(found)
        ring_webhooks()
        messages.success(request, f"{wanted.version} is the champion now. Serving picks it up at its next look.")
    except ReviewHubError as error:
        messages.error(request, " ".join([f"{error.detail}.", *(f"{fault.message}." for fault in error.errors)]))
    return redirect("model", slug=slug)


@page
@require_POST
def rollback(request: HttpRequest, slug: str) -> HttpResponse:
    """Bring back the champion before this one."""
    found, _ = model_page(request, slug, "admin", "model")
    form = ReasonForm(request.POST)
    if not form.is_valid():
        messages.error(request, "Say why: a reason is kept with every rollback.")
        return redirect("model", slug=slug)
    try:
        made = promotion.rollback(model=found, reason=form.cleaned_data["reason"], actor=request.user.get_username())
        samplers.follow_champion(found)
        ring_webhooks()
        messages.success(request, f"Rolled back: {made.version.version} is the champion again.")
    except ReviewHubError as error:
        messages.error(request, f"{error.detail}.")
    return redirect("model", slug=slug)


@page
@require_POST
def retrain(request: HttpRequest, slug: str) -> HttpResponse:
    found, context = model_page(request, slug, "admin", "model")
    form = RetrainForm(request.POST)
    if form.is_valid():
        try:
            run = retraining.request(
                model=found,
                reason=form.cleaned_data["reason"],
                actor=request.user.get_username(),
                estimator=form.cleaned_data["estimator"],
            )
        except ReviewHubError as error:
            tell(form, error)
        else:
            tasks.ring_training()
            messages.success(request, f"Training run {run.pk} is queued. Its progress shows below.")
            return redirect("model", slug=slug)
    return render(
        request,
        "feedback/model.html",
        {**context, **_of(found, context["abilities"]), "retrain_form": form},
        status=422,
    )


@page
@require_safe
def runs(request: HttpRequest, slug: str) -> HttpResponse:
    """The training runs alone, for the page to follow one that goes on."""
    found, context = model_page(request, slug, "read", "model")
    return render(request, "feedback/_runs.html", {**context, **_runs(found)})


def _of(found: RegisteredModel, abilities: set[str]) -> dict[str, Any]:
    versions = list(found.versions.select_related("contract", "parent", "training_run"))
    evaluations, gates = _newest_evaluations(found), _newest_gates(found)
    rows = [
        {
            "version": version,
            "champion": version.pk == found.champion_id,
            "evaluation": evaluations.get(version.pk),
            "gates": gates.get(version.pk, []),
            "run": getattr(version, "training_run", None),
            "blocked": [g for g in gates.get(version.pk, []) if g.blocking and g.verdict != GateResult.Verdict.PASSED],
            "outdated": [g for g in gates.get(version.pk, []) if g.compared_with_id not in (None, found.champion_id)],
            "comparison": _comparison(getattr(version, "training_run", None)),
        }
        for version in versions
    ]
    history = list(found.promotions.select_related("version", "previous")[:HISTORY])
    lasting = list(visible(found, abilities).filter(resolved_at=None)[:HISTORY])
    return {"rows": rows, "promotions": history, "reason_form": ReasonForm(), "alerts": lasting, **_runs(found)}


def _runs(found: RegisteredModel) -> dict[str, Any]:
    recent = list(found.training_runs.select_related("candidate", "snapshot", "champion")[:HISTORY])
    return {"runs": recent, "live": any(run.status in LIVE for run in recent)}


def _newest_evaluations(found: RegisteredModel) -> dict[int, Evaluation]:
    newest = Evaluation.objects.filter(version__model=found).order_by("version_id", "-id").distinct("version_id")
    return {row.version_id: row for row in newest}


def _newest_gates(found: RegisteredModel) -> dict[int, list[GateResult]]:
    newest = (
        GateResult.objects.filter(version__model=found)
        .select_related("compared_with")
        .order_by("version_id", "gate", "-id")
        .distinct("version_id", "gate")
    )
    gates: dict[int, list[GateResult]] = {}
    for row in newest:
        gates.setdefault(row.version_id, []).append(row)
    return {version: sorted(rows, key=lambda row: (not row.blocking, row.pk)) for version, rows in gates.items()}


def _comparison(run: TrainingRun | None) -> list[dict[str, Any]]:
    """Champion and candidate on the same held-out labelled rows, metric by metric, with the difference."""
    if run is None or not run.metrics:
        return []
    candidate, champion = run.metrics.get("candidate") or {}, run.metrics.get("champion") or {}
    differences = (run.metrics.get("differences") or {}).get("champion") or {}
    return [
        {
            "name": name,
            "kind": kind,
            "candidate": candidate.get(key),
            "champion": champion.get(key),
            "difference": differences.get(key),
        }
        for key, name, kind in METRICS
        if candidate.get(key) is not None
    ]
