"""The watch over reviewers who follow: who is flagged, how soon, and who is not."""

from __future__ import annotations

import numpy as np
import pytest

from feedback.estimators.following import ALARM, attentive, following, haste

RUNS = 400


@pytest.mark.parametrize("right", [0.60, 0.80, 0.90, 0.94])
def test_who_always_agrees_is_flagged_within_60_items(right: float) -> None:
    found = following(np.ones(60, bool), attentive(np.full(60, right)))
    assert found.alarm_at is not None


@pytest.mark.parametrize("agrees", [0.80, 0.85, 0.90])
@pytest.mark.parametrize("right", [0.60, 0.80, 0.97])
def test_an_attentive_reviewer_is_not_flagged(agrees: float, right: float) -> None:
    rng = np.random.default_rng(1)
    for items in (60, 500):
        most = attentive(np.full(items, right))
        flagged = [following(rng.random(items) < agrees, most).alarm_at is not None for _ in range(RUNS)]
        assert np.mean(flagged) <= 0.05


def test_agreement_with_a_model_that_is_right_in_97_of_100_is_natural() -> None:
    rng = np.random.default_rng(2)
    most = attentive(np.full(500, 0.97))
    flagged = [following(rng.random(500) < 0.97, most).alarm_at is not None for _ in range(RUNS)]
    assert np.mean(flagged) <= 0.06
    # Sixty agreements prove nothing there, whoever gave them: 0.97 to the power of 60 is 0.16.
    assert not following(np.ones(60, bool), most[:60]).alarm
    assert following(np.ones(120, bool), most[:120]).alarm


def test_a_streak_alone_would_flag_attentive_reviewers_of_a_good_model() -> None:
    rng = np.random.default_rng(3)
    fooled = [following(rng.random(200) < 0.97, attentive(np.full(200, 0.6))).alarm_at is not None for _ in range(100)]
    assert np.mean(fooled) > 0.25


def test_scores_that_differ_from_case_to_case_are_held_against_each_their_own() -> None:
    rng = np.random.default_rng(4)
    flagged = []
    for _ in range(RUNS):
        right = rng.uniform(0.5, 1.0, 500)
        flagged.append(following(rng.random(500) < attentive(right), attentive(right)).alarm_at is not None)
    assert np.mean(flagged) <= 0.06


def test_who_begins_to_follow_later_is_flagged_too_and_released_when_it_ends() -> None:
    rng = np.random.default_rng(5)
    before = rng.random(300) < 0.85
    begun = following(np.append(before, np.ones(160, bool)), np.full(460, 0.93))
    assert begun.alarm
    assert not following(before, np.full(300, 0.93)).alarm
    ended = np.concatenate([before, np.ones(160, bool), rng.random(60) < 0.8])
    assert following(ended, np.full(520, 0.93)).over


def test_following_known_wrong_suggestions_is_told_within_a_few_items() -> None:
    assert following(np.ones(6, bool), np.full(6, 0.5)).alarm
    # A suggestion that is known to be right tells nothing of who follows it.
    assert following(np.ones(500, bool), np.ones(500)).evidence == pytest.approx(0.7, rel=0.5)


def test_one_slip_does_not_clear_who_follows() -> None:
    agree = np.ones(250, bool)
    agree[100] = False
    assert following(agree, np.full(250, 0.93)).evidence >= ALARM


def test_nobody_who_has_answered_nothing_is_flagged() -> None:
    found = following(np.array([], bool), np.array([]))
    assert (found.n, found.alarm, found.expected) == (0, False, None)


def test_ones_own_pace_raises_nothing_and_answers_under_ones_own_floor_do() -> None:
    rng = np.random.default_rng(6)
    usual = [haste(rng.lognormal(2.0, 0.6, 200).tolist()).alarm for _ in range(RUNS)]
    assert np.mean(usual) <= 0.01
    # Getting a third faster is practice.
    practised = [
        haste([*rng.lognormal(2.0, 0.6, 170), *(rng.lognormal(2.0, 0.6, 30) / 1.5)]).alarm for _ in range(RUNS)
    ]
    assert np.mean(practised) <= 0.05
    hurried = [haste([*rng.lognormal(2.0, 0.6, 170), *rng.uniform(0.5, 1.5, 30)]).alarm for _ in range(100)]
    assert np.mean(hurried) >= 0.95
    assert haste([5.0] * 200).below == 0
