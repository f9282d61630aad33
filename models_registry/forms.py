"""What people type about models, members and keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib.auth import get_user_model
from django.contrib.auth.forms import AuthenticationForm, BaseUserCreationForm

from models_registry.models import Membership, ServiceKey

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractUser
    from django.http import HttpRequest

    _CreationForm = BaseUserCreationForm[AbstractUser]
else:
    _CreationForm = BaseUserCreationForm

ROLE_LABELS = {
    Membership.Role.REVIEWER: "Reviewer: decides cases",
    Membership.Role.LEAD: "Lead: decides cases, may see how a policy would act",
    Membership.Role.ANALYST: "Analyst: reads everything, takes exports",
    Membership.Role.OWNER: "Owner: everything, including members and keys",
}
SCOPE_LABELS = {
    ServiceKey.Scope.INGEST: "ingest: send predictions and outcomes, fetch the champion",
    ServiceKey.Scope.READ: "read: every GET of the API",
    ServiceKey.Scope.REVIEW: "review: claim and decide",
    ServiceKey.Scope.ADMIN: "admin: all of it, and settings",
}


class SignInForm(AuthenticationForm):
    """User name and password."""

    error_messages = {
        "invalid_login": "That name and password do not belong together. Passwords are case-sensitive.",
        "inactive": "This account is closed. Ask an owner.",
    }

    def __init__(self, request: HttpRequest | None = None, *args: Any, **kwargs: Any) -> None:
        super().__init__(request, *args, **kwargs)
        self.fields["username"].label = "Name"


class NewAccountForm(_CreationForm):
    """An account for whoever holds an invitation."""

    class Meta:
        model = get_user_model()
        fields = ("username",)
        labels = {"username": "Name"}
        help_texts = {"username": "Your colleagues see it. Letters, digits and @ . + - _ only."}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["password1"].help_text = "At least 10 characters, not a common password, not like your name."
        self.fields["password2"].help_text = ""
        self.fields["password2"].label = "Password again"


class InvitationForm(forms.Form):
    """A link that makes its holder a member."""

    role = forms.ChoiceField(
        choices=list(ROLE_LABELS.items()), widget=forms.RadioSelect, initial=Membership.Role.REVIEWER
    )
    note = forms.CharField(
        label="For whom",
        max_length=200,
        required=False,
        help_text="A name or a note, so that you recognise the link later.",
    )


class ServiceKeyForm(forms.Form):
    """A credential for a calling service."""

    name = forms.CharField(max_length=100, help_text="Which service will hold it, for example checkout-scoring.")
    scopes = forms.MultipleChoiceField(
        choices=list(SCOPE_LABELS.items()), widget=forms.CheckboxSelectMultiple, label="It may", initial=["ingest"]
    )


class ReasonForm(forms.Form):
    """Why a change is made; it goes to the audit ledger."""

    reason = forms.CharField(max_length=500, widget=forms.TextInput, label="Reason")
