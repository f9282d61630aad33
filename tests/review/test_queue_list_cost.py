from __future__ import annotations

from typing import Any

from django.db import connection
from django.test.utils import CaptureQueriesContext

from review.models import ReviewQueue
from tests.conftest import Cast


def test_the_list_of_queues_costs_the_same_for_any_number_of_them(cast: Cast, client_with: Any) -> None:
    client = client_with("read")
    with CaptureQueriesContext(connection) as few:
        client.get("/api/v1/queues/")
    for number in range(5):
        ReviewQueue.objects.create(slug=f"line-{number}").models.add(cast.model)

    with CaptureQueriesContext(connection) as many:
        page = client.get("/api/v1/queues/", {"page_size": 3}).json()

    assert [row["models"] for row in page["results"]] == [["payments"]] * 3
    assert len(many) <= len(few)
