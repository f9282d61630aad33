"""Waking a worker after a commit. The rows are the work; the message only says that there is some.

Rings coalesce: while one is on its way, others are dropped. Redis being away, frozen or full costs the
caller at most a few tenths of a second, once in five seconds, and loses nothing: the sweepers find the rows.
"""

from __future__ import annotations

import logging
import time
from functools import lru_cache
from typing import Any

import redis
from celery import Task, current_app
from django.conf import settings
from django.db import transaction
from kombu import Connection, pools  # type: ignore[attr-defined]
from kombu.exceptions import KombuError
from redis.backoff import NoBackoff
from redis.retry import Retry

logger = logging.getLogger("reviewhub.doorbells")

# One answer of Redis may take this long; a ring is at most a flag and a publish, each tried twice.
REDIS_SECONDS = 0.12
# How long a ring holds back the next ones, if the worker does not take it sooner.
FLAG_SECONDS = 5
# After a failure nothing is tried for this long.
BREAKER_SECONDS = 5.0
_FAILURES = (redis.RedisError, KombuError, OSError)

# Of this process: when to try again, and how many rings were not sent.
_breaker: dict[str, float] = {"closed_from": 0.0, "unsent": 0}


class Doorbell:
    """Wakes one task, for one row if given. ``ring`` after any commit that leaves work; it calls ``answered`` first."""

    def __init__(self, task: Task, *ids: int) -> None:
        self.task = task
        self.ids = ids

    @property
    def flag(self) -> str:
        """The key in Redis that says a ring is on its way."""
        return ":".join(["reviewhub:doorbell", self.task.name, *map(str, self.ids)])

    def ring(self) -> None:
        """Wake the task once the present transaction has committed, or now if there is none."""
        transaction.on_commit(self._ring)

    def answered(self) -> None:
        """Let later rings through again. A row committed before this call is seen by the work after it."""
        try:
            _redis(settings.REDIS_URL).delete(self.flag)
        except _FAILURES as error:
            # The flag expires by itself.
            logger.warning("doorbell flag not cleared: %s", type(error).__name__)

    def _ring(self) -> None:
        if time.monotonic() < _breaker["closed_from"]:
            _breaker["unsent"] += 1
            return
        try:
            if _redis(settings.REDIS_URL).execute_command("SET", self.flag, 1, "NX", "EX", FLAG_SECONDS):  # type: ignore[no-untyped-call]
                self._publish()
        except _FAILURES as error:
            _breaker["unsent"] += 1
            _breaker["closed_from"] = time.monotonic() + BREAKER_SECONDS
            logger.warning("doorbell not rung, the sweeper will find the rows: %s", type(error).__name__)

    def _publish(self) -> None:
        with pools.producers[_broker(current_app.conf.broker_url)].acquire(
            block=True, timeout=REDIS_SECONDS
        ) as producer:
            self.task.apply_async(args=self.ids, producer=producer, retry=True, retry_policy=_ONE_RETRY)


_ONE_RETRY: dict[str, Any] = {"max_retries": 1, "interval_start": 0, "interval_step": 0, "interval_max": 0}


def unsent() -> int:
    """How many rings this process could not send."""
    return int(_breaker["unsent"])


@lru_cache(maxsize=4)
def _redis(url: str) -> redis.Redis:
    # A connection that Redis closed while it was idle is made again; an answer that is late is not waited for twice.
    retry = Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,))
    client: redis.Redis = redis.Redis.from_url(
        url, socket_timeout=REDIS_SECONDS, socket_connect_timeout=REDIS_SECONDS, retry=retry
    )
    return client


@lru_cache(maxsize=4)
def _broker(url: str) -> Connection:
    """The broker with the time limits of a web request instead of a worker's."""
    options = {
        **current_app.conf.broker_transport_options,
        **_ONE_RETRY,
        "socket_timeout": REDIS_SECONDS,
        "socket_connect_timeout": REDIS_SECONDS,
    }
    return Connection(url, transport_options=options, connect_timeout=REDIS_SECONDS)  # type: ignore[no-untyped-call]
