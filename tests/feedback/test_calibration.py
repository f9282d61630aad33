"""Does a score mean what it says? Held to cases that are known, and to what chance would show."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from feedback.estimators import State
from feedback.estimators.logistic import fit
from feedback.estimators.reliability import Reliability, of_labels, of_rows, reliability


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def calibration(score, true, weight, seen=slice(None)) -> Reliability:
    return reliability(of_rows(score), of_labels(score[seen], true[seen], weight[seen]))


def _stream(n: int, seed: int, slope: float = 1.0, shift: float = 0.0):
    """Scores and truth with ``logit P(true) = slope * logit(score) + shift``, all labelled."""
    rng = np.random.default_rng(seed)
    logit = rng.normal(-0.5, 1.5, n)
    return sigmoid(logit), (rng.random(n) < sigmoid(slope * logit + shift)).astype(np.int64)


def _whole(n: int, seed: int, slope: float = 1.0) -> Reliability:
    score, true = _stream(n, seed, slope)
    return calibration(score, true, np.ones(n))


def test_labels_of_everything_give_the_unweighted_curve():
    score, true = _stream(3_000, 1, slope=0.7)
    found = calibration(score, true, np.ones(3_000))
    members = [(score >= one.low) & (score < one.high) for one in found.bins]
    share = np.array([true[mine].mean() for mine in members])
    mean = np.array([score[mine].mean() for mine in members])
    assert [one.share for one in found.bins] == pytest.approx(share.tolist(), abs=1e-12)
    assert [one.mean_score for one in found.bins] == pytest.approx(mean.tolist(), abs=1e-12)
    assert found.ece == pytest.approx(np.average(np.abs(share - mean), weights=[one.n for one in found.bins]))


def test_slope_and_intercept_are_those_of_an_unpenalised_regression():
    score, true = _stream(2_000, 3, slope=0.7, shift=0.4)
    weight = np.random.default_rng(3).uniform(1, 20, 2_000)
    logit = np.log(score / (1 - score))
    theirs = LogisticRegression(C=np.inf, tol=1e-10).fit(logit[:, None], true, sample_weight=weight)
    ours = fit(np.column_stack([np.ones(2_000), logit]), true.astype(float), weight)
    assert ours == pytest.approx([theirs.intercept_[0], theirs.coef_[0, 0]], abs=1e-4)
    assert calibration(score, true, weight).slope == pytest.approx(ours[1], abs=0.02)


def test_few_labels_of_a_perfect_score_look_bad_and_raise_no_alarm():
    runs = [_whole(100, seed) for seed in range(200)]
    assert np.mean([one.ece for one in runs]) >= 0.08
    assert np.mean([one.ece_noise for one in runs]) == pytest.approx(np.mean([one.ece for one in runs]), rel=0.05)
    # 1 % by design; four standard errors of 200 runs above.
    assert np.mean([one.miscalibrated for one in runs]) <= 0.04


def test_an_overconfident_score_is_found_among_a_thousand():
    runs = [_whole(1_000, seed, slope=0.6) for seed in range(50)]
    assert np.mean([one.miscalibrated for one in runs]) >= 0.95
    assert np.mean([one.slope for one in runs]) == pytest.approx(0.6, abs=0.03)
    # Unlike a reading of ECE against zero, which a perfect score fails as well.
    assert min(one.ece for one in [_whole(1_000, seed) for seed in range(50)]) > 0.005


N = 5_000


@lru_cache(maxsize=1)
def _routed() -> tuple[np.ndarray, list[Reliability], list[Reliability]]:
    """100 windows of one calibrated model: a tier that it does not see, and the unsure, are all reviewed."""
    rng = np.random.default_rng(20260301)
    covered, weighted, naive = [], [], []
    for _ in range(100):
        logit, tier = rng.normal(-0.5, 1.5, N), rng.random(N) < 0.15
        # The tier is true far more often at the same score; together the score is right.
        rate = sigmoid(logit)
        risen = np.minimum(rate + 0.3 * (1 - rate), 1.0)
        rate_of_rest = (rate - 0.15 * risen) / 0.85
        true = (rng.random(N) < np.where(tier, risen, rate_of_rest)).astype(np.int64)
        propensity = np.where(tier | (np.maximum(rate, 1 - rate) < 0.65), 1.0, 0.1)
        drawn = rng.random(N) < propensity
        weighted.append(calibration(rate, true, 1 / propensity, drawn))
        naive.append(calibration(rate[drawn], true[drawn], np.ones(int(drawn.sum()))))
        pairs = zip(weighted[-1].bins, calibration(rate, true, np.ones(N)).bins, strict=True)
        covered.append([mine.share_low <= every.share <= mine.share_high for mine, every in pairs])
    least = min(len(one) for one in covered)
    return np.array([one[:least] for one in covered]), weighted, naive


def test_weighted_shares_cover_those_of_all_rows():
    covered, *_ = _routed()
    assert covered.mean() >= 0.93
    assert covered.mean(axis=0).min() >= 0.88


def test_a_calibrated_score_stays_inside_its_noise_under_routing_by_what_it_does_not_see():
    _, weighted, naive = _routed()
    assert np.mean([one.miscalibrated for one in weighted]) <= 0.05
    assert np.mean([one.intercept for one in weighted]) == pytest.approx(0.0, abs=0.02)
    assert np.mean([one.slope for one in weighted]) == pytest.approx(1.0, abs=0.03)
    # The rows that happened to be reviewed call the same model too timid, and are sure of it.
    assert np.mean([one.intercept for one in naive]) >= 0.15
    assert np.mean([one.miscalibrated for one in naive]) >= 0.95


def test_where_nothing_is_known_nothing_is_said():
    score, true = _stream(500, 9)
    few = calibration(score, true, np.full(500, 2.0), np.arange(500) < 20)
    assert (few.state, few.ece, few.miscalibrated) == (State.INSUFFICIENT, None, None)
    bare = calibration(score, true, np.full(500, 2.0), score < 0.5)
    assert bare.state is State.INSUFFICIENT
    assert bare.bins[-1].share is None
    assert calibration(np.empty(0), np.empty(0, dtype=np.int64), np.empty(0)).state is State.INSUFFICIENT


@pytest.mark.parametrize("same", [0, 1])
def test_a_window_of_one_class_has_a_curve_and_no_slope(same):
    score, _ = _stream(400, 11)
    found = calibration(score, np.full(400, same), np.ones(400))
    assert found.state is State.OK
    assert (found.slope, found.intercept) == (None, None)
    assert found.miscalibrated
    one = calibration(np.full(400, 0.3), np.arange(400) % 10 // 7, np.ones(400))
    assert (len(one.bins), one.slope) == (1, None)
    assert one.ece == pytest.approx(0.0, abs=1e-12)
