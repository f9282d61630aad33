"""What people type about versions and retrainings."""

from __future__ import annotations

from django import forms

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
