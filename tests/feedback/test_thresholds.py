"""Thresholds follow the price of errors, and a review is bought where it is the cheapest answer."""

from __future__ import annotations

import numpy as np
import pytest

from feedback.estimators import Outputs, State, true_value
from feedback.estimators.counterfactual import answers_at
from feedback.estimators.thresholds import (
    Prices,
    confidence_threshold,
    cost_threshold,
    propose,
    review_interval,
    risk_threshold,
    worth_a_review,
)
from review.policies import Batch, Setting
from review.policies.batch import risk

COSTS = np.array([[0.0, 20.0], [1.0, 0.0]])


def _rare(n: int = 200_000) -> tuple[np.ndarray, np.ndarray]:
    """Calibrated scores and truth at a base rate of 4.8 %."""
    rng = np.random.default_rng(20260301)
    positive = 1 / (1 + np.exp(-rng.normal(-3.72, 1.35, n)))
    return np.column_stack([1 - positive, positive]), (rng.random(n) < positive).astype(np.int64)


def test_a_miss_worth_twenty_alarms_asks_for_a_threshold_near_five_per_cent():
    scores, truth = _rare()
    assert truth.mean() == pytest.approx(0.048, abs=0.002)
    outputs = Outputs(scores, scores.argmax(axis=1), 1, COSTS)
    found = propose(scores, Prices(COSTS, 0.4), predicted=outputs.predicted)
    assert found.threshold == pytest.approx(1 / 21)

    def cost_at(threshold: float) -> float:
        return true_value("cost", Outputs(scores, answers_at(outputs, threshold), 1, COSTS), truth)

    assert cost_at(found.threshold) <= 0.7 * cost_at(0.5)
    assert cost_at(found.threshold) <= min(cost_at(t) for t in (0.02, 0.035, 0.07, 0.1, 0.3)) + 0.002
    # At 0.5 the flattering figure is that of never saying positive.
    accuracy = true_value("accuracy", Outputs(scores, answers_at(outputs, 0.5), 1), truth)
    assert accuracy == pytest.approx(1 - truth.mean(), abs=0.005)
    # What was expected from the scores is what came.
    assert found.live.point == pytest.approx(cost_at(0.5), rel=0.03)
    assert found.automatic.point == pytest.approx(cost_at(found.threshold), rel=0.03)
    assert found.reviewed.point < found.automatic.point < found.live.point
    assert 0 < found.share_reviewed < 1


def test_distorted_scores_at_the_same_threshold_lose_much_of_the_gain():
    scores, truth = _rare()
    right = Outputs(scores, scores.argmax(axis=1), 1, COSTS)
    logit = 0.5 * np.log(scores[:, 1] / scores[:, 0])
    bent = 1 / (1 + np.exp(-logit))
    wrong = Outputs(np.column_stack([1 - bent, bent]), right.predicted, 1, COSTS)
    costs = [true_value("cost", Outputs(scores, answers_at(one, 1 / 21), 1, COSTS), truth) for one in (right, wrong)]
    assert costs[1] >= 1.2 * costs[0]


def test_the_interval_covers_the_expected_cost_of_such_cases():
    scores, _ = _rare()
    rng = np.random.default_rng(4)
    prices = Prices(COSTS, 0.4)
    true = propose(scores, prices)
    hits = []
    for _ in range(300):
        part = propose(scores[rng.integers(0, scores.shape[0], 1_000)], prices)
        hits.append(
            [
                part.automatic.low <= true.automatic.point <= part.automatic.high,
                part.reviewed.low <= true.reviewed.point <= part.reviewed.high,
            ]
        )
    assert np.mean(hits, axis=0).min() >= 0.915


@pytest.mark.parametrize("positive", [0, 1])
@pytest.mark.parametrize("error", [0.0, 0.03])
@pytest.mark.parametrize("value", [1.0, 4.0])
def test_the_review_interval_is_where_a_review_is_the_cheapest_of_three(positive, error, value):
    costs = COSTS if positive == 1 else COSTS[::-1, ::-1]
    prices = Prices(costs, 0.3, error)
    p = np.linspace(0, 1, 20_001)
    scores = np.column_stack([1 - p, p]) if positive == 1 else np.column_stack([p, 1 - p])
    low, high = review_interval(prices, positive, value)
    inside = p[worth_a_review(scores, prices, np.full(p.size, value))]
    assert (inside.min(), inside.max()) == pytest.approx((low, high), abs=1e-4)
    assert inside.size == pytest.approx((high - low) * 20_000, abs=2)


def test_no_review_is_bought_where_an_answer_is_always_cheaper():
    assert review_interval(Prices(COSTS, 0.96)) is None
    assert review_interval(Prices(COSTS, 0.94)) is not None
    dear = propose(_rare(1_000)[0], Prices(COSTS, 5.0))
    assert (dear.review, dear.share_reviewed) == (None, 0.0)
    assert dear.reviewed.point == dear.automatic.point
    # A reviewer who errs as often as a coin is worth nothing at any price.
    assert review_interval(Prices(1 - np.eye(2), 0.0, 0.5)) is None


def test_the_policys_risk_and_confidence_draw_the_same_region():
    rng = np.random.default_rng(6)
    scores = rng.dirichlet([1.0, 1.0, 1.0], 2_000)
    alike = Prices(5.0 * (1 - np.eye(3)), 1.0, 0.05)
    chosen = worth_a_review(scores, alike)
    assert 0 < chosen.mean() < 1
    assert np.array_equal(scores.max(axis=1) < confidence_threshold(alike), chosen)
    names = ("a", "b", "c")
    for costs, value in ((alike, None), (Prices(rng.uniform(1, 9, (3, 3)) * (1 - np.eye(3)), 1.2), 2.5)):
        setting = Setting(names, {names[k]: costs.costs[k].tolist() for k in range(3)}, {}, "q")
        confidence, values = scores.max(axis=1), None if value is None else np.full(2_000, value)
        risks = risk(Batch(setting, scores, (scores @ costs.costs.T).argmin(axis=1), confidence, confidence, values))
        threshold = risk_threshold(costs, valued=value is not None)
        worth = worth_a_review(scores, costs, values)
        assert np.array_equal(risks > threshold, worth)
    assert confidence_threshold(Prices(COSTS, 0.4)) is None
    assert risk_threshold(Prices(COSTS, 0.4, 0.1)) is None
    assert risk_threshold(alike, valued=True) is None


def test_a_case_of_more_value_is_reviewed_at_less_risk():
    scores, _ = _rare(5_000)
    value = np.where(np.arange(5_000) % 2 == 0, 1.0, 10.0)
    found = propose(scores, Prices(COSTS, 0.4), value=value)
    assert (found.review, found.confidence, found.risk) == (None, None, 0.4)
    chosen = worth_a_review(scores, Prices(COSTS, 0.4), value)
    assert chosen[1::2].mean() > chosen[::2].mean()


@pytest.mark.parametrize("costs", [[[5.0, 1.0], [1.0, 0.0]], [[0.0, 0.0], [0.0, 0.0]], [[2.0, 1.0], [2.0, 1.0]]])
def test_prices_that_are_not_those_of_errors_part_no_scores(costs):
    found = propose(_rare(100)[0], Prices(np.array(costs), 0.4), predicted=np.zeros(100, dtype=np.int64))
    assert cost_threshold(np.array(costs)) is None
    assert found.threshold is None
    assert found.reviewed.point <= found.automatic.point <= found.live.point


def test_prices_that_make_no_sense_are_refused():
    for wrong in (Prices, lambda c, r: Prices(c, r, 1.5)):
        with pytest.raises(ValueError):
            wrong(np.eye(2) if wrong is not Prices else np.ones((2, 3)), 0.1)
    with pytest.raises(ValueError, match="review costs"):
        Prices(COSTS, float("nan"))
    few = propose(_rare(10)[0], Prices(COSTS, 0.4))
    assert few.automatic.state is State.INSUFFICIENT
