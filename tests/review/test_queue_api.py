from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db.models import F
from rest_framework.test import APIClient

from models_registry import access
from review import queue
from review.models import Explanation, Lease, QueueItem, Resolution, ReviewDecision, ReviewQueue
from tests.conftest import Cast
from tests.review.items import expire, make_item

CLAIM = "/api/v1/queues/payments/claim/"


@pytest.fixture
def reviewer(client_with: Any) -> APIClient:
    return client_with("review")


def signed_in(person: Any) -> APIClient:
    client = APIClient()
    client.force_login(person)
    return client


def post(client: APIClient, path: str, body: Any = None) -> Any:
    return client.post(path, body, format="json")


def act(client: APIClient, token: str, verb: str, body: Any = None) -> Any:
    return post(client, f"/api/v1/leases/{token}/{verb}/", body)


def claimed(client: APIClient) -> str:
    return post(client, CLAIM, {}).json()["item"]["lease"]["token"]


def test_a_claimed_item_carries_all_that_a_reviewer_needs(cast: Cast, reviewer: APIClient) -> None:
    item = make_item(cast.model, priority=3)
    contributions = [{"feature": "amount", "value": 12.5, "contribution": 0.1}]
    Explanation.objects.create(
        prediction=item.prediction, status="ready", explained_class="ok", origin="artifact", space="probability",
        base_value=0.5, output=0.6, contributions=contributions, mismatch=True,
    )  # fmt: skip

    response = post(reviewer, CLAIM)

    assert response.status_code == 200
    body = response.json()
    assert body["items"] == [body["item"]]
    found = body["item"]
    assert (found["id"], found["kind"], found["mode"], found["priority"]) == (str(item.pk), "gate", "assisted", 3)
    assert found["alternatives"] == [{"class": "ok", "score": 0.6}, {"class": "fraud", "score": 0.4}]
    assert found["explanation"]["contributions"] == contributions
    assert (found["explanation"]["base_value"], found["explanation"]["mismatch"]) == (0.5, True)
    assert found["prediction"]["features"] == {"amount": 12.5, "age": 41, "country": "DE"}
    assert found["prediction"]["reasons"] == ["low_confidence"]
    assert found["definition"]["guidelines"] == "Look twice."
    lease = Lease.objects.get()
    assert found["lease"]["token"] == str(lease.token)
    assert lease.explanation_shown


def test_an_item_without_explanation_is_reviewed_and_says_so(cast: Cast, reviewer: APIClient) -> None:
    item = make_item(cast.model)
    Explanation.objects.create(prediction=item.prediction, status="failed", reason="the process died")

    found = post(reviewer, CLAIM, {}).json()["item"]

    assert (found["explanation"]["status"], found["explanation"]["reason"]) == ("failed", "the process died")
    made = act(reviewer, found["lease"]["token"], "decide", {"label": "ok"}).json()["decision"]
    assert made["explanation_shown"] is False


def test_prefetch_leases_several_and_every_call_leases_new_ones(cast: Cast, reviewer: APIClient) -> None:
    for number in range(4):
        make_item(cast.model, f"p-{number}")

    first, second = (post(reviewer, CLAIM, {"prefetch": 3}).json()["items"] for _ in range(2))

    assert (len(first), len(second)) == (3, 1)
    for body in ({"prefetch": 6}, {"prefetch": "1"}, {"prefetch": 1.5}, {"other": 1}, [1]):
        assert post(reviewer, CLAIM, body).status_code == 400


def test_an_empty_answer_says_why(cast: Cast, reviewer: APIClient, client_with: Any) -> None:
    def reason() -> tuple[int, str]:
        response = post(reviewer, CLAIM, {})
        return response.status_code, response.headers["Reason"]

    assert reason() == (204, "empty")
    make_item(cast.model)
    claimed(client_with("review"))
    assert reason() == (204, "leased")
    queue.pause(queue=ReviewQueue.objects.get(slug="payments"), actor="erin")
    assert reason() == (204, "paused")


def test_a_decision_over_the_api_and_its_undo(cast: Cast, reviewer: APIClient) -> None:
    make_item(cast.model)
    token = claimed(reviewer)
    body = {"label": "fraud", "rationale": "stolen", "confidence": 1, "seconds_active": 4.2, "first_answer": "ok"}

    first, again = act(reviewer, token, "decide", body), act(reviewer, token, "decide", body)

    assert (first.status_code, first.json()) == (200, again.json())
    made = first.json()["decision"]
    assert (made["label"], made["first_answer"], made["abstained"]) == ("fraud", "ok", False)
    assert Resolution.objects.get().label == "fraud"
    undone = post(reviewer, f"/api/v1/decisions/{made['id']}/undo/")
    assert (undone.status_code, undone.json()["decision"]["supersedes"]) == (200, made["id"])
    assert QueueItem.objects.get().state == "open"


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({"label": 1}, {"/label"}),
        ({"label": "ok", "reviewer": "x", "confidence": "0.5"}, {"/reviewer", "/confidence"}),
        ({"label": "ok", "abstain": "yes"}, {"/abstain"}),
        ({"label": "ok", "reason_codes": "x"}, {"/reason_codes"}),
        ({"label": "ok", "seconds_active": True}, {"/seconds_active"}),
        ({}, {"/label"}),
        ({"label": "nope", "confidence": 7}, {"/label", "/confidence"}),
    ],
)
def test_a_malformed_answer_is_a_problem_that_names_every_fault(
    cast: Cast, reviewer: APIClient, body: Any, pointers: Any
) -> None:
    make_item(cast.model)
    token = claimed(reviewer)

    response = act(reviewer, token, "decide", body)

    assert response.status_code == 400
    assert response.headers["Content-Type"] == "application/problem+json"
    assert {fault["pointer"] for fault in response.json()["errors"]} == pointers
    assert not ReviewDecision.objects.exists()


def test_conflicts_have_their_codes(cast: Cast, reviewer: APIClient, client_with: Any) -> None:
    item = make_item(cast.model)
    other = client_with("review")
    token = claimed(reviewer)

    def code(client: APIClient, token: str, verb: str = "decide", body: Any = None) -> tuple[int, str]:
        response = act(client, token, verb, body if body is not None else {"label": "ok"})
        return response.status_code, response.json()["code"]

    assert code(other, token) == (409, "lease_lost")
    assert code(reviewer, str(uuid4())) == (409, "lease_lost")
    expire(item)
    for verb, body in (("decide", {"label": "ok"}), ("renew", {}), ("release", {"reason": "skip"})):
        assert code(reviewer, token, verb, body) == (409, "lease_expired")
    assert act(other, claimed(other), "decide", {"label": "ok"}).status_code == 200
    assert code(reviewer, token) == (409, "already_decided")


@pytest.mark.parametrize("token", ["x", "1" * 40, "00000000-0000-0000-0000-00000000000g", "%00"])
def test_what_is_no_token_is_not_found(cast: Cast, reviewer: APIClient, token: str) -> None:
    assert act(reviewer, token, "decide", {"label": "ok"}).status_code == 404


@pytest.mark.parametrize("pk", ["0", "-1", "x", "9" * 20, "1.0", "%00", "²"])
def test_what_is_no_decision_is_not_found(cast: Cast, reviewer: APIClient, pk: str) -> None:
    assert post(reviewer, f"/api/v1/decisions/{pk}/undo/").status_code == 404


def test_leases_are_renewed_and_released(cast: Cast, reviewer: APIClient) -> None:
    make_item(cast.model)
    token = claimed(reviewer)
    QueueItem.objects.update(lease_expires_at=F("lease_expires_at") - timedelta(seconds=60))

    renewed = act(reviewer, token, "renew").json()["lease"]

    assert renewed["renewals"] == 1
    assert act(reviewer, token, "release", {}).status_code == 400
    released = act(reviewer, token, "release", {"reason": "unclear"})
    assert (released.status_code, released.json()["lease"]["ending"]) == (200, "released")
    assert act(reviewer, token, "renew").json()["code"] == "lease_lost"


def test_queues_show_their_figures_to_those_who_may_read(cast: Cast, client_with: Any) -> None:
    make_item(cast.model)
    reader = client_with("read")

    listed = reader.get("/api/v1/queues/").json()
    one = reader.get("/api/v1/queues/payments/").json()

    assert {row["slug"] for row in listed["results"]} == {"payments", "secrets"}
    figures = {name: one[name] for name in ("slug", "models", "depth", "leased", "decided")}
    assert figures == {"slug": "payments", "models": ["payments"], "depth": 1, "leased": 0, "decided": 0}
    assert one["oldest_age_seconds"] >= 0
    assert reader.get("/api/v1/queues/?colour=red").json()["code"] == "unknown_parameter"
    assert reader.get("/api/v1/queues/nothing/").status_code == 404


def test_every_endpoint_refuses_who_may_not(cast: Cast, client_with: Any, reviewer: APIClient) -> None:
    make_item(cast.model)
    token = claimed(reviewer)
    made = act(reviewer, token, "decide", {"label": "ok"}).json()["decision"]["id"]
    make_item(cast.model, "p-2")
    token = claimed(reviewer)
    posts = [(CLAIM, {}), (f"/api/v1/decisions/{made}/undo/", None)]
    posts += [(f"/api/v1/leases/{token}/{verb}/", body) for verb, body in
              (("renew", None), ("release", {"reason": "x"}), ("decide", {"label": "ok"}))]  # fmt: skip
    before = list(QueueItem.objects.order_by("pk").values())

    for client, status in (
        (APIClient(), 401),
        (client_with("read"), 403),
        (client_with("ingest"), 403),
        (client_with("review", model=cast.other_model), 404),
        (signed_in(cast.dana), 403),
        (signed_in(cast.mallory), 404),
    ):
        answers = {path: post(client, path, body).status_code for path, body in posts}
        assert answers == dict.fromkeys(answers, status)
    for client, status in ((APIClient(), 401), (client_with("review"), 403), (signed_in(cast.mallory), 404)):
        assert client.get("/api/v1/queues/payments/").status_code == status
    assert signed_in(cast.mallory).get("/api/v1/queues/").json()["results"][0]["slug"] == "secrets"
    assert list(QueueItem.objects.order_by("pk").values()) == before


def test_who_lost_the_role_while_holding_a_lease_cannot_decide(cast: Cast) -> None:
    make_item(cast.model)
    alice = signed_in(cast.alice)
    token = claimed(alice)
    access.revoke_role(membership=cast.model.memberships.get(user=cast.alice), actor="erin")

    assert act(alice, token, "decide", {"label": "ok"}).status_code == 403


def test_a_session_needs_the_csrf_token(cast: Cast) -> None:
    client = APIClient(enforce_csrf_checks=True)
    client.force_login(cast.alice)

    assert post(client, CLAIM, {}).status_code == 403


def test_a_queue_that_no_name_can_have_is_not_found(cast: Cast, client_with: Any) -> None:
    admin = client_with("admin")
    assert admin.get("/api/v1/queues/%00/").status_code == 404
    assert post(admin, "/api/v1/queues/%00/claim/", {}).status_code == 404


@pytest.mark.parametrize(
    ("body", "code"), [(b"{", "malformed_json"), (b"[]", "not_allowed"), (b'{"a": 1}', "not_allowed")]
)
def test_undo_and_renew_refuse_a_body_that_was_meant_for_another(
    cast: Cast, reviewer: APIClient, body: bytes, code: str
) -> None:
    make_item(cast.model)
    token = claimed(reviewer)
    made = act(reviewer, token, "decide", {"label": "ok"}).json()["decision"]["id"]
    for path in (f"/api/v1/decisions/{made}/undo/", f"/api/v1/leases/{token}/renew/"):
        answer = reviewer.post(path, body, content_type="application/json")
        assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert not ReviewDecision.objects.filter(kind="undo").exists()
