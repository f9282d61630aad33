"""Work against the people there are: what comes, what gets done, what waits, and when that will be too late."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.shortcuts import render
from django.views.decorators.http import require_safe

from feedback import charts
from feedback.alerts import open_count
from feedback.monitoring.blocks import widened
from feedback.monitoring.workload import KINDS, SLICES
from feedback.monitoring.workload import workload as measure_workload
from feedback.propensity_audit import measure
from feedback.views.tables import choice, copy_links, csv_answer, links
from feedback.withholding import edges_for, reasons_for
from models_registry.views.base import model_page, page, principal_of

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from feedback.estimators.audit import Audit

# The page checks so many of the newest routings; the nightly check reads more.
NEWEST = 20_000
BY = {"day": "by day, four weeks", "hour": "by hour, two days"}


@page
@require_safe
def workload(request: HttpRequest, slug: str) -> HttpResponse:
    model, context = model_page(request, slug, "read", "workload")
    chosen = {"by": choice(request, "by", list(SLICES), "day")}
    edges = edges_for(principal_of(request), model)
    until = None if edges is None else widened(edges, None, None)[1]
    found = measure_workload(model=model, by=chosen["by"], reasons_until=until)
    found["reasons"] = reasons_for(edges, found["reasons"])
    # Of a tenth of the propensities there may be one.
    audit = measure(model, newest=NEWEST) if edges is None else None
    tables = {
        "flow": lambda: flow_rows(found),
        "reasons": lambda: found["reasons"],
        "propensities": lambda: band_rows(audit),
    }
    if (answer := csv_answer(request, slug, tables)) is not None:
        return answer
    per_day = found["capacity"]["per_day"]
    context |= {
        "found": found,
        "open_alerts": open_count(model, context["abilities"]),
        "by": links(chosen, "by", BY),
        "chosen": chosen,
        "flow": charts.flow(
            found["slices"],
            KINDS,
            capacity=None if per_day is None else per_day / (24 if chosen["by"] == "hour" else 1),
        ),
        "level": charts.level(found["slices"], "backlog"),
        "rows": flow_rows(found)[::-1],
        "audit": audit,
        "withheld": edges is not None,
        "bands": charts.intervals(band_rows(audit), "share", low=0.0, high=1.0),
        "newest": NEWEST,
        "copy": copy_links(chosen, list(tables)),
    }
    return render(request, "feedback/workload.html", context)


def flow_rows(found: dict[str, Any]) -> list[dict[str, Any]]:
    """One row a slice, as the page's table has it."""
    names = ("from", "to", "partial", "arrived", "done", "withdrawn", "backlog")
    return [{name: s[name] for name in names} | s["by_kind"] for s in found["slices"]]


def band_rows(audit: Audit | None) -> list[dict[str, Any]]:
    """Each tenth of the propensities: the share that was reviewed, with the band of chance around what should be."""
    return [
        {"key": "weighted", "low_propensity": band.low_propensity, "high_propensity": band.high_propensity}
        | {
            "rows": band.rows,
            "expected": band.expected,
            "estimate": band.observed,
            "low": round(band.low, 6),
            "high": round(band.high, 6),
        }
        | {"inside": band.inside}
        for band in (() if audit is None else audit.bands)
    ]
