"""The pictures of a prediction's context, as what they are and nothing else.

Delivered here rather than inside the page: a page stays small, and a picture opened by itself is under a
policy of its own that lets it run, load and frame nothing, whatever its bytes also are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.http import Http404, HttpResponse
from django.views.decorators.http import require_safe

from models_registry.views.base import page, principal_of
from review import context
from review.models import PredictionPayload

if TYPE_CHECKING:
    from django.http import HttpRequest

POLICY = "default-src 'none'; sandbox; frame-ancestors 'none'"


@page
@require_safe
def image(request: HttpRequest, pk: int, place: int) -> HttpResponse:
    """One picture, from 0, for whoever may read the prediction; 404 where there is none."""
    models = principal_of(request).models("read")
    found = PredictionPayload.objects.filter(prediction=pk, prediction__model__in=models) if pk < 2**63 else None
    payload = found.only("context").first() if found is not None else None
    carried = payload.context if payload is not None else None
    if not carried or "images" not in carried or not context.part_holds(carried, "images"):
        raise Http404
    if place >= len(carried["images"]):
        raise Http404
    content, picture = context.picture(carried["images"][place]["data"])
    return HttpResponse(
        content,
        content_type=picture.content_type,
        headers={
            "Content-Security-Policy": POLICY,
            "Content-Disposition": f'inline; filename="{pk}-{place}.{picture.format}"',
            "Cross-Origin-Resource-Policy": "same-origin",
            # What was sent never changes; who may see it can.
            "Cache-Control": "private, max-age=600",
            "X-Content-Type-Options": "nosniff",
        },
    )
