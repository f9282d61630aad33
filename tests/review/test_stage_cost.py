from __future__ import annotations

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from models_registry import access
from review import queue, waiting
from review.models import QueueItem, ReviewDecision, ReviewQueue
from tests.conftest import Cast, make_model
from tests.review.items import make_item
from tests.review.test_deciding import claim, decide


def test_the_stage_reads_open_items_only_and_counts_todays_answers(cast: Cast) -> None:
    for number in range(3):
        make_item(cast.model, f"p-{number}")
    decide(cast, cast.alice)
    claim(cast, cast.alice)
    client = Client()
    client.force_login(cast.alice)

    with CaptureQueriesContext(
        connection,
    ) as queries:
        page = client.get(reverse("review", args=[cast.model.slug]))

    assert (page.context["depth"], page.context["done_today"]) == (1, 1)
    counted = [q["sql"] for q in queries if "COUNT(" in q["sql"] and 'FROM "review_queueitem"' in q["sql"]]
    assert counted
    assert all("\"state\" = 'open'" in sql for sql in counted)


def test_what_waits_is_counted_without_what_others_hold(cast: Cast) -> None:
    for number in range(3):
        make_item(cast.model, f"p-{number}")
    line = ReviewQueue.objects.get(slug=cast.model.slug)
    decide(cast, cast.alice)
    claim(cast, cast.bob)

    assert queue.depth(line, [cast.model]) == 1
    assert QueueItem.objects.count() == 3


def test_counting_what_waits_stops_and_says_so(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "MOST", 2)
    for number in range(5):
        make_item(cast.model, f"p-{number}")
    other, _ = make_model("cards")
    access.grant_role(user=cast.alice, model=other, role="reviewer", actor="test")
    for number in range(5):
        make_item(other, f"q-{number}")
    client = Client()
    client.force_login(cast.alice)
    base = reverse("review", args=[cast.model.slug])

    assert queue.depth(ReviewQueue.objects.get(slug=cast.model.slug), [cast.model]) == 3
    assert "2+" in client.get(base, {"plain": ""}).content.decode()
    with CaptureQueriesContext(connection) as queries:
        state = client.get(f"{base}state/").json()
    assert (state["waiting"], state["takes"]) == ("2+", True)
    assert "cards: 2+ waiting" in state["empty"]
    counted = [q["sql"] for q in queries if "COUNT(" in q["sql"] and 'FROM "review_queueitem"' in q["sql"]]
    assert len(counted) == 3
    for sql in counted:
        # What waits is counted up to a limit; what is out on lease is found by its tokens.
        assert "LIMIT 3" in sql or '"lease_token" IS NOT NULL' in sql, sql


def test_decisions_of_a_reviewer_are_indexed_by_time() -> None:
    assert ["reviewer", "decided_at"] in [index.fields for index in ReviewDecision._meta.indexes]
