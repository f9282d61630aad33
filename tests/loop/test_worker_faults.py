from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection
from django.db.models import Count

from review import ingest, tasks
from review.models import Prediction, QueueItem, Resolution, RoutingDecision
from tests import running
from tests.conftest import prediction_body

pytestmark = pytest.mark.loop
COUNT = 60
BLOCKED = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock' AND wait_event = 'relation'
"""


def receive(model: Any, count: int = COUNT) -> None:
    ingest.accept(model=model, bodies=[prediction_body(f"p-{number}") for number in range(count)], actor="test")


def ring(own_redis: Any, times: int = 1) -> None:
    """Send the doorbell as often as told, past the flag that would coalesce it."""
    with own_redis.broker() as broker:
        for _ in range(times):
            tasks.route_received.apply_async(connection=broker)


@contextmanager
def routing_held_up() -> Iterator[Callable[[], bool]]:
    """Routing may begin a batch and cannot finish it; gives the question whether one hangs in the middle."""
    with running.raw_connection() as holder, holder.cursor() as cursor:
        cursor.execute("LOCK TABLE review_routingdecision IN SHARE ROW EXCLUSIVE MODE")

        def hangs() -> bool:
            # Not on the holder: within its transaction it would see one and the same moment for ever.
            with connection.cursor() as asking:
                asking.execute(BLOCKED)
                return bool(asking.fetchone()[0])

        yield hangs
        holder.rollback()


def check_each_routed_once(count: int = COUNT) -> None:
    assert Prediction.objects.filter(status="routed").count() == RoutingDecision.objects.count() == count
    repeated = Resolution.objects.values("prediction").annotate(times=Count("pk")).filter(times__gt=1)
    assert not repeated.exists()
    reviewed = RoutingDecision.objects.exclude(review="none").count()
    assert QueueItem.objects.count() == reviewed
    assert Resolution.objects.count() == RoutingDecision.objects.exclude(disposition="hold").count()


def routed() -> bool:
    return not Prediction.objects.filter(status="received").exists()


def test_a_worker_killed_in_the_middle_of_a_batch_loses_nothing(start_worker, own_redis, model):
    receive(model)
    with routing_held_up() as hangs:
        first = start_worker()
        ring(own_redis)
        running.eventually(hangs, "a batch is half done")
        running.kill_group(first)
    assert Prediction.objects.filter(status="received").count() == COUNT
    start_worker(sweeping=True)
    running.eventually(routed, "another worker takes over")
    check_each_routed_once()


def test_a_killed_child_is_replaced_and_its_work_done_without_any_sweeper(start_worker, own_redis, model):
    receive(model)
    with routing_held_up() as hangs:
        worker = start_worker()
        ring(own_redis)
        running.eventually(hangs, "a batch is half done")
        children = subprocess.run(["pgrep", "-P", str(worker.pid)], capture_output=True, text=True, check=True)
        for pid in children.stdout.split():
            os.kill(int(pid), signal.SIGKILL)
    running.eventually(routed, "the lost task runs again")
    check_each_routed_once()


def test_the_same_doorbell_five_times_routes_once(start_worker, own_redis, model):
    receive(model)
    ring(own_redis, times=5)
    start_worker("--concurrency", "3")
    running.eventually(routed, "everything is routed")
    ring(own_redis, times=5)
    ingest.accept(model=model, bodies=[prediction_body("last")], actor="test")
    ring(own_redis)
    running.eventually(routed, "the worker has gone through all rings")
    check_each_routed_once(COUNT + 1)


def test_forged_messages_do_not_stop_a_worker(start_worker, own_redis, model):
    with own_redis.broker() as broker, broker.SimpleQueue("routing") as queue:
        queue.put({"task": "os.system", "args": ["true"]})
        queue.put(b"\x80\x04N.", content_type="application/x-python-serialize", content_encoding="binary")
        queue.put([["x"], {}, {}], headers={"task": "review.tasks.no_such_task", "id": "1"})
        queue.put([["unexpected"], {}, {}], headers={"task": "review.tasks.route_received", "id": "2"})
        queue.put(b"{", content_type="application/json", content_encoding="utf-8", headers={"task": "x", "id": "3"})
    receive(model)
    worker = start_worker()
    ring(own_redis)
    running.eventually(routed, "the worker still routes")
    check_each_routed_once()
    assert worker.poll() is None
