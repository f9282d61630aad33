"""The promise of the interval, on traffic whose truth is known; the plain mean breaks it on the same rows."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest

from feedback.estimators import METRICS, Outputs, State, measure, true_value

REPLICATIONS = 200
N = 3_000
EXPLORED = 0.05
COSTS = np.array([[0.0, 5.0], [1.0, 0.0]])


@lru_cache(maxsize=1)
def _runs() -> dict[str, np.ndarray]:
    """Per metric (replications, 5): truth, point, low, high, naive; the unsure are always reviewed, 5 % of the rest."""
    rng = np.random.default_rng(20260301)
    found = {metric: np.empty((REPLICATIONS, 5)) for metric in METRICS}
    for run in range(REPLICATIONS):
        x = rng.normal(-0.8, 1.6, N)
        truth = (rng.random(N) < 1 / (1 + np.exp(-1.1 * x - 0.5 * np.sin(3 * x)))).astype(np.int64)
        positive = 1 / (1 + np.exp(-1.2 * x))
        outputs = Outputs(np.column_stack([1 - positive, positive]), (positive > 0.5).astype(np.int64), 1, COSTS)
        propensity = np.where(np.maximum(positive, 1 - positive) < 0.75, 1.0, EXPLORED)
        labels = np.where(rng.random(N) < propensity, truth, -1)
        for metric in METRICS:
            got = measure(metric, outputs, labels, propensity)
            assert got.state is not State.UNSUPPORTED
            found[metric][run] = true_value(metric, outputs, truth), got.point, got.low, got.high, got.naive
    return found


@pytest.mark.parametrize("metric", METRICS)
def test_the_interval_covers_the_truth_as_often_as_it_says(metric):
    truth, _, low, high, _ = _runs()[metric].T
    # 200 runs: three standard errors under 0.95 is 0.904.
    assert np.mean((low <= truth) & (truth <= high)) >= 0.904


@pytest.mark.parametrize("metric", METRICS)
def test_the_estimate_is_not_biased(metric):
    truth, point, *_ = _runs()[metric].T
    error = point - truth
    assert abs(error.mean()) <= 4 * error.std() / REPLICATIONS**0.5 + 0.001


def test_the_plain_mean_of_reviewed_rows_is_wrong_and_sure_of_it():
    truth, point, low, high, naive = _runs()["accuracy"].T
    assert np.mean(naive - truth) <= -0.04
    assert abs(np.mean(point - truth)) <= 0.005
    reviewed = 0.4 * N
    half = 1.96 * np.sqrt(naive * (1 - naive) / reviewed)
    assert np.mean(np.abs(naive - truth) <= half) <= 0.05
    assert np.all((low <= point) & (point <= high))
