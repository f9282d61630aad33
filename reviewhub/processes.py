"""The processes of one installation on one machine: web, a worker per kind of work, and beat."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

STOP_SECONDS = 25
FASTEST_RESTART = 2.0

# A slow webhook receiver must not hold up routing, so each kind of work has its own.
WORKERS = {"routing": "routing", "outbox": "outbox", "explain": "explain", "training": "training"}


def port_is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def commands(port: int, threads: int) -> dict[str, list[str]]:
    """The command line of every process, by its name."""
    web = [sys.executable, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port)]
    web += [
        "--workers",
        "1",
        "--blocking-threads",
        str(threads),
        "--backlog",
        "1024",
        "--no-ws",
        "--log-level",
        "warning",
    ]
    web += ["reviewhub.wsgi:application"]
    celery = [sys.executable, "-m", "celery", "--app", "reviewhub.celery", "--quiet"]
    every = {"web": web}
    for name, queues in WORKERS.items():
        options = ["--queues", queues, "--concurrency", "1", "--hostname", f"{name}@%h", "--loglevel", "warning"]
        every[name] = [*celery, "worker", *options, "--without-gossip", "--without-mingle"]
    every["beat"] = [*celery, "beat", "--loglevel", "warning", "--pidfile", ""]
    return every


@dataclass
class Processes:
    """Started together, watched, and stopped together. A process that dies is started again."""

    commands: dict[str, list[str]]
    logs: Path
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    started: dict[str, float] = field(default_factory=dict)

    def start(self, *names: str) -> None:
        """Start the named ones, or all that do not run yet."""
        self.logs.mkdir(parents=True, exist_ok=True)
        for name in names or self.commands:
            if name not in self.running:
                self._launch(name)

    def _launch(self, name: str) -> None:
        # A soft stop: the worker hands unfinished messages back before it leaves.
        env = {**os.environ, "REMAP_SIGTERM": "SIGQUIT", "OMP_NUM_THREADS": "1"}
        with (self.logs / f"{name}.log").open("ab") as log:
            # A session of its own: Ctrl-C in the terminal reaches this process, which stops them in order.
            self.running[name] = subprocess.Popen(
                self.commands[name], stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True, env=env
            )
        self.started[name] = time.monotonic()

    def restart_dead(self) -> list[str]:
        """Start again what has died since the last look; returns the names."""
        dead = [name for name, process in self.running.items() if process.poll() is not None]
        restarted = [name for name in dead if time.monotonic() - self.started[name] > FASTEST_RESTART]
        for name in restarted:
            self._launch(name)
        return restarted

    def stop(self) -> None:
        for process in self.running.values():
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        for process in self.running.values():
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
