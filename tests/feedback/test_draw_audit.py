"""The audit is silent while draws keep their probabilities, and finds the two ways in which they do not."""

from __future__ import annotations

import numpy as np
import pytest

from feedback.estimators.audit import propensity_audit
from review import sampling

RUNS = 300
# Forty days of 500 predictions.
N = 20_000
BUDGET = 0.15


def _traffic(rng):
    return np.clip(rng.beta(5, 1.2, N), 0.01, 0.99), rng.random(N) < 0.12


def _propensities(guess, tier):
    """The default policy: sqrt(m (1 - m)) with a floor, and 0.35 on a risk tier; solved on past traffic."""
    return np.maximum(np.where(tier, 0.35, 0.0), sampling.probability(SAMPLER, guess))


def _solved() -> sampling.Fit:
    guess, tier = _traffic(np.random.default_rng(1))
    return sampling.fit("active", budget=BUDGET, guess=guess, least=np.where(tier, 0.35, 0.0), tau=0.5)


SAMPLER = _solved()


def windows(runs: int = RUNS):
    rng = np.random.default_rng(20260301)
    for _ in range(runs):
        guess, tier = _traffic(rng)
        yield rng, guess, _propensities(guess, tier)


def test_draws_that_keep_their_probabilities_raise_no_alarm():
    alarms = [propensity_audit(m, pi, rng.random(N) < pi).alarm for rng, m, pi in windows()]
    assert np.mean(alarms) <= 0.01


def test_hard_reviews_that_vanish_are_found():
    alarms = []
    for rng, m, pi in windows():
        vanished = (m < np.median(m)) & (rng.random(N) < 0.15)
        alarms.append(propensity_audit(m, pi, (rng.random(N) < pi) & ~vanished).alarm)
    assert np.mean(alarms) >= 0.95


def test_propensities_recomputed_from_todays_policy_are_found():
    alarms = []
    early = np.arange(N) < N // 2
    for rng, m, pi in windows():
        # Until the middle of the window the policy was another: the unsure for certain, 3 % of the rest.
        logged = np.where(early, np.where(m < 0.6, 1.0, 0.03), pi)
        drawn = rng.random(N) < logged
        alarms.append(propensity_audit(m, pi, drawn).alarm)
        assert propensity_audit(m, logged, drawn).impossible == 0
    assert np.mean(alarms) >= 0.95


def test_certain_rows_add_nothing_and_a_draw_against_them_is_a_fault():
    rng = np.random.default_rng(1)
    m, pi = rng.random(2_000), np.full(2_000, 0.3)
    drawn = rng.random(2_000) < pi
    plain = propensity_audit(m, pi, drawn)
    ends = np.concatenate([pi, np.ones(500), np.zeros(500)])
    wide = propensity_audit(
        np.concatenate([m, rng.random(1_000)]), ends, np.concatenate([drawn, ends[2_000:].astype(bool)])
    )
    assert (wide.statistic, wide.impossible, wide.alarm) == (plain.statistic, 0, False)
    for row in (2_100, 2_700):
        flipped = np.concatenate([drawn, ends[2_000:].astype(bool)])
        flipped[row] = not flipped[row]
        faulty = propensity_audit(np.concatenate([m, m[:1_000]]), ends, flipped)
        assert (faulty.impossible, faulty.alarm) == (1, True)


def test_the_statistic_is_the_one_worked_out_by_hand():
    m, pi = np.linspace(0, 1, 400), np.full(400, 0.5)
    drawn = np.arange(400) % 2 == 0
    drawn[:40] = True
    found = propensity_audit(m, pi, drawn)
    # The first tenth draws 40 of 40 where 20 are due: 20^2 / (40 / 4).
    assert (found.statistic, found.parts) == (40.0, 10)
    assert found.alarm


def test_bands_hold_what_was_drawn_and_show_what_was_not():
    rng = np.random.default_rng(2)
    pi = np.repeat([0.05, 0.2, 0.6, 1.0], 1_000)
    drawn = rng.random(4_000) < pi
    bands = propensity_audit(rng.random(4_000), pi, drawn).bands
    assert [band.expected for band in bands] == pytest.approx([0.05, 0.2, 0.6, 1.0])
    assert sum(band.rows for band in bands) == 4_000
    assert all(band.inside for band in bands)
    drawn[1_000:2_000] &= rng.random(1_000) < 0.7
    assert [band.inside for band in propensity_audit(rng.random(4_000), pi, drawn).bands] == [True, False, True, True]


def test_too_little_chance_is_no_verdict():
    found = propensity_audit(np.array([0.2, 0.9]), np.array([0.1, 0.2]), np.array([True, True]))
    assert (found.p_value, found.alarm) == (None, False)
    assert propensity_audit(np.empty(0), np.empty(0), np.empty(0, dtype=bool)).bands == ()
    with pytest.raises(ValueError, match="probability"):
        propensity_audit(np.array([0.5]), np.array([1.5]), np.array([True]))
