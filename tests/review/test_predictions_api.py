from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import connection
from rest_framework.test import APIClient

from models_registry import access
from models_registry.models import AuditEvent
from review import ingest as step
from review import queue
from review.api import predictions
from review.models import Lease, Prediction, QueueItem, RoutingDecision
from review.routing import route_batch
from tests.conftest import make_model, prediction_body

POST = "/api/v1/predictions/"


def post(client: Any, body: dict[str, Any], path: str = POST, **headers: str) -> Any:
    return client.post(path, body, format="json", headers=headers)


@pytest.fixture
def ingest(cast, client_with):
    return client_with("ingest", model=cast.model)


def test_a_prediction_is_received_and_held(ingest):
    answer = post(ingest, prediction_body())
    stored = Prediction.objects.get()
    assert answer.status_code == 202
    assert answer.headers["Location"] == f"{POST}{stored.pk}/"
    body = answer.json()
    assert (body["id"], body["model"], body["version"], body["external_id"]) == (str(stored.pk), "payments", "1", "p-1")
    assert (body["status"], body["disposition"], body["review"]) == ("received", "hold", "none")
    assert body["resolution"] == {"state": "pending", "label": None, "disposition": "hold", "by": None, "at": None}
    assert (body["propensity"], body["draw"], body["reasons"], body["policy"]) == (None, None, [], None)
    assert (body["decisions"], body["labels"], body["explanation"]) == ([], [], None)


def test_the_answer_to_a_post_looks_like_every_later_one(ingest):
    first = post(ingest, prediction_body())
    again = post(ingest, prediction_body())
    assert first.json() == again.json()


def test_a_repeat_shows_the_present_state(ingest):
    first = post(ingest, prediction_body())
    assert "Idempotency-Replayed" not in first.headers
    route_batch(limit=10)
    again = post(ingest, prediction_body())
    assert (again.status_code, again.headers["Idempotency-Replayed"]) == (200, "true")
    assert again.json()["id"] == first.json()["id"]
    routing = RoutingDecision.objects.get()
    assert again.json()["status"] == "routed"
    assert (again.json()["propensity"], again.json()["draw"]) == (routing.propensity, routing.draw)
    assert again.json()["policy"] == 1


def test_another_body_for_the_same_external_id_is_a_conflict(ingest):
    post(ingest, prediction_body())
    answer = post(ingest, prediction_body(value=1))
    assert (answer.status_code, answer.json()["code"]) == (409, "external_id_reused")
    assert answer.json()["errors"][0]["pointer"] == "/external_id"


def test_a_batch_says_what_became_of_each(ingest):
    post(ingest, prediction_body("p-2"))
    bodies = [prediction_body(name) for name in ("p-1", "p-2", "p-3")]
    answer = post(ingest, {"predictions": bodies}, POST + "bulk/")
    assert answer.status_code == 202
    assert (answer.json()["accepted"], answer.json()["replayed"]) == (2, 1)
    ids = {row.external_id: str(row.pk) for row in Prediction.objects.all()}
    assert answer.json()["results"] == [
        {"external_id": name, "id": ids[name], "status": "received"} for name in ("p-1", "p-2", "p-3")
    ]


def test_a_batch_may_hold_predictions_of_several_models(cast, client_with):
    bodies = [prediction_body("a"), prediction_body("b", model="secrets"), prediction_body("c")]
    answer = post(client_with("ingest"), {"predictions": bodies}, POST + "bulk/")
    assert [row["external_id"] for row in answer.json()["results"]] == ["a", "b", "c"]
    assert cast.other_model.predictions.get().external_id == "b"


@pytest.mark.parametrize("path", [POST, POST + "bulk/"])
def test_models_of_others_do_not_exist(ingest, path):
    body = prediction_body(model="secrets")
    answer = post(ingest, body if path == POST else {"predictions": [body]}, path)
    assert answer.status_code == 404
    assert not Prediction.objects.exists()


def test_a_person_needs_to_own_the_model_to_send_predictions(cast, client):
    client.force_login(cast.alice)
    refused = client.post(POST, prediction_body(), content_type="application/json")
    assert refused.status_code == 403
    client.force_login(cast.erin)
    assert client.post(POST, prediction_body(), content_type="application/json").status_code == 202


def test_the_same_idempotency_key_gives_the_first_answer_again(ingest):
    key = {"Idempotency-Key": "0123456789abcdef"}
    first = post(ingest, prediction_body(), **key)
    again = post(ingest, prediction_body(), **key)
    assert (again.status_code, again.json()) == (202, first.json())
    other = post(ingest, prediction_body("p-2"), **key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


@pytest.fixture
def key(transactional_db) -> str:
    model, _ = make_model("payments")
    return access.create_service_key(name="test", scopes=["ingest"], model=model, created_by="test")[1]


@pytest.fixture
def sender(key):
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {key}")
    return client


@pytest.fixture
def router():
    """A thread that routes whatever arrives, as a worker would."""
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            route_batch(limit=100)
            stop.wait(0.01)
        connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    yield
    stop.set()
    thread.join()


def test_who_prefers_to_wait_gets_the_routed_prediction(sender, router):
    answer = post(sender, prediction_body(), Prefer="respond-async, wait=5")
    assert (answer.status_code, answer.headers["Preference-Applied"]) == (201, "wait=5")
    assert answer.json()["status"] == "routed"
    assert answer.json()["propensity"] is not None


def test_waiting_ends_with_its_time(sender):
    answer = post(sender, prediction_body(), Prefer="wait=0")
    assert (answer.status_code, answer.json()["status"]) == (202, "received")
    answer = post(sender, prediction_body("p-2"), Prefer="wait=1")
    assert (answer.status_code, answer.json()["status"]) == (202, "received")
    assert "Preference-Applied" not in answer.headers


@pytest.mark.parametrize("prefer", ["wait", "wait=x", "wait=-1", "await=5", "wait=99999", "return=minimal"])
def test_a_preference_that_cannot_be_read_is_none(sender, prefer):
    assert post(sender, prediction_body(), Prefer=prefer).status_code == 202


def test_when_a_quarter_of_the_threads_wait_the_next_does_not(sender, router, monkeypatch):
    monkeypatch.setattr(predictions, "_waiters", threading.BoundedSemaphore(1))
    with predictions._waiters:
        assert post(sender, prediction_body(), Prefer="wait=5").status_code == 202
    assert post(sender, prediction_body("p-2"), Prefer="wait=5").status_code == 201


def test_inside_a_transaction_nobody_waits_for_what_nobody_can_see(sender, router):
    answer = post(sender, prediction_body(), Prefer="wait=5", **{"Idempotency-Key": "0123456789abcdef"})
    assert answer.status_code == 202


@pytest.fixture
def gated(cast):
    """A prediction that waits for a person, and its item."""
    [accepted] = step.accept(model=cast.model, bodies=[prediction_body()], actor="test")
    route_batch(limit=10)
    return QueueItem.objects.select_related("prediction").get(prediction=accepted.id)


def test_a_withdrawn_prediction_leaves_the_queue(cast, ingest, gated):
    answer = post(ingest, {"reason": "customer cancelled"}, f"{POST}{gated.prediction_id}/withdraw/")
    assert answer.status_code == 200
    assert (answer.json()["status"], answer.json()["withdrawn_reason"]) == ("withdrawn", "customer cancelled")
    gated.refresh_from_db()
    assert gated.state == "withdrawn"
    event = AuditEvent.objects.get(action="prediction.withdrawn")
    assert (event.subject, event.model, event.detail["reason"]) == ("p-1", cast.model, "customer cancelled")


def test_withdrawing_again_changes_nothing(ingest, gated):
    for reason in ("first", "second"):
        answer = post(ingest, {"reason": reason}, f"{POST}{gated.prediction_id}/withdraw/")
        assert (answer.status_code, answer.json()["withdrawn_reason"]) == (200, "first")
    assert AuditEvent.objects.filter(action="prediction.withdrawn").count() == 1


def test_withdrawal_ends_the_lease(cast, ingest, gated):
    [item] = queue.claim(queue=gated.queue, models=[cast.model], holder="r-1", count=1)
    token = QueueItem.objects.get(pk=item.pk).lease_token
    post(ingest, {"reason": "x"}, f"{POST}{gated.prediction_id}/withdraw/")
    lease = Lease.objects.get(token=token)
    assert (lease.ending, lease.ended_at is None) == ("withdrawn", False)
    assert QueueItem.objects.get(pk=item.pk).lease_token is None


def test_what_is_withdrawn_before_routing_is_never_routed(ingest):
    pk = post(ingest, prediction_body()).json()["id"]
    assert post(ingest, {"reason": "x"}, f"{POST}{pk}/withdraw/").status_code == 200
    assert route_batch(limit=10) == 0
    assert not RoutingDecision.objects.exists()


def test_a_decided_prediction_cannot_be_withdrawn(ingest, gated):
    Prediction.objects.filter(pk=gated.prediction_id).update(status="decided")
    answer = post(ingest, {"reason": "x"}, f"{POST}{gated.prediction_id}/withdraw/")
    assert (answer.status_code, answer.json()["code"]) == (409, "already_decided")


@pytest.mark.parametrize("body", [{}, {"reason": ""}, {"reason": 1}, {"reason": "x", "force": True}])
def test_a_withdrawal_needs_a_reason_and_nothing_else(ingest, gated, body):
    assert post(ingest, body, f"{POST}{gated.prediction_id}/withdraw/").status_code == 400
    gated.refresh_from_db()
    assert gated.state == "open"


def test_predictions_of_others_cannot_be_withdrawn(cast, client_with, gated):
    answer = post(
        client_with("ingest", model=cast.other_model), {"reason": "x"}, f"{POST}{gated.prediction_id}/withdraw/"
    )
    assert answer.status_code == 404
