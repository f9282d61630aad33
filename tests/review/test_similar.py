"""Similar decided cases: the nearest by mixed features, none that is open, known beforehand, or the case itself."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from feedback.models import GoldTruth
from models_registry.models import ReferenceProfile
from models_registry.profiles import build_profile
from review import explanations, similar
from review.likeness import Known, differing
from review.models import Explanation, Lease, Prediction, QueueItem, ReviewDecision
from tests.conftest import CONTRACT, Cast
from tests.review.items import make_item, make_prediction

NEAR = {"amount": 13.0, "age": 41, "country": "DE"}
ASKED = {"amount": 12.5, "age": 41, "country": "DE"}


def decided(cast: Cast, external_id: str, label: str = "ok", **features: Any) -> QueueItem:
    item = make_item(cast.model, external_id)
    item.prediction.payload.features = {**NEAR, **features}
    item.prediction.payload.save()
    answer(item, label)
    QueueItem.objects.filter(pk=item.pk).update(state="decided")
    Prediction.objects.filter(pk=item.prediction_id).update(status="decided")
    return item


def answer(item: QueueItem, label: str | None, **fields: Any) -> ReviewDecision:
    lease = Lease.objects.create(token=uuid4(), item=item, holder="r-1", expires_at=timezone.now())
    return ReviewDecision.objects.create(
        item=item, prediction=item.prediction, model=item.model, lease=lease, reviewer="r-1", label=label,
        abstained=label is None, definition=item.model.definitions.get(), **fields,
    )  # fmt: skip


def asked(cast: Cast, external_id: str = "asked") -> Prediction:
    made = make_prediction(cast.model, external_id, features=ASKED)
    return Prediction.objects.select_related("model", "version__contract", "payload").get(pk=made.pk)


def found(cast: Cast, prediction: Prediction | None = None) -> list[str]:
    prediction = prediction or asked(cast)
    stored = similar.find([prediction]).get(prediction.pk, [])
    assert [one["distance"] for one in stored] == sorted(one["distance"] for one in stored)
    return [row.external_id for row, _ in similar.standing(stored, cast.model.pk)]


def test_the_nearest_come_first_over_all_kinds_of_features(cast: Cast) -> None:
    decided(cast, "far", amount=90.0, age=20, country="FR")
    decided(cast, "other country", country="FR")
    decided(cast, "same")
    decided(cast, "no age", age=None)
    decided(cast, "farther", amount=60.0)
    assert found(cast)[0] == "same"
    assert "far" not in found(cast, asked(cast, "again"))


def test_what_is_open_gold_known_undone_abstained_or_withdrawn_is_not_among_them(cast: Cast) -> None:
    decided(cast, "fine")
    open_again = decided(cast, "open slot")
    QueueItem.objects.filter(pk=open_again.pk).update(state="open")
    gold = decided(cast, "gold item")
    QueueItem.objects.filter(pk=gold.pk).update(kind="gold", slot=2)
    GoldTruth.objects.create(prediction=decided(cast, "known").prediction, value="ok", set_by="erin")
    GoldTruth.objects.create(prediction=decided(cast, "practice").prediction, value="ok", set_by="erin", practice=True)
    undone = decided(cast, "undone")
    last = undone.decisions.get()
    ReviewDecision.objects.create(
        item=undone, prediction=undone.prediction, model=cast.model, kind="undo", supersedes=last, reviewer="r-1",
        definition=last.definition,
    )  # fmt: skip
    withdrawn = decided(cast, "withdrawn")
    Prediction.objects.filter(pk=withdrawn.prediction_id).update(status="withdrawn")
    unsure = make_item(cast.model, "unsure")
    answer(unsure, None)
    make_item(cast.model, "waiting")

    assert found(cast) == ["fine"]


def test_what_became_gold_or_open_after_it_was_found_is_not_shown(cast: Cast) -> None:
    items = [decided(cast, f"d-{number}", amount=13.0 + number) for number in range(5)]
    stored = similar.find([prediction := asked(cast)])[prediction.pk]

    GoldTruth.objects.create(prediction=items[0].prediction, value="ok", set_by="erin")
    QueueItem.objects.filter(pk=items[1].pk).update(state="open")

    assert [row.external_id for row, _ in similar.standing(stored, cast.model.pk)] == ["d-2", "d-3", "d-4"]


def test_the_case_itself_and_other_models_are_not_among_them(cast: Cast) -> None:
    item = decided(cast, "itself")
    related = Prediction.objects.select_related("model", "version__contract", "payload")
    assert found(cast, related.get(pk=item.prediction_id)) == []
    assert similar.standing([{"prediction": item.prediction_id, "distance": 0.0}], cast.other_model.pk) == []


def test_the_answer_that_stands_is_told(cast: Cast) -> None:
    item = decided(cast, "corrected", "ok")
    first = item.decisions.get()
    Lease.objects.filter(pk=first.lease_id).update(ended_at=timezone.now())
    answer(item, "fraud", supersedes=first)
    stored = similar.find([prediction := asked(cast)])[prediction.pk]
    [(_, decision)] = similar.standing(stored, cast.model.pk)
    assert decision.label == "fraud"


def test_the_worker_stores_them_with_every_end_of_an_explanation(cast: Cast) -> None:
    item = decided(cast, "before")
    posted = make_prediction(cast.model, "posted", features=ASKED, attributions={"amount": 0.1}, base_value=0.5)
    Explanation.objects.create(prediction=posted)
    Explanation.objects.create(prediction=asked(cast))

    explanations.explain_batch(limit=10)

    for row in Explanation.objects.order_by("pk"):
        assert [one["prediction"] for one in row.similar] == [item.prediction_id]
    assert {row.status for row in Explanation.objects.all()} == {"ready", "failed"}


def test_many_cases_cost_no_more_queries_than_one(cast: Cast) -> None:
    for number in range(12):
        decided(cast, f"d-{number}", amount=float(number))
    cases = [asked(cast, f"a-{number}") for number in range(20)]
    with CaptureQueriesContext(
        connection,
    ) as one:
        similar.find(cases[:1])
    with CaptureQueriesContext(connection) as many:
        similar.find(cases)
    assert len(many) == len(one) <= 5


def test_distances_use_the_spread_of_the_training_data(cast: Cast) -> None:
    columns = {"amount": np.linspace(0, 1000, 101), "age": np.linspace(20, 30, 101), "country": ["DE"] * 101}
    document = build_profile(CONTRACT, columns)
    ReferenceProfile.objects.create(version=cast.version, document=document, rows=101, sha256="1" * 64)
    decided(cast, "amount off", amount=62.5)
    decided(cast, "age off", age=46)
    assert found(cast)[0] == "amount off"


@pytest.mark.parametrize("dtype", ["text", "timestamp"])
def test_sensitive_features_texts_and_times_say_nothing(dtype: str) -> None:
    contract = {
        "features": [
            {"name": "secret", "dtype": "float", "sensitive": True},
            {"name": "free", "dtype": dtype},
            {"name": "n", "dtype": "float"},
        ]
    }
    one, other = {"secret": 1.0, "free": "a", "n": 1.0}, {"secret": 9.0, "free": "b", "n": 1.0}
    assert Known(contract, {}, [other]).distances(one).tolist() == [0.0]
    assert differing(contract, {}, one, other, 3) == []


def test_values_of_an_older_contract_do_not_break_it() -> None:
    contract = {"features": [{"name": "n", "dtype": "float"}, {"name": "c", "dtype": "category"}]}
    known = Known(contract, {}, [{"n": "seven", "c": 3}, {}, {"n": 1.0, "c": "a"}])
    assert known.distances({"n": 1.0, "c": "a"}).tolist() == [1.0, 1.0, 0.0]
