"""One replication: a window of rows, routed by each policy, reviewed, and estimated; the truth is known."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from feedback.estimators import AUTO_ACCEPTED_ERROR, Estimate, Outputs, State, measure, true_value
from feedback.estimators.guess import with_confidence
from feedback.estimators.metrics import PROPORTIONS, ratios
from feedback.simulation import lateness, relearning, reviewing
from feedback.simulation.plain import plain_width, remainder_width
from feedback.simulation.routes import Evidence, Flags, Floats, Integers, Route, Rows, Setup, draws_of, route, rows_at

if TYPE_CHECKING:
    import pandas as pd

METRICS = ("accuracy", "precision", "recall", "cost", "brier", AUTO_ACCEPTED_ERROR)
UNKNOWN = -1


@dataclass(frozen=True)
class Cell:
    """One metric of one policy in one replication; nan where something cannot be computed."""

    truth: float
    point: float
    low: float
    high: float
    naive: float
    naive_low: float
    naive_high: float
    effective_n: float
    published: bool


@dataclass(frozen=True)
class Run:
    """One policy in one replication: its figures, the share reviewed and of the errors caught, what was learnt."""

    cells: dict[str, Cell]
    reviewed: float
    caught: float
    relearnt: dict[str, dict[str, float]]


@dataclass(frozen=True)
class Replication:
    """``plain`` is the width of the plain mean's interval under uniform review, per metric; ``caught`` its share
    of the errors.
    """

    runs: dict[str, Run]
    plain: dict[str, float]
    caught: float


def replicate(setup: Setup, number: int) -> Replication:
    """Replication ``number``: the same options and number give the same figures."""
    options = setup.options
    rng = np.random.default_rng([options.seed, number])
    order = rng.permutation(setup.labels.size)
    size = min(options.window, setup.labels.size // 2)
    past = rows_at(setup, order[size : 2 * size])
    evidence = Evidence.of(past, budget=options.budget, rng=rng)
    past, window = evidence.trusted(past), evidence.trusted(rows_at(setup, order[:size]))
    if options.drift == "concept":
        labels = reviewing.drifted(window.labels, window.scores.max(axis=1), len(setup.classes), rng)
        window = replace(window, labels=labels)
    said = _said(setup, window, rng)
    draws = draws_of(order[:size], seed=options.seed, number=number)
    routes = {
        name: route(setup, name, window=window, past=past, evidence=evidence)
        for name in dict.fromkeys(("uniform", *options.policies))
    }
    uniform = draws < routes["uniform"].window
    arrivals = _arrivals(setup, routes, window=window, past=past, said=said, draws=draws, rng=rng)
    test = _test(setup, order[size : 2 * size], past, rng)
    runs = {}
    for name in options.policies:
        drawn, arrived = draws < routes[name].window, arrivals.get(name)
        relearnt = {}
        if test is not None and setup.inputs is not None and number < relearning.WINDOWS:
            known = drawn if arrived is None else arrived.here
            relearnt = relearning.relearn(
                setup.inputs.iloc[order[:size]], said, drawn=known, propensity=routes[name].window, uniform=uniform,
                test=test, classes=len(setup.classes),
            )  # fmt: skip
        runs[name] = _run(setup, window, said, drawn, routes[name].window, arrived, relearnt)
    return Replication(runs, _plain(setup, window, uniform), _caught(window, uniform))


def _test(
    setup: Setup, places: Integers, past: Rows, rng: np.random.Generator
) -> tuple[pd.DataFrame, Integers, Floats] | None:
    """Rows that no policy saw, in the world as it is at the window's end; None where nothing is fitted."""
    if setup.inputs is None:
        return None
    labels = past.labels
    if setup.options.drift == "concept":
        labels = reviewing.drifted(labels, past.scores.max(axis=1), len(setup.classes), rng, since=0.0)
    return setup.inputs.iloc[places], labels, past.scores


def _said(setup: Setup, window: Rows, rng: np.random.Generator) -> Integers:
    kind, classes = setup.options.reviewers, len(setup.classes)
    return reviewing.answers(kind, window.labels, window.predicted, classes=classes, positive=setup.positive, rng=rng)


def _arrivals(
    setup: Setup, routes: dict[str, Route], *, window: Rows, past: Rows, said: Integers, draws: Floats,
    rng: np.random.Generator,
) -> dict[str, lateness.Arrived]:  # fmt: skip
    """Per policy which labels are here at the window's end; empty where none comes late."""
    if setup.options.latency == "none":
        return {}
    agrees, agreed = said == window.predicted, past.labels == past.predicted
    wait, waited = (reviewing.latencies(rows.guess, ~same, rng) for rows, same in ((window, agrees), (past, agreed)))
    drawn_before = rng.random(past.labels.size)
    return {
        name: lateness.look(
            lateness.Late(past.guess, agreed, drawn_before < routes[name].past, waited),
            lateness.Late(window.guess, agrees, draws < routes[name].window, wait),
        )
        for name in setup.options.policies
    }


def _run(
    setup: Setup, window: Rows, said: Integers, drawn: Flags, propensity: Floats, arrived: lateness.Arrived | None,
    relearnt: dict[str, dict[str, float]],
) -> Run:  # fmt: skip
    share, caught = float(drawn.mean()), _caught(window, drawn)
    arrival: tuple[Floats | None, Floats | None] = (None, None)
    here = drawn
    if arrived is not None:
        kept = arrived.kept
        window, said, drawn, propensity = window.where(kept), said[kept], drawn[kept], propensity[kept]
        here, arrival = arrived.here[kept], (arrived.arrival[kept], arrived.arrival_of_all[kept])
    outputs, labels = _outputs(setup, window), np.where(here, said, UNKNOWN)
    cells = {}
    for metric in METRICS:
        auto = drawn if metric == AUTO_ACCEPTED_ERROR else None
        truth = true_value(metric, outputs, window.labels, drawn=auto)
        cells[metric] = _cell(truth, measure(metric, outputs, labels, propensity, *arrival, drawn=auto))
    return Run(cells, share, caught, relearnt)


def _caught(window: Rows, drawn: Flags) -> float:
    """The share of the window's errors that were drawn; none of none is none."""
    wrong = window.predicted != window.labels
    return float(wrong[drawn].sum() / max(int(wrong.sum()), 1))


def _cell(truth: float | None, found: Estimate) -> Cell:
    names = ("point", "low", "high", "naive", "naive_low", "naive_high")
    values = {name: _known(getattr(found, name)) for name in names}
    return Cell(truth=_known(truth), **values, effective_n=found.effective_n, published=found.state is State.OK)


def _known(value: float | None) -> float:
    return float("nan") if value is None else value


def _plain(setup: Setup, window: Rows, drawn: Flags) -> dict[str, float]:
    """Widths under uniform review, in which every row of the window is drawn alike."""
    size = window.labels.size
    outputs, labels = _outputs(setup, window).part(drawn), window.labels[drawn]
    found = {
        metric: plain_width(ratios(metric, outputs), labels, of=size, proportion=metric in PROPORTIONS)
        for metric in METRICS
        if metric != AUTO_ACCEPTED_ERROR
    }
    errors = int((outputs.predicted != labels).sum())
    return {**found, AUTO_ACCEPTED_ERROR: remainder_width(errors, labels.size, of=size)}


def _outputs(setup: Setup, rows: Rows) -> Outputs:
    beliefs = with_confidence(rows.scores, rows.predicted, rows.guess)
    return Outputs(rows.scores, rows.predicted, setup.positive, setup.costs, beliefs)
