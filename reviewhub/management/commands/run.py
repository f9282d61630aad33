"""`make run`: everything on this machine, until Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser

from reviewhub.demo import logins, story
from reviewhub.processes import Processes, commands, port_is_free

READY_SECONDS = 60


class Command(BaseCommand):
    help = "Migrates, seeds the demo once, starts web, workers and beat, and serves until Ctrl-C."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, default=8000)
        parser.add_argument("--no-demo", action="store_true", help="start empty, without the demo and its logins")

    def handle(self, *, port: int, no_demo: bool, **options: Any) -> None:
        if not port_is_free(port):
            raise CommandError(f"port {port} is taken; choose another: make run PORT={port + 1}")
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, _leave)
        self._say("Preparing the database ...")
        call_command("migrate", verbosity=0, interactive=False)
        call_command("collectstatic", verbosity=0, interactive=False)
        if not settings.REVIEWHUB["PRODUCTION"]:
            os.environ.setdefault("REVIEWHUB_GALLERY", "1")
        processes = Processes(commands(port, settings.REVIEWHUB["WEB_THREADS"]), settings.HOME / "logs")
        try:
            # The web server first and alone: pages answer while the workers are still loading.
            processes.start("web")
            self._wait_until_ready(port, processes)
            processes.start()
            if not no_demo and self._demo(port):
                for name, password in logins.all().items():
                    self.stdout.write(f"login: {name} / {password}")
            self.stdout.write(f"ReviewHub is ready at http://127.0.0.1:{port}")
            self.stdout.flush()
            while True:
                time.sleep(1)
                for name in processes.restart_dead():
                    self._say(f"{name} had stopped and was started again; its log is {processes.logs / f'{name}.log'}")
        except KeyboardInterrupt:
            self._say("Stopping ...")
        finally:
            processes.stop()

    def _demo(self, port: int) -> bool:
        """Seed the demo where nothing is yet; whether it is there. Without it ReviewHub serves all the same."""
        if story.is_seeded():
            return True
        if why := story.obstacle():
            self._say(f"Serving without the demo: {why}. To get it, set REVIEWHUB_HOME to a new folder.")
            return False
        # In a process of its own: it trains models, and this one only watches the others.
        command = [sys.executable, "manage.py", "seed_demo", "--url", f"http://127.0.0.1:{port}"]
        if subprocess.run(command, cwd=settings.BASE_DIR, check=False).returncode:
            raise CommandError("the demo could not be seeded; see the lines above")
        return True

    def _wait_until_ready(self, port: int, processes: Processes) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while True:
            if processes.running["web"].poll() is not None or time.monotonic() > deadline:
                raise CommandError(f"the web server did not start; its log is {processes.logs / 'web.log'}")
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=5) as answer:
                    json.load(answer)
                    return
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                time.sleep(0.1)

    def _say(self, text: str) -> None:
        self.stderr.write(text, self.style.NOTICE)
        self.stderr.flush()


def _leave(signum: int, frame: object) -> None:
    # A second Ctrl-C must not interrupt the orderly stop.
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, signal.SIG_IGN)
    raise KeyboardInterrupt
