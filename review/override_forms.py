"""What people type to override a case or a segment."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from models_registry.models import RegisteredModel

SEGMENT_EXAMPLE = '{"field": "confidence", "lt": 0.8}'
_UNTIL = {"": _("until somebody ends it"), "1": _("for an hour"), "8": _("for eight hours"), "24": _("for a day"),
          "168": _("for a week"), "720": _("for thirty days")}  # fmt: skip


class CaseOverrideForm(forms.Form):
    """Tell the caller of one case something else."""

    external_id = forms.CharField(max_length=200, label=_("Case"), help_text=_("Its external id."))
    label = forms.ChoiceField(required=False, label=_("What holds"))
    disposition = forms.ChoiceField(
        required=False,
        label=_("What its caller should do"),
        choices=[("", _("what the label means")), ("proceed", _("proceed")), ("refuse", _("refuse"))],
    )
    reason = forms.CharField(max_length=500, label=_("Why"))

    def __init__(self, *args: Any, model: RegisteredModel, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        names = [(name, name) for name in model.classes]
        self.fields["label"] = forms.ChoiceField(
            required=False, label=_("What holds"), choices=[("", _("not said")), *names]
        )

    def said(self) -> dict[str, Any]:
        """What was said of the case, None where nothing was."""
        return {name: self.cleaned_data[name] or None for name in ("label", "disposition")}


class SegmentOverrideForm(forms.Form):
    """Route what meets a condition as said."""

    when = forms.CharField(
        max_length=10_000,
        label=_("What meets this condition"),
        help_text=_("As in a policy, for example %(example)s") % {"example": SEGMENT_EXAMPLE},
        widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "false"}),
    )
    disposition = forms.ChoiceField(
        label=_("What happens to it"),
        choices=[("hold", _("a person decides")), ("refuse", _("refuse")), ("proceed", _("proceed"))],
    )
    until = forms.ChoiceField(required=False, label=_("How long"), choices=list(_UNTIL.items()))
    reason = forms.CharField(max_length=500, label=_("Why"))

    def clean_when(self) -> Any:
        try:
            return json.loads(self.cleaned_data["when"])
        except (ValueError, RecursionError):
            raise forms.ValidationError(_("This is not JSON.")) from None

    def arguments(self) -> dict[str, Any]:
        """What the step takes."""
        given = self.cleaned_data
        hours = given["until"]
        expires = timezone.now() + timedelta(hours=int(hours)) if hours else None
        return {
            "when": given["when"], "disposition": given["disposition"], "reason": given["reason"], "expires_at": expires
        }  # fmt: skip
