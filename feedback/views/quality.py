"""A model's quality: what can be said of all its answers, how that went over time, and for whom it holds."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db import connection
from django.shortcuts import render
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.views.decorators.http import require_safe

from feedback import charts
from feedback.monitoring import changes, quality_series, since
from feedback.monitoring import quality as measure_quality
from feedback.views import figures
from feedback.views.tables import choice, copy_links, csv_answer, links
from models_registry.views.base import model_page, page

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from models_registry.models import RegisteredModel

WINDOWS = {"7": "last 7 days", "30": "last 30 days", "90": "last 90 days", "all": "all time"}
DEFAULT = "90"
SLICES = {"day": "by day", "week": "by week"}
# A page measures so many of the window's newest predictions at most; the API takes every window whole.
NEWEST = 200_000
# Names of groups are looked for among the newest predictions.
NAMED_BY = 2_000

_GROUPS = """
    SELECT DISTINCT name FROM (
        SELECT groups FROM review_prediction WHERE model_id = %s ORDER BY id DESC LIMIT %s
    ) newest CROSS JOIN LATERAL jsonb_object_keys(CASE WHEN jsonb_typeof(groups) = 'object' THEN groups END) name
    ORDER BY name LIMIT 20
"""


@page
@require_safe
def quality(request: HttpRequest, slug: str) -> HttpResponse:
    model, context = model_page(request, slug, "read", "quality")
    names = _group_names(model)
    chosen = _chosen(request, names)
    start = None if chosen["window"] == "all" else timezone.now() - timedelta(days=int(chosen["window"]))
    kept = since(model, newest=NEWEST, start=start)
    found = measure_quality(model=model, start=kept, group=chosen.get("group"))
    over_time = _series(model, chosen, kept)
    tables = {
        "figures": lambda: figures.csv_rows(found),
        "history": lambda: series_rows(over_time),
        "changes": lambda: changes(model, start=_first(over_time), end=None),
        "classes": lambda: part_rows(_metrics_of(found.get("classes"))),
        "groups": lambda: part_rows(_metrics_of(found.get("groups"))),
        "calibration": lambda: (found.get("calibration") or {}).get("bins", []),
        "confusion": lambda: confusion_rows(found.get("confusion") or {}),
    }
    if (answer := csv_answer(request, slug, tables)) is not None:
        return answer
    context |= {
        **_choices(chosen, names),
        **_headline(found),
        **_history(model, chosen, over_time),
        "found": found,
        "open_alerts": model.alerts.filter(resolved_at=None).count(),
        "window": {name: parse_datetime(found["window"][name] or "") for name in ("from", "to")},
        "cut": NEWEST if kept != start else None,
        "classes": figures.parts(_metrics_of(found.get("classes")), ("precision", "recall")),
        "groups": _of_groups(found, chosen["metric"]),
        "reliability": charts.reliability((found.get("calibration") or {}).get("bins", [])),
        "calibration_bins": (found.get("calibration") or {}).get("bins", []),
        "confusion": confusion_rows(found.get("confusion") or {}),
        "copy": copy_links(chosen, list(tables)),
    }
    return render(request, "feedback/quality.html", context)


def series_rows(over_time: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row a slice, as the page's table has it."""
    names = ("from", "to", "predictions", "labels", "state", "estimate", "low", "high", "naive", "label_free")
    return [
        {name: point.get(name) for name in names}
        | {f"outcomes_{name}": (point.get("outcomes") or {}).get(name) for name in ("estimate", "low", "high")}
        | {"maturity": point.get("maturity"), "mature": point.get("mature"), "restated": bool(point.get("restated"))}
        for point in over_time
    ]


def part_rows(parts: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Each metric of each class or group, as the page shows it: nothing but n below `figures.FEWEST` labels."""
    return [
        {"part": row["part"], "metric": chart["name"], "labels": row["labels"], "state": row["state"]}
        | {name: row[name] for name in ("estimate", "low", "high")}
        for chart in figures.parts(parts, tuple(figures.METRICS))
        for row in chart["rows"]
        if chart["name"] in parts[row["part"]]
    ]


def _chosen(request: HttpRequest, groups: list[str]) -> dict[str, str]:
    """What the address asks for; what it does not know falls back, so that a link never breaks."""
    chosen = {
        "window": choice(request, "window", list(WINDOWS), DEFAULT),
        "metric": choice(request, "metric", list(figures.METRICS), "accuracy"),
        "by": choice(request, "by", list(SLICES), "week"),
    }
    group = choice(request, "group", groups, groups[0] if groups else "")
    return {**chosen, "group": group} if group else chosen


def _choices(chosen: dict[str, str], groups: list[str]) -> dict[str, Any]:
    titles = {name: title for name, (title, _, _) in figures.METRICS.items()}
    return {
        "chosen": chosen,
        "windows": links(chosen, "window", WINDOWS),
        "metric_links": links(chosen, "metric", titles),
        "slice_links": links(chosen, "by", SLICES),
        "group_links": links(chosen, "group", {name: name for name in groups}),
    }


def _group_names(model: RegisteredModel) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(_GROUPS, [model.pk, NAMED_BY])
        return [name for (name,) in cursor.fetchall()]


def _headline(found: dict[str, Any]) -> dict[str, Any]:
    """The metrics in the order in which they may be read, and the error of what nobody looked at apart."""
    baseline = found.get("baseline") or {}
    shown = [name for name in figures.order(baseline.get("accuracy_may_lead", True)) if name in found["metrics"]]
    unseen = found["metrics"].get("auto_accepted_error")
    shown_apart = unseen and figures.metric("auto_accepted_error", unseen)
    return {
        "baseline": baseline,
        "metrics": [figures.metric(name, found["metrics"][name]) for name in shown],
        "unseen": shown_apart and {**shown_apart, "per_thousand": figures.per_thousand(unseen)},
    }


def _of_groups(found: dict[str, Any], metric: str) -> list[dict[str, Any]]:
    """The chosen metric and the one that leads, per value of the group."""
    groups = _metrics_of(found.get("groups"))
    leading = figures.order((found.get("baseline") or {}).get("accuracy_may_lead", True))
    names = list(dict.fromkeys([metric, *leading]))
    return figures.parts(groups, tuple(name for name in names if any(name in of for of in groups.values()))[:2])


def confusion_rows(confusion: dict[str, Any]) -> list[dict[str, Any]]:
    return []


def _history(model: RegisteredModel, chosen: dict[str, str], over_time: list[dict[str, Any]]) -> dict[str, Any]:
    title, kind, _ = figures.METRICS[chosen["metric"]]
    marks = changes(model, start=_first(over_time), end=None) if over_time else []
    marks = [{**change, "at": _time(change["at"])} for change in marks]
    return {
        "history": charts.history(over_time, marks, kind) if over_time else {"empty": True},
        "history_title": title,
        "kind": kind,
        "points": [{**row, "from": _time(row["from"])} for row in series_rows(over_time)[::-1]],
        "changes": marks,
    }


def _series(model: RegisteredModel, chosen: dict[str, str], start: datetime | None) -> list[dict[str, Any]]:
    return quality_series(model=model, metric=chosen["metric"], by=chosen["by"], start=start, end=None)


def _first(over_time: list[dict[str, Any]]) -> datetime | None:
    return _time(over_time[0]["from"]) if over_time else None


def _time(at: str | datetime) -> datetime:
    return datetime.fromisoformat(at) if isinstance(at, str) else at


def _metrics_of(parts: dict[str, Any] | None) -> dict[str, dict[str, Any]]:
    """{part: {metric: figure}}, whether the document has the figures of a part at once or under ``metrics``."""
    return {name: part.get("metrics", part) for name, part in (parts or {}).items()}
