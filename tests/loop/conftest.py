"""Real processes for the tests marked `loop`: a Redis of their own, a worker, the web server.

Nothing here is shared with other tests, so that it may be stopped, frozen and killed.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen
from typing import Any

import pytest
import redis
from kombu import Connection
from redis.backoff import NoBackoff
from redis.retry import Retry

from models_registry import access
from reviewhub import embedded
from reviewhub.celery import broker_url
from reviewhub.invariants import check_all
from tests import running
from tests.conftest import make_model


@dataclass
class OwnRedis:
    folder: Path
    url: str = ""

    def start(self) -> None:
        self.url = embedded.start_redis(self.folder)

    def stop(self) -> None:
        """End it and lose what it held, as a Redis without a disk does."""
        os.kill(self._pid(), signal.SIGKILL)
        running.eventually(lambda: not self.answers(), "Redis is gone", seconds=10)
        for file in self.folder.glob("append*"):
            os.remove(file)

    def freeze(self) -> None:
        self.frozen = self._pid()
        os.kill(self.frozen, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.frozen, signal.SIGCONT)

    def answers(self) -> bool:
        try:
            return bool(redis.Redis.from_url(self.url, socket_timeout=1, retry=Retry(NoBackoff(), 0)).ping())
        except redis.RedisError:
            return False

    def broker(self) -> Connection:
        return Connection(broker_url(self.url))

    def _pid(self) -> int:
        with redis.Redis.from_url(self.url) as client:
            return int(client.info("server")["process_id"])


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[OwnRedis]:
    server = OwnRedis(tmp_path / "redis")
    server.start()
    yield server
    if server.answers():
        with redis.Redis.from_url(server.url) as client:
            client.shutdown(nosave=True)


@pytest.fixture
def processes(own_redis: OwnRedis, tmp_path: Path, transactional_db: None) -> Iterator[ExitStack]:
    """What is entered here ends before the database is emptied; what it left there must hold."""
    with ExitStack() as stack:
        yield stack
    assert [verdict for verdict in check_all() if verdict.broken] == []


@pytest.fixture
def start_worker(processes: ExitStack, own_redis: OwnRedis, tmp_path: Path) -> Callable[..., Popen[bytes]]:
    """Start a Celery worker on the tests' database; ``sweeping`` adds a beat that sweeps every second."""

    def start(*options: str, sweeping: bool = False) -> Popen[bytes]:
        if sweeping:
            options = (*options, "--beat", "--schedule", str(tmp_path / "beat-schedule"))
        worker = running.worker(tmp_path / "worker.log", *options, REDIS_URL=own_redis.url, REVIEWHUB_SWEEP_SECONDS="1")
        return processes.enter_context(worker)

    return start


@pytest.fixture
def start_web(processes: ExitStack, own_redis: OwnRedis, tmp_path: Path) -> Callable[[], int]:
    """Start the web server on the tests' database; gives its port."""
    return lambda: processes.enter_context(running.web(tmp_path / "web.log", REDIS_URL=own_redis.url))


@pytest.fixture
def model(processes: ExitStack) -> Any:
    return make_model("payments")[0]


@pytest.fixture
def key(model: Any) -> str:
    return access.create_service_key(name="loop", scopes=["ingest"], model=model, created_by="test")[1]
