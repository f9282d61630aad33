from __future__ import annotations

from math import exp
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    AdaBoostClassifier,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.feature_selection import SelectKBest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import KBinsDiscretizer, OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from models_registry import frames, model_files
from review.attributions import Explainer

CONTRACT: dict[str, Any] = {
    "features": [
        {"name": "amount", "dtype": "float"},
        {"name": "amount_eur", "dtype": "int", "nullable": True},
        {"name": "country", "dtype": "category"},
        {"name": "new", "dtype": "bool"},
        {"name": "noise", "dtype": "float"},
    ]
}
NUMERIC = ["amount", "amount_eur", "noise"]
NAMES = [feature["name"] for feature in CONTRACT["features"]]


def records(count: int, *, nulls: bool = False) -> list[dict[str, Any]]:
    rng = np.random.default_rng(7)
    rows = [
        {
            "amount": float(rng.normal(50, 20)),
            "amount_eur": int(rng.integers(0, 90)),
            "country": str(rng.choice(["DE", "FR", "NL", "a_b"], p=[0.5, 0.3, 0.19, 0.01])),
            "new": bool(rng.random() < 0.3),
            "noise": float(rng.normal()),
        }
        for _ in range(count)
    ]
    if nulls:
        for row in rows[::7]:
            row["amount_eur"] = None
    return rows


def answers(rows: list[dict[str, Any]], classes: list[str]) -> list[str]:
    rng = np.random.default_rng(8)
    level = [r["amount"] / 20 + (r["country"] == "FR") * 2 + r["new"] - 3 + rng.normal() for r in rows]
    cuts = np.quantile(level, np.linspace(0, 1, len(classes) + 1)[1:-1])
    return [classes[int(np.searchsorted(cuts, one))] for one in level]


def encoded(*, dense: bool = True) -> ColumnTransformer:
    one_hot = OneHotEncoder(handle_unknown="ignore", sparse_output=not dense)
    numbers = make_pipeline(SimpleImputer(add_indicator=True), StandardScaler())
    return ColumnTransformer([("n", numbers, NUMERIC), ("w", one_hot, ["country"])], remainder="passthrough")


def explained(model: Any, classes: list[str], *, nulls: bool = False, rows: int = 12) -> list[dict[str, Any]]:
    """Fits the model, explains rows for their predicted class, and holds every explanation to its sum."""
    known = records(250, nulls=nulls)
    model.fit(frames.frame(known, CONTRACT), answers(known, classes))
    asked = known[:rows]
    scores = model_files.predict_scores(model, frames.inputs(model, asked, CONTRACT), classes)
    labels = [classes[int(i)] for i in scores.argmax(axis=1)]
    found = Explainer(model, CONTRACT, classes, known).explain(asked, labels)
    for one, row, score in zip(found, asked, scores.max(axis=1), strict=True):
        assert "reason" not in one, one
        total = one["base_value"] + sum(c["contribution"] for c in one["contributions"])
        assert total == pytest.approx(one["output"], abs=1e-6)
        assert one["probability"] == pytest.approx(score, abs=1e-12)
        if one["space"] == "probability":
            assert one["output"] == pytest.approx(score, abs=1e-9)
        elif len(classes) == 2:
            assert 1 / (1 + exp(-one["output"])) == pytest.approx(score, abs=1e-6)
        assert sorted(c["feature"] for c in one["contributions"]) == sorted(NAMES)
        assert all(c["value"] == row[c["feature"]] for c in one["contributions"])
        sizes = [abs(c["contribution"]) for c in one["contributions"]]
        assert sizes == sorted(sizes, reverse=True)
    return found


ORDINAL = ColumnTransformer([("words", OrdinalEncoder(), ["country"])], remainder="passthrough")
TWO, THREE = ["ok", "fraud"], ["low", "mid", "high"]


@pytest.mark.parametrize(
    ("model", "classes", "space", "explainer"),
    [
        (make_pipeline(encoded(), HistGradientBoostingClassifier(max_iter=40)), TWO, "margin", "tree"),
        (make_pipeline(encoded(), HistGradientBoostingClassifier(max_iter=20)), THREE, "margin", "tree"),
        (make_pipeline(encoded(), RandomForestClassifier(40, random_state=0)), TWO, "probability", "tree"),
        (make_pipeline(encoded(dense=False), ExtraTreesClassifier(20, random_state=0)), THREE, "probability", "tree"),
        (make_pipeline(ORDINAL, SimpleImputer(), DecisionTreeClassifier(max_depth=5)), TWO, "probability", "tree"),
        (make_pipeline(encoded(), GradientBoostingClassifier(n_estimators=40)), TWO, "probability", "tree"),
        (make_pipeline(encoded(dense=False), LogisticRegression(max_iter=2000)), TWO, "margin", "linear"),
        (make_pipeline(encoded(), LogisticRegression(max_iter=2000)), THREE, "margin", "linear"),
        (make_pipeline(encoded(), KNeighborsClassifier(7)), TWO, "probability", "permutation"),
        (make_pipeline(encoded(), GaussianNB()), THREE, "probability", "permutation"),
        (make_pipeline(encoded(), AdaBoostClassifier(n_estimators=10)), TWO, "probability", "permutation"),
        (make_pipeline(encoded(), CalibratedClassifierCV(GaussianNB())), TWO, "probability", "permutation"),
    ],
    ids=lambda value: type(value[-1]).__name__ if hasattr(value, "steps") else None,
)
def test_contributions_sum_to_the_models_own_output(model: Any, classes: list[str], space: str, explainer: str) -> None:
    found = explained(model, classes, nulls=True, rows=4 if explainer == "permutation" else 25)

    assert {(one["space"], one["explainer"]) for one in found} == {(space, explainer)}


def test_multiclass_boosting_that_shap_cannot_do_is_explained_by_permutation() -> None:
    found = explained(make_pipeline(encoded(), GradientBoostingClassifier(n_estimators=5)), THREE, rows=3)

    assert {one["explainer"] for one in found} == {"permutation"}


def test_a_transformer_that_mixes_features_is_explained_over_the_features_themselves() -> None:
    found = explained(make_pipeline(encoded(), PCA(3), LogisticRegression()), TWO, rows=3)

    assert {one["explainer"] for one in found} == {"permutation"}


def test_histogram_boosting_with_its_own_categories_is_explained() -> None:
    ordinal = ColumnTransformer([("words", OrdinalEncoder(), ["country"])], remainder="passthrough")
    model = make_pipeline(ordinal, HistGradientBoostingClassifier(max_iter=20, categorical_features=[0]))

    explained(model, TWO, rows=3)


def test_bins_unions_and_selected_columns_lead_back_to_their_features() -> None:
    bins = KBinsDiscretizer(4, quantile_method="averaged_inverted_cdf")
    several = FeatureUnion([("bins", bins), ("scaled", StandardScaler())])
    numbers = make_pipeline(SimpleImputer(), several, SelectKBest(k=9))
    encode = OneHotEncoder(drop="first", min_frequency=0.05, handle_unknown="infrequent_if_exist")
    measured = make_column_selector("amount|noise")
    transformer = ColumnTransformer([("n", numbers, measured), ("w", encode, ["country", "new"])])

    found = explained(make_pipeline(transformer, LogisticRegression(max_iter=3000)), TWO)

    assert {one["explainer"] for one in found} == {"linear"}


def test_a_feature_the_model_never_sees_contributes_nothing() -> None:
    without = ColumnTransformer([("numbers", make_pipeline(SimpleImputer(), StandardScaler()), NUMERIC)])

    for one in explained(make_pipeline(without, RandomForestClassifier(20)), TWO):
        assert {c["contribution"] for c in one["contributions"] if c["feature"] in ("country", "new")} == {0.0}


def test_a_model_fitted_without_column_names_takes_the_contracts_order() -> None:
    contract = {"features": [{"name": name, "dtype": "float"} for name in ("a", "b", "c")]}
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(200, 3))
    model = RandomForestClassifier(30, random_state=0).fit(matrix, np.where(matrix[:, 1] > 0, "ok", "fraud"))
    rows = [dict(zip("abc", map(float, row), strict=True)) for row in matrix[:10]]

    found = Explainer(model, contract, TWO, rows).explain(rows, ["ok"] * 10)

    assert {one["contributions"][0]["feature"] for one in found} == {"b"}


def test_without_rows_to_compare_with_a_general_explainer_says_so() -> None:
    known = records(100)
    model = make_pipeline(encoded(), KNeighborsClassifier()).fit(pd.DataFrame(known), answers(known, TWO))

    [found] = Explainer(model, CONTRACT, TWO, []).explain(known[:1], ["ok"])

    assert "register the version with reference rows" in found["reason"]


def test_the_same_row_gets_the_same_explanation() -> None:
    known = records(120)
    model = make_pipeline(encoded(), KNeighborsClassifier()).fit(pd.DataFrame(known), answers(known, TWO))

    first, second = (Explainer(model, CONTRACT, TWO, known).explain(known[:1], ["ok"]) for _ in range(2))

    assert first == second
