"""What people type while they review and when they change a policy."""

from __future__ import annotations

import math
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from django import forms
from django.utils.translation import gettext_lazy as _

from models_registry.numbers import whole
from review import policy_fields
from review.models import MOST_DECISIONS, Mode
from review.queue_settings import LONGEST_LEASE, SHORTEST_LEASE

if TYPE_CHECKING:
    from models_registry.errors import Fault
    from review.models import Prediction

AGREE, OTHER, ABSTAIN, LABEL = "agree", "other", "abstain", "label:"
INPUTS = {"key", "pointer", "touch"}


class AnswerForm(forms.Form):
    """One answer to one case: a label by its place among the classes, agreement or its opposite, or an abstention.

    Agreement and its opposite are answers only while the model's answer is ``shown``; before, they would tell it.
    """

    answer = forms.CharField(max_length=20)
    note = forms.CharField(max_length=10_000, required=False, strip=True)
    seconds = forms.CharField(max_length=20, required=False)
    opened_ago = forms.CharField(max_length=20, required=False)
    first_input = forms.CharField(max_length=20, required=False)
    input = forms.CharField(max_length=20, required=False)

    def __init__(self, *args: Any, prediction: Prediction, shown: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.prediction = prediction
        self.shown = shown

    def clean_answer(self) -> str | None:
        """The label, or None for an abstention."""
        given: str = self.cleaned_data["answer"]
        classes = self.prediction.model.classes
        if given == ABSTAIN:
            return None
        if given in (AGREE, OTHER) and not self.shown:
            raise forms.ValidationError(_("The model’s answer is hidden: choose the label yourself."))
        if given == AGREE:
            return self.prediction.predicted
        if given == OTHER and len(classes) == 2:
            return next(str(label) for label in classes if label != self.prediction.predicted)
        place = whole(given.removeprefix(LABEL), below=len(classes)) if given.startswith(LABEL) else None
        if place is not None:
            return str(classes[place])
        raise forms.ValidationError(_("Choose one of the labels, or say that you can’t tell."))

    def arguments(self) -> dict[str, Any]:
        """The arguments of ``decisions.decide``. Reason codes of other labels than the chosen one fall away."""
        label = self.cleaned_data["answer"]
        codes: list[str] = []
        if label is not None:
            codes = self.data.getlist(f"codes.{self.prediction.model.classes.index(label)}")  # type: ignore[attr-defined]
        kind = self.cleaned_data["input"]
        return {
            "label": label,
            "abstain": label is None,
            "reason_codes": tuple(codes),
            "rationale": self.cleaned_data["note"],
            "seconds_active": _seconds(self.cleaned_data["seconds"]),
            "opened_seconds_ago": _seconds(self.cleaned_data["opened_ago"]),
            "seconds_to_first_input": _seconds(self.cleaned_data["first_input"]),
            "input_kind": kind if kind in INPUTS else "",
        }


def _seconds(text: str) -> float | None:
    """A duration by the browser's own count; a nonsense one is dropped, it must not cost the answer."""
    try:
        seconds = float(text)
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and 0 <= seconds < 86_400 else None


class PolicyForm(forms.Form):
    """The settings of a policy that most owners turn; the document's other parts stay as they are."""

    confidence = forms.FloatField(
        label="Hold when the score is below",
        required=False,
        min_value=0,
        max_value=1,
        help_text="The largest score of a case. Below it the caller waits for a person. Empty: never for this reason.",
    )
    risk = forms.FloatField(
        label="Hold when the risk reaches",
        required=False,
        min_value=0,
        help_text="The expected cost of acting on the model’s answer, in the units of the model’s costs. Empty: never.",
    )
    audit_floor = forms.FloatField(
        label="Check at random, at least",
        min_value=0.01,
        max_value=1,
        help_text="A person checks this share of cases whatever the model says. It is what makes quality measurable.",
    )
    sampling = forms.ChoiceField(
        label="Draw for review",
        choices=list(policy_fields.SAMPLING.items()),
        help_text="How the budget is spent. Every draw has a known probability, so that quality stays measurable.",
    )
    budget = forms.FloatField(
        label="Review budget",
        required=False,
        min_value=0,
        max_value=1,
        help_text="The share of all cases that a person sees, holds and the floor included. Empty: nothing is drawn.",
    )
    epsilon = forms.FloatField(
        label="Of it, draw blindly",
        required=False,
        min_value=0,
        max_value=1,
        help_text="Only with “the least certain first”: this share of all cases is drawn whatever the score.",
    )
    per_day = forms.IntegerField(
        label="Reviews a day, at most",
        required=False,
        min_value=1,
        help_text="Beyond it drawing gives way; holds and the floor never do. Empty: no limit.",
    )
    hold_minutes = forms.FloatField(
        label="A hold waits, in minutes",
        required=False,
        min_value=0.01,
        max_value=366 * 24 * 60,
        help_text="Then the caller is told the fallback; the case stays open for review. Empty: for ever.",
    )
    on_timeout = forms.ChoiceField(
        label="Then the caller is told to",
        choices=[("hold", "hold: keep waiting"), ("proceed", "proceed"), ("refuse", "refuse")],
    )
    half_width = forms.FloatField(
        label="Interval wanted, ±",
        required=False,
        min_value=0.0001,
        max_value=0.5,
        help_text="Only for the preview: which budget measures a week’s accuracy this closely? 0.02 is ± 2 points.",
    )
    note = forms.CharField(label="Why", max_length=500, required=False, help_text="Kept with the new number.")
    live = forms.IntegerField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            if isinstance(field, forms.FloatField):
                field.widget.attrs["step"] = "any"

    def clean(self) -> dict[str, Any]:
        found: dict[str, Any] = super().clean() or self.cleaned_data
        if found.get("sampling") == "none" and found.get("budget") is not None:
            self.add_error("sampling", "Choose how the budget is spent, or empty it.")
        return found

    def values(self) -> policy_fields.Fields:
        return policy_fields.Fields(
            **{field.name: self.cleaned_data[field.name] for field in fields(policy_fields.Fields)}
        )

    def take(self, faults: list[Fault]) -> None:
        """Put the faults of the resulting document beside the fields they come from."""
        for fault in faults:
            field = next((name for start, name in _POLICY_PLACES.items() if fault.pointer.startswith(start)), None)
            self.add_error(field, fault.message if field else f"{fault.pointer}: {fault.message}")


class PauseForm(forms.Form):
    """Whether a queue hands out cases, and why not."""

    on = forms.ChoiceField(choices=[("1", _("Pause")), ("0", _("Resume"))], widget=forms.HiddenInput)
    reason = forms.CharField(label=_("Reason"), max_length=500, required=False)


class QueueSettingsForm(forms.Form):
    """How a queue is worked, as its owners set it."""

    mode = forms.ChoiceField(
        label=_("The model’s answer is"),
        choices=Mode.choices,
        widget=forms.RadioSelect,
        help_text=_("People lean towards what they are shown. The policy’s blind share stays blind in any case."),
    )
    required_decisions = forms.IntegerField(
        label=_("People who decide each case"),
        min_value=1,
        max_value=MOST_DECISIONS,
        help_text=_("None of them sees the others’ answers. Where they differ, somebody else decides between them."),
    )
    lease_seconds = forms.IntegerField(
        label=_("Seconds to answer"),
        min_value=SHORTEST_LEASE,
        max_value=LONGEST_LEASE,
        help_text=_("Then the case goes to others. Whoever is at work on it keeps it longer without asking."),
    )
    two_keys = forms.BooleanField(
        label=_("A label key selects, Enter commits"),
        required=False,
        help_text=_("For cases where a slip of the finger would be expensive."),
    )


class KillSwitchForm(forms.Form):
    """Send every case to a person, from the next batch on."""

    reason = forms.CharField(max_length=500, label="Reason")


_POLICY_PLACES = {
    "/audit_floor": "audit_floor",
    "/sampling/kind": "sampling",
    "/sampling/epsilon": "epsilon",
    "/sampling/budget": "budget",
    "/capacity/per_day": "per_day",
    "/hold/timeout_seconds": "hold_minutes",
    "/hold/on_timeout": "on_timeout",
}
