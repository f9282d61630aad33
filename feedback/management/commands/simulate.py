"""What would ReviewHub do on my data? Policies compared on a table whose truth is known. Writes no rows."""

from __future__ import annotations

import argparse
import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.progress import track

from feedback import simulation
from feedback.simulation import reviewing
from feedback.simulation.report import lines

# The processes' copy of what is simulated: sent once, not with every replication.
_setup: list[simulation.Setup] = []


class Command(BaseCommand):
    help = (
        "Simulates review policies on a CSV file: how wide and how right their intervals are, what they catch, beside "
        "uniform review and the naive figure. Rows are taken in file order; the first fifth trains the model. "
        "Nothing is written but the file that --json names."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--csv", required=True, type=Path, metavar="FILE", help="a header, then one row a case")
        parser.add_argument("--target", required=True, metavar="COLUMN", help="the column that holds the truth")
        parser.add_argument("--positive", metavar="VALUE", help="its positive value; of two, the rarer one by default")
        parser.add_argument("--hidden", default="", metavar="COL,COL", help="columns that the model may not see")
        parser.add_argument(
            "--tier", action="append", nargs="+", default=[], metavar="COL:OP:VALUE", help="marks the risk tier; any of"
        )
        parser.add_argument("--budget", type=share, default=0.15, help="share of the traffic that is reviewed")
        parser.add_argument("--window", type=whole, default=10_000, help="rows in a window")
        parser.add_argument("--replications", type=whole, default=100)
        parser.add_argument("--policies", type=names, default=simulation.POLICIES, metavar="NAME,NAME")
        parser.add_argument("--drift", choices=reviewing.DRIFTS, default="none")
        parser.add_argument("--latency", choices=reviewing.LATENCIES, default="none")
        parser.add_argument("--reviewers", choices=reviewing.REVIEWERS, default="perfect")
        parser.add_argument(
            "--retrain", action="store_true", help="also fit on what was reviewed, with and without weights"
        )
        parser.add_argument("--costs", type=costs, metavar="FN,FP", help="cost of a missed positive and a false alarm")
        parser.add_argument("--json", nargs="?", const="-", metavar="OUT", help="write JSON to OUT, or to stdout")
        parser.add_argument("--seed", type=seed, default=0, help="a whole number from 0 on")

    def handle(self, **options: Any) -> None:
        out = options["json"]
        if out not in (None, "-") and not os.access(Path(out).absolute().parent, os.W_OK):
            raise CommandError(f"{out} cannot be written: there is no such folder, or it is closed", returncode=2)
        try:
            table = simulation.read(
                options["csv"],
                target=options["target"],
                positive=options["positive"],
                hidden=[name for name in options["hidden"].split(",") if name],
                tier=[text for group in options["tier"] for text in group],
            )
            setup = self._prepared(table, options)
        except simulation.Unreadable as error:
            raise CommandError(str(error), returncode=2) from None
        found = simulation.document(setup, list(self._replications(setup)))
        self._answer(found, setup, options["json"])

    def _prepared(self, table: simulation.Table, options: dict[str, Any]) -> simulation.Setup:
        if options["costs"] is not None and table.positive is None:
            raise simulation.Unreadable("--costs is for two classes; name the positive one with --positive")
        self.stderr.write(f"training the champion on the first fifth of {len(table.labels)} rows")
        scores = simulation.train(table)
        chosen = simulation.Options(
            **{name: options[name] for name in ("budget", "policies", "drift", "latency", "reviewers", "seed")},
            **{name: options[name] for name in ("window", "replications", "retrain")},
        )
        self._remark(table, chosen)
        return simulation.setup(table, scores, chosen, options["costs"])

    def _remark(self, table: simulation.Table, chosen: simulation.Options) -> None:
        if "default" not in chosen.policies:
            return
        share = float(table.tier.mean()) * simulation.TIER_FLOOR
        if not table.tier.any():
            self.stderr.write("without a tier the policy 'default' equals 'active'")
        elif share > chosen.budget / 3:
            self.stderr.write(
                f"the floor of 'default' on the tier takes {share / chosen.budget:.0%} of the budget: above a third "
                "intervals grow wide"
            )

    def _replications(self, setup: simulation.Setup) -> Iterator[simulation.Replication]:
        count = setup.options.replications
        workers = min(os.cpu_count() or 1, count)
        # A forked copy of a process whose threads have fitted a model hangs at its own first fit.
        fresh = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(workers, mp_context=fresh, initializer=_keep, initargs=(setup,)) as pool:
            each = max(1, min(8, count // (4 * workers)))
            console = Console(stderr=True)
            yield from track(
                pool.map(_replicate, range(count), chunksize=each),
                "simulating",
                total=count,
                console=console,
                disable=not console.is_terminal,
            )

    def _answer(self, found: dict[str, Any], setup: simulation.Setup, out: str | None) -> None:
        text = msgspec.json.format(msgspec.json.encode(found), indent=2).decode()
        if out == "-":
            self.stdout.write(text)
            return
        if out is not None:
            try:
                Path(out).write_text(text + "\n", encoding="utf-8")
            except OSError as error:
                raise CommandError(f"{out} cannot be written: {error}", returncode=2) from None
        for line in lines(found, setup):
            self.stdout.write(line)


def _keep(setup: simulation.Setup) -> None:
    _setup[:] = [setup]


def _replicate(number: int) -> simulation.Replication:
    return simulation.replicate(_setup[0], number)


def share(text: str) -> float:
    value = _number(text)
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no share between 0 and 1")
    return value


def whole(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 10**9):
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number above 0")
    return int(text)


def seed(text: str) -> int:
    return 0 if text == "0" else whole(text)


def names(text: str) -> tuple[str, ...]:
    chosen = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    if unknown := [name for name in chosen if name not in simulation.POLICIES]:
        known = ", ".join(simulation.POLICIES)
        raise argparse.ArgumentTypeError(f"there is no policy {unknown[0]!r}; there are {known}")
    if not chosen:
        raise argparse.ArgumentTypeError("name at least one policy")
    return chosen


def costs(text: str) -> tuple[float, float]:
    parts = [_number(part) for part in text.split(",")]
    if len(parts) != 2 or min(parts) < 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not FN,FP: two costs of at least 0")
    return parts[0], parts[1]


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no number") from None
    if not np.isfinite(value):
        raise argparse.ArgumentTypeError(f"{text!r} is no number")
    return value
