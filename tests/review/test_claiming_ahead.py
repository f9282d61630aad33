from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext

from models_registry import access
from models_registry.errors import Conflict
from models_registry.models import DatabaseNow
from review import queue
from review.models import Lease, QueueItem, ReviewerSettings, ReviewQueue
from tests.conftest import Cast
from tests.review.items import expire, make_item


def line(cast: Cast) -> ReviewQueue:
    return ReviewQueue.objects.get(slug=cast.model.slug)


def take(cast: Cast, holder: str = "alice", **how: object) -> list[QueueItem]:
    return queue.claim(queue=line(cast), models=[cast.model], holder=holder, **how)


def why(cast: Cast, holder: str = "alice", **how: object) -> str:
    return queue.emptiness(queue=line(cast), models=[cast.model], holder=holder, **how).reason


def length(lease: Lease) -> float:
    return (lease.expires_at - lease.claimed_at).total_seconds()


def lease_of(item: QueueItem) -> Lease:
    return Lease.objects.get(token=item.lease_token)


def hand_over(item: QueueItem, to: str, hours: float = 4) -> None:
    QueueItem.objects.filter(pk=item.pk).update(assigned_to=to, assigned_until=DatabaseNow() + timedelta(hours=hours))


def test_what_is_claimed_ahead_is_kept_back_for_a_short_time_and_has_not_been_seen(cast: Cast) -> None:
    make_item(cast.model)

    [item] = take(cast, reserved=True)

    lease = lease_of(item)
    assert (lease.reserved, lease.opened_at) == (True, None)
    assert length(lease) == pytest.approx(120, abs=1)


def test_a_case_that_is_claimed_to_be_looked_at_is_open_from_the_claim(cast: Cast) -> None:
    make_item(cast.model)

    [item] = take(cast)

    lease = lease_of(item)
    assert (lease.reserved, lease.opened_at) == (False, lease.claimed_at)


def test_a_short_lease_is_never_longer_than_the_one_of_its_queue(cast: Cast) -> None:
    make_item(cast.model)
    ReviewQueue.objects.update(lease_seconds=30)

    [item] = take(cast, reserved=True)

    assert length(lease_of(item)) == pytest.approx(30, abs=1)


def test_opening_gives_the_full_time_and_all_renewals_once(cast: Cast) -> None:
    make_item(cast.model)
    [item] = take(cast, reserved=True)
    queue.renew(token=item.lease_token, holder="alice")
    assert length(lease_of(item)) == pytest.approx(120, abs=1)

    first = queue.open_case(token=item.lease_token, holder="alice")
    again = queue.open_case(token=item.lease_token, holder="alice")

    item.refresh_from_db()
    assert (first.reserved, first.renewals) == (False, 0)
    assert length(first) == pytest.approx(600, abs=1)
    assert item.lease_expires_at == first.expires_at == again.expires_at
    assert first.opened_at == again.opened_at is not None


def test_what_is_no_longer_held_cannot_be_opened(cast: Cast) -> None:
    item = make_item(cast.model)
    [held] = take(cast, reserved=True)

    for code, holder, prepare in (
        ("lease_lost", "bob", lambda: None),
        ("lease_expired", "alice", lambda: expire(item)),
        ("lease_lost", "alice", lambda: take(cast, "bob")),
    ):
        prepare()
        with pytest.raises(Conflict) as refused:
            queue.open_case(token=held.lease_token, holder=holder)
        assert refused.value.code == code
    with pytest.raises(Conflict):
        queue.open_case(token=uuid4(), holder="alice")


def test_an_opened_lease_that_ran_out_is_not_opened_again(cast: Cast) -> None:
    item = make_item(cast.model)
    [held] = take(cast)
    expire(item)

    with pytest.raises(Conflict) as refused:
        queue.open_case(token=held.lease_token, holder="alice")
    assert refused.value.code == "lease_expired"


def test_a_reserved_case_that_nobody_looked_at_frees_itself(cast: Cast) -> None:
    item = make_item(cast.model)
    [held] = take(cast, reserved=True)
    assert take(cast, "bob") == []
    QueueItem.objects.update(lease_expires_at=F("lease_expires_at") - timedelta(seconds=120))

    [again] = take(cast, "bob")

    assert again.pk == item.pk
    assert (lease_of(held).ending, lease_of(held).opened_at) == ("expired", None)


def test_those_who_asked_for_long_leases_have_three_times_as_long(cast: Cast) -> None:
    make_item(cast.model, "p-1")
    make_item(cast.model, "p-2")
    principal = access.principal_of_user(cast.alice)
    ReviewerSettings.objects.create(user=cast.alice, long_lease=True)

    [own], [asked] = take(cast, principal.pseudonym), take(cast, "bob", long=True)

    assert length(lease_of(own)) == pytest.approx(1800, abs=1)
    assert length(lease_of(asked)) == pytest.approx(1800, abs=1)
    queue.renew(token=own.lease_token, holder=principal.pseudonym)
    assert length(lease_of(own)) == pytest.approx(1800, abs=1)


def test_a_long_lease_begins_when_the_case_is_opened(cast: Cast) -> None:
    make_item(cast.model)
    principal = access.principal_of_user(cast.alice)
    ReviewerSettings.objects.create(user=cast.alice, long_lease=True)
    [item] = take(cast, principal.pseudonym, reserved=True)
    assert length(lease_of(item)) == pytest.approx(120, abs=1)

    opened = queue.open_case(token=item.lease_token, holder=principal.pseudonym)

    assert length(opened) == pytest.approx(1800, abs=1)


def test_a_lease_can_be_renewed_at_least_ten_times(cast: Cast) -> None:
    make_item(cast.model)
    [item] = take(cast)

    for _ in range(10):
        renewed = queue.renew(token=item.lease_token, holder="alice")

    assert renewed.renewals == 10


def test_what_was_escalated_goes_only_to_who_leads_its_model(cast: Cast) -> None:
    item = make_item(cast.model)
    QueueItem.objects.update(tier=1)

    assert take(cast) == []
    assert why(cast) == "escalated"
    [found] = take(cast, "erin", leads=[cast.model])
    assert found.pk == item.pk


def test_who_asks_for_it_gets_what_was_escalated_before_what_is_more_urgent(cast: Cast) -> None:
    escalated = make_item(cast.model, "p-1", tier=1)
    urgent = make_item(cast.model, "p-2", priority=5)

    [first] = take(cast, "erin", leads=[cast.model], escalated=True)
    [second] = take(cast, "erin", leads=[cast.model], escalated=True)

    assert [first.pk, second.pk] == [escalated.pk, urgent.pk]


def test_a_case_that_was_handed_over_is_the_colleagues_alone_and_comes_first(cast: Cast) -> None:
    item = make_item(cast.model, "p-1")
    hand_over(item, "bob")
    assert take(cast) == []
    assert why(cast) == "not_for_you"
    make_item(cast.model, "p-2", priority=5)

    [first] = take(cast, "bob")

    assert first.pk == item.pk
    assert take(cast, "carol", item=item.pk) == []


def test_what_was_handed_to_somebody_who_lost_the_role_is_everybodys_again(cast: Cast) -> None:
    item = make_item(cast.model)
    hand_over(item, "bob")

    queue.release_all(holder="bob", models=[cast.model], reason="role revoked")

    assert [found.pk for found in take(cast)] == [item.pk]


@pytest.mark.parametrize("ran_out", [False, True])
def test_a_case_handed_to_somebody_who_took_it_and_lost_the_role_is_everybodys_again(cast: Cast, ran_out: bool) -> None:
    item, other = make_item(cast.model, "p-1"), make_item(cast.model, "p-2")
    hand_over(item, "bob")
    hand_over(other, "carol")
    [held] = take(cast, "bob")
    if ran_out:
        expire(item)

    assert queue.release_all(holder="bob", models=[cast.model], reason="role revoked") == (not ran_out)

    assert [found.pk for found in take(cast)] == [item.pk]
    ending = "expired" if ran_out else "released"
    assert Lease.objects.get(token=held.lease_token).ending == ending
    other.refresh_from_db()
    assert other.assigned_to == "carol"


def test_what_a_person_was_handed_is_locked_in_the_order_of_all_leases(cast: Cast) -> None:
    with CaptureQueriesContext(connection) as queries:
        queue.release_all(holder="bob", models=[cast.model], reason="role revoked")

    [statement] = [query["sql"] for query in queries if "review_queueitem" in query["sql"]]
    assert statement.count("UPDATE review_queueitem") == 1
    assert "assigned_to = 'bob'" in statement.split("ORDER BY id FOR UPDATE")[0]


def test_a_case_whose_colleague_never_came_is_everybodys_again(cast: Cast) -> None:
    item = make_item(cast.model)
    hand_over(item, "bob", hours=-1)

    assert [found.pk for found in take(cast)] == [item.pk]


@pytest.mark.parametrize("away", [{"tier": 1}, {"assigned_to": "dan", "assigned_until": "2100-01-01T00:00:00Z"}])
def test_a_slot_that_one_may_not_have_does_not_hold_back_the_next(cast: Cast, away: dict[str, object]) -> None:
    first = make_item(cast.model, required=2)
    QueueItem.objects.create(
        prediction=first.prediction, slot=2, model=cast.model, queue=first.queue, kind="gate", required=2
    )
    QueueItem.objects.filter(pk=first.pk).update(**away)

    [item] = take(cast)

    assert item.slot == 2


def test_who_passed_a_case_on_does_not_get_its_next_slot(cast: Cast) -> None:
    first = make_item(cast.model, required=2)
    QueueItem.objects.create(
        prediction=first.prediction, slot=2, model=cast.model, queue=first.queue, kind="gate", required=2
    )
    [held] = take(cast)
    queue.release(token=held.lease_token, holder="alice")
    Lease.objects.update(ending="escalated")
    QueueItem.objects.filter(pk=first.pk).update(tier=1)

    assert take(cast) == []
    assert [item.slot for item in take(cast, "bob")] == [2]


def test_many_leases_are_given_back_at_once_and_only_ones_own(cast: Cast) -> None:
    for number in range(3):
        make_item(cast.model, f"p-{number}")
    mine, theirs = take(cast, count=2), take(cast, "bob")

    tokens = [item.lease_token for item in mine + theirs]

    assert queue.release_many(tokens=[*tokens, uuid4()], holder="alice", reason="left") == 2
    assert queue.release_many(tokens=tokens, holder="alice") == 0
    assert lease_of(theirs[0]).ending is None
    assert lease_of(mine[0]).reason == "left"
    assert len(take(cast, "carol", count=5)) == 2


def test_what_was_claimed_ahead_and_given_back_unseen_was_not_skipped(cast: Cast) -> None:
    for number in range(3):
        make_item(cast.model, f"p-{number}")
    line, holder = ReviewQueue.objects.get(slug=cast.model.slug), "r-me"
    ahead = queue.claim(queue=line, models=[cast.model], holder=holder, count=2, reserved=True)
    queue.release_many(tokens=[item.lease_token for item in ahead if item.lease_token], holder=holder, reason="unseen")
    again = queue.claim(queue=line, models=[cast.model], holder=holder, count=2, reserved=True)
    assert [item.pk for item in again] == [item.pk for item in ahead]
