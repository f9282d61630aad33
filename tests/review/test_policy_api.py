from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from models_registry.models import AuditEvent
from review import policy_versions, routing
from review.models import PolicyVersion, QueueItem, RoutingControl, RoutingDecision
from tests.conftest import POLICY, Cast
from tests.review.received import obey, receive

PATH = "/api/v1/models/payments"
HOLD_ALL = {"rules": [{"name": "all", "when": {"field": "confidence", "gte": 0}, "disposition": "hold"}]}


@pytest.fixture
def owner(cast: Cast) -> APIClient:
    return signed_in(cast.erin)


def signed_in(person: Any) -> APIClient:
    client = APIClient()
    client.force_login(person)
    return client


def post(client: APIClient, path: str, body: Any = None) -> Any:
    return client.post(PATH + path, body, format="json")


def test_a_policy_gets_the_next_number_and_is_obeyed_only_once_activated(cast: Cast, owner: APIClient) -> None:
    made = post(owner, "/policies/", HOLD_ALL)
    assert (made.status_code, made.json()["number"], made.json()["active"]) == (201, 2, False)
    receive(cast.model)
    routing.route_batch(limit=1)
    assert RoutingDecision.objects.latest("prediction_id").policy.number == 1

    live = post(owner, "/policies/2/activate/")
    assert (live.status_code, live.json()["active"], live.json()["document"]) == (200, True, HOLD_ALL)
    receive(cast.model, first=1)
    routing.route_batch(limit=1)
    assert RoutingDecision.objects.latest("prediction_id").policy.number == 2


def test_rolling_back_is_activating_an_older_number_and_is_in_the_ledger(cast: Cast, owner: APIClient) -> None:
    post(owner, "/policies/", HOLD_ALL)
    for number in (2, 2, 1):
        assert post(owner, f"/policies/{number}/activate/").status_code == 200
    assert RoutingControl.objects.get(model=cast.model).active.number == 1
    events = AuditEvent.objects.filter(action="policy.activated").order_by("id")
    assert [(event.actor, event.subject, event.detail) for event in events] == [
        ("erin", "2", {"previous": 1}),
        ("erin", "1", {"previous": 2}),
    ]


def test_the_list_shows_every_number_with_what_is_live_and_in_the_shadow(cast: Cast, owner: APIClient) -> None:
    post(owner, "/policies/", HOLD_ALL)
    assert post(owner, "/policies/2/shadow/").json()["shadow"] is True
    rows = signed_in(cast.dana).get(f"{PATH}/policies/").json()["results"]
    assert [(row["number"], row["active"], row["shadow"]) for row in rows] == [(2, False, True), (1, True, False)]
    assert owner.get(f"{PATH}/policies/1/").json()["document"] == POLICY


def test_a_document_with_faults_is_refused_with_all_of_them_and_stores_nothing(cast: Cast, owner: APIClient) -> None:
    body = {"audit_floor": 0, "review": [{"name": "a", "when": {"field": "feature.colour", "eq": 1}, "p": 2}], "x": 1}
    for path in ("/policies/", "/policies/preview/"):
        answer = post(owner, path, body)
        assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")
        assert {error["pointer"] for error in answer.json()["errors"]} == {
            "/audit_floor", "/review/0/when/field", "/review/0/p", "/x",
        }  # fmt: skip
    assert PolicyVersion.objects.filter(model=cast.model).count() == 1


@pytest.mark.parametrize("body", ["[]", '"policy"', "3", "null", "[{}]", "{", ""])
def test_a_body_that_is_no_object_is_refused(cast: Cast, owner: APIClient, body: str) -> None:
    answer = owner.post(f"{PATH}/policies/", data=body, content_type="application/json")
    assert answer.status_code == 400
    assert PolicyVersion.objects.filter(model=cast.model).count() == 1


def test_an_old_policy_that_no_longer_fits_the_model_cannot_be_activated(cast: Cast, owner: APIClient) -> None:
    obey(cast.model, {"review": [{"name": "a", "when": {"field": "feature.gone", "eq": 1}}]})
    assert post(owner, "/policies/2/activate/").json()["errors"][0]["pointer"] == "/review/0/when/field"


def test_preview_replays_the_last_predictions_beside_the_live_policy_and_changes_nothing(
    cast: Cast, owner: APIClient
) -> None:
    receive(cast.model, 100, confidence=0.9)
    receive(cast.model, 100, confidence=0.7, first=100)
    routing.route_batch(limit=500)
    before = (RoutingDecision.objects.count(), QueueItem.objects.count(), PolicyVersion.objects.count())

    answer = post(owner, "/policies/preview/", HOLD_ALL).json()
    assert answer["predictions"] == 200
    assert (answer["reviewed"], answer["held"], answer["audited"], answer["refused"]) == (1, 1, 0, 0)
    live = answer["live"]
    assert (live["number"], live["held"]) == (1, 0.5)
    assert live["audited"] == RoutingDecision.objects.filter(review="audit").count() / 200
    assert answer["difference"]["held"] == 0.5
    assert answer["changed"] == 100
    same = post(owner, "/policies/preview/?last=50", POLICY).json()
    assert (same["predictions"], same["changed"], same["held"]) == (50, 0, 1)
    assert before == (RoutingDecision.objects.count(), QueueItem.objects.count(), PolicyVersion.objects.count())


def test_preview_and_activation_warn_where_gates_alone_exceed_the_budget(cast: Cast, owner: APIClient) -> None:
    receive(cast.model, 20, confidence=0.6)
    routing.route_batch(limit=50)
    body = {**POLICY, "sampling": {"kind": "uniform", "budget": 0.2}}
    warned = [("/sampling/budget", "budget_exceeded")]
    for answer in (
        post(owner, "/policies/preview/", body), post(owner, "/policies/", body), post(owner, "/policies/2/activate/"),
    ):  # fmt: skip
        assert [(warning["pointer"], warning["code"]) for warning in answer.json()["warnings"]] == warned


def test_preview_of_nothing_has_no_shares(owner: APIClient) -> None:
    answer = post(owner, "/policies/preview/", HOLD_ALL).json()
    assert (answer["predictions"], answer["reviewed"], answer["difference"]["held"]) == (0, None, None)


@pytest.mark.parametrize(
    "query",
    ["last=0", "last=-1", "last=many", "last=1e3", "last=200001", "half_width=0", "half_width=nan", "half_width=x"],
)
def test_preview_refuses_other_parameters(owner: APIClient, query: str) -> None:
    answer = post(owner, f"/policies/preview/?{query}", HOLD_ALL)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == f"/{query.partition('=')[0]}"
    assert post(owner, "/policies/preview/?first=3", HOLD_ALL).status_code == 400


def test_the_kill_switch_holds_the_next_prediction_until_it_is_off(cast: Cast, owner: APIClient) -> None:
    on = post(owner, "/kill-switch/", {"on": True, "reason": "wrong prices"}).json()
    assert (on["on"], on["reason"], on["expires_at"], on["changed_by"]) == (True, "wrong prices", None, "erin")
    receive(cast.model)
    routing.route_batch(limit=1)
    assert RoutingDecision.objects.get().reasons == ["kill_switch"]
    assert post(owner, "/kill-switch/", {"on": False, "reason": "fixed"}).json()["on"] is False
    receive(cast.model, first=1)
    routing.route_batch(limit=1)
    assert RoutingDecision.objects.filter(review="gate").count() == 1
    actions = (
        AuditEvent.objects.filter(action__startswith="kill_switch").order_by("id").values_list("action", flat=True)
    )
    assert list(actions) == ["kill_switch.on", "kill_switch.off"]


def test_a_switch_that_expires_is_off_at_that_moment_and_the_ledger_says_so(cast: Cast, owner: APIClient) -> None:
    soon = (timezone.now() + timedelta(hours=1)).isoformat()
    assert post(owner, "/kill-switch/", {"on": True, "reason": "night", "expires_at": soon}).json()["on"] is True
    assert policy_versions.expire_kill_switches() == 0
    RoutingControl.objects.update(kill_switch_expires_at=timezone.now() - timedelta(seconds=1))
    assert owner.get(f"{PATH}/kill-switch/").json()["on"] is False
    assert policy_versions.expire_kill_switches() == 1
    assert policy_versions.expire_kill_switches() == 0
    assert AuditEvent.objects.filter(action="kill_switch.expired", model=cast.model).count() == 1


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/on"),
        ({"on": "yes", "reason": "r"}, "/on"),
        ({"on": True}, "/reason"),
        ({"on": True, "reason": "  "}, "/reason"),
        ({"on": True, "reason": "r", "until": 3}, "/until"),
        ({"on": True, "reason": "r", "expires_at": "tomorrow"}, "/expires_at"),
        ({"on": True, "reason": "r", "expires_at": "2020-01-01T00:00:00Z"}, "/expires_at"),
        ({"on": False, "reason": "r", "expires_at": "2999-01-01T00:00:00Z"}, "/expires_at"),
    ],
)
def test_a_switch_that_makes_no_sense_is_refused(owner: APIClient, body: Any, pointer: str) -> None:
    answer = post(owner, "/kill-switch/", body)
    assert answer.status_code == 400
    assert pointer in [error["pointer"] for error in answer.json()["errors"]]


CHANGES = [("/policies/", HOLD_ALL), ("/policies/1/activate/", None), ("/policies/1/shadow/", None),
           ("/kill-switch/", {"on": True, "reason": "r"})]  # fmt: skip


@pytest.mark.parametrize(("path", "body"), CHANGES)
def test_only_owners_and_admin_keys_change_what_routing_obeys(
    cast: Cast, client_with: Any, path: str, body: Any
) -> None:
    for person in (cast.alice, cast.dana):
        assert post(signed_in(person), path, body).status_code == 403
    for scope in ("ingest", "read", "review"):
        assert post(client_with(scope), path, body).status_code == 403
    assert post(signed_in(cast.mallory), path, body).status_code == 404
    assert post(client_with("admin", model=cast.other_model), path, body).status_code == 404
    assert post(APIClient(), path, body).status_code == 401
    assert post(client_with("admin"), path, body).status_code in (200, 201)


def test_preview_is_for_those_who_may_and_reading_for_every_role(cast: Cast) -> None:
    assert post(signed_in(cast.alice), "/policies/preview/", HOLD_ALL).status_code == 403
    assert post(signed_in(cast.mallory), "/policies/preview/", HOLD_ALL).status_code == 404
    for path in ("/policies/", "/policies/1/", "/kill-switch/"):
        assert signed_in(cast.alice).get(PATH + path).status_code == 200
        assert signed_in(cast.mallory).get(PATH + path).status_code == 404


@pytest.mark.parametrize("number", ["9", "99999999999999999999"])
def test_an_unknown_number_is_not_found(owner: APIClient, number: str) -> None:
    assert post(owner, f"/policies/{number}/activate/").status_code == 404


@pytest.mark.parametrize("at", ["9999-12-31T23:59:59-12:00", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+12:00"])
def test_a_kill_switch_that_expires_outside_of_time_is_refused_and_stays_as_it_was(
    cast: Cast, owner: APIClient, at: str
) -> None:
    answer = post(owner, "/kill-switch/", {"on": True, "reason": "x", "expires_at": at})
    assert answer.status_code == 400
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/expires_at"]
    assert not RoutingControl.objects.get(model=cast.model).kill_switch
