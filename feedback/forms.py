"""What people type about versions and retrainings."""

from __future__ import annotations

import csv
import io
from typing import Any

from django import forms

from feedback.gold import Said
from models_registry.errors import ReviewHubError
from models_registry.models import RegisteredModel
from models_registry.training.pipelines import ESTIMATORS

_ESTIMATOR_LABELS = {
    "champion": "the champion's own pipeline",
    "default": "the default for this contract",
    "logistic": "logistic regression",
    "boosting": "gradient boosting",
}


class RetrainForm(forms.Form):
    """A request to learn from the labels that there are now."""

    reason = forms.CharField(
        max_length=500, widget=forms.TextInput, help_text="What you expect to be learnt; it stays with the run."
    )
    estimator = forms.ChoiceField(
        required=False,
        label="Fit",
        choices=[
            ("", "as the champion, else the default"),
            *((name, _ESTIMATOR_LABELS.get(name, name)) for name in ESTIMATORS),
        ],
    )


MOST_LINES = 1000
_MOST_BYTES = 1_000_000


class KnownCasesForm(forms.Form):
    """What is true of past predictions: one a line, as ``external_id,value``, or ids alone that share one value."""

    lines = forms.CharField(
        label="Cases, one a line",
        required=False,
        max_length=_MOST_BYTES,
        widget=forms.Textarea(attrs={"rows": 5, "spellcheck": "false", "placeholder": "payment-1041,fraud"}),
        help_text="The external id, a comma, and what is true. Ids alone take the value chosen below.",
    )
    file = forms.FileField(label="Or a CSV file of the same", required=False)
    value = forms.ChoiceField(label="What is true of lines without a value", required=False)
    practice = forms.BooleanField(
        label="For practice only",
        required=False,
        help_text="Never put among real cases, because who has practised on one knows its answer.",
    )

    def __init__(self, model: RegisteredModel, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        value = self.fields["value"]
        assert isinstance(value, forms.ChoiceField)
        value.choices = [("", "not chosen"), *((name, name) for name in model.classes)]
        self.numbers: list[int] = []

    def clean(self) -> dict[str, Any]:
        """The lines as (number, id, value); what is no such line is told with its number."""
        cleaned: dict[str, Any] = super().clean() or {}
        text = self._text(cleaned)
        rows = []
        try:
            for number, cells in enumerate(csv.reader(io.StringIO(text)), start=1):
                cells = [cell.strip() for cell in cells]
                if any(cells) and not (number == 1 and cells[0].lower() == "external_id"):
                    rows.append((number, cells))
        except csv.Error as error:
            raise forms.ValidationError(f"This is no CSV: {error}.") from None
        if not rows:
            raise forms.ValidationError("Name at least one case.")
        if len(rows) > MOST_LINES:
            raise forms.ValidationError(f"At most {MOST_LINES} lines at once.")
        cleaned["rows"] = [(number, *self._line(number, cells, cleaned.get("value", ""))) for number, cells in rows]
        return cleaned

    def said(self) -> tuple[list[Said], list[str]]:
        """What is said, and where it stands."""
        rows, practice = self.cleaned_data["rows"], True if self.cleaned_data["practice"] else None
        said = [Said(value, external_id=name, practice=practice) for _, name, value in rows]
        return said, [f"/{number}" for number, _, _ in rows]

    def tell(self, error: ReviewHubError) -> None:
        """Every fault of a step beside its line."""
        for fault in error.errors:
            self.add_error(None, f"Line {fault.pointer.strip('/').split('/')[0]}: {fault.message}.")
        if not error.errors:
            self.add_error(None, error.detail)

    def _text(self, cleaned: dict[str, Any]) -> str:
        sent = cleaned.get("file")
        if sent is None:
            return cleaned.get("lines") or ""
        if cleaned.get("lines"):
            raise forms.ValidationError("Give lines or a file, not both.")
        if sent.size > _MOST_BYTES:
            raise forms.ValidationError("The file is over 1 MB.")
        try:
            text: str = sent.read().decode("utf-8-sig")
        except UnicodeDecodeError:
            raise forms.ValidationError("The file is not in UTF-8.") from None
        if "\0" in text:
            raise forms.ValidationError("The file holds what no id can hold.")
        return text

    def _line(self, number: int, cells: list[str], value: str) -> tuple[str, str]:
        name, given = cells[0], cells[1] if len(cells) > 1 else ""
        if not name or len(cells) > 2:
            self.add_error(None, f"Line {number}: give an external id, a comma and a value.")
        elif not (given or value):
            self.add_error(None, f"Line {number}: say what is true, or choose a value for all lines without one.")
        return name, given or value
