from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from models_registry import artifacts
from models_registry.artifacts import ChildFailed
from models_registry.models import ModelVersion
from review import explanations
from review.models import Explanation, Prediction, QueueItem
from review.serializers import explanation_body
from tests.conftest import Cast, make_model
from tests.review.items import make_item, make_prediction


@pytest.fixture(autouse=True)
def no_child_left() -> Iterator[None]:
    yield
    explanations.close_children()


@pytest.fixture(scope="module")
def trained() -> tuple[bytes, bytes, Any]:
    """A forest over CONTRACT as a model file, its reference rows as CSV, and the pipeline itself."""
    rng = np.random.default_rng(3)
    count = 200
    rows = pd.DataFrame(
        {
            "amount": rng.uniform(0, 100, count),
            "age": rng.integers(18, 80, count),
            "country": rng.choice(["DE", "FR", "NL"], count),
        }
    )
    labels = np.where(rows["amount"] + 30 * (rows["country"] == "FR") > 70, "fraud", "ok")
    encode = ColumnTransformer([("c", OneHotEncoder(handle_unknown="ignore"), ["country"])], remainder="passthrough")
    model = make_pipeline(encode, RandomForestClassifier(20, random_state=0)).fit(rows, labels)
    return skops.io.dumps(model), rows.assign(label=labels).to_csv(index=False).encode(), model


def give_artifact(version: ModelVersion, content: bytes, reference: bytes | None) -> None:
    version.artifact = artifacts.store(content, kind="model")
    version.reference = None if reference is None else artifacts.store(reference, kind="reference")
    version.save()


def asked(prediction: Prediction) -> Explanation:
    return Explanation.objects.create(prediction=prediction)


def explained() -> list[Explanation]:
    while explanations.explain_batch(limit=50):
        pass
    return list(Explanation.objects.order_by("pk"))


class FakeChild:
    """Stands for the child process: ``behave`` gets the rows of each call."""

    alive = True

    def __init__(self, behave: Any) -> None:
        self.behave, self.calls = behave, []

    def call(self, name: str, *, seconds: float, rows: list[Any], **arguments: Any) -> Any:
        self.calls.append(rows)
        return self.behave(rows)

    def close(self) -> None:
        pass


def result(**changes: Any) -> dict[str, Any]:
    found = {"base_value": 0.5, "output": 0.6, "space": "probability", "explainer": "tree", "probability": 0.6}
    return {**found, "contributions": [{"feature": "amount", "value": 1.0, "contribution": 0.1}], **changes}


@pytest.fixture
def child(cast: Cast, monkeypatch: Any) -> Any:
    """Gives the version an artifact and puts a fake in the place of its process: child(behave)."""

    def install(behave: Any) -> FakeChild:
        give_artifact(cast.version, b"stands for a model", b"stands for rows")
        fake = FakeChild(behave)
        monkeypatch.setattr(explanations, "Child", lambda **options: fake)
        return fake

    return install


def test_an_artifact_is_explained_over_contract_features(cast: Cast, trained: Any) -> None:
    content, reference, model = trained
    give_artifact(cast.version, content, reference)
    features = {"amount": 95.0, "age": 41, "country": "FR"}
    fraud = float(model.predict_proba(pd.DataFrame([features]))[0, list(model.classes_).index("fraud")])
    shared = {"features": features, "predicted": "fraud"}
    asked(make_prediction(cast.model, "p-1", scores=[1 - fraud, fraud], confidence=fraud, **shared))
    asked(make_prediction(cast.model, "p-2", scores=[0.3, 0.7], confidence=0.7, **shared))

    true, other = explained()

    for found, mismatch in ((true, False), (other, True)):
        assert (found.status, found.origin, found.explained_class) == ("ready", "artifact", "fraud")
        assert (found.space, found.mismatch) == ("probability", mismatch)
        assert {c["feature"]: c["value"] for c in found.contributions} == features
        total = found.base_value + sum(c["contribution"] for c in found.contributions)
        assert total == pytest.approx(fraud, abs=1e-6)
    assert explanation_body(true)["contributions"][0]["feature"] in ("amount", "country")


def test_without_reference_rows_the_latest_predictions_stand_in(cast: Cast, trained: Any) -> None:
    give_artifact(cast.version, trained[0], None)
    asked(make_prediction(cast.model))

    [found] = explained()

    assert found.status == "ready"


def test_posted_attributions_are_taken_as_given(cast: Cast) -> None:
    attributions = {"amount": -0.05, "country": 0.15}
    asked(make_prediction(cast.model, attributions=attributions, base_value=0.5))

    [found] = explained()

    assert (found.status, found.origin, found.space, found.mismatch) == ("ready", "posted", "probability", False)
    assert found.contributions == [
        {"feature": "country", "value": "DE", "contribution": 0.15},
        {"feature": "amount", "value": 12.5, "contribution": -0.05},
    ]
    assert found.output == pytest.approx(0.6)


@pytest.mark.parametrize(
    ("base", "value", "space", "mismatch"),
    [
        (0.2, 0.2, "probability", True),
        (0.1, float(np.log(0.6 / 0.4)) - 0.1, "margin", False),
        (-3.0, 1.0, "margin", True),
        (None, 1.0, "", False),
    ],
)
def test_posted_attributions_that_do_not_fit_the_score_say_so(
    cast: Cast, base: float | None, value: float, space: str, mismatch: bool
) -> None:
    asked(make_prediction(cast.model, attributions={"amount": value}, base_value=base))

    [found] = explained()

    assert (found.status, found.space, found.mismatch) == ("ready", space, mismatch)


def test_without_artifact_and_attributions_the_explanation_says_so(cast: Cast) -> None:
    item = make_item(cast.model)
    asked(item.prediction)

    [found] = explained()

    assert (found.status, found.reason) == ("failed", "this version has no artifact and no attributions were posted")
    assert QueueItem.objects.claimable().get() == item


def test_a_row_that_kills_the_process_costs_its_neighbours_nothing(cast: Cast, child: Any) -> None:
    def behave(rows: list[Any]) -> Any:
        if any(row["amount"] == 666 for row in rows):
            raise ChildFailed("the child process died while it worked on this (SIGSEGV)", code="died")
        return [result() for _ in rows]

    fake = child(behave)
    for number in range(4):
        asked(make_prediction(cast.model, f"p-{number}", features={"amount": 666 if number == 2 else 1}))

    found = explained()

    assert [row.status for row in found] == ["ready", "ready", "failed", "ready"]
    assert "SIGSEGV" in found[2].reason
    assert [len(rows) for rows in fake.calls] == [4, 1, 1, 1, 1, 1]


def test_what_cannot_be_otherwise_next_time_is_tried_once(cast: Cast, child: Any) -> None:
    def behave(rows: list[Any]) -> Any:
        raise ChildFailed("the file names a type that is not allowed", code="untrusted_type")

    fake = child(behave)
    asked(make_prediction(cast.model))

    [found] = explained()

    assert (found.status, found.reason, len(fake.calls)) == ("failed", "the file names a type that is not allowed", 1)


def test_a_row_no_explainer_fits_fails_with_the_reason_and_others_do_not(cast: Cast, child: Any) -> None:
    child(lambda rows: [{"reason": "no explainer fits"} if row["amount"] == 2 else result() for row in rows])
    for amount in (1, 2):
        asked(make_prediction(cast.model, f"p-{amount}", features={"amount": amount}))

    assert [(row.status, row.reason) for row in explained()] == [("ready", ""), ("failed", "no explainer fits")]


def test_a_row_begun_too_often_by_workers_that_died_is_given_up(cast: Cast, child: Any) -> None:
    fake = child(lambda rows: [result() for _ in rows])
    row = asked(make_prediction(cast.model))
    Explanation.objects.filter(pk=row.pk).update(attempts=3, claimed_until="2026-01-01T00:00:00Z")

    [found] = explained()

    assert (found.status, fake.calls) == ("failed", [])
    assert "begun 3 times" in found.reason


def test_a_row_another_worker_has_is_left_alone(cast: Cast, child: Any) -> None:
    fake = child(lambda rows: [result() for _ in rows])
    asked(make_prediction(cast.model))
    Explanation.objects.update(claimed_until="2100-01-01T00:00:00Z")

    assert explanations.explain_batch(limit=10) == 0
    assert fake.calls == []


def test_when_the_time_is_over_the_rest_stays_pending_and_uncounted(cast: Cast, child: Any, monkeypatch: Any) -> None:
    child(lambda rows: [result() for _ in rows])
    monkeypatch.setattr(explanations, "BEGIN_SECONDS", -1.0)
    asked(make_prediction(cast.model))

    assert explanations.explain_batch(limit=10) == 0
    left = Explanation.objects.get()
    assert (left.status, left.attempts, left.claimed_until) == ("pending", 0, None)


def test_a_damaged_artifact_is_a_reason_not_a_crash(cast: Cast, trained: Any) -> None:
    give_artifact(cast.version, trained[0], None)
    artifacts.path_of(cast.version.artifact_id).unlink()
    asked(make_prediction(cast.model))

    [found] = explained()

    assert found.status == "failed"
    assert "missing" in found.reason


def test_two_processes_are_kept_and_the_one_used_longest_ago_makes_room(cast: Cast, monkeypatch: Any) -> None:
    closed: list[int] = []

    class Closing(FakeChild):
        def close(self) -> None:
            closed.append(id(self))

    monkeypatch.setattr(explanations, "Child", lambda **options: Closing(lambda rows: [result() for _ in rows]))
    for number in range(3):
        model, version = make_model(f"model-{number}")
        give_artifact(version, f"model {number}".encode(), b"rows")
        asked(make_prediction(model))

    assert {row.status for row in explained()} == {"ready"}
    assert len(closed) == 1
