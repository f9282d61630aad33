from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.db import OperationalError
from django.utils import timezone

from review import policies, routing
from review.models import Explanation, Prediction, QueueItem, Resolution, ReviewQueue, RoutingDecision
from review.terms import draw_key
from tests.conftest import CONTRACT, Cast, make_model
from tests.review.received import obey, receive

GATE = {"name": "low", "when": {"field": "confidence", "lt": 0.75}, "p": 1.0, "kind": "gate"}
QUIET: dict[str, Any] = {"audit_floor": 0.01}
ALL_AUDITED: dict[str, Any] = {"audit_floor": 1.0}


def routed(prediction: Prediction) -> RoutingDecision:
    return RoutingDecision.objects.get(prediction=prediction)


def test_a_gated_prediction_is_held_queued_and_explained_and_its_caller_waits(cast: Cast) -> None:
    branch = {**GATE, "priority": 7, "due_seconds": 600}
    policy = obey(cast.model, {"review": [branch], "hold": {"timeout_seconds": 60, "on_timeout": "refuse"}})
    [prediction] = receive(cast.model, confidence=0.6)

    assert routing.route_batch(limit=10) == 1

    prediction.refresh_from_db()
    decision, item = routed(prediction), QueueItem.objects.get(prediction=prediction)
    assert prediction.status == "routed"
    assert (decision.disposition, decision.review, decision.propensity, decision.p_gate) == ("hold", "gate", 1, 1)
    assert (decision.policy, decision.reasons, decision.model_guess) == (policy, ["low"], 0.6)
    assert (item.kind, item.state, item.priority, item.queue.slug, item.slot) == ("gate", "open", 7, "payments", 1)
    assert (item.due_at - item.enqueued_at, item.hold_until - item.enqueued_at) == (
        timedelta(seconds=600), timedelta(seconds=60),
    )  # fmt: skip
    assert item.hold_fallback == "refuse"
    assert Explanation.objects.get(prediction=prediction).status == "pending"
    assert not Resolution.objects.exists()


def test_an_audited_prediction_is_resolved_at_once_and_queued_as_well(cast: Cast) -> None:
    obey(cast.model, ALL_AUDITED)
    [prediction] = receive(cast.model)
    routing.route_batch(limit=10)
    decision, item = routed(prediction), QueueItem.objects.get()
    assert (decision.disposition, decision.review, decision.reasons) == ("proceed", "audit", ["audit_floor"])
    assert (item.kind, item.hold_until) == ("audit", None)
    resolution = Resolution.objects.get(prediction=prediction)
    assert (resolution.label, resolution.disposition, resolution.by) == ("ok", "proceed", "model")


def test_the_draw_is_the_keyed_one_of_prediction_and_policy(cast: Cast) -> None:
    policy = obey(cast.model, QUIET)
    predictions = receive(cast.model, 200)
    routing.route_batch(limit=200)
    for prediction in predictions:
        key = draw_key(settings.SECRET_KEY)
        assert routed(prediction).draw == policies.draw(key, "payments", prediction.external_id, policy.number)
    reviewed = RoutingDecision.objects.exclude(review="none").count()
    assert reviewed == RoutingDecision.objects.filter(draw__lt=0.01).count() == QueueItem.objects.count()


def test_a_rule_speaks_for_the_model(cast: Cast) -> None:
    rule = {"name": "minor", "when": {"field": "feature.age", "lt": 18}, "disposition": "refuse"}
    obey(cast.model, {**QUIET, "rules": [rule]})
    [young] = receive(cast.model, features={"age": 12})
    [old] = receive(cast.model, features={"age": 40}, first=1)
    [unknown] = receive(cast.model, features={"age": None}, first=2)
    routing.route_batch(limit=10)
    resolutions = {row.prediction_id: row for row in Resolution.objects.all()}
    assert (resolutions[young.pk].disposition, resolutions[young.pk].by) == ("refuse", "rule")
    assert (resolutions[old.pk].disposition, resolutions[old.pk].by) == ("proceed", "model")
    assert unknown.pk not in resolutions
    assert routed(unknown).reasons == ["minor", "missing_value"]


def test_the_answer_of_the_model_means_what_the_model_declares(cast: Cast) -> None:
    model, _ = make_model("loans", policy=QUIET, disposition_of={"fraud": "refuse"})
    [prediction] = receive(model, scores=[0.1, 0.9], predicted="fraud")
    routing.route_batch(limit=10)
    assert Resolution.objects.get(prediction=prediction).disposition == "refuse"


def test_several_models_in_one_batch_obey_their_own_policies(cast: Cast) -> None:
    obey(cast.model, {"review": [GATE], **QUIET})
    obey(cast.other_model, None)
    [ours], [theirs] = receive(cast.model, confidence=0.6), receive(cast.other_model)
    assert routing.route_batch(limit=10) == 2
    assert (routed(ours).reasons, routed(theirs).reasons) == (["low"], ["no_active_policy"])
    assert routed(theirs).policy is None
    assert QueueItem.objects.get(prediction=theirs).queue.slug == "secrets"


def test_a_branch_sends_to_the_queue_it_names_and_to_the_models_own_where_that_is_gone(cast: Cast) -> None:
    other = ReviewQueue.objects.create(slug="seniors")
    other.models.add(cast.model)
    obey(cast.model, {"review": [{**GATE, "queue": "seniors"}]})
    receive(cast.model, confidence=0.6)
    routing.route_batch(limit=10)
    other.models.clear()
    receive(cast.model, confidence=0.6, first=1)
    routing.route_batch(limit=10)
    assert list(QueueItem.objects.order_by("id").values_list("queue__slug", flat=True)) == ["seniors", "payments"]


@pytest.mark.parametrize(("expires_in", "held"), [(None, True), (60, True), (-60, False)])
def test_the_kill_switch_holds_everything_until_it_expires(cast: Cast, expires_in: int | None, held: bool) -> None:
    expires = None if expires_in is None else timezone.now() + timedelta(seconds=expires_in)
    obey(cast.model, QUIET, kill_switch=True, kill_switch_expires_at=expires)
    predictions = receive(cast.model, 20)
    routing.route_batch(limit=100)
    dispositions = {routed(prediction).disposition for prediction in predictions}
    assert dispositions == ({"hold"} if held else {"proceed"})


def test_stale_features_are_seen(cast: Cast) -> None:
    feature = {"name": "amount", "dtype": "float", "group": "bureau", "max_age_seconds": 3600}
    contract = cast.version.contract.__class__.objects.create(
        model=cast.model, number=2, document={"features": [feature, *CONTRACT["features"][1:]]}, sha256="1" * 64
    )
    cast.model.champion.contract = contract
    cast.model.champion.save()
    branch = {"name": "stale", "when": {"field": "stale.bureau", "eq": True}, "p": 1.0, "kind": "gate"}
    obey(cast.model, {**QUIET, "review": [branch]})
    now = timezone.now()
    [old] = receive(cast.model, as_of={"bureau": (now - timedelta(hours=2)).isoformat()})
    [fresh] = receive(cast.model, as_of={"bureau": now.isoformat()}, first=1)
    [unsaid] = receive(cast.model, first=2)
    routing.route_batch(limit=10)
    held = {prediction.pk: routed(prediction).disposition for prediction in (old, fresh, unsaid)}
    assert held == {old.pk: "hold", fresh.pk: "proceed", unsaid.pk: "hold"}


def test_when_the_days_capacity_is_used_up_only_the_floor_is_drawn(cast: Cast) -> None:
    sampling = {"kind": "uniform", "budget": 1.0}
    obey(cast.model, {"sampling": sampling, "audit_floor": 0.01, "capacity": {"per_day": 5}, "review": [GATE]})
    receive(cast.model, 5)
    routing.route_batch(limit=5)
    assert QueueItem.objects.count() == 5
    later = receive(cast.model, 3, first=5)
    [gated] = receive(cast.model, first=8, confidence=0.6)
    routing.route_batch(limit=10)
    assert {routed(prediction).propensity for prediction in later} == {0.01}
    assert routed(gated).disposition == "hold"


def test_a_policy_that_cannot_be_read_holds_everything(cast: Cast) -> None:
    policy = obey(cast.model, {"review": [{"name": "a"}]})
    [prediction] = receive(cast.model)
    assert routing.route_batch(limit=1) == 1
    assert (routed(prediction).policy, routed(prediction).reasons) == (policy, ["policy_error"])


def test_a_model_whose_queue_has_gone_gets_it_back(cast: Cast) -> None:
    ReviewQueue.objects.get(slug="payments").delete()
    obey(cast.model, ALL_AUDITED)
    receive(cast.model)
    assert routing.route_batch(limit=1) == 1
    assert QueueItem.objects.get().queue.slug == "payments"


def test_what_was_withdrawn_before_routing_is_left_alone(cast: Cast) -> None:
    receive(cast.model, status="withdrawn")
    assert routing.route_batch(limit=10) == 0
    assert not RoutingDecision.objects.exists()


def choose_failing(error: Exception) -> Any:
    """``choose_many`` that fails for batches with the value 666."""
    choose_many = policies.choose_many

    def failing(policy: Any, batch: Any, *rest: Any) -> Any:
        if (batch.value == 666).any():
            raise error
        return choose_many(policy, batch, *rest)

    return failing


def test_one_row_that_cannot_be_routed_neither_blocks_the_others_nor_is_lost(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    obey(cast.model, QUIET)
    before = receive(cast.model, 3)
    [poison] = receive(cast.model, first=3, value=666.0)
    after = receive(cast.model, 3, first=4)
    monkeypatch.setattr(policies, "choose_many", choose_failing(RuntimeError("no such case was foreseen")))

    assert routing.route_batch(limit=100) == 6
    assert {routed(prediction).disposition for prediction in before + after} == {"proceed"}
    poison.refresh_from_db()
    assert (poison.status, poison.routing_attempts) == ("received", 1)

    assert routing.route_batch(limit=100) == 0
    assert routing.route_batch(limit=100) == 1
    poison.refresh_from_db()
    assert (poison.status, poison.routing_attempts) == ("routed", 3)
    assert (routed(poison).reasons, routed(poison).disposition) == (["policy_error"], "hold")
    assert QueueItem.objects.filter(prediction=poison, kind="gate").count() == 1
    assert routing.route_batch(limit=100) == 0


def test_a_database_that_is_away_counts_against_no_row(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    receive(cast.model, value=666.0)
    monkeypatch.setattr(policies, "choose_many", choose_failing(OperationalError("the server closed the connection")))
    with pytest.raises(OperationalError):
        routing.route_batch(limit=10)
    assert Prediction.objects.get().routing_attempts == 0


def test_a_batch_costs_the_same_number_of_queries_whatever_its_size(
    cast: Cast, django_assert_max_num_queries: Any
) -> None:
    obey(cast.model, {"review": [GATE, {"name": "m", "when": {"field": "feature.age", "lt": 9}}], "audit_floor": 0.5})
    receive(cast.model, 300, confidence=0.7)
    receive(cast.model, 300, first=300)
    with django_assert_max_num_queries(20):
        assert routing.route_batch(limit=1000) == 600


@pytest.mark.django_db
def test_a_task_out_of_time_stops_and_leaves_its_rows_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    model, _ = make_model("payments")
    receive(model, 3)

    def out_of_time(rows: Any) -> None:
        raise SoftTimeLimitExceeded

    monkeypatch.setattr(routing, "_route", out_of_time)
    with pytest.raises(SoftTimeLimitExceeded):
        routing.route_batch(limit=10)
    assert Prediction.objects.filter(status="received", routing_attempts=0).count() == 3
