from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from models_registry.errors import Conflict, ContractViolation, Invalid, ReviewHubError, Unprocessable
from models_registry.models import DataContract, ModelVersion
from review import ingest
from review.models import Prediction, PredictionPayload
from tests.conftest import make_model, prediction_body


def accept(model: Any, *bodies: dict[str, Any]) -> list[ingest.Accepted]:
    return ingest.accept(model=model, bodies=bodies, actor="test")


def refused(model: Any, *bodies: dict[str, Any]) -> tuple[type, str, list[tuple[str, str]]]:
    with pytest.raises(ReviewHubError) as caught:
        accept(model, *bodies)
    assert not Prediction.objects.exists()
    return type(caught.value), caught.value.code, [(f.pointer, f.code) for f in caught.value.errors]


def test_a_prediction_is_stored_with_all_that_was_sent(cast):
    body = prediction_body(
        entity_id="customer-1", value=99.5, groups={"segment": "vip"}, attributions={"amount": 0.2}, base_value=0.5,
        occurred_at="2026-01-02T03:04:05.5+01:00", as_of={"core": "2026-01-02T00:00:00Z"}, raw=[1, {"é": None}],
        feature_sets={"core": {"version": "3"}}, latency_ms=12, counters={"tries": 2}, context={"text": "<b>hi</b>"},
    )  # fmt: skip
    [accepted] = accept(cast.model, body)
    stored = Prediction.objects.get(pk=accepted.id)
    assert (stored.status, stored.predicted, stored.confidence, stored.scores) == ("received", "ok", 0.6, [0.6, 0.4])
    assert (stored.entity_id, stored.value, stored.groups) == ("customer-1", 99.5, {"segment": "vip"})
    assert stored.occurred_at.isoformat() == "2026-01-02T02:04:05.500000+00:00"
    for name in ("features", "raw", "context", "attributions", "base_value", "as_of", "feature_sets", "latency_ms"):
        assert getattr(stored.payload, name) == body[name]
    for field in Prediction._meta.concrete_fields:
        if field.attname not in ("routing_attempts", "withdrawn_reason"):
            assert getattr(accepted.prediction, field.attname) == getattr(stored, field.attname)


def test_without_a_time_of_its_own_a_prediction_occurred_when_it_was_received(cast):
    [accepted] = accept(cast.model, prediction_body())
    stored = Prediction.objects.get(pk=accepted.id)
    assert stored.occurred_at == stored.received_at


def test_the_same_body_again_is_the_same_prediction(cast):
    body = prediction_body()
    [first] = accept(cast.model, body)
    [again] = accept(cast.model, dict(reversed(body.items())))
    assert (again.id, again.replayed, first.replayed) == (first.id, True, False)


def test_another_body_under_the_same_external_id_is_a_conflict(cast):
    accept(cast.model, prediction_body())
    with pytest.raises(Conflict) as caught:
        accept(cast.model, prediction_body("new"), prediction_body(value=1))
    assert [fault.pointer for fault in caught.value.errors] == ["/predictions/1/external_id"]
    assert not Prediction.objects.filter(external_id="new").exists()


def test_external_ids_of_different_models_do_not_meet(cast):
    [here] = accept(cast.model, prediction_body())
    [there] = accept(cast.other_model, prediction_body(model="secrets"))
    assert here.id != there.id


def test_a_batch_with_the_same_body_twice_stores_it_once(cast):
    first, second, other = accept(cast.model, prediction_body(), prediction_body(), prediction_body("p-2"))
    assert (first.id, first.replayed, second.replayed, other.replayed) == (second.id, False, True, False)
    assert Prediction.objects.count() == PredictionPayload.objects.count() == 2


def test_a_batch_that_contradicts_itself_stores_nothing(cast):
    bodies = prediction_body(), prediction_body("p-2"), prediction_body(value=3)
    assert refused(cast.model, *bodies) == (
        Conflict, "external_id_reused", [("/predictions/2/external_id", "external_id_reused")]
    )  # fmt: skip


def test_every_fault_of_every_body_is_named_and_nothing_is_stored(cast):
    bad_age = prediction_body("p-2", features={"amount": -1, "age": "41", "country": "DE", "extra": 1})
    bad_country = prediction_body("p-3", features={"amount": 1, "age": None, "country": "XX"})
    assert refused(cast.model, prediction_body(), bad_age, bad_country) == (
        ContractViolation,
        "contract_violation",
        [
            ("/predictions/1/features/amount", "out_of_range"),
            ("/predictions/1/features/age", "type"),
            ("/predictions/1/features/extra", "unknown_field"),
            ("/predictions/2/features/country", "not_allowed"),
        ],
    )


@pytest.mark.parametrize(
    ("scores", "pointer", "code"),
    [
        ({"ok": 0.5, "fraud": 0.4}, "/scores", "scores_sum"),
        ({"ok": 0.5, "fraud": 0.5, "other": 0.0}, "/scores/other", "unknown_label"),
        ({"ok": 1.0}, "/scores/fraud", "required"),
        ({"OK": 0.5, "fraud": 0.5}, "/scores/OK", "unknown_label"),
        ({}, "/scores/ok", "required"),
    ],
)
def test_scores_must_be_a_distribution_over_the_models_classes(cast, scores, pointer, code):
    kind, _, faults = refused(cast.model, prediction_body(scores=scores))
    assert kind is Invalid
    assert (pointer, code) in faults


@pytest.mark.parametrize("scores", [{"ok": 0.5005, "fraud": 0.5}, {"ok": 0.0, "fraud": 1.0}, {"fraud": 1, "ok": 0}])
def test_scores_may_be_off_by_rounding(cast, scores):
    assert len(accept(cast.model, prediction_body(scores=scores))) == 1


def test_attributions_name_features_of_the_contract(cast):
    body = prediction_body(attributions={"amount": 1.0, "height": 2.0})
    assert refused(cast.model, body) == (
        ContractViolation, "contract_violation", [("/attributions/height", "unknown_feature")]
    )  # fmt: skip


@pytest.mark.parametrize(
    ("occurred_at", "kind", "code"),
    [
        ((timezone.now() + timedelta(days=1)).isoformat(), Unprocessable, "in_future"),
        ("2026-01-02T03:04:05", Invalid, "format"),
        ("2026-12-31T23:59:60Z", Invalid, "format"),
        ("0001-01-01T00:00:00+14:00", Invalid, "out_of_range"),
    ],
    ids=["tomorrow", "no zone", "leap second", "before year one"],
)
def test_a_time_that_cannot_be_is_refused(cast, occurred_at, kind, code):
    assert refused(cast.model, prediction_body(occurred_at=occurred_at)) == (kind, code, [("/occurred_at", code)])


def test_clocks_may_differ_by_minutes(cast):
    soon = (timezone.now() + timedelta(minutes=4)).isoformat()
    assert len(accept(cast.model, prediction_body(occurred_at=soon))) == 1


def test_a_malformed_body_outweighs_a_contract_violation(cast):
    body = prediction_body(scores={"ok": 1, "fraud": 1}, features={"amount": 1, "country": "DE", "age": 500})
    assert refused(cast.model, body) == (
        Invalid, "invalid_body", [("/scores", "scores_sum"), ("/features/age", "out_of_range")]
    )  # fmt: skip


def test_versions_are_named_or_the_champion(cast):
    version = ModelVersion.objects.create(
        model=cast.model, version="2", contract=cast.version.contract, state="ready", created_by="test"
    )
    named, default = accept(cast.model, prediction_body("named", version="2"), prediction_body("default"))
    assert (named.prediction.version_id, named.version) == (version.pk, "2")
    assert (default.prediction.version_id, default.version) == (cast.version.pk, "1")


def test_an_unknown_version_is_named(cast):
    assert refused(cast.model, prediction_body(version="9")) == (
        Invalid, "unknown_version", [("/version", "unknown_version")]
    )  # fmt: skip


def test_a_version_under_check_takes_no_predictions(cast):
    version = ModelVersion.objects.create(
        model=cast.model, version="2", contract=cast.version.contract, state="checking", created_by="test"
    )
    assert refused(cast.model, prediction_body(version="2"))[:2] == (Conflict, "version_not_ready")
    ModelVersion.objects.filter(pk=version.pk).update(state="ready")
    assert len(accept(cast.model, prediction_body(version="2"))) == 1


def test_a_model_without_champion_asks_for_a_version(cast):
    cast.model.champion = None
    assert refused(cast.model, prediction_body())[:2] == (Conflict, "no_active_version")


def test_a_repeat_is_recognised_after_the_contract_changed(cast):
    [first] = accept(cast.model, prediction_body())
    document = {"features": [{"name": "amount", "dtype": "float"}]}
    contract = DataContract.objects.create(model=cast.model, number=2, document=document, sha256="2" * 64)
    cast.model.champion = ModelVersion.objects.create(
        model=cast.model, version="2", contract=contract, state="ready", created_by="test"
    )
    again, fresh = accept(cast.model, prediction_body(), prediction_body("p-2", features={"amount": 1}))
    assert (again.id, again.replayed, fresh.replayed) == (first.id, True, False)
    with pytest.raises(ContractViolation) as caught:
        accept(cast.model, prediction_body(), prediction_body("p-3"))
    assert {fault.pointer.split("/features")[0] for fault in caught.value.errors} == {"/predictions/1"}


@pytest.mark.django_db(transaction=True)
def test_fifty_equal_posts_at_once_make_one_row():
    model, _ = make_model("payments")
    body = prediction_body()

    def post(_: int) -> ingest.Accepted:
        try:
            return accept(model, body)[0]
        finally:
            connection.close()

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(post, range(50)))
    assert len({answer.id for answer in answers}) == 1
    assert sum(not answer.replayed for answer in answers) == 1
    assert Prediction.objects.count() == PredictionPayload.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_batches_that_share_predictions_in_other_orders_do_not_block_each_other():
    model, _ = make_model("payments")
    bodies = [prediction_body(f"p-{number}") for number in range(200)]

    def post(number: int) -> int:
        try:
            return len(accept(model, *(bodies if number % 2 else reversed(bodies))))
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(post, range(8))) == [200] * 8
    assert Prediction.objects.count() == 200
