"""What would turn an answer: smallest single changes within the training range, each tried on the model itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from models_registry import frames, model_files
from models_registry.profiles import build_profile
from review.flips import MOST_FLIPS, flips, ranges
from tests.review.test_attributions import CONTRACT, answers, encoded, records

NAMES = [feature["name"] for feature in CONTRACT["features"]]
KNOWN = records(400)


def columns(rows: list[dict[str, Any]]) -> dict[str, Any]:
    numeric = {"amount", "amount_eur", "noise"}
    return {
        name: np.array([r[name] for r in rows], dtype=float)
        if name in numeric
        else [frames.as_text(r[name]) for r in rows]
        for name in NAMES
    }


PROFILE = build_profile(CONTRACT, columns(KNOWN))["features"]


def fitted(estimator: Any, classes: list[str]) -> Any:
    model = make_pipeline(encoded(), estimator)
    return model.fit(frames.frame(KNOWN, CONTRACT), answers(KNOWN, classes))


def score_of(model: Any, classes: list[str]) -> Any:
    return lambda table: model_files.predict_scores(model, frames.fitted_inputs(model, table), classes)


def sought(model: Any, classes: list[str], rows: list[dict[str, Any]], **changes: Any) -> list[Any]:
    contract = changes.pop("contract", CONTRACT)
    score = changes.pop("score", None) or score_of(model, classes)
    return flips(
        rows=rows, contract=contract, classes=classes, score=score, ranges=ranges(PROFILE, contract),
        answers=score(frames.frame(rows, CONTRACT)).argmax(axis=1).tolist(), order=[NAMES] * len(rows), **changes,
    )  # fmt: skip


@pytest.mark.parametrize("classes", [["ok", "fraud"], ["low", "mid", "high"]], ids=["two", "three"])
@pytest.mark.parametrize("estimator", [LogisticRegression(max_iter=2000), RandomForestClassifier(20, random_state=0)])
def test_every_change_turns_the_model_and_stays_where_the_training_data_was(estimator, classes):
    model, rows = fitted(estimator, classes), records(30)
    score = score_of(model, classes)
    before = score(frames.frame(rows, CONTRACT)).argmax(axis=1)

    found = sought(model, classes, rows)

    assert sum(len(one) for one in found) > 20
    for row, told, present in zip(rows, found, before, strict=True):
        assert len(told) <= MOST_FLIPS
        assert [one["distance"] for one in told] == sorted(one["distance"] for one in told)
        assert len({one["feature"] for one in told}) == len(told)
        for one in told:
            after = score(frames.frame([{**row, one["feature"]: one["value"]}], CONTRACT))[0]
            assert classes[int(after.argmax())] == one["label"] != classes[int(present)]
            assert after.max() == pytest.approx(one["score"])
            entry = PROFILE[one["feature"]]
            if entry["kind"] == "numeric":
                assert entry["min"] <= one["value"] <= entry["max"]
            else:
                assert frames.as_text(one["value"]) in {value for value, _ in entry["values"]}
            if one["feature"] == "amount_eur":
                assert isinstance(one["value"], int)


def test_a_number_is_changed_no_farther_than_it_must_be():
    model = fitted(LogisticRegression(max_iter=2000), ["ok", "fraud"])
    score, checked = score_of(model, ["ok", "fraud"]), 0
    rows = records(30)
    for row, told in zip(rows, sought(model, ["ok", "fraud"], rows), strict=True):
        for one in told:
            if one["feature"] == "amount":
                almost = row["amount"] + 0.9 * (one["value"] - row["amount"])
                after = score(frames.frame([{**row, "amount": almost}], CONTRACT))[0]
                assert ["ok", "fraud"][int(after.argmax())] != one["label"]
                checked += 1
    assert checked > 5


def test_sensitive_features_texts_and_times_are_left_alone():
    hidden = {"features": [{**f, "sensitive": f["name"] == "amount"} for f in CONTRACT["features"]]}
    assert "amount" not in ranges(PROFILE, hidden)
    model = fitted(LogisticRegression(max_iter=2000), ["ok", "fraud"])
    found = sought(model, ["ok", "fraud"], records(30), contract=hidden)
    changed = {one["feature"] for told in found for one in told}
    assert changed
    assert "amount" not in changed
    other = {"features": [{"name": "t", "dtype": "text"}, {"name": "w", "dtype": "timestamp"}]}
    kinds = {"t": {"kind": "text"}, "w": {"kind": "numeric", "min": 0.0, "max": 1.0, "quantiles": []}}
    assert ranges(kinds, other) == {}


def test_values_stay_within_the_contract_too():
    narrow = {"features": [{**f, **({"max": 60} if f["dtype"] in ("int", "float") else {})} for f in
                           CONTRACT["features"]]}  # fmt: skip
    model = fitted(LogisticRegression(max_iter=2000), ["ok", "fraud"])
    rows = [
        {**row, "amount": min(row["amount"], 60.0), "amount_eur": min(row["amount_eur"], 60)} for row in records(30)
    ]
    for told in sought(model, ["ok", "fraud"], rows, contract=narrow):
        assert all(one["value"] <= 60 for one in told if isinstance(one["value"], int | float))


def test_where_nothing_turns_it_the_list_is_empty():
    def stubborn(table: Any) -> Any:
        return np.tile([0.9, 0.1], (len(table), 1))

    rows = records(3)
    assert sought(None, ["ok", "fraud"], rows, score=stubborn) == [[], [], []]


def test_a_missing_value_may_be_filled():
    model = fitted(LogisticRegression(max_iter=2000), ["ok", "fraud"])
    rows = [{**row, "amount_eur": None} for row in records(20)]
    for told in sought(model, ["ok", "fraud"], rows):
        assert all(one["distance"] == 1.0 for one in told if one["feature"] == "amount_eur")


def test_without_time_it_is_said_that_nobody_looked():
    model = fitted(LogisticRegression(max_iter=2000), ["ok", "fraud"])
    assert sought(model, ["ok", "fraud"], records(2), seconds=-1.0) == [None, None]


def test_the_work_is_bounded_however_many_features_there_are():
    scored = []

    def counting(table: Any) -> Any:
        scored.append(len(table))
        return np.tile([0.9, 0.1], (len(table), 1))

    wide = {"features": [{"name": f"f{i}", "dtype": "float"} for i in range(400)]}
    entry = {"kind": "numeric", "min": 0.0, "max": 20.0, "quantiles": [[5 * i, float(i)] for i in range(1, 20)]}
    names = [feature["name"] for feature in wide["features"]]
    rows = [dict.fromkeys(names, 0.5)] * 3
    flips(
        rows=rows, answers=[0, 0, 0], order=[names] * 3, contract=wide, classes=["a", "b"], score=counting,
        ranges=ranges(dict.fromkeys(names, entry), wide),
    )  # fmt: skip
    assert sum(scored) <= 3 * 12 * 21
