"""What an estimator must give exactly, whatever the data."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from feedback.estimators import METRICS, Outputs, State, measure, true_value
from feedback.estimators.intervals import publishable, shrunk, student, wilson

RNG = np.random.default_rng(7)
N = 2_000
UNKNOWN = -1


@pytest.fixture(autouse=True)
def _same_draws_whatever_ran_before():
    RNG.bit_generator.state = np.random.default_rng(7).bit_generator.state


def _traffic(classes: int = 2, *, positive: int | None = 1) -> tuple[Outputs, np.ndarray]:
    scores = RNG.dirichlet(np.ones(classes), N)
    truth = (scores.cumsum(axis=1) < RNG.random((N, 1))).sum(axis=1)
    costs = np.array([[0.0, 5.0], [1.0, 0.0]]) if classes == 2 else None
    return Outputs(scores, scores.argmax(axis=1), positive, costs), truth


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(("classes", "positive"), [(2, 1), (3, None)])
def test_reviewing_everything_gives_the_exact_value_without_error(metric, classes, positive):
    outputs, truth = _traffic(classes, positive=positive)
    found = measure(metric, outputs, truth, np.ones(N))
    assert found.point == pytest.approx(true_value(metric, outputs, truth), abs=1e-9)
    assert found.standard_error == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("metric", ["accuracy", "precision", "recall", "cost", "brier"])
def test_a_model_whose_guess_is_always_right_gives_the_exact_value_without_error(metric):
    truth = RNG.integers(0, 2, N)
    predicted = np.where(RNG.random(N) < 0.8, truth, 1 - truth)
    outputs = Outputs(np.eye(2)[truth], predicted, 1, np.array([[0.0, 5.0], [1.0, 0.0]]))
    propensity = RNG.uniform(0.05, 0.6, N)
    labels = np.where(RNG.random(N) < propensity, truth, UNKNOWN)
    found = measure(metric, outputs, labels, propensity)
    assert found.point == pytest.approx(true_value(metric, outputs, truth), abs=1e-9)
    assert found.standard_error == pytest.approx(0.0, abs=1e-9)


def test_uniform_review_and_a_constant_guess_give_the_sample_mean_and_the_textbook_error():
    truth = (RNG.random(N) < 0.15).astype(np.int64)
    scores = np.tile([0.85, 0.15], (N, 1))
    labels = np.where(RNG.random(N) < 0.3, truth, UNKNOWN)
    found = measure("accuracy", Outputs(scores, np.zeros(N, dtype=np.int64), 1), labels, np.full(N, 0.3))
    drawn = labels[labels != UNKNOWN]
    mean = float(np.mean(drawn == 0))
    textbook = (mean * (1 - mean) / drawn.size * (1 - drawn.size / N)) ** 0.5
    assert found.point == pytest.approx(mean, abs=1e-9)
    assert found.point == pytest.approx(found.naive, abs=1e-9)
    assert found.standard_error == pytest.approx(textbook, rel=0.05)


def test_rows_that_nobody_drew_change_the_population_and_nothing_that_was_seen():
    outputs, truth = _traffic()
    propensity = np.full(N, 0.2)
    labels = np.where(RNG.random(N) < propensity, truth, UNKNOWN)
    before = measure("accuracy", outputs, labels, propensity)
    sure = np.tile([0.95, 0.05], (N, 1))
    more = Outputs(np.vstack([outputs.scores, sure]), np.concatenate([outputs.predicted, np.zeros(N, dtype=int)]), 1)
    unseen = np.full(N, UNKNOWN)
    after = measure("accuracy", more, np.concatenate([labels, unseen]), np.concatenate([propensity, propensity]))
    assert (after.naive, after.labels) == (before.naive, before.labels)
    assert after.point != before.point
    # A metric to whose denominator they add nothing, whatever their class, keeps its point.
    precision = measure("precision", outputs, labels, np.ones(N) * 0.2)
    same = measure("precision", more, np.concatenate([labels, unseen]), np.ones(2 * N) * 0.2)
    assert same.naive == precision.naive
    assert same.point == pytest.approx(precision.point, abs=1e-9)


def test_naming_the_other_class_positive_swaps_precision_and_negative_predictive_value():
    outputs, truth = _traffic()
    propensity = RNG.uniform(0.1, 0.9, N)
    labels = np.where(RNG.random(N) < propensity, truth, UNKNOWN)
    negative = measure("precision", Outputs(outputs.scores, outputs.predicted, 0), labels, propensity)
    swapped = Outputs(outputs.scores[:, ::-1], 1 - outputs.predicted, 1)
    relabelled = measure("precision", swapped, np.where(labels == UNKNOWN, UNKNOWN, 1 - labels), propensity)
    assert relabelled.point == pytest.approx(negative.point, abs=1e-9)
    assert relabelled.standard_error == pytest.approx(negative.standard_error, abs=1e-9)


def test_the_macro_average_of_two_classes_is_the_mean_of_both():
    outputs, truth = _traffic()
    ones = np.ones(N)
    macro = measure("recall", Outputs(outputs.scores, outputs.predicted, None), truth, ones)
    both = [measure("recall", Outputs(outputs.scores, outputs.predicted, k), truth, ones).point for k in (0, 1)]
    assert macro.point == pytest.approx(np.mean(both), abs=1e-9)


def test_a_row_that_could_never_be_reviewed_leaves_no_point_estimate():
    outputs, truth = _traffic()
    propensity = np.full(N, 0.5)
    propensity[3] = 0.0
    labels = np.where(np.arange(N) % 2 == 0, truth, UNKNOWN)
    found = measure("accuracy", outputs, labels, propensity)
    assert (found.state, found.point, found.low, found.high) == (State.UNSUPPORTED, None, None, None)
    assert found.naive is not None


@pytest.mark.parametrize("wrong", [-0.1, 1.1, float("nan")])
def test_what_is_no_probability_is_refused(wrong):
    outputs, truth = _traffic()
    propensity = np.full(N, 0.5)
    propensity[0] = wrong
    with pytest.raises(ValueError, match="probability"):
        measure("accuracy", outputs, truth, propensity)


def test_a_perfect_window_keeps_an_interval_and_few_labels_are_said_to_be_few():
    n = 500
    scores, truth = np.tile([0.99, 0.01], (n, 1)), np.zeros(n, dtype=np.int64)
    outputs = Outputs(scores, np.zeros(n, dtype=np.int64), 1)
    drawn = np.arange(n) % 5 == 0
    found = measure("accuracy", outputs, np.where(drawn, truth, UNKNOWN), np.full(n, 0.2))
    assert found.point == pytest.approx(1.0, abs=1e-9)
    assert 0.8 < found.low < 0.99
    few = measure("accuracy", outputs, np.where(np.arange(n) % 50 == 0, truth, UNKNOWN), np.full(n, 0.02))
    assert few.state is State.INSUFFICIENT
    none = measure("accuracy", outputs, np.full(n, UNKNOWN), np.full(n, 0.02))
    assert (none.state, none.point, none.naive) == (State.INSUFFICIENT, None, None)
    nothing = measure("recall", outputs, truth, np.ones(n))
    assert (nothing.state, nothing.point) == (State.INSUFFICIENT, None)


def test_the_parts_of_the_interval_are_those_of_the_literature():
    assert wilson(0.0, 10)[1] == pytest.approx(0.27753, abs=1e-5)
    assert shrunk(1.0, 98.0) == pytest.approx(0.99)
    assert publishable(30.0, 0.30) is State.OK
    assert publishable(29.9, 0.10) is State.INSUFFICIENT


@pytest.mark.parametrize("freedom", [3.0, 4.5, 10.0, 29.0, 39.7, 250.0])
def test_student_s_quantile_is_that_of_the_distribution(freedom):
    assert student(freedom) == pytest.approx(stats.t.ppf(0.975, freedom), rel=2e-3)
    assert student(1.0) == student(0.0) > 11
