"""One replication: a window of rows, routed by each policy, reviewed, and estimated; the truth is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from feedback.estimators import AUTO_ACCEPTED_ERROR, Estimate, Outputs, State, measure, true_value
from feedback.estimators.guess import residuals, temperature, with_confidence
from feedback.estimators.metrics import PROPORTIONS, ratios
from feedback.simulation import relearning, reviewing
from feedback.simulation.plain import plain_width, remainder_width
from review import policies, sampling

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]

POLICIES = ("uniform", "threshold", "active", "default")
METRICS = ("accuracy", "precision", "recall", "cost", "brier", AUTO_ACCEPTED_ERROR)
UNKNOWN = -1
SLUG = "simulation"
NUMBER = 1
EPSILON = 0.03
TIER_FLOOR = 0.35
AUDIT_FLOOR = 0.01
_TIER = {"field": "group.tier", "eq": True}


@dataclass(frozen=True)
class Options:
    """What is simulated. ``window`` rows are routed at ``budget`` in each of ``replications``."""

    budget: float = 0.15
    window: int = 10_000
    replications: int = 100
    policies: tuple[str, ...] = POLICIES
    drift: str = "none"
    latency: str = "none"
    reviewers: str = "perfect"
    retrain: bool = False
    seed: int = 0


@dataclass(frozen=True)
class Setup:
    """The M rows that windows are drawn from, as the champion scored them.

    ``scores`` (M, K), ``labels`` and ``tier`` (M,), ``costs`` (K, K) of acting on a predicted class by true
    class, ``positive`` the class index that precision and recall are about, None for the macro average.
    ``inputs`` are what the champion saw, where candidates are fitted too.
    """

    scores: Floats
    labels: Integers
    tier: Flags
    classes: tuple[str, ...]
    positive: int | None
    costs: Floats
    options: Options
    inputs: pd.DataFrame | None = None


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


@dataclass(frozen=True)
class Rows:
    """Rows as the model answered them and as people see them. All (N,) but ``scores``."""

    scores: Floats
    predicted: Integers
    guess: Floats
    labels: Integers
    tier: Flags

    def batch(self, classes: Sequence[str], costs: Floats) -> policies.Batch:
        prices = {name: list(map(float, costs[place])) for place, name in enumerate(classes)}
        confidence = self.scores[np.arange(self.predicted.size), self.predicted]
        return policies.Batch(
            setting=policies.Setting(classes=classes, costs=prices, disposition_of={}, queue=SLUG),
            scores=self.scores,
            predicted=self.predicted,
            confidence=confidence,
            guess=self.guess,
            groups=[{"tier": bool(marked)} for marked in self.tier],
        )


def document(name: str, *, budget: float, tier_share: float) -> dict[str, Any]:
    """The policy document behind a policy of the simulation.

    >>> document("uniform", budget=0.15, tier_share=0.0)["sampling"]
    {'kind': 'uniform', 'budget': 0.15}
    """
    floor = min(AUDIT_FLOOR, budget / 2)
    if name == "uniform":
        return {"sampling": {"kind": "uniform", "budget": budget}, "audit_floor": floor}
    if name == "threshold":
        return _threshold(budget, tier_share, floor)
    floors = [{"when": _TIER, "p": TIER_FLOOR}] if name == "default" and tier_share else []
    return {"sampling": {"kind": "active", "budget": budget, "tau": "auto", "floors": floors}, "audit_floor": floor}


def _threshold(budget: float, tier_share: float, floor: float) -> dict[str, Any]:
    """The tier first, then the least confident, for certain; a small share of all others."""
    epsilon = min(EPSILON, budget / 2)
    found: dict[str, Any] = {
        "sampling": {"kind": "epsilon", "budget": budget, "epsilon": epsilon},
        "audit_floor": floor,
    }
    if tier_share:
        # A tier that is larger than the budget takes all of it, and no more.
        p = min(1.0, max(epsilon, (budget - epsilon * (1 - tier_share)) / tier_share))
        found["review"] = [{"name": "tier", "when": _TIER, "p": p, "kind": "audit"}]
    return found


def replicate(setup: Setup, number: int) -> Replication:
    """Replication ``number``: the same options and number give the same figures."""
    options = setup.options
    rng = np.random.default_rng([options.seed, number])
    order = rng.permutation(setup.labels.size)
    size = min(options.window, setup.labels.size // 2)
    past = _rows(setup, order[size : 2 * size])
    evidence = _Evidence.of(past, budget=options.budget, classes=len(setup.classes), rng=rng)
    past, window = evidence.trusted(past), evidence.trusted(_rows(setup, order[:size]))
    if options.drift == "concept":
        labels = reviewing.drifted(window.labels, window.scores.max(axis=1), len(setup.classes), rng)
        window = replace(window, labels=labels)
    said = reviewing.answers(
        options.reviewers, window.labels, window.predicted,
        classes=len(setup.classes), positive=setup.positive, rng=rng,
    )  # fmt: skip
    draws = draws_of(order[:size], seed=options.seed, number=number)
    asked = {
        name: propensities(setup, name, window=window, past=past, evidence=evidence, draws=draws)
        for name in dict.fromkeys(("uniform", *options.policies))
    }
    uniform = draws < asked["uniform"]
    runs = {}
    for name in options.policies:
        drawn = draws < asked[name]
        relearnt = {}
        if setup.inputs is not None and number < relearning.WINDOWS:
            relearnt = relearning.relearn(
                setup.inputs.iloc[order[:size]], said, drawn=drawn, propensity=asked[name], uniform=uniform,
                test=(setup.inputs.iloc[order[size : 2 * size]], past.labels, past.scores), classes=len(setup.classes),
            )  # fmt: skip
        runs[name] = _run(setup, window, said, drawn, asked[name], relearnt)
    return Replication(runs, _plain(setup, window, uniform), _caught(window, uniform))


def draws_of(rows: Integers, *, seed: int, number: int) -> Floats:
    """The keyed draws of a replication's rows, as routing makes them: one of each row, whatever the policy."""
    key = seed.to_bytes(8, "big", signed=True)
    return np.array([policies.draw(key, SLUG, f"{number}-{row}", NUMBER) for row in rows.tolist()])


def propensities(setup: Setup, name: str, *, window: Rows, past: Rows, evidence: _Evidence, draws: Floats) -> Floats:
    """What a policy gives the rows of a window, its sampler solved on past rows alone. (N,)"""
    policy = policies.parse(document(name, budget=setup.options.budget, tier_share=float(setup.tier.mean())))
    least = policies.least_propensity(policy, past.batch(setup.classes, setup.costs))
    fit = policies.solve(
        policy, guess=past.guess, least=least, tau=evidence.tau(past.guess, least, setup.options.budget)
    )
    batch = window.batch(setup.classes, setup.costs)
    return policies.choose_many(policy, batch, draws, fit).propensity


@dataclass(frozen=True)
class _Evidence:
    """What labels of a past window under uniform review tell: a temperature, and how residuals are spread."""

    temperature: float
    residual: Floats
    weight: Floats

    @classmethod
    def of(cls, past: Rows, *, budget: float, classes: int, rng: np.random.Generator) -> _Evidence:
        known = rng.random(past.labels.size) < budget
        weight = np.where(known, 1.0 / budget, 0.0)
        trust = temperature(past.scores[known], past.labels[known], weight[known])
        guess = sampling.guess_of(past.scores, past.predicted, trust)
        right = (past.predicted == past.labels).astype(np.float64)
        return cls(trust, residuals(right, guess, np.where(known, budget, 0.0)), weight)

    def trusted(self, rows: Rows) -> Rows:
        """The rows with the guess that past labels suggest."""
        return replace(rows, guess=sampling.guess_of(rows.scores, rows.predicted, self.temperature))

    def tau(self, guess: Floats, least: Floats, budget: float) -> float:
        return sampling.choose_tau(budget=budget, guess=guess, least=least, residual=self.residual, weight=self.weight)


def _run(
    setup: Setup, window: Rows, said: Integers, drawn: Flags, propensity: Floats, relearnt: dict[str, dict[str, float]]
) -> Run:
    outputs = _outputs(setup, window)
    labels = np.where(drawn, said, UNKNOWN)
    cells = {}
    for metric in METRICS:
        auto = drawn if metric == AUTO_ACCEPTED_ERROR else None
        truth = true_value(metric, outputs, window.labels, drawn=auto)
        found = measure(metric, outputs, labels, propensity, drawn=auto)
        cells[metric] = _cell(truth, found)
    return Run(cells, float(drawn.mean()), _caught(window, drawn), relearnt)


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


def _rows(setup: Setup, places: Integers) -> Rows:
    scores = setup.scores[places]
    predicted = scores.argmax(axis=1)
    guess = scores[np.arange(places.size), predicted]
    return Rows(scores, predicted, guess, setup.labels[places], setup.tier[places])
