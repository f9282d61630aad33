"""The product's own processes, started on the suite's database and a Redis of choice."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg2
from django.conf import settings
from django.db import connection

from reviewhub.processes import commands

START_SECONDS = 30


def environment(**changes: str) -> dict[str, str]:
    """This process's environment, on the database that the tests use."""
    url = urlsplit(os.environ["DATABASE_URL"])._replace(path="/" + connection.settings_dict["NAME"])
    return {**os.environ, "DATABASE_URL": url.geturl(), "DJANGO_SETTINGS_MODULE": "reviewhub.settings", **changes}


@contextlib.contextmanager
def process(command: list[str], log: Path, **changes: str) -> Iterator[subprocess.Popen[bytes]]:
    """A command in a group of its own, which is killed when the block ends."""
    with log.open("ab") as out:
        running = subprocess.Popen(
            command, env=environment(**changes), stdout=out, stderr=out, cwd=settings.BASE_DIR, start_new_session=True
        )
    try:
        yield running
    finally:
        kill_group(running)


def kill_group(running: subprocess.Popen[bytes]) -> None:
    """kill -9 for the process and its children; safe to repeat."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(running.pid, signal.SIGKILL)
    running.wait()


@dataclass
class Web:
    """The web server as it runs in production, on one port for all its lives."""

    log: Path
    threads: int = 4
    changes: dict[str, str] = field(default_factory=dict)
    port: int = 0
    _life: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        if not self.port:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                self.port = probe.getsockname()[1]
        command = commands(self.port, self.threads)["web"]
        started = self._life.enter_context(process(command, self.log, **self.changes))
        eventually(lambda: started.poll() is None and alive(self.port), "the web server answers")

    def kill(self) -> None:
        """kill -9, with whatever it was doing."""
        self._life.close()


@contextlib.contextmanager
def mortal_web(log: Path, *, threads: int = 4, **changes: str) -> Iterator[Web]:
    """A web server that may be killed and started again."""
    server = Web(log, threads, changes)
    try:
        server.start()
        yield server
    finally:
        server.kill()


@contextlib.contextmanager
def web(log: Path, *, threads: int = 4, **changes: str) -> Iterator[int]:
    """The web server as it runs in production; gives its port."""
    with mortal_web(log, threads=threads, **changes) as server:
        yield server.port


@contextlib.contextmanager
def worker(
    log: Path, *options: str, queues: str = "routing,outbox", **changes: str
) -> Iterator[subprocess.Popen[bytes]]:
    """A Celery worker with one child; gives its process. It may still be starting."""
    command = [sys.executable, "-m", "celery", "--app", "reviewhub.celery", "--quiet", "worker", "--queues", queues]
    command += ["--concurrency", "1", "--loglevel", "warning", "--without-gossip", "--without-mingle", *options]
    with process(command, log, **changes) as running:
        yield running


def alive(port: int) -> bool:
    try:
        return answer(port, b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")[0] == 200
    except OSError:
        return False


def answer(port: int, request: bytes) -> tuple[int, http.client.HTTPMessage, bytes]:
    """Send bytes as they are and read one answer: status, headers, body."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connected:
        # A server that refuses a long body early closes its side while we still send.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connected.sendall(request)
        response = http.client.HTTPResponse(connected)
        response.begin()
        return response.status, response.headers, response.read()


def eventually(holds: Callable[[], Any], what: str, *, seconds: float = START_SECONDS) -> None:
    """Look again until it holds; fails naming what did not."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"never within {seconds:.0f} s: {what}"
        time.sleep(0.02)


@contextlib.contextmanager
def raw_connection() -> Iterator[Any]:
    """A connection to the tests' database beside Django's, with transactions of its own."""
    connected = psycopg2.connect(environment()["DATABASE_URL"])
    try:
        yield connected
    finally:
        connected.close()
