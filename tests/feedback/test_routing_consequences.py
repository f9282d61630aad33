"""What a policy passes, catches and costs: the same as counting, from drawn labels alone."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest

from feedback.estimators import Estimate, Outputs, State, measure
from feedback.estimators.consequences import Routes, among, consequences, cost_table, wrong
from feedback.estimators.linear import Evidence, Figure, mean, shares_of_total
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


def test_it_is_the_estimator_of_the_live_metrics():
    evidence, predicted, _, _ = world(5000, seed=1)
    outputs = Outputs(np.ascontiguousarray(evidence.beliefs.T), predicted, None, COSTS)
    for metric, table in (("accuracy", 1.0 - wrong(predicted, 2)), ("cost", COSTS.T[:, predicted])):
        found = mean(evidence, table, proportion=metric == "accuracy").estimate
        live = measure(metric, outputs, evidence.labels, evidence.seen)
        for name in ("point", "standard_error"):
            assert getattr(found, name) == pytest.approx(getattr(live, name), rel=1e-9), name
        # The quantile is Student's here.
        assert (found.low, found.high) == pytest.approx((live.low, live.high), rel=1e-2)
    # What is known of a row whatever its class shifts the mean and nothing else.
    shifted = mean(evidence, COSTS.T[:, predicted] + 3.0).estimate
    assert (shifted.point - found.point, shifted.standard_error) == pytest.approx((3.0, found.standard_error))


def test_with_every_label_known_it_is_counting():
    evidence, predicted, truth, m = world(400, seed=2)
    known, routes, wrongs = everything(evidence, truth), candidate(m), wrong(predicted, 2)
    prices = Prices(COSTS, 0.5)
    value = np.where(np.arange(400) % 3 == 0, np.nan, 2.0)
    found = consequences(known, routes, cost_table(routes, predicted, prices, value), wrongs=wrongs)
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


@lru_cache(maxsize=1)
def shares_covered() -> dict[float, float]:
    """By the share of the traffic that goes on alone: how often its interval of errors holds the truth."""
    covered = dict.fromkeys((1.0, 0.2, 0.1, 0.05), 0.0)
    for seed in range(200):
        evidence, predicted, truth, m = world(12_000, seed, trust=0.9)
        error, wrongs = predicted != truth, wrong(predicted, 2)
        for alone in covered:
            gate = np.where(m >= np.quantile(m, 1 - alone), 0.0, 1.0)
            routes = Routes(gate, np.maximum(gate, 0.05), np.zeros(m.size, dtype=bool))
            found = mean(evidence, wrongs * routes.unseen, proportion=True).estimate
            assert 0 <= found.low <= found.point <= found.high <= 0.95 * alone + 1e-9
            covered[alone] += (found.low <= np.mean(error * routes.unseen) <= found.high) / 200
    return covered


@pytest.mark.parametrize(("alone", "least"), [(1.0, 0.92), (0.2, 0.92), (0.1, 0.92), (0.05, 0.90)])
def test_intervals_cover_where_little_of_the_traffic_goes_on_alone(alone, least):
    assert shares_covered()[alone] >= least, shares_covered()


def test_the_error_of_a_small_part_is_judged_and_cut_as_a_share_of_that_part():
    rng = np.random.default_rng(9)
    alone, predicted = np.arange(4000) < 200, rng.integers(0, 2, 4000)
    truth = np.where(rng.random(4000) < 0.5, predicted, 1 - predicted)
    labels = np.where((np.arange(4000) % 6 == 0) | ~alone, truth, -1)
    evidence = Evidence(np.full((2, 4000), 0.5), labels, np.where(alone, 1 / 6, 1.0))
    gate = 1.0 - alone
    found = consequences(evidence, Routes(gate, gate, gate > 1), None, wrongs=wrong(predicted, 2))
    # 34 labels of 200 rows: known well as a part of everything, and hardly at all for itself.
    assert found.passed.estimate.state is State.OK
    assert found.error.estimate.high - found.error.estimate.low > 0.3
    assert found.error.estimate.state is State.INSUFFICIENT
    beyond = among(Figure(Estimate(0.05, -0.001, 0.06, 0.01, 40.0, State.OK), 0.05), 0.05)
    assert (beyond.estimate.point, beyond.estimate.low, beyond.estimate.high) == (1.0, 0.0, 1.0)
    nobody = consequences(evidence, Routes(gate + alone, gate + alone, gate > 1), None, wrongs=wrong(predicted, 2))
    assert (nobody.error.estimate.state, nobody.error.value) == (State.INSUFFICIENT, None)


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
