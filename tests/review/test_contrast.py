"""Why one class rather than the next: the difference of both contributions, held to the model's own outputs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline

from models_registry import frames, model_files
from review.attributions import Attribution, Explainer
from tests.review.test_attributions import CONTRACT, answers, encoded, records

TWO, THREE = ["ok", "fraud"], ["low", "mid", "high"]
ESTIMATORS: dict[str, Any] = {
    "linear": lambda: LogisticRegression(max_iter=2000),
    "forest": lambda: RandomForestClassifier(20, random_state=0),
    "boosting": lambda: GradientBoostingClassifier(n_estimators=20, random_state=0),
    "histogram boosting": lambda: HistGradientBoostingClassifier(max_iter=20, random_state=0),
    "neighbours": lambda: KNeighborsClassifier(15),
}


def fitted(name: str, classes: list[str]) -> tuple[Explainer, list[dict[str, Any]], Any]:
    known = records(250)
    model = make_pipeline(encoded(), ESTIMATORS[name]()).fit(frames.frame(known, CONTRACT), answers(known, classes))
    return Explainer(model, CONTRACT, classes, known), known[:10], model


def outputs(model: Any, rows: list[dict[str, Any]], classes: list[str], space: str) -> Any:
    """What the model itself says of every class, in the space of the explanation."""
    prepared = frames.inputs(model, rows, CONTRACT)
    if space == "probability":
        return model_files.predict_scores(model, prepared, classes)
    margins = np.asarray(model.decision_function(prepared))
    margins = np.stack([-margins, margins], axis=1) if margins.ndim == 1 else margins
    return margins[:, model_files.class_mapping(model, classes)]


@pytest.mark.parametrize("classes", [TWO, THREE], ids=["two", "three"])
@pytest.mark.parametrize("name", ESTIMATORS)
def test_the_difference_of_two_classes_is_that_of_the_models_outputs(name, classes):
    explainer, rows, model = fitted(name, classes)
    scores = model_files.predict_scores(model, frames.inputs(model, rows, CONTRACT), classes)

    found = explainer.explain(rows, [classes[int(i)] for i in scores.argmax(axis=1)])

    for one, score, row in zip(found, scores, range(len(rows)), strict=True):
        best, second = (int(i) for i in np.argsort(-score, kind="stable")[:2])
        contrast = one["contrast"]
        assert contrast["against"] == classes[second]
        told = outputs(model, rows, classes, one["space"])[row]
        total = contrast["base_value"] + sum(c["contribution"] for c in contrast["contributions"])
        assert total == pytest.approx(told[best] - told[second], abs=1e-6)
        assert contrast["output"] == pytest.approx(told[best] - told[second], abs=1e-9)
        sizes = [abs(c["contribution"]) for c in contrast["contributions"]]
        assert sizes == sorted(sizes, reverse=True)
        assert {c["feature"]: c["value"] for c in contrast["contributions"]} == rows[row]


def test_of_two_classes_the_contrast_points_the_same_way_as_the_factors():
    explainer, rows, _ = fitted("linear", TWO)

    for one in explainer.explain(rows, ["fraud"] * len(rows)):
        factors = {c["feature"]: c["contribution"] for c in one["contributions"]}
        contrast = {c["feature"]: c["contribution"] for c in one["contrast"]["contributions"]}
        assert contrast == pytest.approx({name: 2 * value for name, value in factors.items()})


def test_a_contrast_that_does_not_sum_up_is_left_out():
    explainer, _, _ = fitted("forest", THREE)
    wrong = Attribution(np.array([[0.2, 0.3, 0.5]]), np.full((1, 5, 3), 0.01), "probability", "tree")

    assert explainer._contrast(wrong, 0, 0, [0.6, 0.3, 0.1], [0.6, 0.3, 0.1]) is None
