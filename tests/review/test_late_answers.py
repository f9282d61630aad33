"""Answers that reach the server after their lease has ended, or more than once, or instead of a former one."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F

from models_registry import access
from models_registry.errors import Conflict, Forbidden
from review import decisions, late, queue
from review.models import Lease, QueueItem, ReviewDecision, ReviewQueue
from tests.conftest import Cast
from tests.review.items import make_item
from tests.review.overlapping import take
from tests.review.test_deciding import claim


def answer(cast: Cast, token: Any, label: str = "ok", **more: Any) -> ReviewDecision:
    return late.decide(token=token, principal=access.principal_of_user(cast.alice), label=label, **more)


def overdue() -> None:
    hour = timedelta(hours=1)
    QueueItem.objects.filter(lease_token__isnull=False).update(lease_expires_at=F("lease_expires_at") - hour)
    Lease.objects.update(claimed_at=F("claimed_at") - hour, expires_at=F("expires_at") - hour)


def test_an_answer_under_a_lease_that_ran_out_counts_once_however_often_it_is_sent(cast: Cast) -> None:
    make_item(cast.model)
    token = claim(cast, cast.alice).lease_token
    Lease.objects.update(explanation_shown=True)
    overdue()
    made = answer(cast, token, rationale="late")
    assert answer(cast, token, rationale="late") == made
    assert ReviewDecision.objects.get() == made
    assert made.explanation_shown
    with pytest.raises(Conflict, match="decided"):
        answer(cast, token, "fraud", rationale="late")


def test_the_same_answer_again_after_an_undo_decides_nothing_anew(cast: Cast) -> None:
    item = make_item(cast.model)
    token = claim(cast, cast.alice).lease_token
    overdue()
    made = answer(cast, token)
    decisions.undo(decision=made, principal=access.principal_of_user(cast.alice))
    assert answer(cast, token) == made
    item.refresh_from_db()
    assert item.state == "open"


def test_what_somebody_else_holds_or_decided_is_not_taken_from_them(cast: Cast) -> None:
    make_item(cast.model)
    token = claim(cast, cast.alice).lease_token
    overdue()
    bobs = claim(cast, cast.bob).lease_token
    with pytest.raises(Conflict, match="somebody else has the item"):
        answer(cast, token)
    decisions.decide(token=bobs, principal=access.principal_of_user(cast.bob), label="fraud")
    with pytest.raises(Conflict, match="decided"):
        answer(cast, token)
    lease = Lease.objects.select_related("item").get(token=token)
    assert late.decided_elsewhere_at(lease) == ReviewDecision.objects.get().decided_at


def test_a_case_that_the_person_claimed_ahead_again_takes_the_answer_given_before(cast: Cast) -> None:
    make_item(cast.model)
    token = claim(cast, cast.alice).lease_token
    overdue()
    again = claim(cast, cast.alice).lease_token
    made = answer(cast, token)
    assert (made.lease_id, ReviewDecision.objects.count()) == (again, 1)


@pytest.mark.parametrize("next_holder", ["alice", "bob"])
def test_a_later_lease_that_ran_out_too_takes_no_answer_away(cast: Cast, next_holder: str) -> None:
    make_item(cast.model)
    token = claim(cast, cast.alice).lease_token
    overdue()
    claim(cast, getattr(cast, next_holder))
    overdue()

    assert answer(cast, token) == ReviewDecision.objects.get()


def test_a_pause_refuses_no_answer_that_was_given_before(cast: Cast) -> None:
    make_item(cast.model)
    token = claim(cast, cast.alice).lease_token
    overdue()
    paused = queue.pause(queue=ReviewQueue.objects.get(slug=cast.model.slug), actor="erin")

    assert take(cast.model, cast.alice) is None
    made = answer(cast, token)
    instead = late.decide_instead(token=made.lease_id, principal=access.principal_of_user(cast.alice), label="fraud")

    assert (made.label, instead.label, QueueItem.objects.get().state) == ("ok", "fraud", "decided")
    assert paused.paused_at is not None


@pytest.mark.parametrize("kept", ["tier", "assigned"])
def test_a_pause_lets_nobody_have_what_is_not_theirs(cast: Cast, kept: str) -> None:
    make_item(cast.model)
    token = claim(cast, cast.alice).lease_token
    overdue()
    if kept == "tier":
        QueueItem.objects.update(tier=1)
    if kept == "assigned":
        QueueItem.objects.update(assigned_to="r-bob", assigned_until="2100-01-01T00:00:00Z")
    queue.pause(queue=ReviewQueue.objects.get(slug=cast.model.slug), actor="erin")

    with pytest.raises((Conflict, Forbidden)):
        answer(cast, token)
    assert not ReviewDecision.objects.exists()


def test_what_was_given_back_stays_given_back(cast: Cast) -> None:
    make_item(cast.model)
    token = claim(cast, cast.alice).lease_token
    queue.release(token=token, holder=access.principal_of_user(cast.alice).pseudonym, reason="skipped")
    with pytest.raises(Conflict, match="released"):
        answer(cast, token)
    assert ReviewQueue.objects.get(slug=cast.model.slug).items.filter(state="open").exists()


def test_an_answer_instead_of_one_that_may_have_arrived_undoes_that_one(cast: Cast) -> None:
    make_item(cast.model)
    token = claim(cast, cast.alice).lease_token
    principal = access.principal_of_user(cast.alice)
    first = answer(cast, token)
    for _ in range(2):
        made = late.decide_instead(token=token, principal=principal, label="fraud")
        assert (made.label, QueueItem.objects.get().state) == ("fraud", "decided")
    kinds = list(ReviewDecision.objects.order_by("id").values_list("kind", "label"))
    assert kinds == [("decision", first.label), ("undo", None), ("decision", "fraud")]


def test_an_answer_instead_of_one_that_never_arrived_is_just_that_answer(cast: Cast) -> None:
    make_item(cast.model)
    token = claim(cast, cast.alice).lease_token
    made = late.decide_instead(token=token, principal=access.principal_of_user(cast.alice), label="fraud")
    assert ReviewDecision.objects.get() == made
