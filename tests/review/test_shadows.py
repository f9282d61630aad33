from __future__ import annotations

from typing import Any

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.db import DatabaseError, IntegrityError, transaction
from rest_framework.test import APIClient

from models_registry.models import AuditEvent
from review import policies, policy_versions, routing, shadows
from review.models import QueueItem, Resolution, RoutingControl, RoutingDecision, ShadowDecision
from review.terms import draws_of
from tests.conftest import Cast
from tests.review.items import make_prediction
from tests.review.received import obey, receive

PATH = "/api/v1/models/payments/policies"
QUIET: dict[str, Any] = {"audit_floor": 0.01}
HOLD_ALL = {"rules": [{"name": "all", "when": {"field": "confidence", "gte": 0}, "disposition": "hold"}]}
OLD = {"name": "old", "when": {"field": "feature.age", "gt": 40}, "p": 1.0, "kind": "gate"}


def watch(cast: Cast, document: dict[str, Any]) -> Any:
    policy = policy_versions.create(model=cast.model, document=document, actor="erin")
    policy_versions.shadow(policy=policy, actor="erin")
    return policy


@pytest.fixture
def owner(cast: Cast) -> APIClient:
    client = APIClient()
    client.force_login(cast.erin)
    return client


def test_what_the_shadow_would_have_done_is_stored_and_changes_nothing(cast: Cast) -> None:
    obey(cast.model, QUIET)
    policy = watch(cast, {"review": [OLD], "audit_floor": 0.5})
    predictions = receive(cast.model, 100)
    assert routing.route_batch(limit=200) == 100
    live = {row.prediction_id: row for row in RoutingDecision.objects.all()}
    assert len(live) == 100
    assert "hold" not in {row.disposition for row in live.values()}
    assert QueueItem.objects.count() == sum(row.review != "none" for row in live.values())
    assert Resolution.objects.count() == 100
    rows = list(ShadowDecision.objects.order_by("prediction_id"))
    assert {(row.policy_id, row.review, row.disposition, row.p_gate) for row in rows} == {
        (policy.pk, "gate", "hold", 1.0)
    }
    own = draws_of(cast.model, [prediction.external_id for prediction in predictions], policy.number)
    assert [row.draw for row in rows] == own.tolist()
    assert [row.draw for row in rows] != [live[row.prediction_id].draw for row in rows]


def broken(error: Exception) -> Any:
    """``choose_many`` that fails for policies whose audit floor is a half."""
    choose_many = policies.choose_many

    def failing(policy: Any, *rest: Any) -> Any:
        if policy.audit_floor == 0.5:
            raise error
        return choose_many(policy, *rest)

    return failing


@pytest.mark.parametrize("failure", ["chooses", "reads", "stores"])
def test_a_shadow_that_fails_holds_nothing_up(cast: Cast, monkeypatch: pytest.MonkeyPatch, failure: str) -> None:
    obey(cast.model, QUIET)
    policy = watch(cast, {"audit_floor": 0.5})
    if failure == "chooses":
        monkeypatch.setattr(policies, "choose_many", broken(RuntimeError("no such shadow")))
    elif failure == "reads":
        unread = obey(cast.model, {"review": [{"name": "a"}]})
        RoutingControl.objects.update(active=cast.model.policies.get(number=policy.number - 1), shadow=unread)
    else:
        monkeypatch.setattr(shadows, "_STORE", "INSERT INTO nowhere SELECT %s")
    receive(cast.model, 20)
    assert routing.route_batch(limit=100) == 20
    assert RoutingDecision.objects.exclude(disposition="hold").count() == 20
    assert not ShadowDecision.objects.exists()


def test_a_shadow_does_not_swallow_the_end_of_the_tasks_time(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    obey(cast.model, QUIET)
    watch(cast, {"audit_floor": 0.5})
    monkeypatch.setattr(policies, "choose_many", broken(SoftTimeLimitExceeded()))
    receive(cast.model, 3)
    with pytest.raises(SoftTimeLimitExceeded):
        routing.route_batch(limit=100)


def test_the_summary_compares_what_both_saw_and_ends_when_the_shadow_is_taken_off(cast: Cast, owner: APIClient) -> None:
    obey(cast.model, {"audit_floor": 1.0})
    policy = watch(cast, HOLD_ALL)
    receive(cast.model, 10)
    routing.route_batch(limit=100)
    path = f"{PATH}/{policy.number}/shadow/"
    found = owner.get(path).json()
    assert (found["number"], found["shadow"], found["predictions"], found["changed"]) == (policy.number, True, 10, 10)
    assert found["live"] == {"reviewed": 1.0, "held": 0.0, "audited": 1.0, "refused": 0.0}
    assert found["would"] == {"reviewed": 1.0, "held": 1.0, "audited": 0.0, "refused": 0.0}

    for _ in range(2):
        answer = owner.delete(path)
        assert (answer.status_code, answer.json()["shadow"]) == (200, False)
    receive(cast.model, 10, first=10)
    routing.route_batch(limit=100)
    found = owner.get(path).json()
    assert (found["shadow"], found["predictions"]) == (False, 10)
    actions = AuditEvent.objects.filter(action__startswith="policy.").order_by("id").values_list("action", flat=True)
    assert list(actions) == ["policy.created", "policy.shadowed", "policy.unshadowed"]


def test_the_summary_counts_the_newest_predictions_only(
    cast: Cast, owner: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    obey(cast.model, QUIET)
    policy = watch(cast, HOLD_ALL)
    receive(cast.model, 10)
    routing.route_batch(limit=100)
    watch(cast, QUIET)
    receive(cast.model, 5, first=10)
    routing.route_batch(limit=100)
    policy_versions.shadow(policy=policy, actor="erin")
    obey(cast.model, {"audit_floor": 1.0})
    policy_versions.shadow(policy=policy, actor="erin")
    receive(cast.model, 4, first=15)
    routing.route_batch(limit=100)
    assert owner.get(f"{PATH}/{policy.number}/shadow/").json()["predictions"] == 14
    monkeypatch.setattr(shadows, "LAST", 4)
    found = owner.get(f"{PATH}/{policy.number}/shadow/").json()
    # The newest four, of the policy that audits everything.
    assert (found["predictions"], found["changed"], found["live"]["audited"]) == (4, 4, 1.0)


def test_a_shadow_that_saw_nothing_has_no_shares(owner: APIClient) -> None:
    found = owner.get(f"{PATH}/1/shadow/").json()
    assert (found["shadow"], found["predictions"], found["changed"]) == (False, 0, 0)
    assert set(found["would"].values()) == {None}


def test_taking_another_policy_off_leaves_the_shadow(cast: Cast, owner: APIClient) -> None:
    policy = watch(cast, HOLD_ALL)
    assert owner.delete(f"{PATH}/1/shadow/").status_code == 200
    assert RoutingControl.objects.get(model=cast.model).shadow_id == policy.pk


def test_only_owners_take_a_shadow_off(cast: Cast) -> None:
    for person, status in ((cast.alice, 403), (cast.dana, 403), (cast.mallory, 404)):
        client = APIClient()
        client.force_login(person)
        assert client.delete(f"{PATH}/1/shadow/").status_code == status
    client = APIClient()
    client.force_login(cast.alice)
    assert client.get(f"{PATH}/1/shadow/").status_code == 200


FINE = {"draw": 0.5, "p_gate": 0.0, "propensity": 0.1, "disposition": "proceed", "review": "none"}


@pytest.mark.parametrize(
    ("changes", "constraint"),
    [
        ({"draw": 0.05}, "shadow_reviewed_iff_draw_below_propensity"),
        ({"draw": 1.0}, "shadow_probabilities"),
        ({"p_gate": 0.2}, "shadow_probabilities"),
        ({"p_gate": 0.8, "propensity": 0.9, "review": "audit"}, "shadow_gate_iff_draw_below_p_gate"),
        ({"disposition": "hold"}, "shadow_hold_iff_gate"),
    ],
)
def test_a_shadow_choice_that_contradicts_its_draw_is_refused(
    cast: Cast, changes: dict[str, Any], constraint: str
) -> None:
    prediction, policy = make_prediction(cast.model), cast.model.policies.get()
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        ShadowDecision.objects.create(prediction=prediction, policy=policy, **{**FINE, **changes})
    ShadowDecision.objects.create(prediction=prediction, policy=policy, **FINE)
    with pytest.raises(DatabaseError), transaction.atomic():
        ShadowDecision.objects.update(draw=0.9)
