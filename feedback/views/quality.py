"""A model's quality: the weighted estimate, the naive figure beside it and, where it is known, the truth."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.shortcuts import render
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.views.decorators.http import require_safe

from feedback import charts
from feedback.monitoring import quality as measure_quality
from feedback.monitoring import since
from models_registry.views.base import model_page, page

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

WINDOWS = {"7": "last 7 days", "30": "last 30 days", "90": "last 90 days", "all": "all time"}
DEFAULT = "90"
# A page measures so many of the window's newest predictions at most; the API takes every window whole.
NEWEST = 200_000
METRICS = {
    "accuracy": ("Accuracy", "share", "share of all predictions whose answer was right"),
    "precision": ("Precision", "share", "share of positive answers that were right"),
    "recall": ("Recall", "share", "share of true positives that the model found"),
    "cost": ("Cost", "number", "mean cost of acting on the model's answer"),
    "brier": ("Brier score", "number", "squared distance of the scores from the truth, 0 is best"),
    "log_loss": ("Log loss", "number", "surprise at the truth, 0 is best"),
}


@page
@require_safe
def quality(request: HttpRequest, slug: str) -> HttpResponse:
    model, context = model_page(request, slug, "read", "quality")
    chosen = request.GET.get("window", DEFAULT)
    chosen = chosen if chosen in WINDOWS else DEFAULT
    start = None if chosen == "all" else timezone.now() - timedelta(days=int(chosen))
    kept = since(model, newest=NEWEST, start=start)
    found = measure_quality(model=model, start=kept)
    context |= {
        "found": found,
        "window": {name: parse_datetime(found["window"][name] or "") for name in ("from", "to")},
        "windows": WINDOWS,
        "chosen": chosen,
        "cut": NEWEST if kept != start else None,
        "metrics": [
            _metric(name, found["metrics"][name], model.simulated) for name in METRICS if name in found["metrics"]
        ],
    }
    return render(request, "feedback/quality.html", context)


def _metric(name: str, figure: dict[str, Any], simulated: bool) -> dict[str, Any]:
    """One metric's rows for the chart and its table: weighted, naive and, for a simulated stream, true."""
    title, kind, meaning = METRICS[name]
    rows = [
        {
            "key": "weighted",
            "name": "Weighted",
            "note": "for all predictions",
            **_part(figure, "estimate", "low", "high"),
        },
        {
            "key": "naive",
            "name": "Naive",
            "note": "reviewed cases only, biased",
            **_part(figure, "naive", "naive_low", "naive_high"),
        },
    ]
    if simulated:
        known = {"estimate": figure.get("truth"), "low": None, "high": None}
        rows.append({"key": "true", "name": "True", "note": "known in a simulation", **known})
    chart = charts.intervals(rows)
    truth_x = next((row.get("x") for row in chart["rows"] if row["key"] == "true"), None)
    return {
        "name": name,
        "title": title,
        "kind": kind,
        "meaning": meaning,
        "figure": figure,
        "chart": chart,
        "truth_x": truth_x,
    }


def _part(figure: dict[str, Any], *keys: str) -> dict[str, Any]:
    return dict(zip(("estimate", "low", "high"), (figure.get(key) for key in keys), strict=True))
