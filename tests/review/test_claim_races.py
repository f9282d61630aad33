from __future__ import annotations

import threading
from collections import Counter
from uuid import uuid4

import pytest
from django.db import connection

from models_registry.models import DatabaseNow
from review import queue
from review.models import Lease, QueueItem, ReviewQueue
from reviewhub.invariants import INVARIANTS, check
from tests.conftest import make_model
from tests.review.items import make_items
from tests.threads import in_threads

LIVE_LEASES = next(invariant for invariant in INVARIANTS if invariant.number == "I-06")


@pytest.mark.django_db(transaction=True)
def test_sixteen_claimers_get_a_thousand_items_once_each() -> None:
    model, _ = make_model("payments")
    items = make_items(model, 1000)
    line = ReviewQueue.objects.get()

    def drain(number: int) -> list[int]:
        got: list[int] = []
        while claimed := queue.claim(queue=line, models=[model], holder=f"r-{number}", count=1 + number % 5):
            got += [item.pk for item in claimed]
        return got

    found = in_threads(16, drain)

    # A claimer that finds the last rows locked by others goes home; nothing it left is stranded.
    left = [item.pk for item in queue.claim(queue=line, models=[model], holder="last", count=1000)]
    handed = Counter(pk for got in found for pk in got) + Counter(left)
    assert set(handed) == {item.pk for item in items}
    assert max(handed.values()) == 1
    assert Lease.objects.count() == 1000
    assert check(LIVE_LEASES).broken == 0


@pytest.mark.django_db(transaction=True)
def test_reading_first_and_writing_later_is_caught_by_the_overlap_check() -> None:
    model, _ = make_model("payments")
    [item] = make_items(model, 1)
    both_have_read = threading.Barrier(2)

    def careless_claim(number: int) -> list[int]:
        found = QueueItem.objects.claimable().get()
        both_have_read.wait()
        lease = Lease.objects.create(token=uuid4(), item=found, holder=f"r-{number}", expires_at="2100-01-01T00:00:00Z")
        values = {"lease_token": lease.token, "lease_holder": lease.holder, "lease_expires_at": lease.expires_at}
        QueueItem.objects.filter(pk=found.pk).update(**values)
        return [found.pk]

    assert in_threads(2, careless_claim) == [[item.pk], [item.pk]]

    verdict = check(LIVE_LEASES)
    assert (verdict.broken, verdict.examples) == (1, [f"item {item.pk}"])


@pytest.mark.django_db
def test_the_claim_takes_exactly_what_was_asked_whatever_the_plan() -> None:
    model, _ = make_model("payments")
    make_items(model, 50)
    line = ReviewQueue.objects.get()
    with connection.cursor() as cursor:
        for kind in ("hashjoin", "mergejoin", "material"):
            cursor.execute(f"SET LOCAL enable_{kind} = off")

    assert len(queue.claim(queue=line, models=[model], holder="alice", count=3)) == 3
    assert QueueItem.objects.filter(lease_expires_at__gt=DatabaseNow()).count() == 3
