"""How much of what people confirmed is their own: the gap of the random blind arm, in parts, and on known cases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.shortcuts import render
from django.views.decorators.http import require_safe

from feedback import charts
from feedback.alerts import open_count
from feedback.first_answers import DAYS
from feedback.reliance import seen_by
from feedback.rubber_stamps import signals
from feedback.views.tables import copy_links, csv_answer
from feedback.withholding import edges_for, reliance_for
from models_registry.views.base import model_page, page, principal_of

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

MODES = {
    "assisted": "shown from the start",
    "blind_first": "shown after a first answer",
    "on_request": "shown on request",
}
PARTS = {
    "right": "where the model proved right",
    "wrong": "where the model proved wrong",
    "over": "known case, suggestion wrong: wrong as suggested",
    "under": "known case, suggestion right: answered otherwise",
}


@page
@require_safe
def reliance(request: HttpRequest, slug: str) -> HttpResponse:
    model, context = model_page(request, slug, "read", "reliance")
    found = reliance_for(edges_for(principal_of(request), model), model=model)
    leads = "preview" in context["abilities"]
    people = seen_by(found["reviewers"], leads=leads, own=principal_of(request).pseudonym)
    tables = {"gaps": lambda: gap_rows(found), "reviewers": lambda: people}
    if (answer := csv_answer(request, slug, tables)) is not None:
        return answer
    context |= {
        "found": found,
        "days": DAYS,
        "leads": leads,
        "open_alerts": open_count(model, context["abilities"]),
        "gaps": charts.intervals([{**row, "key": _key(row)} for row in gap_rows(found)], "points"),
        "people": charts.intervals([{**row, "key": "weighted"} for row in people], "points"),
        "signals": [one for one in signals(model).values() if one.alarm] if leads else [],
        "copy": copy_links({}, list(tables)),
    }
    return render(request, "feedback/reliance.html", context)


def gap_rows(found: dict[str, Any]) -> list[dict[str, Any]]:
    """Every gap of the document as the page's table has it, the whole first."""
    named: list[tuple[str, str, dict[str, Any]]] = [("all", "all reviews", found["gap"])]
    named += [("queue", f"queue {row['queue']}", row) for row in found["queues"]]
    named += [("mode", MODES.get(row["mode"], row["mode"]), row) for row in found["modes"] if len(found["modes"]) > 1]
    named += [("truth", PARTS[name], found["by_truth"][name]) for name in ("right", "wrong")]
    if found["gold"]["n"]:
        pairs = (("over", "over_reliance"), ("under", "under_reliance"))
        named += [("gold", PARTS[name], found["gold"][key]) for name, key in pairs]
    named.append(("naive", "by what was seen, whoever chose it", found["naive"]))
    return [{"part": part, "name": name, **_flat(gap)} for part, name, gap in named]


def _flat(gap: dict[str, Any]) -> dict[str, Any]:
    arms = {f"{name}_{arm}": gap[arm][name] for arm in ("shown", "hidden") for name in ("n", "share")}
    return {name: gap[name] for name in ("estimate", "low", "high", "state")} | arms


def _key(row: dict[str, Any]) -> str:
    return "naive" if row["part"] == "naive" else "weighted"
