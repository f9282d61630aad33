from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest
from django.db import connection, connections, transaction

from models_registry.models import RegisteredModel
from review import queue, withdrawal
from review.models import Lease, QueueItem, ReviewQueue
from tests.conftest import make_model
from tests.review.items import expire, make_items

PATIENCE = 20.0


def somebody_waits() -> None:
    """Return once another connection waits for a lock."""
    end = time.monotonic() + PATIENCE
    with connection.cursor() as cursor:
        while time.monotonic() < end:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted AND pid <> pg_backend_pid()")
            if cursor.fetchone()[0]:
                return
    raise AssertionError("nobody waits for a lock")


def claim(model: RegisteredModel) -> Lease:
    [item] = queue.claim(queue=ReviewQueue.objects.get(), models=[model], holder="r-1")
    return Lease.objects.get(token=item.lease_token)


def renew(lease: Lease, model: RegisteredModel) -> None:
    queue.renew(token=lease.token, holder="r-1")


def release(lease: Lease, model: RegisteredModel) -> None:
    queue.release(token=lease.token, holder="r-1", reason="skipped")


def claim_again(lease: Lease, model: RegisteredModel) -> None:
    expire(lease.item)
    claim(model)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("work", [renew, release, claim_again])
def test_a_withdrawal_waits_for_whoever_has_the_item_and_ends_every_lease(
    work: Callable[[Lease, RegisteredModel], None],
) -> None:
    model, _ = make_model("payments")
    [item] = make_items(model, 1)
    lease, failures = claim(model), []

    def withdraw() -> None:
        try:
            withdrawal.withdraw(prediction=item.prediction, reason="paid otherwise", actor="test")
        except Exception as error:
            failures.append(error)
        finally:
            connections.close_all()

    thread = threading.Thread(target=withdraw)
    with transaction.atomic():
        QueueItem.objects.select_for_update().get()
        thread.start()
        somebody_waits()
        work(lease, model)
    thread.join()

    item.refresh_from_db()
    assert failures == []
    assert (item.state, item.lease_token) == ("withdrawn", None)
    assert not Lease.objects.filter(ending=None).exists()
