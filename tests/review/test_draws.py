from __future__ import annotations

import numpy as np
from scipy import stats

from review.policies import draw

KEY = b"a key of this test"


def draws(count: int, **changes: object) -> np.ndarray:
    named = {"secret": KEY, "model_slug": "payments", "policy_number": 1, **changes}
    return np.array([draw(external_id=f"p-{i}", **named) for i in range(count)])


def test_draws_are_uniform() -> None:
    found = draws(50_000)
    assert found.min() >= 0
    assert found.max() < 1
    counts, _ = np.histogram(found, bins=100, range=(0, 1))
    assert stats.chisquare(counts).pvalue > 0.001
    assert stats.kstest(found, "uniform").pvalue > 0.001


def test_the_share_below_a_propensity_is_that_propensity() -> None:
    found = draws(50_000)
    for propensity in (0.05, 0.3, 0.9):
        spread = np.sqrt(propensity * (1 - propensity) / found.size)
        assert abs((found < propensity).mean() - propensity) < 4 * spread


def test_a_draw_is_the_same_however_often_it_is_asked_for() -> None:
    assert draw(KEY, "payments", "p-1", 3) == draw(KEY, "payments", "p-1", 3)


def test_another_policy_model_or_key_draws_independently() -> None:
    one = draws(20_000)
    for other in (draws(20_000, policy_number=2), draws(20_000, model_slug="loans"), draws(20_000, secret=b"other")):
        assert abs(np.corrcoef(one, other)[0, 1]) < 4 / np.sqrt(20_000)


def test_names_cannot_run_into_each_other() -> None:
    assert draw(KEY, "a", "b1", 1) != draw(KEY, "ab", "1", 1)
    assert draw(KEY, "a", "b", 11) != draw(KEY, "a", "b1", 1)


def test_every_draw_is_a_multiple_of_two_to_the_minus_53() -> None:
    scaled = draws(1000) * 2.0**53
    assert (scaled == np.floor(scaled)).all()
    assert (scaled % 2 == 1).mean() > 0.4
