"""What a policy passes, catches and costs: the same as counting, from drawn labels alone."""

from __future__ import annotations

import numpy as np
import pytest

from feedback.estimators import Outputs, State, measure
from feedback.estimators.assisted import mean_of
from feedback.estimators.consequences import Routes, consequences, cost_table, wrong
from feedback.estimators.linear import Evidence, mean, shares_of_total
from feedback.estimators.planning import budget_for, half_width, residual_variance
from feedback.estimators.risk_coverage import BUDGETS, curve, recall_at_budgets, riskiest
from feedback.estimators.thresholds import Prices
from review import sampling

COSTS = np.array([[0.0, 20.0], [1.0, 0.0]])


def world(n: int, seed: int, *, budget: float = 0.15, trust: float = 1.0, kind: str = "active"):
    """(evidence, predicted, truth, m): ``trust`` below 1 makes the scores too sure of themselves."""
    rng = np.random.default_rng(seed)
    m = rng.uniform(0.5, 1.0, n)
    predicted = rng.integers(0, 2, n)
    right = rng.random(n) < 0.5 + trust * (m - 0.5)
    truth = np.where(right, predicted, 1 - predicted)
    fit = sampling.fit(kind, budget=budget, guess=m, least=np.full(n, 0.03), tau=0.5, epsilon=0.05)
    q = np.maximum(0.03, sampling.probability(fit, m))
    labels = np.where(rng.random(n) < q, truth, -1)
    beliefs = np.where(np.arange(2)[:, None] == predicted, m, 1 - m)
    return Evidence(beliefs, labels, q), predicted, truth, m


def candidate(m):
    gate = (m < 0.6).astype(float)
    ruled = np.arange(m.size) % 7 == 0
    return Routes(np.where(ruled, 0.0, gate), np.where(ruled, 0.05, np.maximum(gate, 0.1)), ruled)


def everything(evidence, truth):
    return Evidence(evidence.beliefs, truth, np.ones(truth.size))


@pytest.mark.parametrize("proportion", [True, False])
def test_it_is_the_estimator_of_the_live_metrics(proportion):
    evidence, predicted, _, m = world(5000, seed=1)
    table = wrong(predicted, 2) * (1.0 - 0.5 * m)
    found = mean(evidence, table, proportion=proportion).estimate
    other = mean_of(table.T, evidence.beliefs.T, evidence.labels, evidence.seen, proportion=proportion)
    for name in ("point", "standard_error", "effective_n"):
        assert getattr(found, name) == pytest.approx(getattr(other, name), rel=1e-9), name
    # Student's quantile here, the normal one there.
    assert (found.low, found.high) == pytest.approx((other.low, other.high), rel=1e-3)
    # Rows that need no label are their own guess to both.
    table[:, :500] = 0.25
    found = mean(evidence, table, proportion=proportion).estimate
    other = mean_of(table.T, evidence.beliefs.T, evidence.labels, evidence.seen, proportion=proportion)
    assert found.point == pytest.approx(other.point, rel=1e-9)
    assert found.standard_error == pytest.approx(other.standard_error, rel=1e-3)


def test_with_every_label_known_it_is_counting():
    evidence, predicted, truth, m = world(400, seed=2)
    known, routes, wrongs = everything(evidence, truth), candidate(m), wrong(predicted, 2)
    prices = Prices(COSTS, 0.5)
    value = np.where(np.arange(400) % 3 == 0, np.nan, 2.0)
    found = consequences(known, predicted, routes, cost_table(routes, predicted, prices, value), wrongs=wrongs)
    passed = caught = cost = errors = alone = 0.0
    for i in range(400):
        error, gate, pi = float(predicted[i] != truth[i]), routes.gate[i], routes.propensity[i]
        worth = 1.0 if np.isnan(value[i]) else value[i]
        acted = 0.0 if routes.ruled[i] else 1.0
        passed += error * (1 - pi) * acted
        caught += error * pi
        errors += error * (1 - gate) * acted
        alone += (1 - gate) * acted
        cost += worth * COSTS[predicted[i], truth[i]] * (1 - gate) * acted + 0.5 * pi
    assert found.passed.estimate.point == pytest.approx(passed / 400)
    assert found.caught.estimate.point == pytest.approx(caught / 400)
    assert found.error.estimate.point == pytest.approx(errors / alone)
    assert (found.automatic, found.cost.estimate.point) == pytest.approx((alone / 400, cost / 400))
    assert found.passed.estimate.standard_error == pytest.approx(0.0, abs=1e-9)


def test_intervals_of_passed_errors_cover_and_the_plain_mean_of_reviewed_rows_does_not():
    covered = differs = naive = 0
    for seed in range(300):
        evidence, predicted, truth, m = world(3000, seed, trust=0.7, kind="epsilon")
        wrongs, routes = wrong(predicted, 2), candidate(m)
        other = Routes(routes.gate * 0.0, np.full(m.size, 0.05), routes.ruled)
        error = predicted != truth
        actual, change = np.mean(error * routes.unseen), np.mean(error * (routes.unseen - other.unseen))
        found = mean(evidence, wrongs * routes.unseen, proportion=True).estimate
        difference = mean(evidence, wrongs * (routes.unseen - other.unseen)).estimate
        covered += found.low <= actual <= found.high
        differs += difference.low <= change <= difference.high
        rows = evidence.known
        plain = (error * other.unseen)[rows]
        naive += abs(plain.mean() - np.mean(error * other.unseen)) <= 1.96 * plain.std() / rows.sum() ** 0.5
    assert covered >= 0.93 * 300
    assert differs >= 0.93 * 300
    assert naive < 0.2 * 300


def test_rows_that_no_label_could_reach_leave_no_estimate_but_the_word_of_the_model():
    evidence, predicted, _, m = world(1000, seed=3)
    lost = Evidence(evidence.beliefs, np.where(m > 0.9, -1, evidence.labels), np.where(m > 0.9, 0.0, evidence.seen))
    found = mean(lost, wrong(predicted, 2))
    assert (found.estimate.state, found.estimate.point) == (State.UNSUPPORTED, None)
    assert found.estimate.unsupported_share == pytest.approx(np.mean(m > 0.9))
    assert found.value == pytest.approx(np.mean(1 - m))


def test_without_a_label_there_is_the_word_of_the_model_only():
    evidence, predicted, _, m = world(1000, seed=4)
    nothing = Evidence(evidence.beliefs, np.full(1000, -1), evidence.seen)
    found = mean(nothing, wrong(predicted, 2), proportion=True)
    assert not found.measured
    assert found.value == pytest.approx(np.mean(1 - m))


def test_recall_at_a_budget_is_that_of_counting():
    evidence, predicted, truth, m = world(1000, seed=5)
    m = np.round(m, 3)
    rng, error = np.random.default_rng(0), predicted != truth
    found = recall_at_budgets(everything(evidence, truth), 1 - m, wrong(predicted, 2))
    for caught, budget in zip(found, BUDGETS, strict=True):
        # Ties are broken at random; the expected share is what is asked for.
        shares = []
        for _ in range(200):
            first = np.lexsort((rng.random(1000), m))[: round(1000 * budget)]
            shares.append(error[first].sum() / error.sum())
        assert caught.share.estimate.point == pytest.approx(np.mean(shares), abs=0.003)
    exact = recall_at_budgets(everything(evidence, truth), np.arange(1000.0), wrong(predicted, 2))
    assert exact[3].share.estimate.point == pytest.approx(error[900:].sum() / error.sum())


def test_recall_at_a_budget_covers_the_truth_from_drawn_labels():
    covered = 0
    for seed in range(200):
        evidence, predicted, truth, m = world(3000, seed)
        first, error = riskiest(1 - m, 0.2), predicted != truth
        found = shares_of_total(evidence, wrong(predicted, 2), [first])[0].estimate
        covered += found.low <= (error * first).sum() / error.sum() <= found.high
    assert covered >= 0.92 * 200


def test_the_curve_is_that_of_counting_and_never_parts_equal_scores():
    evidence, predicted, truth, m = world(1000, seed=6)
    m = np.round(m, 1)
    error = predicted != truth
    points = curve(everything(evidence, truth), m, wrong(predicted, 2))
    thresholds = [point.threshold for point in points]
    assert thresholds == sorted(set(thresholds) & {*m.tolist()}, reverse=True)
    assert len(thresholds) >= 5
    for point in points:
        kept = m >= point.threshold
        assert point.automatic == pytest.approx(kept.mean())
        assert point.error.estimate.point == pytest.approx(error[kept].mean())


@pytest.mark.parametrize(("budget", "floor"), [(0.15, 0.02), (0.08, 0.02), (0.3, 0.1)])
def test_the_planned_width_is_within_a_tenth_of_the_realised_one(budget, floor):
    n, widths, points = 4000, [], []
    for seed in range(250):
        rng = np.random.default_rng(10_000 + seed)
        evidence, predicted, truth, m = world(n, seed, budget=budget)
        fit = sampling.fit("active", budget=budget, guess=m, least=np.full(n, floor), tau=0.5)
        pi = np.maximum(floor, sampling.probability(fit, m))
        labels = np.where(rng.random(n) < pi, truth, -1)
        drawn = Evidence(evidence.beliefs, labels, pi)
        points.append(mean(drawn, 1 - wrong(predicted, 2)).estimate.point - np.mean(predicted == truth))
        if seed < 25:
            outputs = Outputs(evidence.beliefs.T, predicted)
            found = measure("accuracy", outputs, labels, pi)
            planned = half_width(residual_variance(m, np.full(n, np.nan), pi), pi)
            widths.append(planned / ((found.high - found.low) / 2))
            spread = planned / 1.96
    assert 0.9 <= np.mean(widths) <= 1.1
    assert 0.9 <= spread / np.std(points) <= 1.1


def test_labels_mend_a_plan_that_believes_too_sure_a_model():
    evidence, predicted, truth, m = world(20_000, seed=7, budget=0.2, trust=0.5)
    right = np.where(evidence.known, evidence.labels == predicted, np.nan)
    pi = np.full(m.size, 0.1)
    rng = np.random.default_rng(1)
    widths = []
    for _ in range(20):
        labels = np.where(rng.random(m.size) < pi, truth, -1)
        found = measure("accuracy", Outputs(evidence.beliefs.T, predicted), labels, pi)
        widths.append((found.high - found.low) / 2)
    believed = half_width(residual_variance(m, np.full(m.size, np.nan), pi), pi)
    learnt = half_width(residual_variance(m, right, evidence.seen), pi)
    assert 0.9 <= learnt / np.mean(widths) <= 1.1
    assert believed / np.mean(widths) < 0.9


def test_the_budget_for_a_width_gives_that_width():
    _, _, _, m = world(2000, seed=8)
    least, variance = np.full(2000, 0.02), m * (1 - m)

    def width(budget):
        fit = sampling.fit("active", budget=budget, guess=m, least=least, tau=0.5)
        return half_width(variance, np.maximum(least, sampling.probability(fit, m)))

    budget = budget_for(0.03, width)
    assert width(budget) == pytest.approx(0.03, rel=1e-3)
    assert width(budget * 0.98) > 0.03
    assert budget_for(0.5, width) == 0.0
    assert budget_for(1e-9, lambda budget: 1e-6) is None
