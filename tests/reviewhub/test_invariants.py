"""Each invariant's check against a deliberately broken variant of what keeps it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import call_command
from django.db import connection

from feedback import labels
from models_registry import access
from review import adjudication, decisions, queue, routing, sightings
from review.models import CaseView, Lease, Prediction, PredictionPayload, QueueItem, ReviewDecision, ReviewQueue
from reviewhub.invariants import INVARIANTS, check_all
from tests.conftest import Cast
from tests.review.overlapping import asked, make_overlap, say
from tests.review.received import receive

GATE_ALL = {"review": [{"name": "all", "when": {"field": "confidence", "gte": 0}, "p": 1.0, "kind": "gate"}]}


def broken() -> set[str]:
    return {verdict.invariant.number for verdict in check_all() if verdict.broken}


def run(*statements: str) -> None:
    with connection.cursor() as cursor:
        # Deferred foreign keys are checked now: a table with pending ones cannot be altered.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for statement in statements:
            cursor.execute(statement)


@pytest.fixture
def decided(cast: Cast) -> ReviewDecision:
    """One prediction that went the whole way: received, routed, claimed, decided, labelled."""
    receive(cast.model, 3, confidence=0.6)
    routing.route_batch(limit=10)
    alice = access.principal_of_user(cast.alice)
    [item] = queue.claim(queue=ReviewQueue.objects.get(slug="payments"), models=[cast.model], holder=alice.pseudonym)
    decision = decisions.decide(token=item.lease_token, principal=alice, label="fraud")
    labels.pull(limit=10)
    return decision


def test_the_real_steps_break_nothing(decided: ReviewDecision):
    assert broken() == set()


def test_routing_that_marks_rows_before_it_writes_the_choice_is_caught(cast: Cast, monkeypatch: pytest.MonkeyPatch):
    receive(cast.model, 3, confidence=0.6)

    def mark_then_die(rows: Any, choices: Any, terms: Any) -> None:
        Prediction.objects.filter(pk__in=[row["id"] for row in rows]).update(status="routed")

    monkeypatch.setattr(routing, "_store", mark_then_die)
    routing.route_batch(limit=10)
    assert broken() == {"I-02"}


def test_routing_that_leaves_enqueueing_to_a_lost_message_is_caught(cast: Cast, monkeypatch: pytest.MonkeyPatch):
    receive(cast.model, 3, confidence=0.6)
    without_items = routing._STORE.replace("WHERE review <> 'none' ORDER BY prediction_id, arm.slot", "WHERE false")
    monkeypatch.setattr(routing, "_STORE", without_items)
    routing.route_batch(limit=10)
    assert {"I-02", "I-12"} <= broken()


def test_two_standing_decisions_on_an_item_are_caught_without_the_constraint(decided: ReviewDecision, cast: Cast):
    run("DROP INDEX decision_chain_one_root")
    item = decided.item
    QueueItem.objects.filter(pk=item.pk).update(state="open", closed_at=None)
    bob = access.principal_of_user(cast.bob)
    [again] = queue.claim(queue=item.queue, models=[cast.model], holder=bob.pseudonym, item=item.pk)
    second = {"item": item, "prediction": decided.prediction, "model": cast.model, "definition": decided.definition}
    lease = again.leases.get(token=again.lease_token)
    QueueItem.objects.filter(pk=item.pk).update(
        state="decided", lease_token=None, lease_holder=None, lease_expires_at=None
    )
    ReviewDecision.objects.create(**second, lease=lease, reviewer=bob.pseudonym, user=cast.bob, label="ok")
    assert "I-08" in broken()


def test_a_decided_item_that_a_crash_left_open_is_caught(decided: ReviewDecision):
    QueueItem.objects.filter(pk=decided.item_id).update(state="open")
    assert {"I-10", "I-12"} <= broken()


def test_a_prediction_stored_twice_is_caught_without_the_constraint(decided: ReviewDecision):
    run("ALTER TABLE review_prediction DROP CONSTRAINT prediction_once")
    twin = Prediction.objects.exclude(pk=decided.prediction_id).first()
    payload = twin.payload
    twin.pk, twin.status = None, "withdrawn"
    twin.save(force_insert=True)
    PredictionPayload.objects.create(prediction=twin, features=payload.features)
    assert broken() == {"I-03"}


def test_a_label_that_outlived_its_undone_decision_is_caught(decided: ReviewDecision):
    label = decided.feedback_label
    type(label).objects.filter(pk=label.pk).update(value="ok")
    assert broken() == {"I-09"}


def test_history_without_its_guard_is_caught(db: None):
    run("ALTER TABLE review_reviewdecision DISABLE TRIGGER review_reviewdecision_append_only")
    assert broken() == {"I-14"}


def test_a_majority_that_decides_over_who_said_otherwise_is_caught(cast: Cast, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(adjudication, "settled_by", lambda answers: answers[-1])
    make_overlap(cast.model)
    say(cast.model, cast.alice, "fraud")
    say(cast.model, cast.bob, "ok")
    labels.pull(limit=10)
    assert "I-18" in broken()


def test_answers_that_are_equal_and_adjudicated_all_the_same_are_caught(cast: Cast, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(adjudication, "settled_by", lambda answers: None)
    make_overlap(cast.model)
    say(cast.model, cast.alice, "fraud")
    say(cast.model, cast.bob, "fraud")
    assert "I-18" in broken()


def test_an_adjudicator_who_gave_one_of_the_answers_is_caught_without_the_trigger(cast: Cast):
    prediction = make_overlap(cast.model)
    say(cast.model, cast.alice, "fraud")
    own = say(cast.model, cast.erin, "ok")
    run("ALTER TABLE review_reviewdecision DISABLE TRIGGER review_reviewdecision_one_answer")
    item = asked(prediction)
    held = item.leases.create(token=uuid4(), holder=own.reviewer, expires_at=own.decided_at + timedelta(hours=1))
    ReviewDecision.objects.create(
        item=item, prediction=prediction, model=cast.model, definition=own.definition, lease=held,
        reviewer=own.reviewer, label="ok",
    )  # fmt: skip
    assert "I-18" in broken()


def test_a_decision_that_forgets_what_was_shown_is_caught(cast: Cast, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sightings, "first_of_model", lambda prediction, viewers: None)
    receive(cast.model, 1, confidence=0.6)
    routing.route_batch(limit=10)
    alice = access.principal_of_user(cast.alice)
    [item] = queue.claim(queue=ReviewQueue.objects.get(slug="payments"), models=[cast.model], holder=alice.pseudonym)
    decisions.decide(token=item.lease_token, principal=alice, label="fraud")
    labels.pull(limit=10)
    assert broken() == {"I-19"}


def test_a_page_that_is_shown_without_a_record_of_it_first_is_caught(decided: ReviewDecision):
    """The record of a look must be earlier than the look: here it says that the blind decision was none."""
    run("ALTER TABLE review_reviewdecision DISABLE TRIGGER review_reviewdecision_append_only")
    Lease.objects.filter(token=decided.lease_id).update(model_shown_at=None)
    ReviewDecision.objects.filter(pk=decided.pk).update(model_shown_at=None)
    run("ALTER TABLE review_reviewdecision ENABLE TRIGGER review_reviewdecision_append_only")
    assert broken() == set()
    at = decided.decided_at - timedelta(seconds=1)
    CaseView.objects.create(prediction=decided.prediction, viewer=decided.reviewer, what="model", where="page", at=at)
    assert broken() == {"I-19"}


def test_a_claim_that_takes_the_queue_s_mode_for_a_case_drawn_blind_is_caught(cast: Cast):
    receive(cast.model, 1, confidence=0.6)
    routing.route_batch(limit=10)
    QueueItem.objects.update(blind_share=0.5, blind_draw=0.1)
    line = ReviewQueue.objects.get(slug="payments")
    [item] = queue.claim(queue=line, models=[cast.model], holder="r-1")
    assert broken() == set()
    Lease.objects.filter(token=item.lease_token).update(mode="assisted")
    assert broken() == {"I-19"}


@pytest.mark.parametrize(
    "break_it", [None, "ALTER TABLE review_resolution DISABLE TRIGGER review_resolution_append_only"]
)
def test_the_command_exits_1_exactly_when_something_is_broken(db: None, break_it: str | None):
    if break_it:
        run(break_it)
    out = StringIO()
    ended: Callable[[], None] = lambda: call_command("check_invariants", "--json", stdout=out)  # noqa: E731
    if break_it:
        with pytest.raises(SystemExit, match="1"):
            ended()
    else:
        ended()
    told = json.loads(out.getvalue())
    assert told["ok"] is (break_it is None)
    assert [row["id"] for row in told["invariants"]] == [invariant.number for invariant in INVARIANTS]
