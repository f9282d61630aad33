"""What holds for every page, whichever view made it: none is empty, and no text from outside reorders ours.

Unicode's overrides and embeddings (U+202A to U+202E, U+2066 to U+2069) change the order in which what follows them is
shown: https://www.unicode.org/reports/tr9/ part 2. In a text of several lines they may be meant, and such a text is set
apart (class ``as-sent``, fields one types in). Everywhere else they are shown by name.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING

from django.http import HttpResponse
from django.template.loader import render_to_string

from reviewhub import request_ids
from reviewhub.api import is_api

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest

_CONTROL = re.compile("[\u202a-\u202e\u2066-\u2069]")
# A tag and the text behind it; in what Django escapes no text has a < and no attribute a >.
_PIECE = re.compile("(<[^>]*>)([^<]*)")
_APART = re.compile(r"""<textarea\b|\sclass="[^"]*\bas-sent\b""")


class PagesMiddleware:
    """Gives the refusal of a method a page, and shows the signs that would reorder a page."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if response.status_code == HTTPStatus.METHOD_NOT_ALLOWED and not is_api(request) and not response.content:
            return _not_that_way(response)
        if not response.streaming and response.get("Content-Type", "").startswith("text/html"):
            _show_controls(response)
        return response


def plain(html: str) -> str:
    """HTML in which signs that reorder text are shown by name, except inside of a text that is set apart.

    >>> plain("<p>a\\u202eb</p>")
    '<p>a[U+202E]b</p>'
    """
    return _PIECE.sub(_shown, html)


def _shown(piece: re.Match[str]) -> str:
    tag, text = piece.groups()
    return tag + (text if _APART.search(tag) else _CONTROL.sub(lambda sign: f"[U+{ord(sign[0]):04X}]", text))


def _show_controls(response: HttpResponse) -> None:
    html = response.content.decode(response.charset, "surrogateescape")
    if not _CONTROL.search(html):
        return
    response.content = plain(html).encode(response.charset, "surrogateescape")
    if response.has_header("Content-Length"):
        response.headers["Content-Length"] = str(len(response.content))


def _not_that_way(refusal: HttpResponse) -> HttpResponse:
    """An address that only takes a form was opened, as from the history of a browser."""
    page = HttpResponse(render_to_string("405.html", {"request_id": request_ids.current()}), status=refusal.status_code)
    page.headers["Allow"] = refusal.headers["Allow"]
    return page
