from __future__ import annotations

import json
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from reviewhub.demo import story
from reviewhub.demo.client import RefusedError


class Command(BaseCommand):
    chapter = ""
    help = "Seeds the demo models through the API of a running ReviewHub. Does nothing when they are there."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--url", default="http://127.0.0.1:8000", help="where ReviewHub runs")
        parser.add_argument("--json", action="store_true", dest="as_json", help="print one JSON document")
        parser.add_argument("--dry-run", action="store_true", help="say what would be done")

    def handle(self, *, url: str, as_json: bool, dry_run: bool, **options: Any) -> None:
        if settings.REVIEWHUB["PRODUCTION"]:
            raise CommandError("the demo and its logins never exist in production")
        seeded = story.is_seeded()
        if not seeded and (why := story.obstacle()):
            raise CommandError(why)
        if not seeded and not dry_run:
            try:
                story.play(url, self._say)
            except (RefusedError, TimeoutError) as error:
                raise CommandError(str(error)) from error
            finally:
                self._say("")
        self._report(as_json, "already seeded" if seeded else "would seed" if dry_run else "seeded")

    def _say(self, text: str) -> None:
        if sys.stderr.isatty():
            self.stderr.write(f"\r\033[K{text}", ending="")
        elif text and text.split(":")[0] != self.chapter:
            # Not a terminal: one line per chapter is enough.
            self.chapter = text.split(":")[0]
            self.stderr.write(f"{self.chapter} ...")
        self.stderr.flush()

    def _report(self, as_json: bool, state: str) -> None:
        if as_json:
            self.stdout.write(json.dumps({"demo": state}))
        else:
            self.stderr.write(f"Demo: {state}")
