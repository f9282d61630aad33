"""Taking a role or a key away, together with the cases that its holder has in hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import messages
from django.db import transaction
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST

from models_registry import access
from models_registry.errors import ReviewHubError
from models_registry.models import Membership, ServiceKey
from models_registry.views.base import model_page, page
from review import queue

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse


@page
@require_POST
def revoke_member(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    model, _ = model_page(request, slug, "admin", "members")
    membership = get_object_or_404(Membership.objects.select_related("user"), pk=pk, model=model)
    name, role = membership.user.get_username(), membership.role
    person = access.principal_of_user(membership.user)
    try:
        with transaction.atomic():
            access.revoke_role(membership=membership, actor=request.user.get_username())
            # Another role may still let them review.
            if "review" not in person.abilities(model):
                queue.release_all(holder=person.pseudonym, models=[model], reason="role revoked")
        messages.success(request, f"{name} is no longer {role} on {model.name}.")
    except ReviewHubError as error:
        messages.error(request, error.detail)
    return redirect("members", slug=slug)


@page
@require_POST
def revoke_key(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    model, _ = model_page(request, slug, "admin", "keys")
    key = get_object_or_404(ServiceKey, pk=pk, model=model)
    with transaction.atomic():
        access.revoke_service_key(key=key, actor=request.user.get_username())
        queue.release_all(holder=access.principal_of_key(key).pseudonym, models=[model], reason="key revoked")
    messages.success(request, f"The key {key.name} is refused from now on.")
    return redirect("keys", slug=slug)
