from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F
from rest_framework.test import APIClient

from models_registry import access
from review import comments
from review.models import Comment, Lease, QueueItem
from tests.conftest import Cast
from tests.review.items import expire, make_item
from tests.review.overlapping import make_overlap, say, take, who

API = "/api/v1"


def as_person(person: Any) -> APIClient:
    client = APIClient()
    client.force_login(person)
    return client


def post(person: Any, path: str, body: Any = None) -> Any:
    client = person if isinstance(person, APIClient) else as_person(person)
    return client.post(f"{API}{path}", body or {}, format="json")


def token_of(cast: Cast, person: Any) -> str:
    item = take(cast.model, person)
    assert item is not None
    return str(item.lease_token)


def test_an_escalated_case_leaves_its_holder_and_waits_for_who_leads(cast: Cast) -> None:
    item = make_item(cast.model)
    token = token_of(cast, cast.alice)

    answer = post(cast.alice, f"/leases/{token}/escalate/", {"note": " beyond me "})

    assert answer.status_code == 200, answer.json()
    assert answer.json()["lease"]["ending"] == "escalated"
    [note] = Comment.objects.all()
    assert (note.kind, note.author, note.text) == ("escalation", who(cast.alice).pseudonym, "beyond me")
    claim = f"{API}/queues/payments/claim/"
    for person in (cast.alice, cast.bob):
        empty = as_person(person).post(claim, {}, format="json")
        assert (empty.status_code, empty.headers["Reason"]) == (204, "escalated")
    assert as_person(cast.erin).post(claim, {}, format="json").json()["item"]["id"] == str(item.pk)
    assert cast.model.audit_events.filter(action="item.escalated", actor="alice").count() == 1


def test_escalating_can_be_repeated_and_nothing_else_is_done_with_the_lease(cast: Cast) -> None:
    make_item(cast.model)
    token = token_of(cast, cast.alice)
    for _ in range(2):
        assert post(cast.alice, f"/leases/{token}/escalate/").status_code == 200
    assert Comment.objects.count() == 1

    for verb, body in (("renew", {}), ("decide", {"label": "ok"}), ("open", {}), ("hand-over", {"to": "bob"})):
        refused = post(cast.alice, f"/leases/{token}/{verb}/", body)
        assert (refused.status_code, refused.json()["code"]) == (409, "lease_lost"), verb


def test_what_waits_for_a_lead_goes_no_higher(cast: Cast) -> None:
    make_item(cast.model, tier=1)
    token = token_of(cast, cast.erin)

    refused = post(cast.erin, f"/leases/{token}/escalate/")

    assert (refused.status_code, refused.json()["code"]) == (409, "highest_tier")


def test_an_expired_lease_passes_nothing_on(cast: Cast) -> None:
    item = make_item(cast.model)
    token = token_of(cast, cast.alice)
    expire(item)

    for path, body in (("escalate", {}), ("hand-over", {"to": "bob"})):
        refused = post(cast.alice, f"/leases/{token}/{path}/", body)
        assert (refused.status_code, refused.json()["code"]) == (409, "lease_expired")
    item.refresh_from_db()
    assert (item.tier, item.assigned_to, Comment.objects.count()) == (0, None, 0)


@pytest.mark.parametrize("named", ["name", "pseudonym"])
def test_a_case_is_handed_to_a_colleague_alone_for_a_while(cast: Cast, named: str) -> None:
    item = make_item(cast.model, priority=-5)
    make_item(cast.model, "p-2")
    QueueItem.objects.exclude(pk=item.pk).update(state="withdrawn")
    token = token_of(cast, cast.alice)
    QueueItem.objects.exclude(pk=item.pk).update(state="open")

    answer = post(cast.alice, f"/leases/{token}/hand-over/", {"to": getattr(who(cast.bob), named), "note": "yours"})

    assert answer.status_code == 200, answer.json()
    assert answer.json()["lease"]["ending"] == "handed_over"
    [note] = Comment.objects.all()
    assert (note.kind, note.addressee, note.text) == ("handover", who(cast.bob).pseudonym, "yours")
    assert cast.model.audit_events.filter(action="item.handed_over").count() == 1
    others = take(cast.model, cast.erin)
    assert others is not None
    assert others.pk != item.pk
    found = take(cast.model, cast.bob)
    assert found is not None
    assert found.pk == item.pk


def test_a_case_that_the_colleague_did_not_take_is_everybodys_again(cast: Cast) -> None:
    item = make_item(cast.model)
    post(cast.alice, f"/leases/{token_of(cast, cast.alice)}/hand-over/", {"to": "bob"})
    assert take(cast.model, cast.alice) is None

    QueueItem.objects.update(assigned_until=F("assigned_until") - timedelta(hours=4))

    found = take(cast.model, cast.alice)
    assert found is not None
    assert found.pk == item.pk


@pytest.mark.parametrize("to", ["alice", "dana", "mallory", "nobody", "r-00000000"])
def test_nobody_who_cannot_decide_it_is_handed_a_case(cast: Cast, to: str) -> None:
    make_item(cast.model)
    token = token_of(cast, cast.alice)

    refused = post(cast.alice, f"/leases/{token}/hand-over/", {"to": to})

    assert refused.status_code == 400
    assert [(fault["pointer"], fault["code"]) for fault in refused.json()["errors"]] == [("/to", "not_allowed")]
    assert Lease.objects.get().ending is None


def test_nobody_is_handed_a_case_they_have_answered_or_are_at(cast: Cast) -> None:
    make_overlap(cast.model, required=3)
    say(cast.model, cast.bob, "ok")
    held = token_of(cast, cast.erin)
    token = token_of(cast, cast.alice)

    for to in ("bob", "erin"):
        assert post(cast.alice, f"/leases/{token}/hand-over/", {"to": to}).status_code == 400
    post(cast.erin, f"/leases/{held}/release/", {"reason": "lunch"})
    assert post(cast.alice, f"/leases/{token}/hand-over/", {"to": "erin"}).status_code == 200


def test_what_was_escalated_is_handed_to_leads_only(cast: Cast) -> None:
    make_item(cast.model, tier=1)
    token = token_of(cast, cast.erin)

    assert post(cast.erin, f"/leases/{token}/hand-over/", {"to": "bob"}).status_code == 400
    access.grant_role(user=cast.bob, model=cast.model, role="lead", actor="test")
    assert post(cast.erin, f"/leases/{token}/hand-over/", {"to": "bob"}).status_code == 200


@pytest.mark.parametrize(
    ("path", "body", "pointer"),
    [
        ("hand-over", {}, "/to"),
        ("hand-over", {"to": ""}, "/to"),
        ("hand-over", {"to": 5}, "/to"),
        ("hand-over", {"to": "bob", "why": "x"}, "/why"),
        ("escalate", {"note": "x" * 2001}, "/note"),
        ("escalate", {"note": None}, "/note"),
        ("escalate", {"to": "erin"}, "/to"),
    ],
)
def test_bodies_are_read_strictly(cast: Cast, path: str, body: dict[str, Any], pointer: str) -> None:
    make_item(cast.model)
    token = token_of(cast, cast.alice)

    refused = post(cast.alice, f"/leases/{token}/{path}/", body)

    assert refused.status_code == 400
    assert [fault["pointer"] for fault in refused.json()["errors"]] == [pointer]
    assert Lease.objects.get().ending is None


def test_somebody_elses_lease_is_not_passed_on(cast: Cast) -> None:
    make_item(cast.model)
    token = token_of(cast, cast.alice)

    for path, body in (("escalate", {}), ("hand-over", {"to": "erin"})):
        assert post(cast.bob, f"/leases/{token}/{path}/", body).status_code == 409
        assert post(cast.mallory, f"/leases/{token}/{path}/", body).status_code == 404
    assert Lease.objects.get().ending is None


def test_comments_and_flags_are_kept_and_listed(cast: Cast) -> None:
    prediction = make_item(cast.model).prediction
    path = f"/predictions/{prediction.pk}/comments/"

    assert post(cast.alice, path, {"text": " look at the country "}).json()["comment"]["text"] == "look at the country"
    assert post(cast.bob, path, {"kind": "flag", "text": "odd"}).status_code == 201
    assert comments.flagged([prediction.pk]) == {prediction.pk}
    assert post(cast.bob, path, {"kind": "unflag"}).status_code == 201
    assert comments.flagged([prediction.pk]) == set()

    found = as_person(cast.erin).get(f"{API}{path}").json()["results"]
    assert [row["kind"] for row in found] == ["unflag", "flag", "comment"]
    assert as_person(cast.mallory).get(f"{API}{path}").status_code == 404
    for body, status in (({"text": "  "}, 400), ({}, 400), ({"kind": "escalation", "text": "x"}, 400)):
        assert post(cast.alice, path, body).status_code == status
    assert post(cast.dana, path, {"text": "x"}).status_code == 403


def test_what_colleagues_wrote_is_hidden_while_ones_own_answer_is_out(cast: Cast, settings: Any) -> None:
    prediction = make_overlap(cast.model)
    path = f"/predictions/{prediction.pk}/comments/"
    post(cast.alice, path, {"text": "surely fraud"})

    def seen(person: Any) -> list[Any]:
        return [(row["text"], row["hidden"]) for row in as_person(person).get(f"{API}{path}").json()["results"]]

    assert seen(cast.bob) == [(None, True)]
    assert seen(cast.alice) == [("surely fraud", False)]
    say(cast.model, cast.bob, "ok")
    assert seen(cast.bob) == [(None, True)]
    settings.REVIEWHUB = {**settings.REVIEWHUB, "UNDO_SECONDS": 0}
    assert seen(cast.bob) == [("surely fraud", False)]


def test_an_adjudication_carries_the_answers_without_names(cast: Cast) -> None:
    make_overlap(cast.model)
    say(cast.model, cast.alice, "ok")
    say(cast.model, cast.bob, "fraud", rationale="stolen")

    answer = as_person(cast.erin).post(f"{API}/queues/payments/claim/", {}, format="json")

    found = answer.json()["item"]
    assert (found["kind"], [row["label"] for row in found["answers"]]) == ("adjudication", ["fraud", "ok"])
    for person in (cast.alice, cast.bob):
        assert who(person).pseudonym not in answer.content.decode()


def test_a_claim_ahead_is_short_and_opened_by_its_holder(cast: Cast) -> None:
    make_item(cast.model)
    claimed = as_person(cast.alice).post(f"{API}/queues/payments/claim/", {"reserved": True}, format="json").json()
    token = claimed["item"]["lease"]["token"]
    assert Lease.objects.get().reserved

    opened = post(cast.alice, f"/leases/{token}/open/").json()["lease"]

    assert (opened["reserved"], opened["renewals"]) == (False, 0)
    assert opened["opened_at"] is not None
