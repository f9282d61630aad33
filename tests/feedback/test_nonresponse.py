"""Drawn rows without a label: each has one cause, and lost is told from pending."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from feedback import arrivals, labels
from feedback.delays import ArrivalModel
from feedback.monitoring.ledger import waits
from feedback.monitoring.nonresponse import nonresponse
from review import withdrawal
from review.models import Lease, QueueItem
from tests.feedback.cases import decide, make_case, undo

HOUR = timedelta(hours=1)


def lease(prediction, ending=None, *, lasts=-HOUR):
    now = timezone.now()
    item = prediction.items.get()
    return Lease.objects.create(
        token=uuid.uuid4(), item=item, holder="r-alice", claimed_at=now - 2 * HOUR, expires_at=now + lasts,
        ending=ending, ended_at=None if ending is None else now - HOUR,
    )  # fmt: skip


@pytest.fixture
def causes(cast):
    """One audit of each cause, and one that is labelled."""
    names = ("labelled", "pending", "overdue", "abstained", "skipped", "expired", "withdrawn", "undone", "held")
    rows = {name: make_case(cast.model, name, occurred_at=timezone.now() - 3 * HOUR) for name in names}
    decide(rows["labelled"], "ok")
    QueueItem.objects.filter(prediction=rows["overdue"]).update(due_at=timezone.now() - HOUR)
    decide(rows["abstained"], None)
    lease(rows["skipped"], "released")
    lease(rows["expired"])
    undo(decide(rows["undone"], None))
    held = lease(rows["held"], lasts=HOUR)
    QueueItem.objects.filter(prediction=rows["held"]).update(
        lease_token=held.token, lease_holder="r-alice", lease_expires_at=held.expires_at
    )
    withdrawal.withdraw(prediction=rows["withdrawn"], reason="paid", actor="test")
    labels.pull_all()
    return cast.model


def measured(model, arrival):
    return nonresponse(model=model, arrival=arrival, counted=waits(model, now=timezone.now()))


def counts(found):
    return {cause: row["count"] for cause, row in found["audit"]["causes"].items()}


def test_every_row_without_a_label_has_one_cause(causes):
    learned = arrivals.learn(causes, now=timezone.now())
    found = measured(causes, learned.model)
    # An abstention that was undone leaves a lease that ran out.
    expected = {"pending": 1 + 1, "overdue": 1, "abstained": 1, "skipped": 1, "expired": 1 + 1, "withdrawn": 1}
    assert counts(found) == expected
    audit = found["audit"]
    assert (audit["drawn"], audit["labelled"], audit["lost"], audit["pending"]) == (9, 1, 1, 7)
    assert audit["drawn"] == audit["labelled"] + sum(expected.values())
    skipped = audit["causes"]["skipped"]
    assert skipped["rate"] == pytest.approx(1 / 9)
    assert skipped["low"] < 1 / 9 < skipped["high"]
    assert found["gate"]["causes"]["pending"]["rate"] is None


def test_what_a_mature_cohort_left_unanswered_is_lost(causes):
    old = measured(causes, ArrivalModel({"audit": 3600.0}, {}, {}))["audit"]
    young = measured(causes, ArrivalModel({"audit": 86_400.0}, {}, {}))["audit"]
    assert (old["lost"], old["pending"]) == (8, 0)
    assert (young["lost"], young["pending"]) == (1, 7)


def test_the_delays_answer_it(causes, client_with):
    document = client_with("read").get("/api/v1/models/payments/delays/").json()
    assert counts(document["nonresponse"])["skipped"] == 1
    assert document["reviews"]["audit"]["cohorts"][0]["ended"] == 1
    assert document["arrival"]["drawn"] == {"audit": 8}
