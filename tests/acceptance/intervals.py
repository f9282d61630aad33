"""A1 to A5 and A16: coverage, bias and width of each policy, rare events, and what the default policy catches."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace

import numpy as np

from feedback import simulation
from feedback.estimators import Outputs, State, measure, true_value
from feedback.estimators.guess import with_confidence
from feedback.simulation import routes
from tests.acceptance import made
from tests.acceptance.checks import Check, Size, measured

BUDGETS = (0.15, 0.08)
POLICIES = ("active", "default")
LEAST_COVERAGE, NEAR = 0.925, 0.94
_setups: list[simulation.Setup] = []


def run_all(setup: simulation.Setup, count: int) -> dict:
    """The document of a simulation, on all cores where it is worth it."""
    if count < 100:
        return simulation.document(setup, [simulation.replicate(setup, number) for number in range(count)])
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(os.cpu_count(), mp_context=fresh, initializer=_keep, initargs=(setup,)) as pool:
        return simulation.document(setup, list(pool.map(_replicate, range(count), chunksize=5)))


def _keep(setup: simulation.Setup) -> None:
    _setups[:] = [setup]


def _replicate(number: int) -> simulation.Replication:
    return simulation.replicate(_setups[0], number)


def cells(name: str, size: Size, *, budget: float) -> dict:
    """The policies' figures at a budget; once more with more replications where a coverage is near its bar."""
    rows = made.ROWS if size.again else 12_000
    setup = made.setup(
        name, rows=rows, budget=budget, window=10_000, replications=size.replications, policies=("uniform", *POLICIES)
    )
    found = run_all(setup, size.replications)
    covered = [metric["coverage"] for name in POLICIES for metric in found["policies"][name]["metrics"].values()]
    if size.again and min(covered) < NEAR:
        again = replace(setup, options=replace(setup.options, replications=size.again))
        found = run_all(again, size.again)
    return found["policies"]


def coverage_bias_and_width(name: str, size: Size) -> Iterator[Check]:
    by_budget = {budget: cells(name, size, budget=budget) for budget in BUDGETS}
    pooled = []
    for budget, policies in by_budget.items():
        for policy in POLICIES:
            for metric, figures in policies[policy]["metrics"].items():
                number = "A16" if metric == "auto_accepted_error" else "A1"
                what = f"{name}, {policy} {budget:.0%}, {metric}: coverage"
                yield Check(number, what, figures["coverage"], LEAST_COVERAGE - size.slack)
                pooled.append(figures["coverage"])
    slack = size.slack / 4
    yield Check("A1", f"{name}: coverage pooled over all cells", float(np.mean(pooled)), 0.94 - slack, 0.98 + slack)
    yield from _bias(name, size, by_budget)
    yield from _width(name, size, by_budget[BUDGETS[0]])


def _bias(name: str, size: Size, by_budget: dict) -> Iterator[Check]:
    wider = 1.0 + 40 * size.slack
    for budget, policies in by_budget.items():
        for policy in POLICIES:
            figures = policies[policy]["metrics"]
            what = f"{name}, {policy} {budget:.0%}"
            yield Check("A2", f"{what}: bias of accuracy", abs(figures["accuracy"]["bias"]), high=0.0025 * wider)
            others = [abs(one["bias"]) for metric, one in figures.items() if metric != "accuracy"]
            yield Check("A2", f"{what}: worst bias of the other figures", max(others), high=0.006 * wider)
            yield Check(
                "A2", f"{what}: naive bias of accuracy", figures["accuracy"]["naive_bias"], high=-0.04 + size.slack / 7
            )
            yield Check(
                "A2",
                f"{what}: naive coverage of accuracy",
                figures["accuracy"]["naive_coverage"],
                high=0.05 + 5 * size.slack,
            )


def _width(name: str, size: Size, policies: dict) -> Iterator[Check]:
    # The bars are those of one table; any other must only not lose by it.
    bars = {"active": 0.85, "default": 0.90} if name == "adult" else {"active": 1.05, "default": 1.05}
    for policy, bar in bars.items():
        width = policies[policy]["metrics"]["accuracy"]["width_vs_uniform"]
        yield Check("A3", f"{name}, {policy} 15%: width of accuracy against uniform", width, high=bar)
    if name == "adult":
        recall = policies["default"]["metrics"]["recall"]["width_vs_uniform"]
        yield Check("A3", f"{name}, default 15%: width of recall against uniform", recall, high=0.78)
    caught = policies["default"]["errors_caught_vs_uniform"]
    yield Check("A5", f"{name}, default 15%: errors caught against uniform", caught, 1.30 if name == "adult" else 1.15)


def rare_events(size: Size) -> list[Check]:
    """A4: 2 % positives, 10 % reviewed; overall, and the accuracy of a group that is hardly ever wrong."""
    rows = made.ROWS if size.again else 12_000
    policies = ("threshold", "active")
    setup = made.setup("made", rows=rows, rare=True, budget=0.10, window=10_000, policies=policies)

    def run(count: int) -> Iterator[Check]:
        found = run_all(setup, count)["policies"]
        for policy in policies:
            for metric in ("accuracy", "precision", "recall"):
                figures = found[policy]["metrics"][metric]
                yield Check("A4", f"rare events, {policy}, {metric}: coverage", figures["coverage"], 0.93 - size.slack)
                # An interval that holds everything covers and says nothing.
                width = {"accuracy": 0.06, "precision": 0.97, "recall": 0.95}[metric] + 10 * size.slack
                yield Check("A4", f"rare events, {policy}, {metric}: width", figures["width"], high=width)
            yield from _group(setup, policy, count, size)

    return measured(run, size)


def _group(setup: simulation.Setup, policy: str, count: int, size: Size) -> Iterator[Check]:
    """The accuracy of the rows of the surest two thirds, which are hardly ever wrong and hardly ever reviewed."""
    covered, shown = [], []
    for number in range(count):
        rng = np.random.default_rng([4, number])
        order = rng.permutation(setup.labels.size)
        half = min(10_000, order.size // 2)
        past, window = (routes.rows_at(setup, part) for part in (order[half : 2 * half], order[:half]))
        evidence = routes.Evidence.of(past, budget=0.10, rng=rng)
        past, window = evidence.trusted(past), evidence.trusted(window)
        propensity = routes.route(setup, policy, window=window, past=past, evidence=evidence).window
        drawn = rng.random(half) < propensity
        group = window.guess >= np.quantile(window.guess, 1 / 3)
        rows = window.where(group)
        guess = with_confidence(rows.scores, rows.predicted, rows.guess)
        outputs = Outputs(rows.scores, rows.predicted, setup.positive, setup.costs, guess)
        found = measure("accuracy", outputs, np.where(drawn[group], rows.labels, -1), propensity[group])
        truth = true_value("accuracy", outputs, rows.labels)
        covered.append(found.low <= truth <= found.high)
        shown.append(found.state is State.OK)
    yield Check("A4", f"rare events, {policy}, surest two thirds: coverage", float(np.mean(covered)), 0.93 - size.slack)
    yield Check("A4", f"rare events, {policy}, surest two thirds: shown", float(np.mean(shown)), 0.5)
