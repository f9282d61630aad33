from __future__ import annotations

from uuid import uuid4

import pytest

from models_registry.errors import Conflict
from models_registry.models import RegisteredModel
from review import queue
from review.models import Explanation, Lease, QueueItem, ReviewDecision, ReviewQueue
from tests.conftest import Cast, make_model
from tests.review.items import expire, make_item


def line(cast: Cast) -> ReviewQueue:
    return ReviewQueue.objects.get(slug=cast.model.slug)


def take(cast: Cast, holder: str = "alice", count: int = 1) -> list[QueueItem]:
    return queue.claim(queue=line(cast), models=[cast.model], holder=holder, count=count)


def why(cast: Cast, holder: str = "alice") -> str:
    return queue.emptiness(queue=line(cast), models=[cast.model], holder=holder).reason


def answer(item: QueueItem, reviewer: str, **fields: object) -> ReviewDecision:
    definition = item.model.definitions.get()
    values = {"item": item, "prediction": item.prediction, "model": item.model, "definition": definition}
    return ReviewDecision.objects.create(**{**values, "reviewer": reviewer, **fields})


def test_the_most_urgent_then_the_oldest_comes_first(cast: Cast) -> None:
    ordinary, older = make_item(cast.model, "p-1"), make_item(cast.model, "p-2", enqueued_at="2026-01-01T00:00:00Z")
    urgent = make_item(cast.model, "p-3", priority=5)

    assert [item.pk for item in take(cast, count=3)] == [urgent.pk, older.pk, ordinary.pk]


def test_a_claim_leaves_the_lease_on_the_item_and_in_the_history(cast: Cast) -> None:
    make_item(cast.model)

    [item] = take(cast)

    lease = Lease.objects.get(item=item)
    assert (lease.token, lease.holder, lease.expires_at) == (item.lease_token, "alice", item.lease_expires_at)
    assert item.lease_holder == "alice"
    assert (lease.expires_at - lease.claimed_at).total_seconds() == pytest.approx(600, abs=1)


def test_each_claim_leases_further_items_with_tokens_of_their_own(cast: Cast) -> None:
    for number in range(3):
        make_item(cast.model, f"p-{number}")

    first, second = take(cast, count=2), take(cast, count=2)

    assert (len(first), len(second)) == (2, 1)
    assert len({item.lease_token for item in first + second}) == 3
    assert take(cast, "bob") == []
    assert why(cast, "bob") == "leased"


def test_a_lease_that_ran_out_is_claimable_at_once_and_its_history_says_expired(cast: Cast) -> None:
    item = make_item(cast.model)
    [held] = take(cast)
    expire(item)

    [again] = take(cast, "bob")

    assert again.pk == item.pk
    old = Lease.objects.get(token=held.lease_token)
    assert (old.ending, old.ended_at) == ("expired", old.expires_at)


def test_items_of_models_outside_the_claim_stay(cast: Cast) -> None:
    make_item(cast.other_model)
    line(cast).models.add(cast.other_model)
    QueueItem.objects.update(queue=line(cast))

    assert take(cast) == []
    assert why(cast) == "empty"


def test_a_prediction_one_has_answered_is_not_handed_out_again_until_undone(cast: Cast) -> None:
    item = make_item(cast.model)
    [held] = take(cast)
    lease = Lease.objects.get(token=held.lease_token)
    queue.release(token=lease.token, holder="alice")
    said = answer(item, "alice", abstained=True, lease=lease)

    assert take(cast) == []
    assert why(cast) == "empty"
    answer(item, "alice", kind="undo", supersedes=said)
    assert [one.pk for one in take(cast)] == [item.pk]


def test_one_person_never_holds_two_slots_of_a_prediction(cast: Cast) -> None:
    first = make_item(cast.model)
    QueueItem.objects.create(
        prediction=first.prediction, slot=2, model=cast.model, queue=first.queue, kind="gate", required=2
    )

    assert [item.slot for item in take(cast, count=2)] == [1]
    assert take(cast, count=2) == []
    assert [item.slot for item in take(cast, "bob", count=2)] == [2]


def test_a_skipped_item_goes_to_others_first_and_comes_back_last(cast: Cast) -> None:
    skipped, other = make_item(cast.model, "p-1"), make_item(cast.model, "p-2")
    [held] = take(cast)
    queue.release(token=held.lease_token, holder="alice", reason="unclear")

    assert Lease.objects.get(token=held.lease_token).reason == "unclear"
    assert [item.pk for item in take(cast)] == [other.pk]
    assert [item.pk for item in take(cast, "bob")] == [skipped.pk]


def test_when_only_skipped_items_wait_the_longest_skipped_comes_first(cast: Cast) -> None:
    items = [make_item(cast.model, f"p-{number}") for number in range(2)]
    for _ in items:
        [held] = take(cast)
        queue.release(token=held.lease_token, holder="alice")

    assert [item.pk for item in take(cast, count=2)] == [item.pk for item in items]


def test_one_named_item_can_be_claimed_if_it_is_free(cast: Cast) -> None:
    make_item(cast.model, "p-1")
    wanted = make_item(cast.model, "p-2")

    [item] = queue.claim(queue=line(cast), models=[cast.model], holder="alice", item=wanted.pk)

    assert item.pk == wanted.pk
    assert queue.claim(queue=line(cast), models=[cast.model], holder="bob", item=wanted.pk) == []


def test_a_paused_queue_hands_out_nothing_and_leases_stay_good(cast: Cast) -> None:
    for number in range(2):
        make_item(cast.model, f"p-{number}")
    [held] = take(cast)
    queue.pause(queue=line(cast), actor="erin", reason="guidelines change")

    assert take(cast, "bob") == []
    assert why(cast, "bob") == "paused"
    queue.renew(token=held.lease_token, holder="alice")
    queue.resume(queue=line(cast), actor="erin")
    assert len(take(cast, "bob")) == 1
    assert [event.action for event in cast.model.audit_events.all()[:2]] == ["queue.resumed", "queue.paused"]


def test_renewing_gives_the_full_time_again_to_the_holder_only(cast: Cast) -> None:
    item = make_item(cast.model)
    [held] = take(cast)

    renewed = queue.renew(token=held.lease_token, holder="alice")

    item.refresh_from_db()
    assert renewed.renewals == 1
    assert renewed.expires_at == item.lease_expires_at > held.lease_expires_at
    with pytest.raises(Conflict) as refused:
        queue.renew(token=held.lease_token, holder="bob")
    assert refused.value.code == "lease_lost"


def test_renewals_end_somewhere(cast: Cast) -> None:
    make_item(cast.model)
    [held] = take(cast)
    Lease.objects.update(renewals=50)

    with pytest.raises(Conflict) as refused:
        queue.renew(token=held.lease_token, holder="alice")
    assert refused.value.code == "lease_limit"


@pytest.mark.parametrize("change", [queue.renew, queue.release])
def test_an_expired_lease_can_be_neither_renewed_nor_released(cast: Cast, change: object) -> None:
    item = make_item(cast.model)
    [held] = take(cast)
    expire(item)

    for code, prepare in (("lease_expired", lambda: None), ("lease_lost", lambda: take(cast, "bob"))):
        prepare()
        with pytest.raises(Conflict) as refused:
            change(token=held.lease_token, holder="alice")
        assert refused.value.code == code


def test_a_release_can_be_repeated_and_a_token_of_nobody_is_lost(cast: Cast) -> None:
    make_item(cast.model)
    [held] = take(cast)

    first, second = (queue.release(token=held.lease_token, holder="alice", reason="x") for _ in range(2))

    assert first.ended_at == second.ended_at
    with pytest.raises(Conflict) as refused:
        queue.release(token=uuid4(), holder="alice")
    assert refused.value.code == "lease_lost"


def test_all_leases_of_a_holder_can_be_given_back(cast: Cast) -> None:
    for number in range(3):
        make_item(cast.model, f"p-{number}")
    take(cast, count=2)
    take(cast, "bob")

    models = RegisteredModel.objects.filter(pk=cast.model.pk)

    assert queue.release_all(holder="alice", models=models, reason="role revoked") == 2
    assert len(take(cast, "carol", count=3)) == 2


def test_the_lease_remembers_whether_an_explanation_was_shown(cast: Cast) -> None:
    shown, late = make_item(cast.model, "p-1"), make_item(cast.model, "p-2")
    Explanation.objects.create(prediction=shown.prediction, status="ready")
    Explanation.objects.create(prediction=late.prediction)

    first, second = take(cast, count=2)

    leases = Lease.objects.in_bulk()
    assert leases[first.lease_token].explanation_shown
    assert not leases[second.lease_token].explanation_shown
    queue.note_explanation_shown(token=second.lease_token, holder="alice")
    assert Lease.objects.get(pk=second.lease_token).explanation_shown


def test_counts_tell_waiting_held_and_decided_apart(cast: Cast) -> None:
    for number in range(4):
        make_item(cast.model, f"p-{number}", enqueued_at=f"2026-01-0{9 - number}T00:00:00Z")
    take(cast)
    QueueItem.objects.filter(prediction__external_id="p-0").update(state="decided")
    other, _ = make_model("empty")

    lines = ReviewQueue.objects.filter(slug__in=["payments", "empty"])
    figures = queue.counts(lines, RegisteredModel.objects.all())

    found = figures[line(cast).pk]
    assert {name: found[name] for name in ("depth", "leased", "decided")} == {"depth": 2, "leased": 1, "decided": 1}
    assert found["oldest_age_seconds"] > 3600
    nothing = {"depth": 0, "oldest_age_seconds": None, "leased": 0, "decided": 0, "escalated": 0}
    assert figures[ReviewQueue.objects.get(slug=other.slug).pk] == nothing


def test_what_a_claim_returns_needs_no_further_query_to_be_shown(cast: Cast, django_assert_num_queries: object) -> None:
    make_item(cast.model)
    [item] = take(cast)

    with django_assert_num_queries(0):
        assert item.prediction.payload.features["amount"] == 12.5
        assert item.prediction.routing.reasons == ["low_confidence"]
        assert item.prediction.version.contract.document["features"]
        assert [d.guidelines for d in item.model.definitions.all()] == ["Look twice."]
        assert list(item.prediction.decisions.all()) == []
