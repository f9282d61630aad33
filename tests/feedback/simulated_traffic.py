"""Traffic whose truth is known: scores that are nearly right, and a policy that looks at the unsure ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from feedback.estimators import Outputs, Rows, guessed, summed

COSTS = np.array([[0.0, 5.0], [1.0, 0.0]])
UNKNOWN = -1


@dataclass(frozen=True)
class Traffic:
    outputs: Outputs
    truth: np.ndarray
    propensity: np.ndarray
    drawn: np.ndarray

    @property
    def labels(self) -> np.ndarray:
        return np.where(self.drawn, self.truth, UNKNOWN)


def answers(logit: np.ndarray) -> Outputs:
    positive = 1 / (1 + np.exp(-logit))
    return Outputs(np.column_stack([1 - positive, positive]), (positive > 0.5).astype(np.int64), 1, COSTS)


def traffic(rng: np.random.Generator, n: int, budget: float, *, policy: str = "active", drift: float = 0.0) -> Traffic:
    """n rows of which about a share ``budget`` is drawn: `uniform`, `active` (by doubt, half of it for all) or
    `threshold` (the least sure with certainty, a fifth of the budget for the rest)."""
    x = rng.normal(-0.8, 1.6, n)
    truth = (rng.random(n) < 1 / (1 + np.exp(-1.1 * x - 0.5 * np.sin(3 * x) - drift))).astype(np.int64)
    outputs = answers(1.2 * x)
    doubt = np.sqrt(outputs.scores.prod(axis=1))
    if policy == "uniform":
        propensity = np.full(n, budget)
    elif policy == "active":
        propensity = np.clip(np.maximum(doubt * budget / doubt.mean(), budget / 2), 0.0, 1.0)
    else:
        propensity = np.where(doubt >= np.quantile(doubt, 1 - 0.8 * budget), 1.0, 0.2 * budget)
    return Traffic(outputs, truth, propensity, rng.random(n) < propensity)


def label_free(metric: str, outputs: Outputs, drawn: np.ndarray | None = None) -> float | None:
    """The model's own guess of its metric, from all rows and no label."""
    n = len(outputs.scores)
    return guessed(summed(metric, outputs, Rows(np.full(n, UNKNOWN), np.ones(n), drawn)))
