"""What the model and its people did, day by day, and which counters move."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from django.shortcuts import render
from django.views.decorators.http import require_safe

from feedback import charts
from feedback.alerts import open_count
from feedback.views.tables import copy_links, csv_answer
from feedback.withholding import behaviour_for, edges_for
from models_registry.views.base import model_page, page, principal_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.http import HttpRequest, HttpResponse

COUNTS = {
    "predictions": "Predictions",
    "passed": "Passed on",
    "held": "Held",
    "refused": "Refused",
    "audited": "Audited",
    "decisions": "Answers",
    "abstained": "Abstained",
    "undone": "Undone",
    "escalated": "Escalated",
    "skipped": "Skipped",
    "handed_over": "Handed over",
    "fallbacks": "Fallback used",
    "overrides": "Explicit overrides",
}


@page
@require_safe
def behaviour(request: HttpRequest, slug: str) -> HttpResponse:
    model, context = model_page(request, slug, "read", "behaviour")
    found = behaviour_for(edges_for(principal_of(request), model), model=model)
    tables = {
        "days": lambda: day_rows(found),
        "undo": lambda: found["queues"],
        "counters": lambda: [{"counter": c["counter"], **day} for c in found["counters"] for day in c["days"]],
    }
    if (answer := csv_answer(request, slug, tables)) is not None:
        return answer
    context |= {
        "found": found,
        "counts": COUNTS,
        "open_alerts": open_count(model, context["abilities"]),
        "series": [
            {"id": "passed", "title": "Passed on by the model alone", "chart": _shares(found["days"], "passed_share"),
             "words": "share of predictions that went on at routing, without waiting for a person"},
            {"id": "override", "title": "Overridden by reviewers", "chart": _shares(found["days"], "override"),
             "words": "share of standing answers that differ from the model’s, of the cases that routing chose: "
                      "another policy moves it too"},
            {"id": "weighted", "title": "What people would override of all traffic",
             "chart": _shares(found["days"], "override_weighted"),
             "words": "the same with each drawn answer weighted by the inverse of its propensity"},
        ],
        "undo": charts.intervals([{**row, "key": "weighted", "estimate": row["rate"]} for row in found["queues"]],
                                 "share", low=0.0, high=1.0),
        "rows": day_rows(found)[::-1],
        "counters": [{**one, "chart": _line(one["days"])} for one in found["counters"]],
        "copy": copy_links({}, list(tables)),
    }  # fmt: skip
    return render(request, "feedback/behaviour.html", context)


def day_rows(found: dict[str, Any]) -> list[dict[str, Any]]:
    """One row a day, as the page's table has it."""
    return [
        {"day": day["day"], **{name: day[name] for name in COUNTS}, "seconds": day["seconds"]}
        | {"passed_share": day["passed_share"]["rate"], "override_rate": day["override"]["rate"]}
        | {"override_weighted": day["override_weighted"]["rate"]}
        for day in found["days"]
    ]


def _shares(days: Sequence[dict[str, Any]], name: str) -> dict[str, Any]:
    ends = ("low", "high")
    rows = {day["day"]: {"estimate": day[name]["rate"]} | {end: day[name][end] for end in ends} for day in days}
    return charts.history(_filled(rows), kind="share")


def _line(days: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return charts.history(_filled({day["day"]: {"naive": day["mean"]} for day in days}))


def _filled(rows: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Every day between the first and the last; a day without a figure is a gap."""
    if not rows:
        return []
    first, last = date.fromisoformat(min(rows)), date.fromisoformat(max(rows))
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    return [{**_span(day), **rows.get(day.isoformat(), {})} for day in days]


def _span(day: date) -> dict[str, str]:
    return {
        "from": f"{day.isoformat()}T00:00:00+00:00",
        "to": f"{(day + timedelta(days=1)).isoformat()}T00:00:00+00:00",
    }
