"""Every benchmark, one after the other: JSON lines to benchmarks/results/ and a table on the way."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

MODULES = ("ingest", "routing", "queue", "whatif", "quality", "reviewer")
FOLDER = Path(__file__).resolve().parent / "results"


def main() -> int:
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / f"{datetime.now(UTC):%Y-%m-%dT%H%M%SZ}.jsonl"
    failed = []
    with path.open("w") as results:
        for module in MODULES:
            print(f"{module} ...", file=sys.stderr, flush=True)
            # A process each: services and tables of its own, nothing warm from the one before.
            ran = subprocess.run([sys.executable, "-m", f"benchmarks.{module}"], stdout=subprocess.PIPE, text=True)
            failed += [module] if ran.returncode else []
            for line in ran.stdout.splitlines():
                if line.startswith("{"):
                    results.write(line + "\n")
                    print(row(json.loads(line)), flush=True)
    print(f"written to {path}", file=sys.stderr)
    return 1 if failed else 0


def row(figure: dict[str, Any]) -> str:
    """One figure as a line of the table: its name, then every number it came with."""
    name = figure.get("benchmark") or figure.get("figure") or figure.get("name") or "?"
    numbers = [f"{key} {value:,.2f}" for key, value in figure.items() if isinstance(value, int | float)]
    return f"{name:28} {'   '.join(numbers)}"


if __name__ == "__main__":
    sys.exit(main())
