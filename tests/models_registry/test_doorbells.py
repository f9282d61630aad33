from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import redis
from django.conf import settings
from django.db import transaction

from models_registry import doorbells
from models_registry.doorbells import Doorbell
from review.tasks import route_received

QUEUE = "routing"


@pytest.fixture
def server(monkeypatch) -> Iterator[redis.Redis]:
    """The suite's Redis without messages and flags, and a circuit that is closed."""
    monkeypatch.setattr(doorbells, "_breaker", {"closed_from": 0.0, "unsent": 0})
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        client.delete(QUEUE, Doorbell(route_received).flag)
        yield client
        client.delete(QUEUE, Doorbell(route_received).flag)


@pytest.fixture
def unreachable(monkeypatch, tmp_path) -> Any:
    monkeypatch.setattr(doorbells, "_breaker", {"closed_from": 0.0, "unsent": 0})
    return f"unix://{tmp_path}/nobody.sock"


@pytest.mark.django_db(transaction=True)
def test_many_rings_are_one_message_until_it_is_answered(server):
    bell = Doorbell(route_received)
    for _ in range(20):
        bell.ring()
    assert server.llen(QUEUE) == 1
    bell.answered()
    bell.ring()
    assert server.llen(QUEUE) == 2


@pytest.mark.django_db(transaction=True)
def test_a_ring_follows_the_commit_and_falls_with_a_rollback(server):
    bell = Doorbell(route_received)
    with transaction.atomic():
        bell.ring()
        assert server.llen(QUEUE) == 0
    assert server.llen(QUEUE) == 1
    bell.answered()
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        bell.ring()
        raise ZeroDivisionError
    assert server.llen(QUEUE) == 1


@pytest.mark.django_db(transaction=True)
def test_a_lost_message_holds_back_the_next_ring_for_seconds_only(server):
    Doorbell(route_received).ring()
    assert 0 < server.ttl(Doorbell(route_received).flag) <= doorbells.FLAG_SECONDS


@pytest.mark.django_db(transaction=True)
def test_without_redis_a_ring_is_counted_and_not_tried_again_at_once(unreachable, settings, monkeypatch):
    settings.REDIS_URL = unreachable
    bell = Doorbell(route_received)
    bell.ring()
    assert doorbells.unsent() == 1

    def not_now(url: str) -> None:
        raise AssertionError("Redis was asked although the circuit is open")

    monkeypatch.setattr(doorbells, "_redis", not_now)
    bell.ring()
    assert doorbells.unsent() == 2


@pytest.mark.django_db(transaction=True)
def test_a_flag_that_cannot_be_cleared_does_not_stop_the_work(unreachable, settings):
    settings.REDIS_URL = unreachable
    Doorbell(route_received).answered()
