"""The estimator written out row by row, as its definition reads, gives what the sums give."""

from __future__ import annotations

import numpy as np
import pytest

from feedback.estimators import AUTO_ACCEPTED_ERROR, METRICS, Outputs, measure
from feedback.estimators.intervals import sequence
from feedback.estimators.metrics import ratios

UNKNOWN = -1
N = 900


def _by_rows(metric, outputs, labels, propensity, arrival, drawn):
    """Point, standard error and pseudo-outcomes by the formulas of docs/statistics.md."""
    known, q = labels != UNKNOWN, propensity * arrival
    unseen = metric == AUTO_ACCEPTED_ERROR
    member = (~drawn).astype(float) if unseen else np.ones(N)
    weight = np.where(known, (1 - propensity) / q if unseen else 1 / q, 0.0)
    if unseen:
        sampled = (1 - propensity) * (1 - propensity * (1 - arrival)) / q**2
        expected = (1 - propensity) * (1 - propensity * (1 - arrival)) / q
    else:
        sampled, expected = (1 - q) / q**2, (1 - q) / q
    n = member.sum()
    tables, firsts, kish = [], [], []
    for ratio in ratios(metric, outputs):
        a, b = ratio.numerator, ratio.denominator
        guess_a, guess_b = ((outputs.scores * table).sum(axis=1) for table in (a, b))
        seen_a, seen_b = (np.where(known, table[np.arange(N), labels], 0.0) for table in (a, b))
        top = (member * guess_a + weight * (seen_a - guess_a)).sum()
        bottom = (member * guess_b + weight * (seen_b - guess_b)).sum()
        firsts.append(top / bottom)
        tables.append((a - top / bottom * b) / (bottom / n))
        kish.append((weight * seen_b).sum() ** 2 / ((weight * seen_b) ** 2).sum())
    table = np.mean(tables, axis=0)
    d, guess = table[np.arange(N), labels], (outputs.scores * table).sum(axis=1)
    fixed = np.ptp(table, axis=1) < 1e-12
    fitted = known & ~fixed & (sampled > 0)
    design = np.column_stack([np.ones(N), guess])[fitted] * np.sqrt(sampled[fitted])[:, None]
    line = np.linalg.lstsq(design, d[fitted] * np.sqrt(sampled[fitted]), rcond=None)[0]
    h = np.where(fixed, guess, line[0] + line[1] * guess)
    residual = np.where(known & ~fixed, d - h, 0.0)
    z = np.mean(firsts) + member * h + weight * residual
    spread = (outputs.scores * table**2).sum(axis=1) - guess**2
    sampling = (known * sampled * residual**2).sum() / n**2 * min(kish) / (min(kish) - 2)
    model = (expected * ~fixed * (spread + (guess - h) ** 2)).sum() / n**2
    return np.mean(firsts) + (member * h + weight * residual).sum() / n, max(sampling, model) ** 0.5, z


@pytest.mark.parametrize("arrived", [1.0, 0.7])
@pytest.mark.parametrize("metric", [*METRICS, AUTO_ACCEPTED_ERROR])
@pytest.mark.parametrize(("classes", "positive", "sharp"), [(2, 1, 1.0), (2, 1, 6.0), (3, None, 1.0), (3, 2, 1.0)])
def test_the_sums_give_what_the_rows_give(metric, classes, positive, sharp, arrived):
    rng = np.random.default_rng(classes)
    honest = rng.dirichlet(np.ones(classes), N)
    truth = (honest.cumsum(axis=1) < rng.random((N, 1))).sum(axis=1)
    scores = honest**sharp / (honest**sharp).sum(axis=1, keepdims=True)
    costs = rng.uniform(0, 9, (classes, classes))
    # What acting on the first class costs does not depend on the truth: such a row needs no label.
    costs[0] = 3.0
    outputs = Outputs(scores, scores.argmax(axis=1), positive, costs)
    propensity = np.where(scores.max(axis=1) < 0.5, 1.0, rng.uniform(0.1, 0.9, N))
    drawn = rng.random(N) < propensity
    labels = np.where(drawn & (rng.random(N) < arrived), truth, UNKNOWN)
    arrival = np.full(N, arrived)
    point, error, z = _by_rows(metric, outputs, labels, propensity, arrival, drawn)
    found = measure(metric, outputs, labels, propensity, arrival, drawn=drawn)
    assert found.point == pytest.approx(point, abs=1e-9)
    assert found.standard_error == pytest.approx(error, rel=1e-9)
    if metric != AUTO_ACCEPTED_ERROR:
        low, high = sequence(z.mean(), z.std(), z.size)
        inside = metric in ("cost", "brier", "log_loss")
        assert found.sequence == pytest.approx((low, high) if inside else (max(low, 0.0), min(high, 1.0)), abs=1e-9)


def test_a_tiny_propensity_keeps_its_whole_weight():
    truth = np.array([0, 0, 0, 1, 0])
    propensity = np.array([1.0, 1.0, 1.0, 1e-5, 1.0])
    blunt = Outputs(np.tile([0.5, 0.5], (5, 1)), np.zeros(5, dtype=np.int64), 1)
    found = measure("cost", blunt, truth, propensity)
    # The one error stands for 100,000: 4 rows of guess 1/2 corrected by -1/2, and one by (1 - 1/2) / 1e-5.
    assert found.point == pytest.approx((2.5 - 2 + 0.5e5) / 5, rel=1e-9)
    assert found.effective_n == pytest.approx(1.0, rel=1e-3)
