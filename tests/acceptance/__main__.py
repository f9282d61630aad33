"""The acceptance experiment: a table of figure, bar and verdict; exit 1 where one falls short."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "reviewhub.settings")

from tests.acceptance import intervals, made, people, reliance, time
from tests.acceptance.checks import FULL, Check, Size, line

IDENTITIES = "tests/feedback/test_estimator_identities.py"
BY_STEPS = "tests/feedback/test_reliance_by_steps.py::test_the_steps_give_the_figure_of_the_arrays"
REVIEWERS_BY_STEPS = "tests/feedback/test_reviewer_error_by_steps.py"
BY_WORKER = (
    "tests/loop/test_routing_by_worker.py::test_a_worker_reviews_predictions_as_often_as_their_stored_propensity_says"
)


def identities(size: Size) -> list[Check]:
    """A20: what must hold exactly, as the suite has it."""
    done = subprocess.run([sys.executable, "-m", "pytest", IDENTITIES], capture_output=True, check=False)
    return [Check("A20", "identities that do not hold", float(done.returncode), high=0.0)]


def through_a_worker(size: Size) -> list[Check]:
    """100,000 predictions through Celery: the reviews of each tenth of propensity within 3 sigma."""
    environment = {**os.environ, "ROUTED_ROWS": "100000"}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", BY_WORKER], capture_output=True, check=False, env=environment
    )
    return [Check("freq", "100,000 through a worker: runs in which a tenth is off", float(done.returncode), high=0.0)]


def hidden_suggestions_by_steps(size: Size) -> list[Check]:
    """A14 through the steps: 3,000 predictions routed, claimed and decided; the same figure as from arrays."""
    environment = {**os.environ, "RELIANCE_REVIEWS": "3000"}
    done = subprocess.run([sys.executable, "-m", "pytest", BY_STEPS], capture_output=True, check=False, env=environment)
    return [Check("A14", "3,000 reviews by the steps: runs that differ from arrays", float(done.returncode), high=0.0)]


def reviewers_by_steps(size: Size) -> Iterator[Check]:
    """A9 through the real steps at its size: the figure of the arrays. Each kind of error in a process of its own, as
    rows that were taken back slow down what comes after them."""
    environment = {**os.environ, "A9_ROWS": "10000", "A9_EACH": "400"}
    for kind in ("independent", "anchored"):
        done = subprocess.run(
            [sys.executable, "-m", "pytest", REVIEWERS_BY_STEPS, "-k", f"arrays and {kind}"],
            capture_output=True, check=False, env=environment,
        )  # fmt: skip
        what = f"{kind} reviewers by the real steps, 10,000 rows: runs that differ or miss"
        yield Check("A9", what, float(done.returncode), high=0.0)


EXPERIMENTS = (
    identities,
    through_a_worker,
    people.propensity_audits,
    people.no_support,
    lambda size: intervals.coverage_bias_and_width("made", size),
    intervals.rare_events,
    time.drift,
    time.daily_looks,
    time.late_labels,
    people.reviewer_error,
    reviewers_by_steps,
    reliance.hidden_suggestions,
    hidden_suggestions_by_steps,
    people.planned_width,
    people.challengers,
    people.frequencies,
)


def main() -> int:
    experiments = list(EXPERIMENTS)
    if made.adult() is not None:
        experiments.append(lambda size: intervals.coverage_bias_and_width("adult", size))
    else:
        print(f"{made.ADULT} names no census table: the bars that are about it are left out", file=sys.stderr)
    checks: list[Check] = []
    for number, experiment in enumerate(experiments, start=1):
        print(f"experiment {number} of {len(experiments)} ...", file=sys.stderr, flush=True)
        for check in experiment(FULL):
            checks.append(check)
            print(line(check), flush=True)
    missed = [check for check in checks if not check.met]
    print(f"\n{len(checks) - len(missed)} of {len(checks)} bars met")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
