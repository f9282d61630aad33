from __future__ import annotations

import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from reviewhub.invariants import check_all


class Command(BaseCommand):
    help = "Checks what must never be false in the database. Reads only; exit 1 when an invariant is broken."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", dest="as_json", help="print one JSON document")

    def handle(self, *, as_json: bool, **options: Any) -> None:
        verdicts = check_all()
        if as_json:
            rows = [
                {"id": v.invariant.number, "name": v.invariant.name, "broken": v.broken, "examples": v.examples}
                for v in verdicts
            ]
            self.stdout.write(json.dumps({"invariants": rows, "ok": not any(v.broken for v in verdicts)}))
        else:
            for verdict in verdicts:
                state = f"BROKEN {verdict.broken}x: {', '.join(verdict.examples)}" if verdict.broken else "holds"
                self.stdout.write(f"{verdict.invariant.number}  {state:8}  {verdict.invariant.name}")
        if any(verdict.broken for verdict in verdicts):
            sys.exit(1)
