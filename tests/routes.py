"""The routes of the product as the resolver has them."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

from django.urls import URLPattern, URLResolver, get_resolver

VALUES = {"int": "1", "slug": "payments", "str": "a", "uuid": str(UUID(int=1))}
_GROUP = r"\(\?P<\w+>(?:\[[^\]]*\]|[^)])*\)"


def routes(resolver: URLResolver | None = None, prefix: str = "") -> list[tuple[str, Any]]:
    """Every route with its view, in the order in which they are tried."""
    found: list[tuple[str, Any]] = []
    for pattern in (resolver or get_resolver()).url_patterns:
        # A pattern that is an expression of its own begins with a caret wherever it is mounted.
        route = prefix + str(pattern.pattern).removeprefix("^")
        if isinstance(pattern, URLResolver):
            found += routes(pattern, route)
        else:
            assert isinstance(pattern, URLPattern)
            found.append((route, pattern.callback))
    return found


def address(route: str) -> str:
    """An address that the route answers: its parameters filled with something of their kind."""
    filled = re.sub(r"<(\w+):\w+>", lambda found: VALUES[found.group(1)], re.sub(_GROUP, "1", route))
    return "/" + re.sub(r"/\?\$$", "", filled)


def template(route: str) -> str:
    """A route, or a path with its parameters in braces, with the parameters unnamed and without outer slashes."""
    return re.sub(_GROUP + r"|<[^>]+>|\{[^}]+\}", "{}", re.sub(r"/\?\$$", "", route)).strip("/")


def api_methods() -> dict[str, set[str]]:
    """The methods of every route under /api/v1/, by its template; of two routes of one form the first answers."""
    found: dict[str, set[str]] = {}
    for route, view in routes():
        if route.startswith("api/v1/"):
            scopes = getattr(getattr(view, "cls", None), "scopes", {"get": "everybody"})
            found.setdefault(template(route.removeprefix("api/v1/")), set(scopes))
    return found
