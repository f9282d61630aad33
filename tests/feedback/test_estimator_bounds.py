"""Where labels cannot be had, the bounds hold whatever they would have been; an estimate that is silent does not."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest

from feedback.estimators import (
    AUTO_ACCEPTED_ERROR,
    Outputs,
    Rows,
    State,
    estimate,
    lost_moments,
    measure,
    nonresponse_bounds,
    summed,
    totals,
    true_value,
)
from tests.feedback.simulated_traffic import UNKNOWN, Traffic, traffic

BOUNDED = ("accuracy", "precision", "recall", "cost", "brier", AUTO_ACCEPTED_ERROR)
REPLICATIONS = 150
N = 1_500


def without_slice(rng: np.random.Generator, share: float = 0.4) -> Traffic:
    """Half of the unsure rows are reviewed, the sure ones never; and the sure ones are worse than they look."""
    made = traffic(rng, N, 0.3, drift=0.8)
    sure = made.outputs.scores.max(axis=1)
    propensity = np.where(sure >= np.quantile(sure, 1 - share), 0.0, 0.5)
    return replace(made, propensity=propensity, drawn=rng.random(N) < propensity)


@lru_cache(maxsize=1)
def _runs() -> dict[str, np.ndarray]:
    """Per metric (replications, 5): truth, bounds, and the interval of the supported rows taken for the whole."""
    rng = np.random.default_rng(20261)
    found = {metric: np.empty((REPLICATIONS, 5)) for metric in BOUNDED}
    for run in range(REPLICATIONS):
        made = without_slice(rng)
        on = made.propensity > 0
        for metric in BOUNDED:
            got = measure(metric, made.outputs, made.labels, made.propensity, drawn=made.drawn)
            assert (got.state, got.point, got.low, got.sequence) == (State.UNSUPPORTED, None, None, None)
            silent = measure(metric, made.outputs.part(on), made.labels[on], made.propensity[on], drawn=made.drawn[on])
            truth = true_value(metric, made.outputs, made.truth, made.drawn)
            found[metric][run] = truth, *got.bounds, silent.low, silent.high
    return found


@pytest.mark.parametrize("metric", BOUNDED)
def test_the_bounds_hold_in_every_run(metric):
    truth, low, high, *_ = _runs()[metric].T
    assert np.all((low <= truth) & (truth <= high))
    assert np.all(high - low > 0.05)


def test_an_estimate_that_is_silent_about_the_rest_is_wrong_and_sure_of_it():
    truth, _, _, low, high = _runs()["accuracy"].T
    assert np.mean((low <= truth) & (truth <= high)) <= 0.05
    assert np.all(high - low < 0.15)


def test_the_share_without_support_is_told():
    made = without_slice(np.random.default_rng(3))
    found = measure("accuracy", made.outputs, made.labels, made.propensity)
    assert found.unsupported_share == pytest.approx(np.mean(made.propensity == 0), abs=1e-12)
    left = ~made.drawn
    found = measure(AUTO_ACCEPTED_ERROR, made.outputs, made.labels, made.propensity, drawn=made.drawn)
    assert found.unsupported_share == pytest.approx(np.mean(made.propensity[left] == 0), abs=1e-12)
    whole = measure("accuracy", made.outputs, made.truth, np.ones(N))
    assert (whole.unsupported_share, whole.bounds) == (0.0, None)


@pytest.mark.parametrize("metric", BOUNDED[:-1])
def test_where_all_other_rows_are_known_the_bounds_are_the_worst_and_the_best_case(metric):
    made = without_slice(np.random.default_rng(4))
    known = made.propensity > 0
    labels, propensity = np.where(known, made.truth, UNKNOWN), known.astype(float)
    low, high = measure(metric, made.outputs, labels, propensity).bounds
    predicted = made.outputs.predicted
    right, wrong = predicted, 1 - predicted
    if metric == "brier":
        right, wrong = (made.outputs.scores.argmax(axis=1), made.outputs.scores.argmin(axis=1))
    worst, best = (true_value(metric, made.outputs, np.where(known, made.truth, rest)) for rest in (wrong, right))
    worst, best = min(worst, best), max(worst, best)
    # With these rows as good as reviewed the interval of a mean is exact, that of a proportion nearly.
    slack = 1e-9 if metric in ("cost", "brier") else 0.05
    assert worst - slack <= low <= worst + 1e-9
    assert best - 1e-9 <= high <= best + slack


def test_what_has_no_worst_case_has_no_bounds_and_what_has_no_label_all_of_them():
    made = without_slice(np.random.default_rng(5))
    assert measure("log_loss", made.outputs, made.labels, made.propensity).bounds is None
    nobody = np.full(N, UNKNOWN)
    assert measure("recall", made.outputs, nobody, made.propensity).bounds == (0.0, 1.0)
    assert measure("cost", made.outputs, nobody, made.propensity).bounds is None
    low, high = measure("cost", made.outputs, nobody, np.zeros(N)).bounds
    assert (low, high) == (0.0, pytest.approx(np.where(made.outputs.predicted == 1, 1.0, 5.0).mean()))
    assert measure("accuracy", made.outputs, nobody, np.zeros(N)).bounds == (0.0, 1.0)


def test_a_class_that_no_label_speaks_of_may_turn_out_either_way():
    scores = np.tile([0.5, 0.3, 0.2], (N, 1))
    outputs = Outputs(scores, np.arange(N) % 2, positive=None)
    supported = np.arange(N) % 10 != 0
    labels = np.where(supported, np.arange(N) % 2, UNKNOWN)
    found = measure("recall", outputs, labels, supported.astype(float))
    assert (found.state, found.bounds) == (State.UNSUPPORTED, (0.0, 1.0))


def _lossy(rng: np.random.Generator) -> tuple[Traffic, np.ndarray]:
    """Reviewers abstain where the model is wrong, more often than where it is right."""
    made = traffic(rng, N, 0.3)
    wrong = made.outputs.predicted != made.truth
    return made, made.drawn & (rng.random(N) < np.where(wrong, 0.5, 0.02))


def _bounds(metric: str, made: Traffic, lost: np.ndarray) -> tuple[float, float] | None:
    labels = np.where(lost, UNKNOWN, made.labels)
    known = totals([(summed(metric, made.outputs, Rows(labels, made.propensity, made.drawn)), 1.0, 1.0)])
    ends = lost_moments(metric, made.outputs.part(lost), made.propensity[lost])
    return nonresponse_bounds(known, (totals([(ends[0], 1.0, 1.0)]), totals([(ends[1], 1.0, 1.0)])))


@pytest.mark.parametrize("metric", BOUNDED)
def test_labels_that_are_lost_because_of_what_they_say_stay_within_the_bounds(metric):
    rng = np.random.default_rng(20262)
    held, misled = [], []
    for _ in range(60):
        made, lost = _lossy(rng)
        truth = true_value(metric, made.outputs, made.truth, made.drawn)
        low, high = _bounds(metric, made, lost)
        held.append(low <= truth <= high)
        labels = np.where(lost, UNKNOWN, made.labels)
        came = np.full(N, 1 - lost.sum() / made.drawn.sum())
        ignoring = measure(metric, made.outputs, labels, made.propensity, came, drawn=made.drawn)
        misled.append(not ignoring.low <= truth <= ignoring.high)
    # The bounds carry the error of sampling, so they hold at least as often as an interval does.
    assert np.mean(held) >= 0.95
    if metric in ("accuracy", "cost", AUTO_ACCEPTED_ERROR):
        assert np.mean(misled) >= 0.6


@pytest.mark.parametrize(("metric", "rest"), [("accuracy", 1), ("recall", 1), ("cost", 0), ("precision", 1)])
def test_the_lower_bound_is_the_interval_of_lost_rows_labelled_at_their_worst(metric, rest):
    made, lost = _lossy(np.random.default_rng(6))
    low, high = _bounds(metric, made, lost)
    wrong, right = 1 - made.outputs.predicted, made.outputs.predicted
    first, last = (wrong, right) if rest else (right, wrong)
    filled = [np.where(lost, labels, made.labels) for labels in (first, last)]
    assert low == pytest.approx(measure(metric, made.outputs, filled[0], made.propensity).low, abs=1e-9)
    assert high == pytest.approx(measure(metric, made.outputs, filled[1], made.propensity).high, abs=1e-9)


def test_nothing_lost_leaves_the_interval():
    made, _ = _lossy(np.random.default_rng(7))
    sums = totals([(summed("accuracy", made.outputs, Rows(made.labels, made.propensity)), 1.0, 1.0)])
    found = estimate(sums)
    assert _bounds("accuracy", made, np.zeros(N, dtype=bool)) == pytest.approx((found.low, found.high), abs=1e-12)
