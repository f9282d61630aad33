"""How a policy of the simulation routes a window: its document, what past labels told, and the propensities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from feedback.estimators.guess import residuals, temperature
from review import policies, sampling

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]

POLICIES = ("uniform", "threshold", "active", "default")
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
    ``inputs`` are what the champion saw, where candidates are fitted too; ``rows`` counts the whole file.
    """

    scores: Floats
    labels: Integers
    tier: Flags
    classes: tuple[str, ...]
    positive: int | None
    costs: Floats
    options: Options
    rows: int
    inputs: pd.DataFrame | None = None


@dataclass(frozen=True)
class Rows:
    """Rows as the model answered them and as people see them. All (N,) but ``scores``."""

    scores: Floats
    predicted: Integers
    guess: Floats
    labels: Integers
    tier: Flags

    def where(self, keep: Flags) -> Rows:
        return Rows(*(getattr(self, field.name)[keep] for field in fields(self)))

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


def draws_of(rows: Integers, *, seed: int, number: int) -> Floats:
    """The keyed draws of a replication's rows, as routing makes them: one of each row, whatever the policy."""
    key = seed.to_bytes(8, "big", signed=True)
    return np.array([policies.draw(key, SLUG, f"{number}-{row}", NUMBER) for row in rows.tolist()])


@dataclass(frozen=True)
class Route:
    """The propensities (N,) of a window's rows and of the past rows on which the sampler was solved."""

    window: Floats
    past: Floats


def route(setup: Setup, name: str, *, window: Rows, past: Rows, evidence: Evidence) -> Route:
    """What a policy gives the rows of a window, its sampler solved on past rows alone."""
    budget = setup.options.budget
    policy = policies.parse(document(name, budget=budget, tier_share=float(setup.tier.mean())))
    before, batch = (rows.batch(setup.classes, setup.costs) for rows in (past, window))
    least = policies.least_propensity(policy, before)
    tau = evidence.tau(past.guess, least, budget)
    fit = policies.solve(policy, guess=past.guess, least=least, tau=tau)
    # The propensity of a row does not depend on its draw.
    nothing = np.zeros(window.labels.size)
    return Route(
        window=policies.choose_many(policy, batch, nothing, fit).propensity,
        past=np.maximum(least, sampling.probability(fit, past.guess)),
    )


@dataclass(frozen=True)
class Evidence:
    """What labels of a past window under uniform review tell: a temperature, and how residuals are spread."""

    temperature: float
    residual: Floats
    weight: Floats

    @classmethod
    def of(cls, past: Rows, *, budget: float, rng: np.random.Generator) -> Evidence:
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


def rows_at(setup: Setup, places: Integers) -> Rows:
    scores = setup.scores[places]
    predicted = scores.argmax(axis=1)
    guess = scores[np.arange(places.size), predicted]
    return Rows(scores, predicted, guess, setup.labels[places], setup.tier[places])
