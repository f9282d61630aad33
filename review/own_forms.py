"""What a person chooses for their own work."""

from __future__ import annotations

from typing import Any

from django import forms

from review.keys import ACTIONS, shown
from review.models import ReviewerSettings
from review.preferences import MOST_AHEAD

DIGESTS = {
    ReviewerSettings.Digest.NONE: "None",
    ReviewerSettings.Digest.HOURLY: "At most once an hour",
    ReviewerSettings.Digest.DAILY: "At most once a day",
}


class OwnSettingsForm(forms.Form):
    """Keys, cases ahead, lease, reasons, digest. Whether keys fit together is the step's to say."""

    keys_on = forms.BooleanField(
        label="Single keys act on the review page", required=False, help_text="Every key has a button all the same."
    )
    ahead = forms.IntegerField(
        label="Cases claimed ahead",
        min_value=1,
        max_value=MOST_AHEAD,
        help_text="1 to 5. The next case is on screen at once; those you do not get to free themselves.",
    )
    long_lease = forms.BooleanField(
        label="Give me three times as long for a case",
        required=False,
        help_text="Any input keeps a case yours; this is for those who read long before they touch anything.",
    )
    why_folded = forms.BooleanField(label="Fold the reasons panel", required=False)
    digest = forms.ChoiceField(
        label="Mail me what waits",
        choices=list(DIGESTS.items()),
        widget=forms.RadioSelect,
        help_text="Only when something waits, and only counts: nothing of any case is in the mail.",
    )
    email = forms.CharField(
        label="E-mail address",
        required=False,
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "email"}),
        help_text="For the digest alone.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for action in ACTIONS:
            attrs = {"autocomplete": "off", "autocapitalize": "off", "spellcheck": "false"}
            # Wider than one character, so that what does not fit is told and not cut off.
            self.fields[f"key_{action.name}"] = forms.CharField(
                label=action.words[0].upper() + action.words[1:],
                required=False,
                strip=False,
                max_length=20,
                widget=forms.TextInput(attrs={**attrs, "placeholder": shown(action.key)}),
            )

    @property
    def key_fields(self) -> list[forms.BoundField]:
        return [self[f"key_{action.name}"] for action in ACTIONS]

    def arguments(self) -> dict[str, Any]:
        """What ``preferences.prefer`` takes, of a form without faults."""
        values = dict(self.cleaned_data)
        keys = {action.name: values.pop(f"key_{action.name}") for action in ACTIONS}
        return {**values, "keys": keys}

    @classmethod
    def of(cls, stored: ReviewerSettings, email: str) -> OwnSettingsForm:
        """The form as it stands for somebody."""
        names = ("keys_on", "ahead", "long_lease", "why_folded", "digest")
        values = {name: getattr(stored, name) for name in names}
        keys = {f"key_{action}": key for action, key in stored.bindings.items()}
        return cls(initial={**values, **keys, "email": email})
