"""What every page shares: the principal, the model of the address, and errors turned into pages."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any

from django.core.exceptions import PermissionDenied
from django.http import Http404

from models_registry import access
from models_registry.errors import Forbidden, NotFound

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.contrib.auth.models import User
    from django.forms import BaseForm
    from django.http import HttpRequest, HttpResponse

    from models_registry.errors import ReviewHubError
    from models_registry.models import RegisteredModel


def page(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Answer the refusals of steps with the 403 and 404 pages; other errors stay beside their form."""

    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return view(request, *args, **kwargs)
        except NotFound as error:
            raise Http404(error.detail) from None
        except Forbidden as error:
            raise PermissionDenied(error.detail) from None

    return wrapped


def principal_of(request: HttpRequest) -> access.Principal:
    user: User = request.user  # type: ignore[assignment]
    return access.principal_of_user(user)


def model_page(
    request: HttpRequest, slug: str, ability: str | tuple[str, ...], tab: str
) -> tuple[RegisteredModel, dict[str, Any]]:
    """The model of a page and the part of its context that draws the heading and its tabs."""
    principal = principal_of(request)
    model = access.model_for(principal, slug, ability)
    return model, {"model": model, "tab": tab, "abilities": principal.abilities(model)}


def tell(form: BaseForm, error: ReviewHubError) -> None:
    """Put what a step refused beside the form that asked for it, every fault of it."""
    for fault in error.errors:
        name = fault.pointer.strip("/").split("/")[0]
        form.add_error(name if name in form.fields else None, fault.message)
    if not error.errors:
        form.add_error(None, error.detail)
