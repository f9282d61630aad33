"""How API requests are recognised: a bearer key, or a signed-in session with CSRF."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.exceptions import AuthenticationFailed

from models_registry import access

if TYPE_CHECKING:
    from rest_framework.request import Request

LONGEST_KEY = 200


class ServiceKeyAuthentication(BaseAuthentication):
    """``Authorization: Bearer rh_…``. Any other bearer credential is refused with one and the same answer."""

    def authenticate(self, request: Request) -> tuple[access.Principal, str] | None:
        header = request.headers.get("Authorization", "")
        if not header:
            return None
        scheme, _, secret = header.partition(" ")
        if scheme.lower() != "bearer" or not secret.startswith("rh_") or len(secret) > LONGEST_KEY:
            raise AuthenticationFailed("send a valid key as `Authorization: Bearer rh_…`")
        if not secret.isascii() or (key := access.find_key(secret)) is None:
            raise AuthenticationFailed("send a valid key as `Authorization: Bearer rh_…`")
        return access.principal_of_key(key), "key"

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="reviewhub"'


class SignedInAuthentication(SessionAuthentication):
    """A person's session; unsafe methods need the CSRF token."""

    def authenticate(self, request: Request) -> tuple[access.Principal, str] | None:
        found = super().authenticate(request)
        return None if found is None else (access.principal_of_user(found[0]), "session")


class ServiceKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How the API's description speaks of a service key."""

    target_class = ServiceKeyAuthentication
    name = "serviceKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "rh_…"}


class SignedInScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How the API's description speaks of a session."""

    target_class = SignedInAuthentication
    name = "session"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return {"type": "apiKey", "in": "cookie", "name": settings.SESSION_COOKIE_NAME}
