"""What an escalated case, an abstention and a comment beside an adjudication must not tell before the own answer."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from feedback import gold, labels
from models_registry import access
from review import comments, decisions, redaction, veil
from review.models import Explanation, Prediction, QueueItem, Resolution, ReviewQueue, RoutingDecision
from tests.conftest import Cast
from tests.feedback.cases import ask, make_case
from tests.feedback.cases import decide as was_decided
from tests.review.items import make_item
from tests.review.overlapping import make_overlap, say, take, who
from tests.reviewhub.blind_world import age

API = "/api/v1"
TIMES = ("occurred_at", "received_at", "routed_at")


def told(person: Any, pk: int) -> dict[str, Any]:
    client = Client()
    client.force_login(person)
    found: dict[str, Any] = client.get(f"{API}/predictions/{pk}/").json()
    return found


def test_a_blind_case_stays_veiled_after_its_reviewer_escalated_it(cast: Cast) -> None:
    ReviewQueue.objects.update(mode="blind")
    item = make_item(cast.model)
    held = take(cast.model, cast.alice)
    assert held is not None
    client = Client()
    client.force_login(cast.alice)
    assert client.post(f"{API}/leases/{held.lease_token}/escalate/", {}, "application/json").status_code == 200
    for person in (cast.alice, cast.bob, cast.erin):
        assert told(person, item.prediction_id)["hidden"] == ["model", "colleagues"]
    say(cast.model, cast.erin, "ok")
    assert told(cast.erin, item.prediction_id)["confidence"] == 0.6
    assert told(cast.bob, item.prediction_id)["confidence"] == 0.6


@pytest.mark.parametrize("undo", [600, 0])
def test_who_cannot_tell_is_shown_nothing_while_the_case_waits(cast: Cast, settings: Any, undo: int) -> None:
    settings.REVIEWHUB = {**settings.REVIEWHUB, "UNDO_SECONDS": undo}
    ReviewQueue.objects.update(mode="blind")
    item = make_item(cast.model)
    made = say(cast.model, cast.alice, None)
    assert QueueItem.objects.get(pk=item.pk).state == "open"
    body = told(cast.alice, item.prediction_id)
    assert (body["hidden"], body["confidence"]) == (["model", "colleagues"], None)
    if undo:
        decisions.undo(decision=made, principal=who(cast.alice))
        assert say(cast.model, cast.alice, "ok").model_shown_at is None


def test_who_cannot_tell_of_a_known_case_is_not_told_that_it_is_one(cast: Cast, settings: Any) -> None:
    settings.REVIEWHUB = {**settings.REVIEWHUB, "UNDO_SECONDS": 0}
    found = asked_again(cast)
    say(cast.model, cast.alice, None)
    body = told(cast.alice, found.pk)
    assert (body["status"], body["review"], body["labels"], body["decisions"][0]["label"]) == (
        "routed",
        "audit",
        [],
        None,
    )
    assert not veil.without_gold(Prediction.objects.filter(pk=found.pk), who(cast.alice)).exists()


def test_an_adjudicator_reads_comments_without_names_but_their_own(cast: Cast) -> None:
    found = make_overlap(cast.model)
    for person, label in ((cast.alice, "ok"), (cast.bob, "fraud")):
        comments.comment(prediction=found, principal=who(person), text=f"I say {label}")
        say(cast.model, person, label)
    comments.comment(prediction=found, principal=who(cast.erin), text="let me see")
    client = Client()
    client.force_login(cast.erin)
    rows = client.get(f"{API}/predictions/{found.pk}/comments/").json()["results"]
    assert [(row["author"], row["text"]) for row in rows] == [
        (who(cast.erin).pseudonym, "let me see"), (None, "I say fraud"), (None, "I say ok")
    ]  # fmt: skip


def asked_again(cast: Cast, **late: timedelta) -> Prediction:
    """A known case of long ago, put to somebody as gold."""
    found = make_case(cast.model, "known-case", review="audit")
    was_decided(found, "fraud", reviewer=who(cast.bob).pseudonym)
    long_ago = timezone.now() - timedelta(days=200)
    Prediction.objects.filter(pk=found.pk).update(
        status="decided", occurred_at=long_ago - timedelta(hours=3), received_at=long_ago
    )
    routed_at = long_ago + timedelta(milliseconds=740)
    age(RoutingDecision.objects.filter(prediction=found), routed_at=routed_at)
    Resolution.objects.get_or_create(
        prediction=found, defaults={"model": cast.model, "label": "ok", "disposition": "proceed", "by": "model"}
    )
    resolved_at = routed_at + late.get("resolved", timedelta(milliseconds=21))
    age(Resolution.objects.filter(prediction=found), at=resolved_at)
    other = make_case(cast.model, "like-it", review="audit")
    was_decided(other, "ok", reviewer=who(cast.bob).pseudonym)
    Prediction.objects.filter(pk=other.pk).update(status="decided")
    QueueItem.objects.filter(prediction__in=[found, other]).update(state="decided")
    Explanation.objects.update_or_create(
        prediction=found,
        defaults={
            "status": "ready", "explained_class": "ok", "origin": "posted", "space": "probability", "base_value": 0.5,
            "output": 0.6, "computed_at": routed_at + late.get("explained", timedelta(seconds=2)),
            "contributions": [{"feature": "amount", "value": 12.5, "contribution": 0.1}],
            "similar": [{"prediction": other.pk, "distance": 0.1}],
        },
    )  # fmt: skip
    labels.pull_all()
    gold.set_gold(prediction=found, value="fraud", actor="erin")
    ask(found)
    return Prediction.objects.get(pk=found.pk)


def test_all_times_of_a_known_case_are_moved_by_one_and_differ_as_they_did(cast: Cast) -> None:
    found = asked_again(cast)
    asked_at = found.items.get(kind="gold").enqueued_at
    body = told(cast.alice, found.pk)
    at = {name: datetime.fromisoformat(body[name]) for name in TIMES}
    assert at["routed_at"] == asked_at
    assert at["routed_at"] - at["received_at"] == timedelta(milliseconds=740)
    assert at["received_at"] - at["occurred_at"] == timedelta(hours=3)
    assert datetime.fromisoformat(body["resolution"]["at"]) - asked_at == timedelta(milliseconds=21)
    assert datetime.fromisoformat(body["explanation"]["computed_at"]) - asked_at == timedelta(seconds=2)


def test_what_came_long_after_its_routing_is_told_a_moment_after_it(cast: Cast) -> None:
    found = asked_again(cast, resolved=timedelta(days=3), explained=timedelta(days=9))
    body = told(cast.alice, found.pk)
    for at in (body["resolution"]["at"], body["explanation"]["computed_at"]):
        gap = datetime.fromisoformat(at) - datetime.fromisoformat(body["routed_at"])
        assert timedelta(0) < gap < timedelta(seconds=3)


def test_no_two_times_of_a_known_case_are_one(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    found = asked_again(cast)
    body = told(cast.alice, found.pk)
    assert len({*(body[name] for name in TIMES), body["resolution"]["at"], body["explanation"]["computed_at"]}) == 5
    monkeypatch.setattr(redaction, "_times", lambda one: dict.fromkeys(TIMES, one.received_at))
    assert len({told(cast.alice, found.pk)[name] for name in TIMES}) == 1


def test_a_known_case_has_cases_like_it_as_an_audit_has(cast: Cast) -> None:
    found = asked_again(cast)
    body = told(cast.alice, found.pk)
    assert (body["hidden"], len(body["explanation"]["similar"])) == ([], 1)
    client = Client()
    client.force_login(cast.alice)
    claimed = client.post(f"{API}/queues/payments/claim/", {}, "application/json").json()["item"]
    assert claimed["prediction"]["id"] == str(found.pk)
    assert len(claimed["explanation"]["similar"]) == 1


def test_where_several_decide_a_known_case_hides_what_an_audit_hides(cast: Cast) -> None:
    ReviewQueue.objects.update(required_decisions=2)
    found = asked_again(cast)
    audit = make_overlap(cast.model, "p-9", kind="audit")
    assert told(cast.alice, found.pk)["hidden"] == told(cast.alice, audit.pk)["hidden"] == ["colleagues"]
    assert access.principal_of_user(cast.alice).pseudonym not in str(told(cast.alice, found.pk))
