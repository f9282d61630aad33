"""A model's quality: what can be said of all its answers, how that went over time, and for whom it holds."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.shortcuts import render
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.views.decorators.http import require_safe

from feedback import charts, disclosure
from feedback.alerts import open_count
from feedback.monitoring import changes, midnight, since
from feedback.monitoring.agreement import conflicts
from feedback.views import figures
from feedback.views.tables import choice, copy_links, csv_answer, links
from feedback.withholding import edges_for, quality_for, series_for
from models_registry import sql
from models_registry.views.base import model_page, page, principal_of

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from models_registry.access import Principal
    from models_registry.models import RegisteredModel

WINDOWS = {"7": "last 7 days", "30": "last 30 days", "90": "last 90 days", "all": "all time"}
DEFAULT = "90"
SLICES = {"day": "by day", "week": "by week"}
# Groups are told from rows, of so many of the window's newest at most; the API takes every window whole.
NEWEST = 20_000
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
    start = None if chosen["window"] == "all" else midnight(timezone.now(), days=int(chosen["window"]))
    edges = edges_for(principal_of(request), model)
    found = quality_for(edges, model=model, start=start)
    over_time = series_for(edges, model=model, metric=chosen["metric"], by=chosen["by"], start=start)
    marks = _changes(model, over_time)
    groups = _groups(model, chosen, start, found, edges)
    bins = (found.get("calibration") or {}).get("bins", [])
    tables = {
        "figures": lambda: figures.csv_rows(found),
        "reviewers": lambda: (found.get("reviewers") or {}).get("gold", []),
        "history": lambda: series_rows(over_time),
        "changes": lambda: marks,
        "classes": lambda: part_rows(found.get("classes") or {}),
        "groups": lambda: part_rows(groups["figures"]),
        "calibration": lambda: bins,
        "confusion": lambda: [cell for row in confusion_rows(found.get("confusion")) for cell in row["cells"]],
    }
    if (answer := csv_answer(request, slug, tables)) is not None:
        return answer
    context |= {
        **_choices(chosen, names),
        **_headline(found),
        **_history(chosen, over_time, marks),
        "found": found,
        "withheld": edges is not None,
        **_reviewers(found.get("reviewers")),
        "open_alerts": open_count(model, context["abilities"]),
        "window": {name: parse_datetime(found["window"][name] or "") for name in ("from", "to")},
        "classes": figures.parts(found.get("classes") or {}, ("precision", "recall")),
        "groups": groups,
        "bins": bins,
        "reliability": charts.reliability(bins),
        "confusion": confusion_rows(found.get("confusion")),
        "examples": _examples(model, start, principal_of(request)) if found["conflicts"]["conflicts"] else [],
        "copy": copy_links(chosen, list(tables)),
    }
    return render(request, "feedback/quality.html", context)


def _examples(model: RegisteredModel, start: datetime | None, viewer: Principal) -> list[dict[str, Any]]:
    """Cases whose labels differ, but for those that the viewer may still have to answer."""
    found = conflicts(model=model, start=start)["examples"]
    seen = disclosure.visible([int(one["id"]) for one in found], viewer)
    return [one for one in found if int(one["id"]) in seen]


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
    return [name for (name,) in sql.rows(_GROUPS, [model.pk, NAMED_BY])]


def _headline(found: dict[str, Any]) -> dict[str, Any]:
    """The metrics in the order in which they may be read, and the error of what nobody looked at apart."""
    shown = [name for name in _leading(found) if name in found["metrics"]]
    unseen = found["metrics"].get("auto_accepted_error")
    shown_apart = unseen and figures.metric("auto_accepted_error", unseen, found.get("reviewers"))
    return {
        "baseline": found.get("baseline") or {},
        "metrics": [figures.metric(name, found["metrics"][name], found.get("reviewers")) for name in shown],
        "unseen": shown_apart and {**shown_apart, "per_thousand": figures.per_thousand(unseen)},
    }


def _reviewers(beside: dict[str, Any] | None) -> dict[str, Any]:
    """Known cases by cell, how many more answers a correction takes, and since when its window is."""
    if not beside:
        return {}
    cells = beside["gold"]
    begin = parse_datetime((beside["window"]["from"] if beside["window"]["cut"] else None) or "")
    return {
        "beside": beside,
        "asked": sum(cell["answers"] for cell in cells),
        "missing": sum(cell["missing"] for cell in cells),
        "beside_from": begin,
    }


def _groups(
    model: RegisteredModel,
    chosen: dict[str, str],
    start: datetime | None,
    found: dict[str, Any],
    edges: list[datetime] | None,
) -> dict[str, Any]:
    """The chosen metric and the one that leads, per value of the chosen group."""
    if "group" not in chosen:
        return {"figures": {}, "charts": [], "cut": None}
    names = tuple(dict.fromkeys([chosen["metric"], *_leading(found)]))[:2]
    kept = since(model, newest=NEWEST, start=start)
    parts = quality_for(edges, model=model, start=kept, group=chosen["group"], metrics=names)["groups"]
    of = {value: part["metrics"] for value, part in parts.items()}
    return {"figures": of, "charts": figures.parts(of, names), "cut": NEWEST if kept != start else None}


def _leading(found: dict[str, Any]) -> tuple[str, ...]:
    return figures.order((found.get("baseline") or {}).get("accuracy_may_lead", True))


def confusion_rows(confusion: dict[str, Any] | None) -> list[dict[str, Any]]:
    """A row for each answer, a cell for each true class: labelled predictions, and how many they stand for."""
    if not confusion:
        return []
    classes = confusion["classes"]
    pairs = zip(classes, confusion["counts"], confusion["weighted"], strict=True)
    return [
        {
            "answer": answer,
            "cells": [
                {"answer": answer, "truth": truth, "labelled": n, "stands_for": weight}
                for truth, n, weight in zip(classes, counts, weighted, strict=True)
            ],
        }
        for answer, counts, weighted in pairs
    ]


def _history(chosen: dict[str, str], over_time: list[dict[str, Any]], marks: list[dict[str, Any]]) -> dict[str, Any]:
    title, kind, _ = figures.METRICS[chosen["metric"]]
    return {
        "history": charts.history(over_time, marks, kind) if over_time else {"empty": True},
        "history_title": title,
        "kind": kind,
        "points": [{**row, "from": datetime.fromisoformat(row["from"])} for row in series_rows(over_time)[::-1]],
        "changes": [{**change, "at": datetime.fromisoformat(change["at"])} for change in marks],
    }


def _changes(model: RegisteredModel, over_time: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What was changed within the span of the chart."""
    return changes(model=model, start=datetime.fromisoformat(over_time[0]["from"])) if over_time else []
