"""What a reviewer is shown, when the server says so, and what a decision remembers of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from models_registry import access
from models_registry.errors import Conflict, Invalid
from review import decisions, exposure, queue, sightings
from review.models import CaseView, Lease, QueueItem, ReviewDecision, ReviewQueue
from tests.conftest import Cast, make_model
from tests.review.items import expire, make_item, make_items
from tests.threads import in_threads


def claimed(cast: Cast, mode: str, person: Any = None, **fields: Any) -> tuple[QueueItem, access.Principal]:
    """An item that the person holds, of a queue in that mode."""
    ReviewQueue.objects.filter(slug="payments").update(mode=mode)
    item = make_item(cast.model, **fields)
    return take(item, person or cast.alice)


def take(item: QueueItem, person: Any) -> tuple[QueueItem, access.Principal]:
    principal = access.principal_of_user(person)
    line = ReviewQueue.objects.get(pk=item.queue_id)
    [held] = queue.claim(queue=line, models=[item.model], holder=principal.pseudonym, item=item.pk)
    return held, principal


def lease_of(item: QueueItem) -> Lease:
    return Lease.objects.get(token=item.lease_token)


def test_under_assisted_the_model_counts_as_shown_from_the_claim_on(cast: Cast):
    item, alice = claimed(cast, "assisted")
    shown = lease_of(item).model_shown_at
    assert timedelta(0) <= shown - lease_of(item).claimed_at < timedelta(seconds=1)
    decision = decisions.decide(token=item.lease_token, principal=alice, label="ok")
    assert (decision.mode, decision.model_shown_at) == ("assisted", shown)


def test_a_first_answer_is_kept_shows_the_model_and_can_be_changed_afterwards(cast: Cast):
    item, alice = claimed(cast, "blind_first")
    assert lease_of(item).model_shown_at is None
    lease = exposure.first_answer(token=item.lease_token, principal=alice, label="ok")
    assert (lease.first_answer, lease.model_shown_at >= lease.first_answer_at) == ("ok", True)
    decision = decisions.decide(token=item.lease_token, principal=alice, label="fraud")
    assert (decision.first_answer, decision.label, decision.mode) == ("ok", "fraud", "blind_first")
    assert decision.model_shown_at == lease.model_shown_at


def test_the_first_answer_stays_and_may_be_repeated(cast: Cast):
    item, alice = claimed(cast, "blind_first")
    once = exposure.first_answer(token=item.lease_token, principal=alice, label="ok")
    again = exposure.first_answer(token=item.lease_token, principal=alice, label="ok")
    assert (again.first_answer_at, again.model_shown_at) == (once.first_answer_at, once.model_shown_at)
    with pytest.raises(Conflict) as refused:
        exposure.first_answer(token=item.lease_token, principal=alice, label="fraud")
    assert refused.value.code == "first_answer_given"


def test_without_a_first_answer_the_decision_was_made_blind(cast: Cast):
    item, alice = claimed(cast, "blind_first")
    decision = decisions.decide(token=item.lease_token, principal=alice, label="ok")
    assert (decision.first_answer, decision.model_shown_at) == (None, None)


def test_a_first_answer_that_the_server_does_not_know_is_refused_by_name(cast: Cast):
    item, alice = claimed(cast, "blind_first")
    with pytest.raises(Invalid) as refused:
        decisions.decide(token=item.lease_token, principal=alice, label="ok", first_answer="fraud")
    assert [fault.pointer for fault in refused.value.errors] == ["/first_answer"]
    exposure.first_answer(token=item.lease_token, principal=alice, label="ok")
    with pytest.raises(Invalid):
        decisions.decide(token=item.lease_token, principal=alice, label="ok", first_answer="fraud")
    told = decisions.decide(token=item.lease_token, principal=alice, label="fraud", first_answer="ok")
    assert told.first_answer == "ok"
    # Sent again without it, it is the same answer: the server kept it.
    assert decisions.decide(token=item.lease_token, principal=alice, label="fraud") == told


def test_where_the_model_was_never_hidden_the_client_may_tell_a_first_answer(cast: Cast):
    item, alice = claimed(cast, "assisted")
    assert decisions.decide(token=item.lease_token, principal=alice, label="ok", first_answer="fraud").first_answer


def test_on_request_the_model_is_shown_when_asked_for(cast: Cast):
    item, alice = claimed(cast, "on_request")
    assert lease_of(item).model_shown_at is None
    lease = exposure.reveal(token=item.lease_token, principal=alice)
    assert exposure.reveal(token=item.lease_token, principal=alice).model_shown_at == lease.model_shown_at
    assert decisions.decide(token=item.lease_token, principal=alice, label="ok").model_shown_at == lease.model_shown_at


@pytest.mark.parametrize(
    ("mode", "step"),
    [
        ("blind", "reveal"),
        ("blind", "first"),
        ("assisted", "first"),
        ("on_request", "first"),
        ("blind_first", "reveal"),
    ],
)
def test_a_mode_has_its_own_way_to_the_model_and_no_other(cast: Cast, mode: str, step: str):
    item, alice = claimed(cast, mode)
    with pytest.raises(Conflict) as refused:
        if step == "first":
            exposure.first_answer(token=item.lease_token, principal=alice, label="ok")
        else:
            exposure.reveal(token=item.lease_token, principal=alice)
    assert refused.value.code == "mode_conflict"
    assert (lease_of(item).model_shown_at is None) is (mode != "assisted")


def test_a_first_answer_is_one_of_the_classes(cast: Cast):
    item, alice = claimed(cast, "blind_first")
    with pytest.raises(Invalid) as refused:
        exposure.first_answer(token=item.lease_token, principal=alice, label="perhaps")
    assert [fault.pointer for fault in refused.value.errors] == ["/label"]


def test_a_lease_that_is_over_shows_nothing(cast: Cast):
    item, alice = claimed(cast, "blind_first")
    expire(item)
    for step in (
        lambda: exposure.first_answer(token=item.lease_token, principal=alice, label="ok"),
        lambda: exposure.reveal(token=item.lease_token, principal=alice),
    ):
        with pytest.raises(Conflict) as refused:
            step()
        assert refused.value.code == "lease_expired"
    assert lease_of(item).model_shown_at is None


def test_nobody_answers_first_under_the_lease_of_another(cast: Cast):
    item, _ = claimed(cast, "blind_first")
    bob = access.principal_of_user(cast.bob)
    with pytest.raises(Conflict) as refused:
        exposure.first_answer(token=item.lease_token, principal=bob, label="ok")
    assert refused.value.code == "lease_lost"


def test_what_was_seen_under_an_earlier_lease_counts_in_a_blind_one(cast: Cast):
    item, alice = claimed(cast, "assisted")
    seen = lease_of(item).model_shown_at
    queue.release(token=item.lease_token, holder=alice.pseudonym)
    ReviewQueue.objects.update(mode="blind")
    held, _ = take(item, cast.alice)
    assert lease_of(held).model_shown_at is None
    assert decisions.decide(token=held.lease_token, principal=alice, label="ok").model_shown_at == seen


def test_what_was_seen_on_a_page_counts_and_what_a_colleague_saw_does_not(cast: Cast):
    item, alice = claimed(cast, "blind", required=2)
    show_model(item, access.person_of(cast.bob).pseudonym)
    mine = decisions.decide(token=item.lease_token, principal=alice, label="ok")
    second = QueueItem.objects.create(
        prediction=item.prediction, model=item.model, queue=item.queue, kind="gate", slot=2, required=2
    )
    held, bob = take(second, cast.bob)
    theirs = decisions.decide(token=held.lease_token, principal=bob, label="ok")
    assert (mine.model_shown_at, theirs.model_shown_at is not None) == (None, True)


def test_a_decision_keeps_the_blind_draw_and_how_it_was_worked(cast: Cast):
    item, alice = claimed(cast, "assisted", blind_share=0.2, blind_draw=0.1)
    decision = decisions.decide(
        token=item.lease_token, principal=alice, label="ok", opened_seconds_ago=0.5, seconds_to_first_input=0.25,
        input_kind="key",
    )  # fmt: skip
    assert (decision.mode, decision.blind_share, decision.blind_draw) == ("blind", 0.2, 0.1)
    assert (decision.seconds_to_first_input, decision.input_kind) == (0.25, "key")
    assert decision.claimed_at <= decision.opened_at <= decision.decided_at


@pytest.mark.parametrize("field", ["opened_seconds_ago", "seconds_to_first_input"])
def test_times_that_cannot_be_are_refused_by_name(cast: Cast, field: str):
    item, alice = claimed(cast, "assisted")
    for value in (-1.0, float("nan"), 1e9):
        with pytest.raises(Invalid) as refused:
            decisions.decide(token=item.lease_token, principal=alice, label="ok", **{field: value})
        assert [fault.pointer for fault in refused.value.errors] == [f"/{field}"]


def test_an_explanation_that_became_ready_is_not_remembered_as_shown_while_the_model_is_hidden(cast: Cast):
    item, alice = claimed(cast, "blind")
    queue.note_explanation_shown(token=item.lease_token, holder=alice.pseudonym)
    assert not decisions.decide(token=item.lease_token, principal=alice, label="ok").explanation_shown


def test_of_sights_in_lists_only_the_first_is_kept(cast: Cast):
    item = make_item(cast.model)
    for _ in range(2):
        sightings.write([item.prediction_id], viewer="r-1", whats=["model"], where="page", once=True)
    assert CaseView.objects.filter(viewer="r-1").count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_two_first_answers_at_once_one_stands() -> None:
    model, _ = make_model("payments")
    ReviewQueue.objects.update(mode="blind_first")
    items = make_items(model, 12)
    key, _ = access.create_service_key(name="t", scopes=["review"], created_by="test")
    holder = access.principal_of_key(key)
    tokens = [take_by(holder, item) for item in items]
    labels = ["ok", "fraud", "ok", "fraud"]

    def say(token: Any, label: str) -> str | None:
        return exposure.first_answer(token=token, principal=holder, label=label).first_answer

    for token in tokens:
        found = in_threads(4, lambda number, token=token: say(token, labels[number]))
        stands = Lease.objects.get(token=token).first_answer
        assert [one for one in found if not isinstance(one, Exception)] == [stands] * 2
        assert {one.code for one in found if isinstance(one, Conflict)} == {"first_answer_given"}


@pytest.mark.django_db(transaction=True)
def test_a_decision_and_a_look_at_the_same_moment_agree_on_which_came_first() -> None:
    model, _ = make_model("payments")
    ReviewQueue.objects.update(mode="on_request")
    items = make_items(model, 12)
    key, _ = access.create_service_key(name="t", scopes=["review"], created_by="test")
    holder = access.principal_of_key(key)
    for item in items:
        token = take_by(holder, item)
        works = [
            lambda token=token: decisions.decide(token=token, principal=holder, label="ok"),
            lambda token=token: exposure.reveal(token=token, principal=holder),
            lambda item=item: show_model(item, holder.pseudonym),
        ]
        in_threads(3, lambda n, works=works: works[n]())
        decision = ReviewDecision.objects.get(item=item)
        first = sightings.first_of_model(item.prediction_id, [holder.pseudonym])
        before = first is not None and first < decision.decided_at
        assert (decision.model_shown_at is not None) is before
        assert decision.model_shown_at in (None, first)


def show_model(item: QueueItem, viewer: str) -> None:
    """As a page does that shows the model's answer beside any lease."""
    sightings.write([item.prediction_id], viewer=viewer, whats=["model"], where="page", once=True)


def take_by(holder: access.Principal, item: QueueItem) -> Any:
    line = ReviewQueue.objects.get(pk=item.queue_id)
    [held] = queue.claim(queue=line, models=[item.model], holder=holder.pseudonym, item=item.pk)
    return held.lease_token
