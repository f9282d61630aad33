"""Ways in: signing in, signing out, and an invitation's link."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.contrib.auth import login, views
from django.contrib.auth.decorators import login_not_required
from django.db import transaction
from django.shortcuts import redirect, render
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from models_registry import access
from models_registry.errors import NotFound, ReviewHubError
from models_registry.forms import NewAccountForm, SignInForm
from models_registry.views.base import tell

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.http import HttpRequest, HttpResponse

    from models_registry.models import Invitation

# The longest address a browser puts into HX-Current-URL that we are ready to come back to.
MAX_NEXT = 500


@method_decorator(login_not_required, name="dispatch")
class SignIn(views.LoginView):
    form_class = SignInForm
    template_name = "models_registry/sign_in.html"
    redirect_authenticated_user = True

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.GET.get(self.redirect_field_name) and not self.get_redirect_url():
            # Another site's address stays in the bar of the browser no longer than this.
            return redirect("sign-in")
        answer = super().get(request, *args, **kwargs)
        if request.headers.get("HX-Request") == "true":
            # A fragment was asked for after the session ended: move the whole page here instead.
            answer["HX-Redirect"] = request.get_full_path()[:MAX_NEXT]
        return answer


class SignOut(views.LogoutView):
    http_method_names = ["post"]


@login_not_required
@never_cache
@sensitive_post_parameters("password1", "password2")
@require_http_methods(["GET", "POST"])
def invitation(request: HttpRequest, token: str) -> HttpResponse:
    """Join a model: with the account one is signed in with, or with a new one."""
    try:
        invited = access.open_invitation(token)
    except NotFound:
        return render(request, "models_registry/invitation_closed.html", status=404)
    if request.user.is_authenticated:
        return _join(request, token, invited)
    form = NewAccountForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            # Both or neither: a link that stops working meanwhile leaves no account behind.
            with transaction.atomic():
                user = access.create_user(
                    username=form.cleaned_data["username"], password=form.cleaned_data["password1"]
                )
                access.accept_invitation(token=token, user=user)
        except ReviewHubError as error:
            tell(form, error)
        else:
            login(request, user, backend="django.contrib.auth.backends.ModelBackend")
            messages.success(request, f"Welcome. You are now {_a(invited.role)} on {invited.model.name}.")
            return redirect("home")
    return render(request, "models_registry/invitation.html", {"invitation": invited, "form": form})


def _join(request: HttpRequest, token: str, invited: Invitation) -> HttpResponse:
    user: User = request.user  # type: ignore[assignment]
    if request.method == "POST":
        try:
            access.accept_invitation(token=token, user=user)
        except ReviewHubError as error:
            messages.error(request, error.detail)
        else:
            messages.success(request, f"You are now {_a(invited.role)} on {invited.model.name}.")
        return redirect("home")
    return render(request, "models_registry/invitation.html", {"invitation": invited})


def _a(noun: str) -> str:
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"
