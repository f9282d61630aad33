"""Audits keep their share of the claims, or priority would be a second selection that nobody logged."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from review import claims, queue, routing
from review.models import Lease, PolicyVersion, Prediction, QueueItem, ReviewQueue, RoutingControl
from tests.conftest import Cast, make_model, prediction_body
from tests.review.items import make_item, make_items, make_routed_items
from tests.threads import in_threads

DUE = datetime(2026, 1, 1, tzinfo=UTC)


def take(cast: Cast, holder: str = "alice", number: int = 1) -> list[QueueItem]:
    line = ReviewQueue.objects.get(slug=cast.model.slug)
    return queue.claim(queue=line, models=[cast.model], holder=holder, count=number)


def audits_of(cast: Cast, number: int) -> list[QueueItem]:
    """Audits of no priority, each due later than the one before."""
    items = make_routed_items(cast.model, [f"audit-{i}" for i in range(number)], kind="audit")
    for i, item in enumerate(items):
        item.due_at = DUE + timedelta(hours=i)
    QueueItem.objects.bulk_update(items, ["due_at"])
    return items


def gates(cast: Cast, number: int, *, priority: int = 100) -> list[QueueItem]:
    return make_routed_items(cast.model, [f"gate-{i}" for i in range(number)], priority=priority)


def share_under_inflow(cast: Cast, rounds: int = 40) -> float:
    """The audits' share of claims while two urgent gates come in for each claim."""
    audits_of(cast, 20)
    names = count()
    kinds = []
    for _ in range(rounds):
        make_routed_items(cast.model, [f"gate-{next(names)}" for _ in range(2)], priority=100)
        kinds += [item.kind for item in take(cast)]
    assert len(kinds) == rounds
    return kinds.count("audit") / rounds


def test_audits_get_their_share_under_a_neverending_inflow_of_urgent_gates(cast: Cast) -> None:
    assert share_under_inflow(cast) == pytest.approx(0.2, abs=0.03)


def test_a_claim_by_priority_alone_is_caught_by_the_share(cast: Cast, monkeypatch: Any) -> None:
    by_priority = claims.FRESH.replace("%(share)s::float8", "0::float8")
    assert by_priority != claims.FRESH
    monkeypatch.setattr(claims, "FRESH", by_priority)
    assert share_under_inflow(cast) == 0.0


def test_the_audit_due_first_comes_first_and_gates_by_priority(cast: Cast) -> None:
    audits = audits_of(cast, 3)
    QueueItem.objects.filter(pk=audits[0].pk).update(due_at=DUE + timedelta(days=9))
    urgent = [make_item(cast.model, f"gate-{i}", priority=i + 1) for i in range(20)]
    taken = [item.pk for _ in range(15) for item in take(cast)]
    assert [pk for pk in taken if pk in {audit.pk for audit in audits}] == [audits[1].pk, audits[2].pk, audits[0].pk]
    assert [pk for pk in taken if pk in {gate.pk for gate in urgent}] == [gate.pk for gate in urgent[:7:-1]]


def test_a_claim_of_many_holds_the_share_and_takes_exactly_what_was_asked(cast: Cast) -> None:
    audits_of(cast, 10)
    gates(cast, 30)
    assert [item.kind for item in take(cast, number=10)].count("audit") == 2
    assert len(take(cast, "bob", number=30)) == 30
    assert len(take(cast, "carol")) == 0


def test_gates_are_not_starved_where_audits_were_away_for_long(cast: Cast) -> None:
    gates(cast, 60, priority=0)
    take(cast, number=30)
    audits_of(cast, 20)
    QueueItem.objects.filter(kind="audit").update(priority=-1)
    kinds = "".join(item.kind[0] for _ in range(20) for item in take(cast))
    assert "aaaaaa" not in kinds
    assert kinds.count("g") >= 12


@pytest.mark.parametrize(("share", "expected"), [(0.0, 0), (0.5, 10)])
def test_the_share_is_a_setting(cast: Cast, settings: Any, share: float, expected: int) -> None:
    settings.REVIEWHUB = {**settings.REVIEWHUB, "AUDIT_CLAIM_SHARE": share}
    audits_of(cast, 20)
    gates(cast, 20)
    assert [item.kind for _ in range(20) for item in take(cast)].count("audit") == expected


def test_an_audit_one_has_skipped_is_not_owed_to_the_same_person(cast: Cast) -> None:
    [audit] = audits_of(cast, 1)
    gates(cast, 20)
    kinds = []
    for _ in range(10):
        [item] = take(cast)
        kinds.append(item.kind)
        if item.pk == audit.pk:
            queue.release(token=item.lease_token, holder="alice", reason="unclear")
    assert kinds.count("audit") == 1
    assert "audit" in [item.kind for _ in range(6) for item in take(cast, "bob")]


@pytest.mark.django_db(transaction=True)
def test_claimers_at_once_keep_the_share_and_take_nothing_twice() -> None:
    model, _ = make_model("payments")
    items = make_items(model, 600)
    QueueItem.objects.update(priority=100)
    audits = [item.pk for item in items[:200]]
    QueueItem.objects.filter(pk__in=audits).update(kind="audit", priority=0, due_at=timezone.now())
    line = ReviewQueue.objects.get()

    def drain(number: int) -> list[int]:
        return [
            item.pk
            for _ in range(30)
            for item in queue.claim(queue=line, models=[model], holder=f"r-{number}", count=1)
        ]

    got = [pk for found in in_threads(8, drain) for pk in found]
    assert len(got) == len(set(got)) == Lease.objects.count() == 240
    assert 0.15 <= len(set(got) & set(audits)) / len(got) <= 0.3
    assert set(Lease.objects.filter(audit=True).values_list("item_id", flat=True)) == set(got) & set(audits)


@pytest.fixture
def routed(cast: Cast, client_with: Callable[..., Any]) -> QueueItem:
    document = {"sampling": {"kind": "uniform", "budget": 1.0}, "audit_floor": 0.05}
    stored = PolicyVersion.objects.create(model=cast.model, number=2, document=document, created_by="test")
    RoutingControl.objects.filter(model=cast.model).update(active=stored)
    assert client_with("ingest").post("/api/v1/predictions/", prediction_body(), format="json").status_code < 300
    if Prediction.objects.filter(status="received").exists():
        routing.route_batch(limit=10)
    return QueueItem.objects.get(prediction__external_id="p-1")


def test_an_audit_without_a_due_time_of_its_own_gets_one(routed: QueueItem) -> None:
    assert routed.kind == "audit"
    assert (routed.due_at - routed.enqueued_at).total_seconds() == pytest.approx(3 * 24 * 3600)


def reads_whole_queue(statement: str, values: dict[str, Any]) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN (COSTS OFF) " + statement, values)
        return "Seq Scan on review_queueitem" in "\n".join(row[0] for row in cursor.fetchall())


def test_a_claim_reads_the_queue_by_its_indexes_only(cast: Cast) -> None:
    make_items(cast.model, 1200)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE review_queueitem SET kind = 'audit', due_at = now() WHERE id % 5 = 0")
        cursor.execute("ANALYZE review_queueitem")
    line = ReviewQueue.objects.get(slug=cast.model.slug)
    values = {"queue": line.pk, "models": [cast.model.pk], "holder": "alice", "count": 1, **claims.terms()}
    # What the planner would do were it not told how few are picked depends on the state of the table: no check.
    assert not reads_whole_queue(claims.FRESH, values)
