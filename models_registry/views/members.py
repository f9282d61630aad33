"""The owner's pages about people and services: members, invitations by link, service keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib import messages
from django.db.models import Q
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from models_registry import access
from models_registry.errors import ReviewHubError
from models_registry.forms import InvitationForm, ServiceKeyForm
from models_registry.models import Invitation, ServiceKey
from models_registry.views.base import model_page, page, tell

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from models_registry.models import RegisteredModel


@page
@never_cache
@require_http_methods(["GET", "POST"])
def members(request: HttpRequest, slug: str) -> HttpResponse:
    """Members with their roles, open invitations, and the form that makes a new link."""
    model, context = model_page(request, slug, "admin", "members")
    form = InvitationForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        invitation, token = access.invite(
            model=model,
            role=form.cleaned_data["role"],
            note=form.cleaned_data["note"],
            actor=request.user.get_username(),
            days=settings.REVIEWHUB["INVITATION_DAYS"],
        )
        # The token is stored nowhere, so the link is on this one answer only: no redirect.
        context["link"] = request.build_absolute_uri(reverse("invitation", args=[token]))
        context["invitation"] = invitation
        form = InvitationForm()
    return render(request, "models_registry/members.html", {**context, "form": form, **_members_of(model)})


def _members_of(model: RegisteredModel) -> dict[str, Any]:
    invitations = model.invitations.select_related("accepted_by").order_by("-id")
    still_open = Q(accepted_at=None, revoked_at=None, expires_at__gt=timezone.now())
    return {
        "members": model.memberships.select_related("user", "user__person").order_by("user__username", "role"),
        "open_invitations": invitations.filter(still_open),
        "closed_invitations": invitations.exclude(still_open)[:20],
    }


@page
@require_POST
def revoke_invitation(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    model, _ = model_page(request, slug, "admin", "members")
    access.revoke_invitation(
        invitation=get_object_or_404(Invitation, pk=pk, model=model), actor=request.user.get_username()
    )
    messages.success(request, "The link no longer works.")
    return redirect("members", slug=slug)


@page
@never_cache
@require_http_methods(["GET", "POST"])
def keys(request: HttpRequest, slug: str) -> HttpResponse:
    """The model's service keys, and the form that mints one; its secret is on that one answer only."""
    model, context = model_page(request, slug, "admin", "keys")
    form = ServiceKeyForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            context["key"], context["secret"] = access.create_service_key(
                name=form.cleaned_data["name"],
                scopes=form.cleaned_data["scopes"],
                model=model,
                created_by=request.user.get_username(),
            )
            form = ServiceKeyForm()
        except ReviewHubError as error:
            tell(form, error)
    wider = ServiceKey.objects.filter(model__isnull=True, revoked_at__isnull=True)
    return render(
        request,
        "models_registry/keys.html",
        {
            **context,
            "form": form,
            "keys": model.service_keys.all(),
            # Owners learn how many there are; which ones is for those who run the installation.
            "wider_count": wider.count(),
            "wider_keys": wider if request.user.is_superuser else wider.none(),
            "now": timezone.now(),
        },
    )
