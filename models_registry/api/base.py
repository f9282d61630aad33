"""What the endpoints of every app do alike: know their parameters, check bodies, answer lists."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from rest_framework.pagination import BasePagination
from rest_framework.settings import api_settings

from models_registry import access, schemas
from models_registry.errors import Fault, Invalid, NotFound
from models_registry.models import ModelVersion, RegisteredModel
from models_registry.numbers import whole

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from rest_framework.request import Request
    from rest_framework.response import Response
    from rest_framework.views import APIView

PAGE_PARAMETERS = ("cursor", "page_size")
_PAGE_SIZE = re.compile(r"[1-9][0-9]{0,2}\Z")
_MAX_PAGE_SIZE = 500
_VERSION = re.compile(r"[\x21-\x7e]{1,100}\Z")


def caller(request: Request) -> access.Principal:
    """Who asks: what the registry's authentication put on the request."""
    return cast("access.Principal", request.user)


def known_parameters(request: Request, *names: str) -> None:
    """Refuse a query with any other parameter, or with one of these twice."""
    faults = [
        Fault(schemas.pointer(name), "unknown_parameter", f"{name[:100]!r} is not a parameter of this endpoint")
        for name in request.query_params
        if name not in names
    ]
    if faults:
        raise Invalid("unknown query parameter", code="unknown_parameter", errors=faults)
    twice = [name for name in names if len(request.query_params.getlist(name)) > 1]
    if twice:
        faults = [Fault(schemas.pointer(name), "duplicate", "give this parameter once") for name in twice]
        raise Invalid("a query parameter came twice", code="invalid_parameter", errors=faults)


def checked(schema: dict[str, Any], body: Any, *, prefix: str = "") -> dict[str, Any]:
    """The body, valid by the schema; raises Invalid with every fault."""
    if faults := schemas.faults(schema, body, prefix=prefix):
        raise Invalid(errors=faults)
    return dict(body)


def number(text: str) -> int:
    """The number in a path; raises NotFound for what is none, so that the answer is a problem and no page."""
    found = whole(text)
    if found is None:
        raise NotFound
    return found


def no_body(request: Request) -> None:
    """Refuse any body but an empty one or an empty object: it was meant for another endpoint."""
    if request.data not in ({}, None):
        raise Invalid("this endpoint takes no body", errors=[Fault("", "not_allowed", "leave the body empty")])


def listing(
    view: APIView,
    request: Request,
    rows: QuerySet[Any],
    represent: Callable[[Any], dict[str, Any]],
    *parameters: str,
    prepare: Callable[[list[Any]], None] | None = None,
) -> Response:
    """One page of rows, newest first. ``parameters`` are those the view reads beside the page's own.

    ``prepare`` gets the page's rows before the first of them is represented, to look things up for all at once.
    """
    known_parameters(request, *parameters, *PAGE_PARAMETERS)
    size = request.query_params.get("page_size")
    if size is not None and not (_PAGE_SIZE.match(size) and int(size) <= _MAX_PAGE_SIZE):
        fault = Fault("/page_size", "out_of_range", f"a page has 1 to {_MAX_PAGE_SIZE} results")
        raise Invalid(fault.message, code="invalid_parameter", errors=[fault])
    pages = cast("type[BasePagination]", api_settings.DEFAULT_PAGINATION_CLASS)()
    found = pages.paginate_queryset(rows, request, view=view) or []
    if prepare is not None:
        prepare(found)
    return pages.get_paginated_response([represent(row) for row in found])


def version_for(model: RegisteredModel, name: str) -> ModelVersion:
    """The model's version of that name; raises NotFound."""
    rows = model.versions.select_related("model", "contract", "parent")
    found = rows.filter(version=name).first() if _VERSION.match(name) else None
    if found is None:
        raise NotFound(f"model {model.slug!r} has no version {name[:100]!r}")
    return found
