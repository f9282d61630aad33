"""Rows of before there were modes: made with the model in sight, and a new release must not call them blind."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.utils import IntegrityError

from review.models import Lease, QueueItem, ReviewDecision
from review.veil import of_item
from tests.conftest import Cast
from tests.review.items import make_item
from tests.review.test_deciding import claim, decide

BEFORE = [("review", "0011_drawn_by_model")]


@pytest.fixture
def back() -> Iterator[None]:
    """To the schema of before; afterwards everything is as new as the code, whatever happened."""
    yield
    executor = MigrationExecutor(connection)
    executor.migrate(executor.loader.graph.leaf_nodes())


@pytest.mark.django_db(transaction=True)
def test_old_leases_and_answers_were_given_with_the_model_in_sight(back: None, cast: Cast) -> None:
    make_item(cast.model)
    live = make_item(cast.model, "p-2")
    made = decide(cast, cast.alice)
    token = claim(cast, cast.alice).lease_token
    MigrationExecutor(connection).migrate(BEFORE)
    with connection.cursor() as cursor:
        cursor.execute("SELECT mode FROM review_reviewdecision")
        assert cursor.fetchall() == [("assisted",)]
    executor = MigrationExecutor(connection)
    executor.migrate(executor.loader.graph.leaf_nodes())
    again = ReviewDecision.objects.get(pk=made.pk)
    assert again.model_shown_at == again.claimed_at == made.claimed_at
    lease = Lease.objects.get(token=token)
    assert lease.model_shown_at == lease.claimed_at
    assert not of_item(QueueItem.objects.get(pk=live.pk), lease).model
    # What is append-only is so again.
    with pytest.raises(IntegrityError):
        ReviewDecision.objects.update(model_shown_at=None)
