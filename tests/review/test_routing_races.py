from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import connection, transaction

from review import resolutions, routing
from review.models import Prediction, QueueItem, Resolution, RoutingDecision
from reviewhub.invariants import INVARIANTS, check
from tests.conftest import make_model
from tests.review.received import receive
from tests.threads import in_threads

ROUTED_ONCE = [invariant for invariant in INVARIANTS if invariant.number in ("I-02", "I-12")]
MIXED = {"review": [{"name": "low", "when": {"field": "confidence", "lt": 0.75}}], "audit_floor": 0.3}


@pytest.mark.django_db(transaction=True)
def test_eight_workers_route_every_prediction_exactly_once() -> None:
    model, _ = make_model("payments", policy=MIXED)
    receive(model, 300, confidence=0.6)
    receive(model, 900, first=300)

    def drain(number: int) -> int:
        total = 0
        while routed := routing.route_batch(limit=20 + number):
            total += routed
        return total

    found = in_threads(8, drain)

    # A worker that finds the last rows locked by others goes home; what it left is routed next time.
    assert sum(found) + routing.route_batch(limit=2000) == 1200
    assert RoutingDecision.objects.count() == 1200
    assert QueueItem.objects.count() == RoutingDecision.objects.exclude(review="none").count()
    assert Resolution.objects.count() == RoutingDecision.objects.exclude(disposition="hold").count()
    assert not Prediction.objects.exclude(status="routed").exists()
    assert [check(invariant).broken for invariant in ROUTED_ONCE] == [0, 0]


@pytest.mark.django_db(transaction=True)
def test_without_the_row_lock_two_workers_choose_for_the_same_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    model, _ = make_model("payments", policy=MIXED)
    receive(model, 20)
    both_have_read = threading.Barrier(2)

    def careless_claim(limit: int, **only: Any) -> list[dict[str, Any]]:
        rows = list(
            Prediction.objects.filter(status="received", **only).order_by("id").values(*routing.COLUMNS)[:limit]
        )
        if len(rows) > 1:
            both_have_read.wait()
        return rows

    monkeypatch.setattr(routing, "_claim", careless_claim)
    seen: list[int] = []
    store = routing._store

    def counting_store(rows: Any, *rest: Any) -> None:
        seen.extend(row["id"] for row in rows)
        store(rows, *rest)

    monkeypatch.setattr(routing, "_store", counting_store)
    in_threads(2, lambda _: routing.route_batch(limit=100))
    # The primary key still keeps the second choice out of the table.
    assert len(seen) > 20
    assert RoutingDecision.objects.count() == 20
    assert check(ROUTED_ONCE[0]).broken == 0


@pytest.mark.django_db(transaction=True)
def test_a_worker_that_dies_gives_its_rows_back() -> None:
    model, _ = make_model("payments", policy=MIXED)
    receive(model, 50)
    claimed, died = threading.Event(), threading.Event()
    backends: list[int] = []

    def die(_: int) -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            backends.append(cursor.fetchone()[0])
            routing._route(routing._claim(50))
            claimed.set()
            died.wait()

    worker = threading.Thread(target=lambda: in_threads(1, die))
    worker.start()
    claimed.wait()
    assert routing.route_batch(limit=100) == 0
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 10000)", backends)
    died.set()
    worker.join()
    assert routing.route_batch(limit=100) == 50
    assert RoutingDecision.objects.count() == 50


@pytest.mark.django_db
def test_a_prediction_marked_as_routed_apart_from_its_decision_is_caught_by_the_check() -> None:
    model, _ = make_model("payments", policy=MIXED)
    [lost] = receive(model, 1)
    Prediction.objects.filter(pk=lost.pk).update(status="routed")
    assert check(ROUTED_ONCE[0]).examples == [f"prediction {lost.pk}"]


@pytest.mark.django_db(transaction=True)
def test_a_reader_of_the_feed_misses_nothing_while_four_write() -> None:
    model, _ = make_model("payments")
    predictions = receive(model, 240)
    done = threading.Event()
    read: list[int] = []

    def follow() -> None:
        cursor = 0
        while True:
            last_round = done.is_set()
            found = list(resolutions.feed(models=type(model).objects.all(), after=cursor).values_list("pk", flat=True))
            read.extend(found)
            cursor = found[-1] if found else cursor
            if last_round:
                return

    def write(number: int) -> int:
        written = 0
        for place in range(number, 240, 12):
            drafts = [
                resolutions.Draft(p.pk, model.pk, p.external_id, "ok", "proceed", "model")
                for p in predictions[place : place + 12 : 4]
            ]
            with transaction.atomic():
                written += len(resolutions.resolve_many(drafts))
        return written

    with_reader = threading.Thread(target=lambda: in_threads(1, lambda _: follow()))
    with_reader.start()
    written = in_threads(4, write)
    done.set()
    with_reader.join()
    assert read == sorted(read)
    assert len(read) == len(set(read)) == sum(written) == 240


@pytest.mark.django_db(transaction=True)
def test_without_the_lock_a_late_commit_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    model, _ = make_model("payments")
    first, second = receive(model, 2)
    monkeypatch.setattr(resolutions, "lock_feed", lambda: None)
    inserted, committed = threading.Event(), threading.Event()

    def slow(_: int) -> None:
        with transaction.atomic():
            resolutions.resolve(prediction=first, label="ok", disposition="proceed", by="model")
            inserted.set()
            committed.wait()

    writer = threading.Thread(target=lambda: in_threads(1, slow))
    writer.start()
    inserted.wait()
    resolutions.resolve(prediction=second, label="ok", disposition="proceed", by="model")
    everything = type(model).objects.all()
    cursor = max(resolutions.feed(models=everything).values_list("pk", flat=True))
    committed.set()
    writer.join()
    assert Resolution.objects.count() == 2
    assert not resolutions.feed(models=everything, after=cursor).exists()


@pytest.mark.django_db(transaction=True)
def test_the_feed_lock_makes_the_second_writer_wait_for_the_first() -> None:
    model, _ = make_model("payments")
    receive(model, 1)
    with transaction.atomic(), connection.cursor() as cursor:
        resolutions.lock_feed()

        def try_it(_: int) -> bool:
            with connection.cursor() as other:
                other.execute("SELECT pg_try_advisory_xact_lock(%s)", [resolutions.FEED_LOCK])
                return bool(other.fetchone()[0])

        assert in_threads(1, try_it) == [False]
        cursor.execute("SELECT 1")
    assert in_threads(1, try_it) == [True]
