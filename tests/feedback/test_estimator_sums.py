"""Estimates from sums that were kept apart and added are those of all rows at once."""

from __future__ import annotations

from dataclasses import astuple, replace
from functools import reduce
from operator import add

import numpy as np
import pytest

from feedback.estimators import (
    AUTO_ACCEPTED_ERROR,
    METRICS,
    Outputs,
    Rows,
    estimate,
    guessed,
    measure,
    summed,
    totals,
    unweighted,
)
from tests.feedback.simulated_traffic import label_free

ALL = (*METRICS, AUTO_ACCEPTED_ERROR)
UNKNOWN = -1
N = 700


def _traffic(rng: np.random.Generator, classes: int = 2, positive: int | None = 1):
    scores = rng.dirichlet(np.full(classes, 0.6), N)
    truth = (scores.cumsum(axis=1) < rng.random((N, 1))).sum(axis=1)
    costs = rng.integers(0, 900, (classes, classes)) * (1.0 - np.eye(classes))
    propensity = np.where(scores.max(axis=1) < 0.7, 1.0, rng.uniform(0.03, 0.9, N))
    drawn = rng.random(N) < propensity
    cell = rng.integers(0, 5, N)
    came, comes = rng.uniform(0.5, 1.0, 5), rng.uniform(0.5, 1.0, 5)
    labels = np.where(drawn & (rng.random(N) < came[cell]), truth, UNKNOWN)
    return Outputs(scores, scores.argmax(axis=1), positive, costs), labels, propensity, drawn, cell, came, comes


def _numbers(found) -> np.ndarray:
    flat = []
    for value in astuple(found):
        flat += list(value) if isinstance(value, tuple) else [value]
    return np.array([np.nan if value is None or isinstance(value, str) else value for value in flat], dtype=float)


def _same(one, other):
    assert one.state is other.state
    assert one.point is not None
    np.testing.assert_allclose(_numbers(one), _numbers(other), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("metric", ALL)
@pytest.mark.parametrize(("classes", "positive"), [(2, 1), (3, None), (3, 0)])
def test_any_partition_into_cells_gives_the_estimate_of_all_rows(metric, classes, positive, seed):
    rng = np.random.default_rng(seed)
    outputs, labels, propensity, drawn, cell, came, comes = _traffic(rng, classes, positive)
    places = [cell == k for k in range(5)] + [np.zeros(N, dtype=bool)]
    kept = [summed(metric, outputs.part(at), Rows(labels[at], propensity[at], drawn[at])) for at in places]
    whole = totals((sums, 1.0, 1.0) for sums in kept)
    _same(estimate(whole), measure(metric, outputs, labels, propensity, drawn=drawn))
    assert guessed(whole) == pytest.approx(label_free(metric, outputs, drawn), rel=1e-9)

    late = totals(zip(kept, [*came, 1.0], [*comes, 1.0], strict=True))
    at_once = measure(metric, outputs, labels, propensity, came[cell], comes[cell], drawn)
    _same(estimate(late), at_once)
    assert at_once.standard_error != pytest.approx(estimate(whole).standard_error, rel=1e-6)


def test_sums_of_equal_arrival_may_be_added_before_arrival_is_known():
    outputs, labels, propensity, _, cell, *_ = _traffic(np.random.default_rng(5))
    parts = [
        summed("recall", outputs.part(cell == k), Rows(labels[cell == k], propensity[cell == k])) for k in range(5)
    ]
    apart = totals((sums, 0.7, 0.6) for sums in parts)
    _same(estimate(totals([(reduce(add, parts), 0.7, 0.6)])), estimate(apart))
    _same(estimate(totals([(parts[0], 0.7, 0.6)]) + totals((sums, 0.7, 0.6) for sums in parts[1:])), estimate(apart))


@pytest.mark.parametrize("metric", ["accuracy", "precision", "cost"])
def test_a_label_that_came_later_changes_the_sums_to_what_they_would_have_been(metric):
    outputs, labels, propensity, *_ = _traffic(np.random.default_rng(4))
    kept = summed(metric, outputs, Rows(np.full(N, UNKNOWN), propensity))
    for start in range(0, N, 50):
        at = slice(start, start + 50)
        without = summed(metric, outputs.part(at), Rows(np.full(50, UNKNOWN), propensity[at]))
        kept = kept + (summed(metric, outputs.part(at), Rows(labels[at], propensity[at])) - without)
    _same(
        estimate(totals([(kept, 0.9, 0.8)])),
        estimate(totals([(summed(metric, outputs, Rows(labels, propensity)), 0.9, 0.8)])),
    )


def test_the_naive_figure_needs_no_arrival():
    outputs, labels, propensity, *_ = _traffic(np.random.default_rng(6))
    found = unweighted(summed("accuracy", outputs, Rows(labels, propensity)))
    known = labels != UNKNOWN
    assert found.naive == pytest.approx(np.mean(outputs.predicted[known] == labels[known]), abs=1e-12)
    assert (found.labels, found.point) == (known.sum(), None)


def test_a_million_to_one_in_scale_costs_no_digits():
    outputs, labels, propensity, *_ = _traffic(np.random.default_rng(7))
    dear = replace(outputs, costs=1e6 + outputs.costs)
    plain, shifted = measure("cost", outputs, labels, propensity), measure("cost", dear, labels, propensity)
    assert shifted.point - 1e6 == pytest.approx(plain.point, rel=1e-6)
    assert shifted.standard_error == pytest.approx(plain.standard_error, rel=1e-6)


def test_sums_of_different_metrics_do_not_add_and_impossible_arrival_is_refused():
    outputs, labels, propensity, *_ = _traffic(np.random.default_rng(9))
    accuracy, recall = (summed(metric, outputs, Rows(labels, propensity)) for metric in ("accuracy", "recall"))
    with pytest.raises(ValueError, match="do not add"):
        accuracy + recall
    for wrong in (0.0, 1.2, float("nan")):
        with pytest.raises(ValueError, match="arrival"):
            totals([(accuracy, wrong, 1.0)])
    with pytest.raises(ValueError, match="which rows were drawn"):
        summed(AUTO_ACCEPTED_ERROR, outputs, Rows(labels, propensity))
    with pytest.raises(ValueError, match="probability"):
        measure("accuracy", outputs, labels, propensity, np.full(N, np.nan))
