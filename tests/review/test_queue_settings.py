"""How a queue is worked is its owners' matter, holds from the next claim on, and is kept in the ledger."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from models_registry.models import AuditEvent
from review import queue
from review.models import Lease, ReviewQueue
from tests.conftest import Cast
from tests.review.items import make_item

AT = "/api/v1/queues/payments/"


def signed_in(user: Any) -> Client:
    client = Client()
    client.force_login(user)
    return client


def patch(client: Any, **body: Any) -> Any:
    return client.patch(AT, json.dumps(body), content_type="application/json")


def test_an_owner_sets_what_is_given_and_nothing_else(cast: Cast):
    answer = patch(signed_in(cast.erin), mode="blind_first", required_decisions=2)
    assert answer.status_code == 200
    told = {name: answer.json()[name] for name in ("mode", "required_decisions", "two_keys", "lease_seconds")}
    assert told == {"mode": "blind_first", "required_decisions": 2, "two_keys": False, "lease_seconds": 600}
    event = AuditEvent.objects.get(action="queue.changed")
    assert (event.actor, event.subject) == ("erin", "payments")
    assert event.detail["mode"] == {"before": "assisted", "after": "blind_first"}


def test_saying_what_is_so_changes_and_records_nothing(cast: Cast):
    assert patch(signed_in(cast.erin), mode="assisted").status_code == 200
    assert not AuditEvent.objects.filter(action="queue.changed").exists()


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"mode": "secret"}, "/mode"),
        ({"required_decisions": 0}, "/required_decisions"),
        ({"required_decisions": 6}, "/required_decisions"),
        ({"required_decisions": True}, "/required_decisions"),
        ({"two_keys": "yes"}, "/two_keys"),
        ({"lease_seconds": 1}, "/lease_seconds"),
        ({"lease_seconds": 10**9}, "/lease_seconds"),
        ({"slug": "other"}, "/slug"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_by_name(cast: Cast, body: dict[str, Any], pointer: str):
    answer = patch(signed_in(cast.erin), **body)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, pointer)
    assert ReviewQueue.objects.get(slug="payments").mode == "assisted"


def test_an_empty_body_is_refused(cast: Cast):
    assert patch(signed_in(cast.erin)).status_code == 400


@pytest.mark.parametrize(("name", "status"), [("alice", 403), ("dana", 403), ("mallory", 404)])
def test_it_is_nobody_else_s_matter(cast: Cast, name: str, status: int):
    client = signed_in(getattr(cast, name))
    assert patch(client, mode="blind").status_code == status
    assert client.get("/queues/payments/settings/").status_code == status
    assert client.post("/queues/payments/settings/", {"mode": "blind"}).status_code == status
    assert ReviewQueue.objects.get(slug="payments").mode == "assisted"


def test_who_owns_one_model_of_a_shared_queue_does_not_set_it_for_the_other(cast: Cast):
    ReviewQueue.objects.get(slug="payments").models.add(cast.other_model)
    assert patch(signed_in(cast.erin), mode="blind").status_code == 403


def test_a_key_needs_admin(cast: Cast, client_with: Any):
    body = {"two_keys": True}
    assert client_with("review", "read").patch(AT, body, format="json").status_code == 403
    assert client_with("admin").patch(AT, body, format="json").status_code == 200


def test_the_page_sets_it_too_and_says_what_stands_in_the_way(cast: Cast):
    client = signed_in(cast.erin)
    assert b"shown after a first answer" in client.get("/queues/payments/settings/").content
    whole = {"mode": "blind", "required_decisions": "3", "lease_seconds": "900", "two_keys": "on"}
    assert client.post("/queues/payments/settings/", {**whole, "required_decisions": "9"}).status_code == 422
    assert client.post("/queues/payments/settings/", whole).status_code == 302
    row = ReviewQueue.objects.get(slug="payments")
    assert (row.mode, row.required_decisions, row.lease_seconds, row.two_keys) == ("blind", 3, 900, True)


def test_a_case_that_is_out_keeps_its_mode(cast: Cast):
    item = make_item(cast.model)
    [held] = queue.claim(queue=item.queue, models=[cast.model], holder="r-1")
    patch(signed_in(cast.erin), mode="blind")
    assert Lease.objects.get(token=held.lease_token).mode == "assisted"
