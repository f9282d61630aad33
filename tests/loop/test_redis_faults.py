from __future__ import annotations

import json
import time
from typing import Any

import pytest

from review.models import Prediction, RoutingDecision
from tests import running
from tests.conftest import prediction_body

pytestmark = pytest.mark.loop
SLOWEST_POST_SECONDS = 1.0


def post(port: int, key: str, external_id: str) -> tuple[int, float, Any]:
    """Send one prediction over a connection of its own: status, seconds, body."""
    body = json.dumps(prediction_body(external_id)).encode()
    head = f"POST /api/v1/predictions/ HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\n"
    head += f"Content-Type: application/json\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    started = time.monotonic()
    status, _, answer = running.answer(port, head.encode() + body)
    return status, time.monotonic() - started, json.loads(answer)


def all_routed(count: int) -> bool:
    return RoutingDecision.objects.count() == Prediction.objects.exclude(status="received").count() == count


def test_with_redis_gone_posts_are_accepted_and_routed_once_it_is_back(start_web, start_worker, own_redis, key):
    port = start_web()
    start_worker(sweeping=True)
    assert post(port, key, "before")[0] == 202
    running.eventually(lambda: all_routed(1), "the first prediction is routed")
    own_redis.stop()
    answers = [post(port, key, f"during-{number}") for number in range(20)]
    assert {status for status, _, _ in answers} == {202}
    assert max(seconds for _, seconds, _ in answers) < SLOWEST_POST_SECONDS
    assert all_routed(1)
    own_redis.start()
    running.eventually(lambda: all_routed(21), "what came without Redis is routed")
    assert post(port, key, "after")[0] == 202
    running.eventually(lambda: all_routed(22), "what came after is routed")


def test_with_redis_frozen_posts_are_accepted_in_time(start_web, start_worker, own_redis, key):
    port = start_web()
    assert post(port, key, "before")[0] == 202
    own_redis.freeze()
    try:
        answers = [post(port, key, f"during-{number}") for number in range(20)]
    finally:
        own_redis.thaw()
    assert {status for status, _, _ in answers} == {202}
    assert max(seconds for _, seconds, _ in answers) < SLOWEST_POST_SECONDS
    # After the first the others do not even try.
    assert sum(seconds > 0.1 for _, seconds, _ in answers) <= 2
    start_worker(sweeping=True)
    running.eventually(lambda: all_routed(21), "every prediction is routed")


def test_a_doorbell_wakes_the_worker_long_before_the_sweeper_would(start_web, start_worker, own_redis, key):
    port = start_web()
    start_worker()
    assert post(port, key, "first")[0] == 202
    running.eventually(lambda: all_routed(1), "a worker without sweeper routes by the doorbell alone")
    assert post(port, key, "second")[0] == 202
    running.eventually(lambda: all_routed(2), "the flag of the first ring does not swallow the second")
