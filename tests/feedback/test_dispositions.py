"""Other dispositions, whose outcomes show only where they were taken, against a known truth."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest

from feedback.estimators import State
from feedback.estimators.dispositions import value_of

RUNS = 500
N = 2_000
PROCEED, REFUSE, HOLD = range(3)
WAYS = ("ips", "self_normalised", "doubly_robust")


def _cases(rng, n: int = N):
    """Risk x, what each disposition would cost, the logged and the candidate's probabilities."""
    x = rng.random(n)
    cost = np.column_stack([10.0 * (rng.random(n) < 0.4 * x), np.full(n, 1.5) + rng.normal(0, 0.3, n), np.ones(n)])
    logged = np.column_stack([0.85 - 0.5 * x, 0.05 + 0.3 * x, 0.1 + 0.2 * x])
    candidate = np.column_stack([(x < 0.4) * 1.0, (x > 0.8) * 1.0, ((x >= 0.4) & (x <= 0.8)) * 1.0])
    guess = np.column_stack([5.0 * x, np.full(n, 1.2), np.full(n, 1.1)])
    return x, cost, logged, candidate, guess


def _draw(rng, probabilities):
    return (probabilities.cumsum(axis=1) < rng.random((probabilities.shape[0], 1))).sum(axis=1)


def _true_value() -> float:
    _, cost, _, candidate, _ = _cases(np.random.default_rng(1), 1_000_000)
    return float(np.mean(np.sum(candidate * cost, axis=1)))


@lru_cache(maxsize=1)
def _runs() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(20260301)
    found: dict[str, list] = {way: [] for way in (*WAYS, "live")}
    for _ in range(RUNS):
        _, cost, logged, candidate, guess = _cases(rng)
        taken = _draw(rng, logged)
        arrived = np.where(taken == PROCEED, 0.7, 0.9)
        outcome = np.where(rng.random(N) < arrived, cost[np.arange(N), taken], np.nan)
        got = value_of(taken, logged, outcome, candidate, guess, arrived)
        for way in found:
            one = getattr(got, way)
            assert one.state is State.OK
            found[way].append((one.point, one.low, one.high))
    return {way: np.array(rows) for way, rows in found.items()}


@pytest.mark.parametrize("way", WAYS)
def test_the_interval_covers_the_candidates_true_value(way):
    truth = _true_value()
    point, low, high = _runs()[way].T
    assert np.mean((low <= truth) & (truth <= high)) >= 0.93
    assert abs(point.mean() - truth) <= 4 * point.std() / RUNS**0.5 + 0.005


def test_the_guess_narrows_the_interval_and_what_happened_is_no_answer():
    widths = {way: np.mean(_runs()[way][:, 2] - _runs()[way][:, 1]) for way in WAYS}
    assert widths["doubly_robust"] < widths["ips"]
    live, truth = _runs()["live"], _true_value()
    assert live[:, 0].mean() - truth >= 0.1
    assert np.mean((live[:, 1] <= truth) & (truth <= live[:, 2])) <= 0.4


def test_a_wrong_guess_costs_width_and_no_bias():
    rng = np.random.default_rng(2)
    points = []
    for _ in range(200):
        _, cost, logged, candidate, guess = _cases(rng)
        taken = _draw(rng, logged)
        found = value_of(taken, logged, cost[np.arange(N), taken], candidate, 3.0 - guess)
        points.append(found.doubly_robust.point)
    assert np.mean(points) == pytest.approx(_true_value(), abs=4 * np.std(points) / 200**0.5 + 0.005)


def test_the_policy_that_ran_has_the_value_that_was_seen():
    rng = np.random.default_rng(3)
    _, cost, logged, _, guess = _cases(rng)
    taken = _draw(rng, logged)
    outcome = cost[np.arange(N), taken]
    found = value_of(taken, logged, outcome, logged, guess)
    assert found.effective_n == pytest.approx(N)
    for one in (found.ips, found.self_normalised, found.live):
        assert one.point == pytest.approx(outcome.mean(), abs=1e-9)
        assert one.standard_error == pytest.approx(outcome.std(ddof=1) / N**0.5, rel=1e-3)
    perfect = value_of(taken, logged, outcome, logged, cost)
    assert perfect.doubly_robust.point == pytest.approx(np.mean(np.sum(logged * cost, axis=1)), abs=1e-9)


def test_a_candidate_that_acts_where_it_never_happened_is_refused():
    rng = np.random.default_rng(4)
    x, cost, logged, candidate, guess = _cases(rng)
    # Above this risk nothing was ever refused, and the candidate refuses it.
    never = x > 0.9
    logged[never, HOLD] += logged[never, REFUSE]
    logged[never, REFUSE] = 0.0
    taken = _draw(rng, logged)
    found = value_of(taken, logged, cost[np.arange(N), taken], candidate, guess)
    for way in WAYS:
        assert (getattr(found, way).state, getattr(found, way).point) == (State.UNSUPPORTED, None)
    assert found.unsupported == pytest.approx(never.mean())
    assert found.live.state is State.OK


def test_few_effective_rows_are_said_to_be_few():
    rng = np.random.default_rng(5)
    logged = np.tile([0.97, 0.01, 0.02], (500, 1))
    taken = _draw(rng, logged)
    found = value_of(taken, logged, rng.random(500), np.tile([0.0, 1.0, 0.0], (500, 1)), np.zeros((500, 3)))
    assert found.effective_n < 30
    assert {getattr(found, way).state for way in WAYS} == {State.INSUFFICIENT}
    unseen = value_of(taken, logged, np.full(500, np.nan), logged, np.zeros((500, 3)))
    assert {getattr(unseen, way).point for way in WAYS} == {None}


def test_what_are_no_probabilities_are_refused():
    with pytest.raises(ValueError, match="sum to 1"):
        value_of(np.zeros(2, dtype=int), np.full((2, 2), 0.4), np.ones(2), np.full((2, 2), 0.5), np.ones((2, 2)))
    impossible = np.tile([0.0, 1.0], (2, 1))
    with pytest.raises(ValueError, match="was taken"):
        value_of(np.zeros(2, dtype=int), impossible, np.ones(2), impossible, np.ones((2, 2)))
