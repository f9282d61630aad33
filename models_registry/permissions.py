"""Deny by default: an API view answers only the methods for which it declares a scope."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from rest_framework.exceptions import MethodNotAllowed, NotAuthenticated
from rest_framework.permissions import BasePermission

from models_registry.access import Principal, any_of
from models_registry.errors import Forbidden

if TYPE_CHECKING:
    from rest_framework.request import Request
    from rest_framework.views import APIView


class DeclaredScope(BasePermission):
    """Each view carries ``scopes = {"get": "read", "post": "ingest"}``; what is not there is refused.

    A tuple, as in ``{"get": ("ingest", "read")}``, means that any of these suffices.
    This asks only whether the principal has the ability on any model at all; the view then asks
    for the one model with ``access.model_for``, which hides foreign ones.
    """

    def has_permission(self, request: Request, view: APIView) -> bool:
        method = (request.method or "").lower()
        if method == "options":
            return request.user is not None
        scopes: dict[str, str | tuple[str, ...]] = getattr(view, "scopes", {})
        ability = scopes.get("get" if method == "head" else method)
        if request.user is None:
            raise NotAuthenticated
        if ability is None:
            raise MethodNotAllowed(method.upper())
        principal = cast("Principal", request.user)
        if not any_of(ability) & principal.abilities():
            raise Forbidden(f"this needs the scope {' or '.join(sorted(any_of(ability)))!r}")
        return True
