"""The gallery: every state of the review page at an address of its own, to look at and to test.

A state is made by the product's own steps and rendered by the page's own templates, in a transaction that is then
taken back. What only the browser can know (offline, saving, a notice) is shown by the page's own script functions,
which ``gallery.js`` calls with what stands in ``data-gallery``.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import transaction
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from models_registry.views.base import page
from review.views.states import GROUPS, STATES

if TYPE_CHECKING:
    from django.http import HttpRequest


@page
@require_safe
def gallery(request: HttpRequest) -> HttpResponse:
    """GET /gallery/: every state with what it is."""
    _only_where_it_is_on()
    return render(request, "review/gallery.html", {"groups": GROUPS})


@page
@never_cache
@require_safe
def state(request: HttpRequest, name: str) -> HttpResponse:
    """GET /gallery/{state}/: the page in that state; nothing of it is stored, nothing on it leads anywhere."""
    _only_where_it_is_on()
    if name not in STATES:
        raise Http404
    found = STATES[name]
    with transaction.atomic():
        context = {**found.build(request), "state": found, "client": json.dumps(found.client), "area": "gallery"}
        answer = render(request, "review/gallery_state.html", context)
        transaction.set_rollback(True)
    return answer


def _only_where_it_is_on() -> None:
    if not settings.REVIEWHUB["GALLERY"]:
        raise Http404
