"""How long truth takes: each step, the curves of waiting by week, and what never came."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

from django.shortcuts import render
from django.views.decorators.http import require_safe

from feedback import charts
from feedback.alerts import open_count
from feedback.monitoring import delays as measure_delays
from feedback.views.tables import copy_links, csv_answer
from models_registry.views.base import model_page, page

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

WEEKS = 6
HOPS = {
    "occurred_to_received": "occurred → received",
    "received_to_routed": "received → routed",
    "routed_to_claimed": "routed → claimed",
    "claimed_to_decided": "claimed → decided",
    "decided_to_label": "decided → label",
    "occurred_to_outcome": "occurred → outcome observed",
    "outcome_observed_to_received": "outcome observed → received",
}
KINDS = {
    "gate": ("Gate reviews", "since the prediction was routed; the caller waits for them"),
    "audit": ("Audit reviews", "since the prediction was routed; the caller went on"),
    "outcomes": ("Outcomes", "since the case occurred, for predictions that are declared to show one"),
}
CAUSES = {
    "pending": "waits, and is not due yet",
    "overdue": "waits past its due time",
    "abstained": "a person could not tell",
    "skipped": "given back, nobody took it up",
    "expired": "claimed, and the lease ran out",
    "withdrawn": "taken back by the caller",
}


@page
@require_safe
def delays(request: HttpRequest, slug: str) -> HttpResponse:
    model, context = model_page(request, slug, "read", "delays")
    found = measure_delays(model=model)
    tables = {
        "steps": lambda: hop_rows(found["hops"]),
        "weeks": lambda: [row for kind in KINDS for row in week_rows(kind, found)],
        "unanswered": lambda: cause_rows(found["nonresponse"]),
        "restated": lambda: found["restated"]["days"],
        "implicit": lambda: found["implicit"],
    }
    if (answer := csv_answer(request, slug, tables)) is not None:
        return answer
    context |= {
        "found": found,
        "open_alerts": open_count(model, context["abilities"]),
        "steps": charts.delays([row for row in hop_rows(found["hops"]) if row["n"]]),
        "curves": [_curves(kind, found) for kind in KINDS],
        "causes": charts.intervals(cause_rows(found["nonresponse"]), "share", low=0.0, high=1.0),
        "implicit": charts.intervals(
            [{**row, "key": "weighted", "estimate": row["rate"]} for row in found["implicit"]], "share", high=1.0
        ),
        "copy": copy_links({}, list(tables)),
    }
    return render(request, "feedback/delays.html", context)


def hop_rows(hops: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"name": words, **hops[name]} for name, words in HOPS.items()]


def week_rows(kind: str, found: dict[str, Any]) -> list[dict[str, Any]]:
    """The last weeks of a review kind or of outcomes, newest first, as the page's table has them."""
    weeks = (found["outcomes"] if kind == "outcomes" else found["reviews"][kind])["cohorts"][-WEEKS:][::-1]
    names = ("week", "n", "ended", "p50", "p90")
    return [{"kind": kind} | {name: week[name] for name in names} for week in weeks]


def cause_rows(nonresponse: dict[str, Any]) -> list[dict[str, Any]]:
    """Every cause that lost or keeps a label, with its rate of the drawn rows."""
    return [
        {"kind": kind, "cause": cause, "meaning": CAUSES[cause], "count": row["count"], "lost": row["lost"]}
        | {"drawn": part["drawn"], "key": "weighted", "estimate": row["rate"], "low": row["low"], "high": row["high"]}
        for kind, part in nonresponse.items()
        for cause, row in part["causes"].items()
        if row["count"]
    ]


def _curves(kind: str, found: dict[str, Any]) -> dict[str, Any]:
    """The chart of one kind: a line a week, the newest first, and all weeks together."""
    title, since = KINDS[kind]
    part = found["outcomes"] if kind == "outcomes" else found["reviews"][kind]
    weeks = [
        {**week, "key": f"w{place}", "day": date.fromisoformat(week["week"])}
        for place, week in enumerate(part["cohorts"][-WEEKS:][::-1])
    ]
    # Seen outcomes alone are no curve of waiting: those that will never come are not among them.
    whole = [] if kind == "outcomes" else [{"key": "all", "curve": part["curve"]}]
    drawn = charts.waiting([*whole, *weeks[::-1]])
    return {"kind": kind, "title": title, "since": since, "part": part, "chart": drawn, "weeks": weeks}
