"""What a change would have done, against simulations in which it is known."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest

from feedback.estimators import Outputs, State, measure, true_value
from feedback.estimators.assisted import mean_of
from feedback.estimators.counterfactual import (
    COMPARED,
    answers_at,
    compare_answers,
    planned_half_width,
    route_with,
)
from feedback.estimators.thresholds import Prices
from review.sampling import uncertainty

RUNS = 500
N = 1_500
COSTS = np.array([[0.0, 5.0], [1.0, 0.0]])
PRICES = Prices(COSTS, 0.3, 0.02)
# 500 runs: 0.95 less two standard errors of it.
LEAST_COVERAGE = 0.93


def _traffic(rng, n: int = N):
    """A model that is right about the order and a little wrong about the size; the unsure are all reviewed."""
    x = rng.normal(-0.8, 1.6, n)
    truth = (rng.random(n) < 1 / (1 + np.exp(-1.1 * x - 0.5 * np.sin(3 * x)))).astype(np.int64)
    p = 1 / (1 + np.exp(-1.2 * x))
    outputs = Outputs(np.column_stack([1 - p, p]), (p > 0.5).astype(np.int64), 1, COSTS)
    propensity = np.where(np.maximum(p, 1 - p) < 0.7, 1.0, 0.15)
    return outputs, truth, propensity, np.where(rng.random(n) < propensity, truth, -1)


def _candidate(outputs: Outputs) -> np.ndarray:
    u = uncertainty(outputs.scores.max(axis=1))
    return np.clip(0.6 * u, 0.05, 1.0)


def _row(found, true):
    return true, found.estimate.point, found.estimate.low, found.estimate.high


@lru_cache(maxsize=1)
def _runs() -> dict[str, np.ndarray]:
    """Per question (runs, 4): truth, point, low, high; and the naive figure for the errors that pass."""
    rng = np.random.default_rng(20260301)
    found: dict[str, list] = {}
    for _ in range(RUNS):
        outputs, truth, propensity, labels = _traffic(rng)
        candidate = _candidate(outputs)
        answers = answers_at(outputs, 1 / 6)
        other = replace(outputs, predicted=answers)
        for metric in COMPARED:
            got = compare_answers(metric, outputs, answers, labels, propensity)
            new, old = true_value(metric, other, truth), true_value(metric, outputs, truth)
            found.setdefault(metric, []).append(_row(got.candidate, new))
            found.setdefault(f"{metric} difference", []).append(_row(got.difference, new - old))
        routed = route_with(outputs, labels, propensity, candidate, prices=PRICES)
        wrong = outputs.predicted != truth
        cost = (1 - candidate) * COSTS[outputs.predicted, truth] + candidate * (0.3 + PRICES.residual[truth])
        found.setdefault("passed", []).append(_row(routed.passed, np.mean(wrong * (1 - candidate))))
        found.setdefault("caught", []).append(_row(routed.caught, np.mean(wrong * candidate)))
        found.setdefault("cost of routing", []).append(_row(routed.cost, cost.mean()))
        found.setdefault("naive passed", []).append((np.mean((wrong * (1 - candidate))[labels >= 0]),) * 4)
    return {name: np.array(rows) for name, rows in found.items()}


QUESTIONS = [*COMPARED, *(f"{metric} difference" for metric in COMPARED), "passed", "caught", "cost of routing"]


@pytest.mark.parametrize("question", QUESTIONS)
def test_the_interval_covers_what_would_have_happened(question):
    truth, point, low, high = _runs()[question].T
    assert np.mean((low <= truth) & (truth <= high)) >= LEAST_COVERAGE
    error = point - truth
    assert abs(error.mean()) <= 4 * error.std() / RUNS**0.5 + 0.001


def test_counting_reviewed_errors_alone_is_far_off():
    truth, point, low, high = _runs()["passed"].T
    naive = _runs()["naive passed"][:, 0]
    assert np.mean(naive - truth) >= 0.03
    assert np.mean((low <= naive) & (naive <= high)) <= 0.1
    assert abs(np.mean(point - truth)) <= 0.003


@pytest.mark.parametrize("metric", COMPARED)
def test_pairing_is_narrower_than_two_intervals(metric):
    rng = np.random.default_rng(3)
    outputs, _, propensity, labels = _traffic(rng)
    found = compare_answers(metric, outputs, answers_at(outputs, 0.4), labels, propensity)
    apart = found.candidate.estimate.standard_error**2 + found.live.estimate.standard_error**2
    assert found.difference.estimate.standard_error < 0.8 * apart**0.5
    levels = found.candidate.estimate.point - found.live.estimate.point
    assert found.difference.estimate.point == pytest.approx(levels, abs=0.01)


def test_all_labels_give_the_exact_answers():
    rng = np.random.default_rng(4)
    outputs, truth, _, _ = _traffic(rng)
    ones, candidate = np.ones(N), _candidate(outputs)
    routed = route_with(outputs, truth, ones, candidate, prices=PRICES, value=np.full(N, 2.0))
    wrong = outputs.predicted != truth
    assert routed.passed.estimate.point == pytest.approx(np.mean(wrong * (1 - candidate)), abs=1e-12)
    assert routed.passed.estimate.point + routed.caught.estimate.point == pytest.approx(wrong.mean(), abs=1e-12)
    acted = (1 - candidate) * COSTS[outputs.predicted, truth] + candidate * PRICES.residual[truth]
    assert routed.cost.estimate.point == pytest.approx(np.mean(2 * acted + 0.3 * candidate), abs=1e-12)
    assert routed.cost.estimate.standard_error == pytest.approx(0.0, abs=1e-12)
    assert routed.passed_number[0] == pytest.approx(np.sum(wrong * (1 - candidate)))
    table = COSTS[outputs.predicted]
    live = measure("cost", outputs, truth, ones)
    assert mean_of(table, outputs.scores, truth, ones).point == pytest.approx(live.point, abs=1e-12)


def test_the_mean_of_a_table_is_the_live_metric():
    rng = np.random.default_rng(5)
    outputs, _, propensity, labels = _traffic(rng)
    mine = mean_of(COSTS[outputs.predicted], outputs.scores, labels, propensity)
    live = measure("cost", outputs, labels, propensity)
    assert (mine.point, mine.low, mine.high) == pytest.approx((live.point, live.low, live.high), abs=1e-12)
    right = mean_of(np.eye(2)[outputs.predicted], outputs.scores, labels, propensity, proportion=True)
    live = measure("accuracy", outputs, labels, propensity)
    assert (right.point, right.low, right.high) == pytest.approx((live.point, live.low, live.high), abs=1e-6)


def test_the_planned_width_is_that_which_the_candidate_would_give():
    rng = np.random.default_rng(6)
    planned, points, truths = [], [], []
    for _ in range(200):
        outputs, truth, propensity, labels = _traffic(rng)
        candidate = _candidate(outputs)
        planned.append(planned_half_width(outputs, labels, propensity, candidate))
        drawn = np.where(rng.random(N) < candidate, truth, -1)
        points.append(measure("accuracy", outputs, drawn, candidate).point)
        truths.append(true_value("accuracy", outputs, truth))
    realised = 1.96 * np.std(np.array(points) - np.array(truths))
    assert np.mean(planned) == pytest.approx(realised, rel=0.12)


def test_a_candidate_that_asks_where_nothing_could_be_labelled_is_refused():
    rng = np.random.default_rng(7)
    outputs, truth, _, _ = _traffic(rng)
    sure = outputs.scores.max(axis=1) > 0.8
    propensity = np.where(sure, 0.0, 0.5)
    labels = np.where(rng.random(N) < propensity, truth, -1)
    found = route_with(outputs, labels, propensity, np.full(N, 0.2))
    for answer in (found.passed, found.caught, found.cost):
        assert (answer.estimate.state, answer.estimate.point) == (State.UNSUPPORTED, None)
        assert answer.unsupported == pytest.approx(sure.mean())
    assert (found.half_width, found.passed_number) == (None, None)
    # Reviewing all of them passes no error there, whatever it is.
    careful = route_with(outputs, labels, propensity, np.where(sure, 1.0, 0.2))
    assert careful.passed.estimate.state is State.OK
    assert careful.passed.unsupported == 0
    assert careful.caught.estimate.state is State.UNSUPPORTED


def test_another_threshold_needs_labels_only_where_the_answer_changes():
    rng = np.random.default_rng(8)
    outputs, truth, _, _ = _traffic(rng)
    propensity = np.where(outputs.scores.max(axis=1) > 0.9, 0.0, 0.5)
    labels = np.where(rng.random(N) < propensity, truth, -1)
    found = compare_answers("cost", outputs, answers_at(outputs, 0.3), labels, propensity)
    assert (found.candidate.estimate.state, found.difference.estimate.state) == (State.UNSUPPORTED, State.OK)
    assert (found.live.unsupported > 0, found.difference.unsupported) == (True, 0)
    far = compare_answers("cost", outputs, answers_at(outputs, 0.05), labels, propensity)
    assert (far.difference.estimate.state, far.difference.estimate.point) == (State.UNSUPPORTED, None)
    assert 0 < far.difference.unsupported < found.live.unsupported
    precision = compare_answers("precision", outputs, answers_at(outputs, 0.3), labels, propensity)
    assert precision.difference.estimate.state is State.UNSUPPORTED


def test_few_labels_are_said_to_be_few():
    rng = np.random.default_rng(9)
    outputs, truth, _, _ = _traffic(rng)
    propensity = np.full(N, 0.01)
    labels = np.where(np.arange(N) % 100 == 0, truth, -1)
    found = route_with(outputs, labels, propensity, np.full(N, 0.2))
    assert found.passed.estimate.state is State.INSUFFICIENT
    assert found.half_width is None
    # Many labels, few of them where the answers differ.
    near = compare_answers("cost", outputs, answers_at(outputs, 0.495), truth, np.full(N, 0.9))
    assert near.difference.estimate.state is State.INSUFFICIENT
    never = compare_answers("precision", outputs, np.zeros(N, dtype=np.int64), truth, np.ones(N))
    assert (never.difference.estimate.state, never.difference.estimate.point) == (State.INSUFFICIENT, None)
    nothing = route_with(outputs, np.full(N, -1), propensity, np.full(N, 0.2))
    assert (nothing.passed.estimate.state, nothing.passed.estimate.point) == (State.INSUFFICIENT, None)


def test_a_window_without_predictions_has_no_answers():
    empty = np.empty(0, dtype=np.int64)
    outputs = Outputs(np.empty((0, 2)), empty, 1)
    found = route_with(outputs, empty, np.empty(0), np.empty(0))
    assert {one.estimate.state for one in (found.passed, found.caught, found.cost)} == {State.INSUFFICIENT}
    for metric in COMPARED:
        got = compare_answers(metric, outputs, empty, empty, np.empty(0))
        assert (got.difference.estimate.state, got.difference.estimate.point) == (State.INSUFFICIENT, None)


@pytest.mark.parametrize("wrong", [np.full(N, 1.2), np.full(N - 1, 0.2), np.full(N, np.nan)])
def test_what_is_no_policy_is_refused(wrong):
    outputs, truth, propensity, _ = _traffic(np.random.default_rng(10))
    with pytest.raises(ValueError, match="probability"):
        route_with(outputs, truth, propensity, wrong)
    with pytest.raises(ValueError, match="gate"):
        route_with(outputs, truth, propensity, np.full(N, 0.2), gate=np.full(N, 0.3))
