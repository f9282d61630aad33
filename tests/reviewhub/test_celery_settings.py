from __future__ import annotations

import pytest
from celery.app.defaults import NAMESPACES, flatten

from reviewhub.celery import QUEUES, app, broker_url


def test_every_setting_is_one_that_celery_knows():
    known = {name for name, _ in flatten(NAMESPACES)}
    assert set(app.conf.changes) - {"deprecated_settings"} <= known
    assert not app.conf.changes.get("deprecated_settings")


def test_every_scheduled_and_routed_task_exists_and_its_queue_has_a_worker():
    app.loader.import_default_modules()
    scheduled = {entry["task"] for entry in app.conf.beat_schedule.values()}
    assert scheduled | set(app.conf.task_routes) <= set(app.tasks)
    assert {route["queue"] for route in app.conf.task_routes.values()} <= set(QUEUES)


def test_no_message_waits_longer_than_the_next_of_its_kind():
    for entry in app.conf.beat_schedule.values():
        assert entry["options"]["expires"] >= entry["schedule"]


def test_a_lost_worker_is_retried_soon_and_not_for_ever():
    app.loader.import_default_modules()
    for name, task in app.tasks.items():
        if not name.startswith("celery."):
            assert task.acks_late, name
            assert task.ignore_result, name
            assert (task.max_retries, task.default_retry_delay) == (3, 5), name
            assert task.time_limit is None or task.time_limit < app.conf.broker_transport_options["visibility_timeout"]


@pytest.mark.parametrize(
    ("url", "broker"),
    [
        ("unix:///run/redis.sock", "redis+socket:///run/redis.sock"),
        ("unix:///run/redis.sock?db=2", "redis+socket:///run/redis.sock?virtual_host=2"),
        ("redis://:secret@cache:6379/0", "redis://:secret@cache:6379/0"),
        ("rediss://cache:6380/1", "rediss://cache:6380/1"),
    ],
)
def test_the_broker_is_the_configured_redis(url, broker):
    assert broker_url(url) == broker
