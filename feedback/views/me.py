"""One's own figures: visible to oneself, compared with nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.shortcuts import render
from django.views.decorators.http import require_safe

from feedback import charts
from feedback.own_figures import DAYS, own_figures
from models_registry.views.base import page, principal_of

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse


@page
@require_safe
def me(request: HttpRequest) -> HttpResponse:
    principal = principal_of(request)
    found = own_figures(principal=principal)
    models = [{**one, "rows": charts.intervals(_shares(one), "share")} for one in found["models"]]
    context = {"found": found, "models": models, "pseudonym": principal.pseudonym, "days": DAYS, "area": "me"}
    return render(request, "feedback/me.html", context)


def _shares(one: dict[str, object]) -> list[dict[str, object]]:
    """Quality before counts: gold, reliance, undo, abstentions, each with what it was counted from."""
    gold, gap, undone, abstained = (one[name] for name in ("gold", "reliance", "undone", "abstained"))
    assert isinstance(gold, dict)
    assert isinstance(undone, dict)
    assert isinstance(abstained, dict)
    rows: list[dict[str, object]] = [
        {"name": "Right on known cases", "of": gold["n"], "estimate": gold["rate"], **gold}
    ]
    if isinstance(gap, dict):
        of = gap["n_shown"] + gap["n_hidden"]
        rows.append(
            {"name": "Reliance gap", "gap": True, "of": of, **{key: gap[key] for key in ("estimate", "low", "high")}}
        )
    rows.append({"name": "Taken back", "of": undone["n"], "estimate": undone["rate"], **undone})
    rows.append({"name": "Could not tell", "of": abstained["n"], "estimate": abstained["rate"], **abstained})
    return [{**row, "key": "weighted"} for row in rows]
