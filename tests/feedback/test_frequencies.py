"""Calibrated frequencies by simulation, with a fixed seed: the interval covers, and the naive ways do not.

Among answers of one score those with ``odd`` inputs come true less often, and routing picks odd ones far more often.
Reviewers who see the model's answer agree with it in half of the cases in which it is wrong.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from feedback.estimators.frequencies import FEWEST, NEWEST_OF_BIN, frequencies

RUNS, ROWS, BLIND = 400, 3000, 0.4
ODD, PICKED, ANCHORED = 0.3, (0.25, 0.9), 0.5


def chance(score: Any, odd: Any) -> Any:
    return np.clip(score - 0.35 * odd, 0.02, 0.98)


def truth_of(low: float, high: float) -> float:
    """The share of all answers with a score in [low, high) that come true."""
    score = np.linspace(low, high, 2001)
    return float(np.mean((1 - ODD) * chance(score, 0) + ODD * chance(score, 1)))


def traffic(rng: np.random.Generator) -> dict[str, Any]:
    score, odd = rng.uniform(0.5, 1, ROWS), rng.random(ROWS) < ODD
    true = rng.random(ROWS) < chance(score, odd)
    propensity = np.where(odd, PICKED[1], PICKED[0])
    reviewed, blind = rng.random(ROWS) < propensity, rng.random(ROWS) < BLIND
    assisted = true | (rng.random(ROWS) < ANCHORED)
    return {"score": score, "true": true, "assisted": assisted, "weight": 1 / (propensity * BLIND),
            "blind": reviewed & blind, "reviewed": reviewed}  # fmt: skip


def coverage(kept: str, answer: str, weighted: bool) -> float:
    rng, right, bins = np.random.default_rng(20_260), 0, 0
    for _ in range(RUNS):
        rows = traffic(rng)
        keep = rows[kept]
        weight = rows["weight"][keep] if weighted else np.ones(int(keep.sum()))
        for one in frequencies(rows["score"][keep], rows[answer][keep].astype(np.int64), weight):
            bins += 1
            right += one.share_low <= truth_of(one.low, one.high) <= one.share_high
    return right / bins


def test_weighted_blind_decisions_cover_the_true_share():
    assert 0.93 <= coverage("blind", "true", weighted=True) <= 0.98


def test_blind_decisions_without_weights_do_not():
    assert coverage("blind", "true", weighted=False) < 0.7


def test_assisted_decisions_do_not_either_with_or_without_weights():
    assert coverage("reviewed", "assisted", weighted=False) < 0.8
    assert coverage("reviewed", "assisted", weighted=True) < 0.5


@pytest.mark.parametrize("count", [0, 1, 49, 50, 51, 149, 200, 4000])
def test_bins_are_worth_enough_wherever_all_rows_together_are(count):
    rng = np.random.default_rng(count)
    score = rng.uniform(0.5, 1, count)
    found = frequencies(score, (rng.random(count) < score).astype(np.int64), np.ones(count))
    assert all(one.enough for one in found) is (count >= FEWEST or count == 0)
    assert len(found) <= 10
    assert [one.high for one in found[:-1]] == [one.low for one in found[1:]]
    if count:
        assert found[0].low == score.min()
        assert found[-1].low <= score.max() < found[-1].high
        assert sum(one.n for one in found) == count


def test_equal_scores_share_a_bin():
    score = np.repeat([0.6, 0.7], [900, 100])
    found = frequencies(score, np.ones(1000, dtype=np.int64), np.ones(1000))
    assert [(one.low, one.n) for one in found] == [(0.6, NEWEST_OF_BIN), (0.7, 100)]


def test_the_newest_rows_of_a_bin_count():
    true = np.repeat([0, 1], NEWEST_OF_BIN)
    [found] = frequencies(np.full(true.size, 0.8), true, np.ones(true.size))
    assert (found.n, found.k, found.share) == (NEWEST_OF_BIN, NEWEST_OF_BIN, 1.0)


def test_heavy_rows_that_are_the_odd_ones_are_worth_less_than_their_weights_say():
    true, weight = np.repeat([1, 0], [190, 10]), np.repeat([1.0, 5.0], [190, 10])
    [found] = frequencies(np.full(200, 0.8), true, weight)
    assert found.share == pytest.approx(190 / 240)
    assert found.effective_n < weight.sum() ** 2 / (weight**2).sum()
