"""What a person does about an alert on the model's page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import messages
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST

from feedback import alerts
from feedback.models import Alert
from models_registry.errors import Conflict
from models_registry.views.base import model_page, page

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse


@page
@require_POST
def acknowledge(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Note that this person has seen the alert."""
    found, _ = model_page(request, slug, "admin", "model")
    alert = get_object_or_404(Alert.objects.select_related("model"), model=found, pk=pk)
    try:
        alerts.acknowledge(alert=alert, actor=request.user.get_username())
    except Conflict as error:
        messages.info(request, f"{error.detail}.")
    else:
        messages.success(request, "Acknowledged. The alert stays here until its cause is gone.")
    return redirect("model", slug=slug)
