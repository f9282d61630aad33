"""What the page is told about a case: sentence, flips, contrast, frequency, badges, and what stays behind a veil."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from models_registry.calibrations import set_calibration
from models_registry.models import ReferenceProfile
from models_registry.profiles import build_profile
from review import cases, sentences
from review.models import Explanation, Prediction
from review.serializers import explanation_body
from review.veil import Veil
from tests.conftest import CONTRACT, Cast
from tests.review.items import make_item
from tests.review.test_explaining import explained, give_artifact, no_child_left, trained  # noqa: F401
from tests.review.test_similar import decided

BIN = {
    "label": "ok", "low": 0.5, "high": 0.7, "n": 240, "k": 198, "share": 0.825, "share_low": 0.772, "share_high": 0.868,
    "effective_n": 240.0, "basis": "drawn",
}  # fmt: skip


def whole(prediction: Prediction) -> Prediction:
    related = ("model", "version__contract", "payload", "routing__policy", "explanation")
    return Prediction.objects.select_related(*related).get(pk=prediction.pk)


def described(cast: Cast, **fields: Any) -> Prediction:
    item = make_item(cast.model)
    columns = {"amount": np.linspace(0, 10, 101), "age": np.linspace(20, 60, 101), "country": ["DE"] * 101}
    document = build_profile(CONTRACT, columns)
    ReferenceProfile.objects.create(version=cast.version, document=document, rows=101, sha256="1" * 64)
    values = {
        "status": "ready", "explained_class": "ok", "origin": "artifact", "space": "probability", "base_value": 0.4,
        "output": 0.6, "flips": [{"feature": "amount", "value": 9.25, "label": "fraud", "score": 0.7, "distance": 0.3}],
        "contributions": [{"feature": "amount", "value": 12.5, "contribution": 0.25},
                          {"feature": "age", "value": 41, "contribution": -0.1},
                          {"feature": "country", "value": "DE", "contribution": 0.05}],
    }  # fmt: skip
    Explanation.objects.create(prediction=item.prediction, **{**values, **fields})
    return whole(item.prediction)


def test_the_real_worker_finds_contrast_flips_and_similar_cases(cast: Cast, trained: Any) -> None:  # noqa: F811
    content, reference, model = trained
    give_artifact(cast.version, content, reference)
    columns = {"amount": np.linspace(0, 100, 101), "age": np.linspace(18, 80, 101), "country": ["DE", "FR", "NL"] * 33
               + ["DE", "FR"]}  # fmt: skip
    document = build_profile(CONTRACT, columns)
    ReferenceProfile.objects.create(version=cast.version, document=document, rows=101, sha256="1" * 64)
    other = decided(cast, "before")
    asked = make_item(cast.model, "asked").prediction
    Explanation.objects.create(prediction=asked)

    [found] = explained()

    assert found.contrast["against"] == "fraud"
    total = found.contrast["base_value"] + sum(c["contribution"] for c in found.contrast["contributions"])
    assert total == pytest.approx(found.contrast["output"], abs=1e-6)
    assert found.flips
    for flip in found.flips:
        changed = {**asked.payload.features, flip["feature"]: flip["value"]}
        import pandas

        assert model.predict(pandas.DataFrame([changed]))[0] == flip["label"] == "fraud"
    body = explanation_body(found)
    assert body["similar"][0]["prediction"] == str(other.prediction_id)
    shown = cases.case(whole(asked))
    assert [one["label"] for one in shown["similar"]] == ["ok"]
    assert len(shown["explanation"]["flips"]) == len(found.flips)


def test_the_table_the_sentence_and_the_waterfall_tell_one_story(cast: Cast) -> None:
    shown = cases.case(described(cast))["explanation"]
    assert shown["sentence"] == "Mostly because amount is outside what the model was trained on; age speaks against."
    first = shown["rows"][0]
    assert (first["label"], first["text"], first["amount"]) == ("Amount", "12.5 EUR", "+0.25")
    assert shown["rows"][0]["words"] == "above all, outside what the model was trained on"
    assert shown["waterfall"][-1]["total"] == pytest.approx(0.6)
    assert (shown["flips"][0]["then"], shown["flips"][0]["now"]) == ("9.25 EUR", "12.5 EUR")


def test_in_margin_space_only_the_order_is_told(cast: Cast) -> None:
    shown = cases.case(described(cast, space="margin"))["explanation"]
    assert {row["amount"] for row in shown["rows"]} == {""}


def test_frequency_comes_from_the_bin_of_the_class_and_score_and_asks_the_database_once(
    cast: Cast, django_assert_num_queries: Any
) -> None:
    prediction = described(cast)
    assert cases.case(prediction)["frequency"] == {"enough": False, "n": 0, "needed": 50}
    set_calibration(version=cast.version, bins=[{**BIN, "label": "fraud", "k": 1}, BIN], rows=480)
    found = cases.case(prediction)["frequency"]
    assert (found["n"], found["k"], found["low"], found["high"]) == (240, 198, 77, 87)
    with django_assert_num_queries(2):
        cases.case(prediction)


@pytest.mark.parametrize(("score", "effective", "n"), [(0.7, 240.0, 0), (0.49, 240.0, 0), (0.6, 31.4, 31)])
def test_outside_the_known_scores_or_with_too_few_nothing_is_claimed(score: float, effective: float, n: int) -> None:
    found = sentences.frequency([{**BIN, "effective_n": effective}], "ok", score)
    assert found == {"enough": False, "n": n, "needed": 50}


def test_counts_and_weighted_share_are_both_told_where_they_differ() -> None:
    assert sentences.frequency([{**BIN, "share": 0.7}], "ok", 0.6)["differs"]
    assert not sentences.frequency([BIN], "ok", 0.6)["differs"]


def test_stale_and_unusual_inputs_have_badges_in_words(cast: Cast) -> None:
    prediction = described(cast)
    prediction.routing.reasons = ["low_confidence", "unusual:amount", "stale:bureau"]
    shown = cases.case(prediction)
    assert shown["badges"] == ["inputs are stale: bureau", "unusual: Amount"]
    assert [reason["code"] for reason in shown["why"]["reasons"]] == ["low_confidence"]


def test_similar_cases_stay_behind_the_veil_of_colleagues_and_all_behind_that_of_the_model(cast: Cast) -> None:
    other = decided(cast, "before")
    prediction = described(cast, similar=[{"prediction": other.prediction_id, "distance": 0.1}])
    assert len(cases.case(prediction)["similar"]) == 1
    assert cases.case(prediction, Veil(colleagues=True))["similar"] == []
    hidden = cases.case(prediction, Veil(model=True))
    assert not hidden["similar"]
    assert not hidden["frequency"]
    assert not hidden["margin"]
    assert hidden["explanation"] == {"state": "hidden"}


def test_a_hidden_value_is_in_no_sentence_flip_or_table(cast: Cast) -> None:
    contract = {"features": [{**f, "sensitive": f["name"] == "amount"} for f in CONTRACT["features"]]}
    prediction = described(cast)
    prediction.version.contract.document = contract
    shown = cases.case(prediction)
    assert "12.5" not in repr({name: shown[name] for name in ("explanation", "similar", "groups", "standouts")})
    assert shown["explanation"]["sentence"] == "Mostly because amount weighs in; age speaks against."
    assert shown["explanation"]["flips"] == []
