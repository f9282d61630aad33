"""One's own settings, and what waits for oneself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import messages
from django.http import JsonResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from models_registry.errors import Invalid
from models_registry.views.base import page, principal_of
from review import digests, preferences
from review.own_forms import OwnSettingsForm
from review.waiting import waiting as waiting_for

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.http import HttpRequest, HttpResponse


@page
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def own_settings(request: HttpRequest) -> HttpResponse:
    """Look at one's settings and change them, all at once; every fault stands at its field."""
    user: User = request.user  # type: ignore[assignment]
    if request.method == "POST":
        form = OwnSettingsForm(request.POST)
        if form.is_valid():
            try:
                preferences.prefer(user=user, **form.arguments())
            except Invalid as error:
                for fault in error.errors:
                    form.add_error(_field(fault.pointer), fault.message)
            else:
                messages.success(request, _("Your settings are stored. They hold wherever you sign in."))
                return redirect("own-settings")
    else:
        form = OwnSettingsForm.of(preferences.of(user), user.email)
    context = {"area": "settings", "form": form, "mail": digests.is_set_up()}
    return render(request, "review/own_settings.html", context, status=422 if form.errors else 200)


@page
@require_POST
def reset(request: HttpRequest) -> HttpResponse:
    user: User = request.user  # type: ignore[assignment]
    preferences.reset(user=user)
    messages.success(request, _("Everything is as usual again."))
    return redirect("own-settings")


@page
@never_cache
@require_safe
def waiting(request: HttpRequest) -> JsonResponse:
    """GET /queues/waiting/: how many cases each queue has for this person; the tab's title asks for it."""
    lines = waiting_for(principal_of(request))
    rows = [
        {
            "queue": line.queue,
            "waiting": line.waiting,
            "more": line.more,
            "escalated": line.escalated,
            "handed_over": line.handed_over,
        }
        for line in lines
    ]
    return JsonResponse({"waiting": sum(line.waiting for line in lines), "queues": rows})


def _field(pointer: str) -> str:
    """The form's field of a fault: ``/keys/skip`` is ``key_skip``."""
    kind, _, action = pointer.strip("/").partition("/")
    return f"key_{action}" if action else kind
