"""The list of models."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db.models import Count, Q
from django.shortcuts import render
from django.views.decorators.http import require_safe

from models_registry.views.base import page, principal_of

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse


@page
@require_safe
def models(request: HttpRequest) -> HttpResponse:
    """The models a person has any role on, with the champion and how many candidates wait."""
    rows = (
        principal_of(request)
        .models("read")
        .select_related("champion")
        .annotate(
            version_count=Count("versions", distinct=True),
            ready_count=Count("versions", filter=Q(versions__state="ready"), distinct=True),
        )
    )
    return render(request, "models_registry/models.html", {"area": "models", "models": rows})
