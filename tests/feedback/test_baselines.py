"""No figure flatters a model that a constant answer would equal."""

from __future__ import annotations

import numpy as np
import pytest

from feedback.estimators import Outputs, State, measure, true_value
from feedback.estimators.baselines import (
    COMPARED,
    accuracy_may_lead,
    against_constant,
    best_constant,
    constant_figures,
    prevalence,
)

COSTS = np.array([[0.0, 20.0], [1.0, 0.0]])
N = 10_000


def _traffic(seed: int, centre: float, spread: float = 1.3, n: int = N):
    rng = np.random.default_rng(seed)
    p = 1 / (1 + np.exp(-rng.normal(centre, spread, n)))
    truth = (rng.random(n) < p).astype(np.int64)
    propensity = np.where(p > 0.3, 0.9, 0.2)
    labels = np.where(rng.random(n) < propensity, truth, -1)
    return np.column_stack([1 - p, p]), truth, propensity, labels


def test_a_model_that_never_says_positive_is_named_no_better_than_constant():
    scores, truth, propensity, labels = _traffic(1, -7.2, 0.7, 40_000)
    assert truth.mean() < 0.002
    outputs = Outputs(scores, np.zeros(40_000, dtype=np.int64), 1, COSTS)
    found = against_constant("accuracy", outputs, labels, propensity)
    assert found.model.point > 0.998
    assert found.no_better_than_constant is True
    assert (found.difference.point, found.difference.low, found.difference.high) == (0.0, 0.0, 0.0)
    assert against_constant("cost", outputs, labels, propensity).no_better_than_constant is True
    assert not accuracy_may_lead(prevalence(scores, labels, propensity), positive=1)


@pytest.mark.parametrize("metric", COMPARED)
def test_a_model_that_knows_something_is_not(metric):
    scores, _, propensity, labels = _traffic(2, -0.5, 1.8)
    outputs = Outputs(scores, scores.argmax(axis=1), 1, 1 - np.eye(2))
    found = against_constant(metric, outputs, labels, propensity)
    assert found.no_better_than_constant is False
    assert found.difference.point == pytest.approx(found.model.point - found.constant.point, abs=0.01)
    assert accuracy_may_lead(prevalence(scores, labels, propensity), positive=1)


@pytest.mark.parametrize("metric", COMPARED)
def test_scores_that_are_noise_are_no_better(metric):
    _, _, propensity, labels = _traffic(3, -0.5, 0.01)
    noise = np.random.default_rng(3).beta(2, 2, N)
    outputs = Outputs(np.column_stack([1 - noise, noise]), (noise > 0.5).astype(np.int64), 1)
    assert against_constant(metric, outputs, labels, propensity).no_better_than_constant is True


def test_the_base_rate_covers_the_truth_and_the_reviewed_share_does_not():
    hits, naive = [], []
    for seed in range(200):
        scores, truth, propensity, labels = _traffic(seed, -2.0, 1.3, 3_000)
        # The scores are of another model, wrong by half a logit.
        bent = 1 / (1 + np.exp(-np.log(scores[:, 1] / scores[:, 0]) - 0.5))
        share = prevalence(np.column_stack([1 - bent, bent]), labels, propensity)[1]
        hits.append(share.low <= truth.mean() <= share.high)
        naive.append(share.naive - truth.mean())
    assert np.mean(hits) >= 0.91
    assert np.mean(naive) >= 0.05


def test_the_constants_figures_are_those_of_a_model_that_answers_it():
    scores, truth, _, _ = _traffic(4, -1.0)
    ones, outputs = np.ones(N), Outputs(scores, scores.argmax(axis=1), 1, COSTS)
    found = constant_figures(outputs, truth, ones)
    rate = truth.mean()
    assert found["accuracy"].point == pytest.approx(1 - rate, abs=1e-9)
    # The cheapest constant is the other class: a miss costs twenty alarms.
    assert best_constant(outputs, truth, ones) == 0
    assert best_constant(outputs, truth, ones, by="cost") == 1
    assert found["cost"].point == pytest.approx(1 - rate, abs=1e-9)
    assert found["brier"].point == pytest.approx(rate * (1 - rate), abs=1e-9)
    assert found["log_loss"].point == pytest.approx(-rate * np.log(rate) - (1 - rate) * np.log(1 - rate), abs=1e-9)
    assert found["recall"].point == pytest.approx(0.0, abs=1e-9)
    assert "precision" not in found
    swapped = Outputs(scores, outputs.predicted, 0)
    assert constant_figures(swapped, truth, ones)["precision"].point == pytest.approx(1 - rate, abs=1e-9)


def test_of_many_classes_the_rarest_decides_about_the_headline():
    rng = np.random.default_rng(5)
    scores = rng.dirichlet([6.0, 3.0, 0.4], N)
    truth = (scores.cumsum(axis=1) < rng.random((N, 1))).sum(axis=1)
    shares = prevalence(scores, truth, np.ones(N))
    assert sum(share.point for share in shares) == pytest.approx(1.0)
    assert not accuracy_may_lead(shares)
    assert accuracy_may_lead(shares[:2])
    outputs = Outputs(scores, scores.argmax(axis=1))
    assert best_constant(outputs, truth, np.ones(N)) == 0
    assert against_constant("brier", outputs, truth, np.ones(N)).constant.point == pytest.approx(
        true_value("brier", Outputs(np.tile(np.bincount(truth) / N, (N, 1)), outputs.predicted), truth)
    )


def test_no_verdict_without_enough_labels_or_support():
    scores, truth, _, _ = _traffic(6, -1.0)
    outputs = Outputs(scores, scores.argmax(axis=1), 1)
    few = np.where(np.arange(N) % 1_000 == 0, truth, -1)
    assert against_constant("accuracy", outputs, few, np.full(N, 0.001)).no_better_than_constant is None
    blind = np.where(np.arange(N) % 2 == 0, 0.0, 0.5)
    refused = against_constant("accuracy", outputs, np.where(blind > 0, truth, -1), blind)
    assert (refused.difference.state, refused.no_better_than_constant) == (State.UNSUPPORTED, None)
    unlabelled = np.full(N, -1)
    assert against_constant("cost", outputs, unlabelled, np.full(N, 0.5)).no_better_than_constant is None
    assert constant_figures(outputs, unlabelled, np.full(N, 0.5)) == {}
    assert measure("accuracy", outputs, unlabelled, np.full(N, 0.5)).point is None
    with pytest.raises(ValueError, match="paired constant"):
        against_constant("recall", outputs, truth, np.ones(N))
