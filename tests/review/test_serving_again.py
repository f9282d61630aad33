from __future__ import annotations

from typing import Any

import pytest
from django.db import connection

from models_registry import access
from review import claims, decisions, queue
from review.models import Lease, QueueItem, ReviewDecision, ReviewQueue
from tests.conftest import Cast
from tests.review.items import make_item, make_items
from tests.review.test_deciding import who


@pytest.fixture
def service(cast: Cast) -> access.Principal:
    key, _ = access.create_service_key(name="ui", scopes=["review"], model=cast.model, created_by="test")
    return access.principal_of_key(key)


def take(cast: Cast, holder: str, count: int = 1) -> list[QueueItem]:
    return queue.claim(
        queue=ReviewQueue.objects.get(slug=cast.model.slug), models=[cast.model], holder=holder, count=count
    )


def abstain(item: QueueItem, service: access.Principal, person: Any) -> ReviewDecision:
    token = item.lease_token
    assert token is not None
    return decisions.decide(token=token, principal=service, abstain=True, on_behalf_of=who(person).pseudonym)


def test_what_a_key_abstained_from_for_a_person_does_not_come_to_the_key_again(
    cast: Cast, service: access.Principal
) -> None:
    make_item(cast.model)
    [item] = take(cast, service.pseudonym)

    abstain(item, service, cast.alice)

    line = ReviewQueue.objects.get(slug=cast.model.slug)
    assert take(cast, service.pseudonym) == []
    assert queue.emptiness(queue=line, models=[cast.model], holder=service.pseudonym).reason == "empty"
    assert take(cast, who(cast.bob).pseudonym) == [item]


def test_a_key_may_take_the_second_slot_for_another_person(cast: Cast, service: access.Principal) -> None:
    first = make_item(cast.model)
    second = QueueItem.objects.create(
        prediction=first.prediction, model=cast.model, queue=first.queue, kind="gate", slot=2, required=2
    )
    [item] = take(cast, service.pseudonym)
    decisions.decide(token=item.lease_token, principal=service, label="ok", on_behalf_of=who(cast.alice).pseudonym)

    assert take(cast, service.pseudonym) == [second]


def test_an_abstention_that_was_undone_lets_the_key_have_the_item_again(cast: Cast, service: access.Principal) -> None:
    item = make_item(cast.model)
    made = abstain(take(cast, service.pseudonym)[0], service, cast.alice)

    decisions.undo(decision=made, principal=service)

    assert take(cast, service.pseudonym) == [item]


def test_the_longest_skipped_comes_first_and_former_skips_are_not_read(cast: Cast) -> None:
    items = make_items(cast.model, 6)
    for _ in items:
        [held] = take(cast, "r-1")
        queue.release(token=held.lease_token, holder="r-1", reason="skipped")
    QueueItem.objects.filter(pk__in=[item.pk for item in items[:4]]).update(state="decided")

    values = {
        "queue": items[0].queue_id,
        "models": [cast.model.pk],
        "holder": "r-1",
        "leads": [],
        "while_paused": False,
    }
    with connection.cursor() as cursor:
        # The plan of a big table: a few rows are read whole otherwise.
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("EXPLAIN (ANALYZE, FORMAT JSON) " + claims._SKIPPED, values)
        [[plan]] = cursor.fetchall()

    assert rows_read(plan[0]["Plan"], "review_lease") == 2
    assert [item.pk for item in take(cast, "r-1", count=2)] == [item.pk for item in items[4:]]
    assert Lease.objects.filter(ending=None).count() == 2


def rows_read(node: dict[str, Any], table: str) -> int:
    """Rows that the plan fetched from a table, those that a filter threw away included."""
    own = 0
    if node.get("Relation Name") == table:
        dropped = node.get("Rows Removed by Filter", 0)
        own = round((node["Actual Rows"] + dropped) * node["Actual Loops"])
    return own + sum(rows_read(child, table) for child in node.get("Plans", []))
