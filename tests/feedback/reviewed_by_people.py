"""Traffic that people review with errors of their own, and gold items that the same people answer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from feedback.estimators import Estimate, Outputs, measure, true_value
from feedback.raters import Confusion, confusion

SENSITIVITY, SPECIFICITY = 0.92, 0.96
COPIED = 0.25
COSTS = np.array([[0.0, 5.0], [1.0, 0.0]])


def answers(rng: np.random.Generator, truth: np.ndarray, shown: np.ndarray, copied: float) -> np.ndarray:
    """What a reviewer says: independent errors; ``copied`` of the would-be disagreements become agreement."""
    right = rng.random(truth.size) < np.where(truth == 1, SENSITIVITY, SPECIFICITY)
    own = np.where(right, truth, 1 - truth)
    return np.where((own != shown) & (rng.random(truth.size) < copied), shown, own)


def gold(rng: np.random.Generator, each: int, copied: float) -> Confusion:
    """``each`` gold answers of both classes under both suggestions."""
    shown, truth = np.repeat([0, 0, 1, 1], each), np.tile(np.repeat([0, 1], each), 2)
    return confusion(shown, truth, answers(rng, truth, shown, copied), 2)


@dataclass
class Reviewed:
    outputs: Outputs
    truth: np.ndarray
    labels: np.ndarray
    propensity: np.ndarray

    def measure(self, metric: str, reviewers: Confusion | None = None) -> Estimate:
        return measure(metric, self.outputs, self.labels, self.propensity, reviewers=reviewers)


def traffic(rng: np.random.Generator, n: int, *, budget: float, copied: float) -> Reviewed:
    """Calibrated scores, about a quarter positive; the unsure are drawn more often."""
    x = rng.normal(-1.8, 2.0, n)
    positive = 1 / (1 + np.exp(-x))
    truth = (rng.random(n) < positive).astype(np.int64)
    outputs = Outputs(np.column_stack([1 - positive, positive]), (positive > 0.5).astype(np.int64), 1, COSTS)
    unsure = np.sqrt(positive * (1 - positive))
    propensity = np.clip(np.maximum(budget * unsure / unsure.mean(), budget / 2), 0, 1)
    given = answers(rng, truth, outputs.predicted, copied)
    return Reviewed(outputs, truth, np.where(rng.random(n) < propensity, given, -1), propensity)


def errors(
    metrics: tuple[str, ...],
    *,
    runs: int,
    n: int,
    each: int,
    copied: float,
    gold_copied: float,
    budget: float,
    seed: int,
) -> dict[str, np.ndarray]:
    """Per metric (runs, 4): error and coverage of the corrected figure, then of the one that believes every answer."""
    rng = np.random.default_rng(seed)
    found = {metric: np.empty((runs, 4)) for metric in metrics}
    for run in range(runs):
        made = traffic(rng, n, budget=budget, copied=copied)
        reviewers = gold(rng, each, gold_copied)
        for metric in metrics:
            truth = true_value(metric, made.outputs, made.truth)
            row = []
            for got in (made.measure(metric, reviewers), made.measure(metric)):
                row += [got.point - truth, float(got.low <= truth <= got.high)]
            found[metric][run] = row
    return found
