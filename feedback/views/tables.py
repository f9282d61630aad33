"""What a page shows, to take away: the table behind a chart as CSV."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.http import Http404, HttpResponse

from feedback.delimited import as_csv

if TYPE_CHECKING:
    from django.http import HttpRequest

Rows = Sequence[dict[str, Any]]


def csv_answer(request: HttpRequest, slug: str, tables: Mapping[str, Callable[[], Rows]]) -> HttpResponse | None:
    """The table that ``?format=csv&table=name`` asks for; None where a page is asked for."""
    if request.GET.get("format") != "csv":
        return None
    name = request.GET.get("table", "")
    if name not in tables:
        raise Http404(f"this page has the tables {', '.join(tables)}")
    rows = list(tables[name]())
    response = HttpResponse(as_csv(list(rows[0]) if rows else [], iter(rows)), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{slug}-{name}.csv"'
    return response


def choice(request: HttpRequest, name: str, allowed: Sequence[str], default: str) -> str:
    """One of what is allowed, or the default where something else was asked for."""
    asked = request.GET.get(name, default)
    return asked if asked in allowed else default


def links(chosen: Mapping[str, str], name: str, words: Mapping[str, str]) -> list[dict[str, Any]]:
    """The page with another value of one choice, the others kept."""
    return [
        {"href": "?" + urlencode({**chosen, name: key}), "words": text, "current": chosen.get(name) == key}
        for key, text in words.items()
    ]


def copy_links(chosen: Mapping[str, str], tables: Sequence[str]) -> dict[str, str]:
    """Where the CSV of each table is."""
    return {table: "?" + urlencode({**chosen, "format": "csv", "table": table}) for table in tables}
