"""What a change would have done, against simulations in which it is known."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest

from feedback.estimators import Outputs, State, true_value
from feedback.estimators.counterfactual import COMPARED, answers_at, compare_answers
from feedback.estimators.linear import Evidence

RUNS = 500
N = 1_500
COSTS = np.array([[0.0, 5.0], [1.0, 0.0]])
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


def _compare(metric, outputs, candidate, labels, propensity):
    beliefs = np.ascontiguousarray(outputs.scores.T)
    return compare_answers(metric, outputs, candidate, Evidence(beliefs, labels, propensity))


def _row(found, true):
    return true, found.point, found.low, found.high


@lru_cache(maxsize=1)
def _runs() -> dict[str, np.ndarray]:
    """Per question (runs, 4): truth, point, low, high; and the naive figure for the errors that pass."""
    rng = np.random.default_rng(20260301)
    found: dict[str, list] = {}
    for _ in range(RUNS):
        outputs, truth, propensity, labels = _traffic(rng)
        answers = answers_at(outputs, 1 / 6)
        other = replace(outputs, predicted=answers)
        for metric in COMPARED:
            got = _compare(metric, outputs, answers, labels, propensity)
            new, old = true_value(metric, other, truth), true_value(metric, outputs, truth)
            found.setdefault(metric, []).append(_row(got.candidate, new))
            found.setdefault(f"{metric} difference", []).append(_row(got.difference, new - old))
        reviewed = labels >= 0
        found.setdefault("naive accuracy", []).append((np.mean((answers == truth)[reviewed]),) * 4)
    return {name: np.array(rows) for name, rows in found.items()}


QUESTIONS = [*COMPARED, *(f"{metric} difference" for metric in COMPARED)]


@pytest.mark.parametrize("question", QUESTIONS)
def test_the_interval_covers_what_would_have_happened(question):
    truth, point, low, high = _runs()[question].T
    assert np.mean((low <= truth) & (truth <= high)) >= LEAST_COVERAGE
    error = point - truth
    assert abs(error.mean()) <= 4 * error.std() / RUNS**0.5 + 0.001


def test_counting_reviewed_rows_alone_is_far_off():
    truth, point, low, high = _runs()["accuracy"].T
    naive = _runs()["naive accuracy"][:, 0]
    assert abs(np.mean(naive - truth)) >= 0.03
    assert np.mean((low <= naive) & (naive <= high)) <= 0.1
    assert abs(np.mean(point - truth)) <= 0.003


@pytest.mark.parametrize("metric", COMPARED)
def test_pairing_is_narrower_than_two_intervals(metric):
    rng = np.random.default_rng(3)
    outputs, _, propensity, labels = _traffic(rng)
    found = _compare(metric, outputs, answers_at(outputs, 0.4), labels, propensity)
    apart = found.candidate.standard_error**2 + found.live.standard_error**2
    assert found.difference.standard_error < 0.8 * apart**0.5
    levels = found.candidate.point - found.live.point
    assert found.difference.point == pytest.approx(levels, abs=0.01)


@pytest.mark.parametrize("metric", COMPARED)
def test_all_labels_give_the_exact_answers(metric):
    outputs, truth, _, _ = _traffic(np.random.default_rng(4))
    answers = answers_at(outputs, 0.3)
    found = _compare(metric, outputs, answers, truth, np.ones(N))
    new, old = true_value(metric, replace(outputs, predicted=answers), truth), true_value(metric, outputs, truth)
    assert found.candidate.point == pytest.approx(new, abs=1e-9)
    assert found.live.point == pytest.approx(old, abs=1e-9)
    assert found.difference.point == pytest.approx(new - old, abs=1e-9)
    assert found.difference.standard_error == pytest.approx(0.0, abs=1e-9)


def test_another_threshold_needs_labels_only_where_the_answer_changes():
    rng = np.random.default_rng(8)
    outputs, truth, _, _ = _traffic(rng)
    propensity = np.where(outputs.scores.max(axis=1) > 0.9, 0.0, 0.5)
    labels = np.where(rng.random(N) < propensity, truth, -1)
    found = _compare("cost", outputs, answers_at(outputs, 0.3), labels, propensity)
    assert (found.candidate.state, found.difference.state) == (State.UNSUPPORTED, State.OK)
    assert (found.live.unsupported_share > 0, found.difference.unsupported_share) == (True, 0)
    far = _compare("cost", outputs, answers_at(outputs, 0.05), labels, propensity)
    assert (far.difference.state, far.difference.point) == (State.UNSUPPORTED, None)
    assert 0 < far.difference.unsupported_share < found.live.unsupported_share
    precision = _compare("precision", outputs, answers_at(outputs, 0.3), labels, propensity)
    assert precision.difference.state is State.UNSUPPORTED


def test_few_labels_are_said_to_be_few():
    outputs, truth, _, _ = _traffic(np.random.default_rng(9))
    # Many labels, few of them where the answers differ.
    near = _compare("cost", outputs, answers_at(outputs, 0.495), truth, np.full(N, 0.9))
    assert near.difference.state is State.INSUFFICIENT
    never = _compare("precision", outputs, np.zeros(N, dtype=np.int64), truth, np.ones(N))
    assert (never.difference.state, never.difference.point) == (State.INSUFFICIENT, None)
    nothing = _compare("accuracy", outputs, answers_at(outputs, 0.3), np.full(N, -1), np.full(N, 0.2))
    assert (nothing.difference.state, nothing.difference.point) == (State.INSUFFICIENT, None)


def test_a_window_without_predictions_has_no_answers():
    empty = np.empty(0, dtype=np.int64)
    outputs = Outputs(np.empty((0, 2)), empty, 1)
    for metric in COMPARED:
        got = _compare(metric, outputs, empty, empty, np.empty(0))
        assert (got.difference.state, got.difference.point) == (State.INSUFFICIENT, None)
