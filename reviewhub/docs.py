"""GET /api/v1/docs/: the API's description as a page, made here and shown to everybody."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from django.contrib.auth.decorators import login_not_required
from django.shortcuts import render
from drf_spectacular.generators import SchemaGenerator

from reviewhub.api import problem_answer
from reviewhub.problems import GROUPS
from reviewhub.reference import endpoints

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse


@login_not_required
def docs(request: HttpRequest) -> HttpResponse:
    """Like the OpenAPI document it holds nothing of anybody, so no credential is asked for."""
    if request.method not in ("GET", "HEAD"):
        refused = problem_answer(request, 405, "method_not_allowed", "the documentation is only read")
        refused.headers["Allow"] = "GET, HEAD"
        return refused
    base = request.build_absolute_uri("/").removesuffix("/")
    return render(request, "reviewhub/docs.html", {"tags": endpoints(description(), base), "problems": GROUPS})


@cache
def description() -> dict[str, Any]:
    """The OpenAPI document; it changes with the code alone."""
    made: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    return made
