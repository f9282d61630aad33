"""What waits for one person: what a claim could give them, and nothing else."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client

from models_registry import access
from models_registry.models import DatabaseNow
from review import queue
from review import waiting as module
from review.models import QueueItem, ReviewDecision, ReviewQueue
from review.waiting import waiting
from tests.review.items import make_item, make_items


def of(user):
    [line] = waiting(access.principal_of_user(user))
    return line.waiting, line.escalated, line.handed_over


def test_it_counts_what_a_claim_could_give(cast):
    items = make_items(cast.model, 4)
    assert of(cast.alice) == (4, 0, 0)
    bob = access.principal_of_user(cast.bob)
    queue.claim(queue=ReviewQueue.objects.get(slug="payments"), models=[cast.model], holder=bob.pseudonym, count=1)
    assert of(cast.alice) == (3, 0, 0)
    QueueItem.objects.filter(pk=items[3].pk).update(state="withdrawn", closed_at=DatabaseNow())
    assert of(cast.alice) == (2, 0, 0)


def test_escalated_cases_wait_for_leads_only_and_handed_over_ones_for_one_person(cast):
    one, two, _ = make_items(cast.model, 3)
    QueueItem.objects.filter(pk=one.pk).update(tier=1)
    bob = access.principal_of_user(cast.bob).pseudonym
    later = DatabaseNow() + timedelta(hours=1)
    QueueItem.objects.filter(pk=two.pk).update(assigned_to=bob, assigned_until=later)
    assert of(cast.alice) == (1, 0, 0)
    assert of(cast.bob) == (2, 0, 1)
    assert of(cast.erin) == (2, 1, 0)
    QueueItem.objects.filter(pk=two.pk).update(assigned_until=DatabaseNow() - timedelta(seconds=1))
    assert of(cast.alice) == (2, 0, 0)


def test_what_one_has_answered_waits_for_others(cast):
    item = make_item(cast.model)
    line = ReviewQueue.objects.get(slug="payments")
    alice = access.principal_of_user(cast.alice)
    [held] = queue.claim(queue=line, models=[cast.model], holder=alice.pseudonym)
    ReviewDecision.objects.create(
        item=item, prediction=item.prediction, model=cast.model, abstained=True, lease_id=held.lease_token,
        reviewer=alice.pseudonym, user=cast.alice, definition=cast.model.definitions.get(),
    )  # fmt: skip
    queue.release(token=held.lease_token, holder=alice.pseudonym)
    assert of(cast.alice) == (0, 0, 0)
    assert of(cast.bob) == (1, 0, 0)


def test_a_paused_queue_hands_out_nothing_so_nothing_waits(cast):
    make_items(cast.model, 2)
    queue.pause(queue=ReviewQueue.objects.get(slug="payments"), actor="erin")
    assert waiting(access.principal_of_user(cast.alice)) == []


def test_counting_stops_and_says_so(cast, monkeypatch):
    make_items(cast.model, 4)
    monkeypatch.setattr(module, "MOST", 3)
    [line] = waiting(access.principal_of_user(cast.alice))
    assert (line.waiting, line.more) == (3, True)


@pytest.mark.parametrize("name", ["alice", "dana", "mallory"])
def test_the_endpoint_tells_each_person_of_their_own_queues(cast, name):
    make_items(cast.model, 2)
    client = Client()
    client.force_login(getattr(cast, name))
    answer = client.get("/queues/waiting/")
    mine = {"queue": "payments", "waiting": 2, "more": False, "escalated": 0, "handed_over": 0}
    theirs = {**mine, "queue": "secrets", "waiting": 0}
    expected = {"alice": [mine], "dana": [], "mallory": [theirs]}[name]
    assert answer.json() == {"waiting": sum(row["waiting"] for row in expected), "queues": expected}
    assert "no-store" in answer["Cache-Control"]
    assert client.post("/queues/waiting/").status_code == 405
    assert Client().get("/queues/waiting/").status_code == 302


def test_its_queries_grow_with_one_s_queues_alone(cast, django_assert_max_num_queries):
    make_items(cast.model, 30)
    principal = access.principal_of_user(cast.alice)
    with django_assert_max_num_queries(4):
        waiting(principal)
