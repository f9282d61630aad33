from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from rest_framework.test import APIClient

from models_registry.models import DatabaseNow, WebhookDelivery, WebhookEndpoint
from review import decisions, policy_versions, resolutions, routing, shadows
from review.models import Override, Prediction, Resolution, RoutingDecision, ShadowDecision
from tests.conftest import POLICY, Cast
from tests.review.items import make_item, make_prediction
from tests.review.overlapping import say, take, who

API = "/api/v1/models/payments/overrides/"
SEGMENT = {
    "scope": "segment", "when": {"field": "feature.country", "eq": "DE"}, "disposition": "refuse", "reason": "a wave",
}  # fmt: skip


def post(person: Any, body: Any = None, path: str = API) -> Any:
    client = APIClient()
    client.force_login(person)
    return client.post(path, body or {}, format="json")


def case(prediction: Prediction, **said: Any) -> dict[str, Any]:
    return {"scope": "case", "prediction": str(prediction.pk), "reason": "the customer called", **said}


def current(prediction: Prediction) -> dict[str, Any]:
    return resolutions.current(Prediction.objects.get(pk=prediction.pk))


def receive(cast: Cast, name: str, **fields: Any) -> Prediction:
    """Of a country, with an answer the live policy is sure of."""
    country = fields.pop("country", "DE")
    features = {"amount": 12.5, "age": 41, "country": country}
    sure = {"scores": [0.99, 0.01], "confidence": 0.99, "status": "received"}
    return make_prediction(cast.model, name, features=features, **{**sure, **fields})


def live(cast: Cast, document: dict[str, Any] = POLICY) -> None:
    policy = policy_versions.create(model=cast.model, document=document, actor="test")
    policy_versions.activate(policy=policy, actor="test")


def routed(prediction: Prediction) -> tuple[str, list[str]]:
    routing.route_batch(limit=100)
    found = RoutingDecision.objects.get(prediction=prediction)
    return found.disposition, found.reasons


def test_the_caller_of_a_waiting_case_is_told_what_a_lead_says(cast: Cast) -> None:
    WebhookEndpoint.objects.create(
        url="https://example.com/", events=["prediction.resolved", "review.corrected"], secret="s", created_by="test"
    )
    prediction = make_item(cast.model, hold_until="2100-01-01T00:00:00Z").prediction

    answer = post(cast.erin, case(prediction, label="ok", disposition="proceed"))

    assert answer.status_code == 201, answer.json()
    said = current(prediction)
    assert (said["state"], said["label"], said["disposition"], said["by"]) == ("final", "ok", "proceed", "person")
    assert WebhookDelivery.objects.get().event == "prediction.resolved"
    assert cast.model.audit_events.filter(action="override.made", actor="erin").count() == 1
    # The caller has its answer, and the case is still reviewed.
    item = prediction.items.get()
    assert (item.state, item.hold_until) == ("open", None)
    say(cast.model, cast.alice, "fraud")
    assert current(prediction)["label"] == "ok"
    assert Resolution.objects.count() == 1


def test_a_decided_case_is_corrected_and_an_undo_does_not_bring_back_what_was_overridden(cast: Cast) -> None:
    WebhookEndpoint.objects.create(
        url="https://example.com/", events=["prediction.resolved", "review.corrected"], secret="s", created_by="test"
    )
    prediction = make_item(cast.model).prediction
    made = say(cast.model, cast.alice, "fraud")

    assert post(cast.erin, case(prediction, disposition="refuse")).status_code == 201
    assert WebhookDelivery.objects.latest("id").event == "review.corrected"
    decisions.undo(decision=made, principal=who(cast.alice))

    said = current(prediction)
    assert (said["state"], said["label"], said["disposition"]) == ("final", None, "refuse")


def test_a_later_override_of_a_case_takes_the_place_of_the_former(cast: Cast) -> None:
    prediction = make_item(cast.model, kind="audit").prediction

    for label in ("fraud", "ok"):
        assert post(cast.erin, case(prediction, label=label)).status_code == 201

    assert current(prediction)["label"] == "ok"
    newest, former = Override.objects.all()
    assert (newest.ended_at, former.ended_by) == (None, "erin")
    refused = post(cast.erin, path=f"{API}{newest.pk}/end/")
    assert (refused.status_code, refused.json()["code"]) == (409, "override_final")


def test_a_label_means_what_the_model_says_it_means(cast: Cast) -> None:
    cast.model.disposition_of = {"fraud": "refuse"}
    cast.model.save()
    prediction = make_item(cast.model, kind="audit").prediction

    post(cast.erin, case(prediction, label="fraud"))

    assert current(prediction)["disposition"] == "refuse"


@pytest.mark.parametrize("status", ["received", "withdrawn"])
def test_only_a_case_that_was_routed_and_not_withdrawn_is_overridden(cast: Cast, status: str) -> None:
    prediction = make_prediction(cast.model, "early", status=status)

    assert post(cast.erin, case(prediction, label="ok")).status_code == 409
    assert Override.objects.count() == Resolution.objects.count() == 0


def test_a_segment_goes_before_every_rule_from_the_next_batch_on(cast: Cast) -> None:
    rule = {"name": "all go on", "when": {"field": "confidence", "gte": 0.5}, "disposition": "proceed"}
    live(cast, {**POLICY, "rules": [rule], "audit_floor": 0.01, "sampling": {"kind": "none"}})
    before = receive(cast, "p-1")
    assert routed(before)[0] == "proceed"

    made = post(cast.erin, SEGMENT)

    assert made.status_code == 201, made.json()
    hit, other = receive(cast, "p-2"), receive(cast, "p-3", country="FR")
    assert routed(hit)[0] == "refuse"
    assert "override" in routed(hit)[1]
    assert routed(other)[0] == "proceed"
    assert "override" not in routed(other)[1]
    assert hit.resolutions.get().by == "rule"

    path = f"{API}{made.json()['override']['id']}/end/"
    for _ in range(2):
        assert post(cast.erin, path=path).json()["override"]["ended_by"] == "erin"
    assert routed(receive(cast, "p-4"))[0] == "proceed"
    assert cast.model.audit_events.filter(action="override.ended").count() == 1


def test_a_segment_that_is_held_waits_for_a_person(cast: Cast) -> None:
    live(cast)
    post(cast.erin, {**SEGMENT, "disposition": "hold"})

    prediction = receive(cast, "p-1")

    assert routed(prediction)[0] == "hold"
    assert prediction.items.get().kind == "gate"


def test_an_expired_override_is_obeyed_no_more_without_any_job(cast: Cast) -> None:
    live(cast)
    post(cast.erin, {**SEGMENT, "expires_at": "2030-01-01T00:00:00Z"})
    assert routed(receive(cast, "p-1"))[0] == "refuse"

    past = DatabaseNow() - timedelta(seconds=1)
    Override.objects.update(created_at=past - timedelta(hours=1), expires_at=past)

    assert routed(receive(cast, "p-2"))[0] != "refuse"


def test_the_newest_of_two_overrides_is_asked_first(cast: Cast) -> None:
    live(cast)
    post(cast.erin, SEGMENT)
    post(cast.erin, {**SEGMENT, "disposition": "hold"})

    assert routed(receive(cast, "p-1"))[0] == "hold"


def test_a_shadow_policy_is_watched_as_it_is(cast: Cast) -> None:
    live(cast)
    quiet = {"audit_floor": 0.01}
    policy = policy_versions.create(model=cast.model, document=quiet, actor="test")
    policy_versions.shadow(policy=policy, actor="test")
    post(cast.erin, SEGMENT)

    receive(cast, "p-1")
    routing.route_batch(limit=10)

    assert ShadowDecision.objects.get().disposition == "proceed"
    assert shadows.summary(policy).live["refused"] == 1.0


def test_the_model_is_held_by_its_kill_switch_and_told_beside_the_others(cast: Cast) -> None:
    policy_versions.set_kill_switch(model=cast.model, on=True, reason="odd scores", actor="dana")

    made = Override.objects.get()
    assert (made.scope, made.disposition, made.reason, made.created_by) == ("model", "hold", "odd scores", "dana")
    policy_versions.set_kill_switch(model=cast.model, on=True, reason="odder", actor="dana")
    assert Override.objects.in_force().get().reason == "odder"
    policy_versions.set_kill_switch(model=cast.model, on=False, reason="fixed", actor="dana")
    assert not Override.objects.in_force().exists()


def test_ending_the_models_override_turns_the_kill_switch_off(cast: Cast, client_with: Any) -> None:
    admin = client_with("admin")
    made = admin.post(API, {"scope": "model", "reason": "odd", "expires_at": "2030-01-01T00:00:00Z"}, format="json")
    assert made.status_code == 201, made.json()
    assert admin.get("/api/v1/models/payments/kill-switch/").json()["on"] is True

    ended = admin.post(f"{API}{made.json()['override']['id']}/end/", {}, format="json")

    assert ended.json()["override"]["ended_at"] is not None
    assert admin.get("/api/v1/models/payments/kill-switch/").json()["on"] is False


def test_an_expired_switch_ends_its_override_when_it_is_written_down(cast: Cast) -> None:
    policy_versions.set_kill_switch(model=cast.model, on=True, reason="x", actor="dana", expires_at=None)
    past = DatabaseNow() - timedelta(seconds=1)
    Override.objects.update(created_at=past - timedelta(hours=1), expires_at=past)
    cast.model.routing.__class__.objects.update(kill_switch_expires_at=past)

    assert policy_versions.expire_kill_switches() == 1

    assert Override.objects.get().ended_by == "worker"


@pytest.mark.parametrize(
    ("change", "pointers"),
    [
        ({"when": {"field": "feature.nothing", "eq": 1}}, ["/when/field"]),
        ({"when": {"all": [{"field": "confidence", "near": 1}]}}, ["/when/all/0/near"]),
        ({"when": None}, ["/when"]),
        ({"disposition": None}, ["/disposition"]),
        ({"disposition": "maybe"}, ["/disposition"]),
        ({"reason": " "}, ["/reason"]),
        ({"label": "ok"}, ["/label"]),
        ({"prediction": "1"}, ["/prediction"]),
        ({"expires_at": "2020-01-01T00:00:00Z"}, ["/expires_at"]),
        ({"expires_at": "9999-01-01T00:00:00Z"}, ["/expires_at"]),
        ({"expires_at": "tomorrow"}, ["/expires_at"]),
        ({"scope": "world"}, ["/scope"]),
        ({"why": "x"}, ["/why"]),
    ],
)
def test_what_is_wrong_with_a_segment_is_said_with_its_place(
    cast: Cast, change: dict[str, Any], pointers: list[str]
) -> None:
    refused = post(cast.erin, {**SEGMENT, **change})

    assert refused.status_code == 400, refused.json()
    assert sorted(fault["pointer"] for fault in refused.json()["errors"]) == pointers
    assert Override.objects.count() == 0


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"label": "maybe"}, "/label"), ({}, "/disposition"), ({"disposition": "hold"}, "/disposition"),
        ({"label": "ok", "prediction": "x"}, "/prediction"), ({"label": "ok", "prediction": "9" * 19}, "/prediction"),
        ({"label": "ok", "when": {}}, "/when"), ({"label": "ok", "expires_at": "2030-01-01T00:00:00Z"}, "/expires_at"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_case_is_said_with_its_place(cast: Cast, change: dict[str, Any], pointer: str) -> None:
    prediction = make_item(cast.model).prediction

    refused = post(cast.erin, {**case(prediction), **change})

    assert refused.status_code == 400, refused.json()
    assert [fault["pointer"] for fault in refused.json()["errors"]] == [pointer]


def test_where_a_person_decides_every_case_no_segment_goes_on_without(cast: Cast) -> None:
    cast.model.oversight = "always"
    cast.model.save()

    refused = post(cast.erin, {**SEGMENT, "disposition": "proceed"})

    assert [fault["pointer"] for fault in refused.json()["errors"]] == ["/disposition"]


def test_overriding_is_for_leads_and_owners(cast: Cast) -> None:
    prediction = make_item(cast.model).prediction

    assert post(cast.alice, SEGMENT).status_code == 403
    assert post(cast.alice, case(prediction, label="ok")).status_code == 403
    assert post(cast.mallory, SEGMENT).status_code == 404
    assert Override.objects.count() == 0


def test_what_was_said_of_a_case_is_hidden_from_who_still_has_to_answer_it(cast: Cast, settings: Any) -> None:
    settings.REVIEWHUB = {**settings.REVIEWHUB, "UNDO_SECONDS": 0}
    item = make_item(cast.model, required=2)
    post(cast.erin, case(item.prediction, label="fraud"))
    client = APIClient()
    client.force_login(cast.erin)

    [hidden] = client.get(API).json()["results"]
    assert (hidden["hidden"], hidden["label"], hidden["reason"]) == (True, None, None)
    held = take(cast.model, cast.erin)
    assert held is not None
    decisions.decide(token=held.lease_token, principal=who(cast.erin), label="ok")

    [shown] = client.get(API).json()["results"]
    assert (shown["hidden"], shown["label"]) == (False, "fraud")


def test_the_database_keeps_one_override_of_a_case_and_no_hold(cast: Cast) -> None:
    prediction = make_item(cast.model).prediction
    shared = {"model": cast.model, "scope": "case", "prediction": prediction, "reason": "x", "created_by": "test"}
    Override.objects.create(disposition="proceed", **shared)

    for disposition, name in (("refuse", "override_case_once"), ("hold", "override_case_is_final")):
        with pytest.raises(IntegrityError, match=name), transaction.atomic():
            Override.objects.create(disposition=disposition, **shared)
