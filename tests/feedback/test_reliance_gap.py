"""The reliance gap from arrays: what holds exactly, what its interval covers, and what plainer ways get wrong."""

from __future__ import annotations

import numpy as np
import pytest

from feedback.estimators import State, wilson
from feedback.estimators.reliance import appropriate, counted, gap, newcombe, partially_pooled, pooled
from tests.feedback.arms import EFFECT, alone, reviews

RUNS = 400


def test_one_stratum_is_the_plain_difference_with_newcombes_interval() -> None:
    found = reviews(np.random.default_rng(1), 500)
    agree, hidden = found.agree, found.hidden
    one = gap(agree, hidden, np.zeros(500))
    shares = agree[~hidden].mean(), agree[hidden].mean()
    assert one.point == pytest.approx(shares[0] - shares[1], abs=1e-12)
    ends = newcombe(shares[0], float((~hidden).sum()), shares[1], float(hidden.sum()))
    assert (one.low, one.high) == pytest.approx(ends, abs=1e-12)
    assert (one.shown.n + one.hidden.n, one.shown.agree + one.hidden.agree) == (500, int(agree.sum()))


def test_strata_are_weighted_as_mantel_and_haenszel_do() -> None:
    rng = np.random.default_rng(2)
    agree, hidden, stratum = rng.random(300) < 0.7, rng.random(300) < 0.3, rng.integers(0, 4, 300)
    above, below = 0.0, 0.0
    for one in range(4):
        own = stratum == one
        veiled, shown = own & hidden, own & ~hidden
        weight = veiled.sum() * shown.sum() / own.sum()
        above += weight * (agree[shown].mean() - agree[veiled].mean())
        below += weight
    assert gap(agree, hidden, stratum).point == pytest.approx(above / below, abs=1e-12)


def test_a_stratum_without_an_arm_tells_nothing() -> None:
    found = reviews(np.random.default_rng(3), 400)
    stratum = np.zeros(500)
    stratum[400:] = 1
    agree, hidden = np.append(found.agree, np.ones(100, bool)), np.append(found.hidden, np.zeros(100, bool))
    whole, part = gap(agree, hidden, stratum), gap(found.agree, found.hidden, np.zeros(400))
    assert (whole.point, whole.low, whole.high) == pytest.approx((part.point, part.low, part.high), abs=1e-12)
    assert whole.shown.n + whole.hidden.n == 400


@pytest.mark.parametrize(("shown", "hidden"), [(0, 0), (10, 0), (0, 10), (200, 29), (29, 200)])
def test_too_few_answers_in_an_arm_are_insufficient(shown: int, hidden: int) -> None:
    arm = np.repeat([False, True], [shown, hidden])
    assert gap(np.ones(arm.size, bool), arm, np.zeros(arm.size)).state is State.INSUFFICIENT


def test_answers_that_all_agree_keep_an_interval() -> None:
    arm = np.repeat([False, True], [80, 40])
    found = gap(np.ones(120, bool), arm, np.zeros(120))
    assert (found.state, found.point) == (State.OK, 0.0)
    assert found.low < 0 < found.high


@pytest.mark.parametrize("effect", [0.0, EFFECT, 0.15])
def test_the_interval_covers_the_true_effect(effect: float) -> None:
    rng = np.random.default_rng(4)
    held, errors = 0, []
    for _ in range(RUNS):
        found = reviews(rng, 600, effect)
        one = gap(found.agree, found.hidden, np.zeros(600))
        held += one.low <= effect <= one.high
        errors.append(one.point - effect)
    assert 0.92 <= held / RUNS <= 0.985
    assert abs(np.mean(errors)) < 4 * np.std(errors) / np.sqrt(RUNS)


def _after_a_change_of_policy(rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """No effect at all; but easy cases came while little was blind, hard ones while much was."""
    stratum = np.repeat([0, 1], [1_500, 700])
    hidden = rng.random(2_200) < np.where(stratum == 0, 0.05, 0.5)
    agree = rng.random(2_200) < np.where(stratum == 0, 0.95, 0.70)
    return agree, hidden, stratum


def test_without_strata_a_change_of_the_share_looks_like_reliance() -> None:
    rng = np.random.default_rng(5)
    held, fooled = 0, 0
    for _ in range(200):
        agree, hidden, stratum = _after_a_change_of_policy(rng)
        one, plain = gap(agree, hidden, stratum), gap(agree, hidden, np.zeros(stratum.size))
        held += one.low <= 0 <= one.high
        fooled += plain.low > 0.05
    assert held / 200 >= 0.92
    assert fooled / 200 >= 0.95


def test_queues_that_show_and_hide_without_a_draw_are_no_comparison() -> None:
    # The hard queue is blind: people differ more there, and nobody relies on anything.
    rng = np.random.default_rng(6)
    fooled = 0
    for _ in range(100):
        blind = np.repeat([False, True], 400)
        agree = rng.random(800) < np.where(blind, 0.70, 0.90)
        fooled += gap(agree, blind, np.zeros(800)).low > 0
        assert gap(agree, blind, blind).point is None
    assert fooled == 100


def _team(rng: np.random.Generator, spread: float, people: int = 12) -> tuple[np.ndarray, ...]:
    effect = np.clip(rng.normal(EFFECT, spread, people), -alone(), 1 - alone())
    who = rng.integers(0, people, 1_800)
    hidden = rng.random(who.size) < 0.3
    agree = rng.random(who.size) < alone() + np.where(hidden, 0.0, effect[who])
    return agree, hidden, who, effect


@pytest.mark.parametrize("spread", [0.0, 0.05, 0.10])
def test_pooled_intervals_cover_each_reviewers_effect_and_are_nearer_than_raw_ones(spread: float) -> None:
    rng = np.random.default_rng(7)
    covered, drawn_in, raw = [], [], []
    for _ in range(60):
        agree, hidden, who, effect = _team(rng, spread)
        found = pooled(agree, hidden, np.zeros(who.size), [f"r-{one:02}" for one in who])
        assert list(found) == sorted(found)
        for name, one in found.items():
            true = effect[int(name[2:])]
            covered.append(one.low <= true <= one.high)
            drawn_in.append((one.point - true) ** 2)
            raw.append((one.raw - true) ** 2)
    assert np.mean(covered) >= 0.925
    assert np.mean(drawn_in) < 0.85 * np.mean(raw)


def test_the_raw_gap_of_the_worst_of_many_alike_reviewers_is_not_what_it_seems() -> None:
    rng = np.random.default_rng(8)
    seems, pooled_says = [], []
    for _ in range(60):
        agree, hidden, who, _ = _team(rng, 0.0)
        found = pooled(agree, hidden, np.zeros(who.size), [f"r-{one}" for one in who])
        worst = max(found.values(), key=lambda one: one.raw)
        seems.append(worst.raw - EFFECT)
        pooled_says.append(worst.point - EFFECT)
    assert np.mean(seems) > 0.10
    assert np.mean(pooled_says) < 0.05


def test_a_lone_reviewer_stands_for_themselves() -> None:
    mean, low, high = partially_pooled(np.array([0.2]), np.array([0.01]))
    assert (mean[0], low[0], high[0]) == pytest.approx((0.2, 0.2 - 0.196, 0.2 + 0.196), abs=1e-3)
    assert pooled(np.ones(4, bool), np.array([True, False] * 2), np.zeros(4), ["r"] * 4) == {}


def test_reliance_after_an_answer_of_ones_own_counts_switches_and_keeps() -> None:
    rows = [
        ("a", "b", "b", "b"),  # wrong, model right, switched
        ("a", "a", "b", "b"),  # wrong, model right, stayed
        ("b", "b", "a", "b"),  # right, model wrong, kept
        ("b", "a", "a", "b"),  # right, model wrong, misled
        ("b", "b", "b", "b"),  # both right: tells nothing
        ("a", "a", "a", "b"),  # both wrong: tells nothing
    ]
    rair, rsr = appropriate(*zip(*rows, strict=True))
    assert ((rair.k, rair.n), (rsr.k, rsr.n)) == ((1, 2), (1, 2))
    assert (rair.low, rair.high) == wilson(0.5, 2)
    assert counted(np.array([], dtype=bool)).low is None


def _of_two_slots(rng: np.random.Generator, *, one_draw: bool) -> tuple[np.ndarray, np.ndarray]:
    """300 cases, each answered twice alike: whether the model is obviously right, and who follows it, is the case's."""
    agrees, follows = rng.random(300) < alone(), rng.random(300) < EFFECT / (1 - alone())
    hidden = rng.random((2, 300)) < 0.3
    if one_draw:
        hidden[1] = hidden[0]
    return (agrees | (follows & ~hidden)).ravel(), hidden.ravel()


@pytest.mark.parametrize("one_draw", [False, True], ids=["a draw per slot", "a draw per case"])
def test_slots_of_one_case_count_as_two_because_each_has_a_draw_of_its_own(one_draw: bool) -> None:
    rng = np.random.default_rng(17)
    held, errors = 0, []
    for _ in range(RUNS):
        agree, hidden = _of_two_slots(rng, one_draw=one_draw)
        one = gap(agree, hidden, np.zeros(600))
        held += one.low <= EFFECT <= one.high
        errors.append(one.point - EFFECT)
    assert abs(np.mean(errors)) < 4 * np.std(errors) / np.sqrt(RUNS)
    # With one draw for both the answers would be worth half as many.
    assert held / RUNS <= 0.88 if one_draw else 0.92 <= held / RUNS <= 0.985
