"""The trend of a daily figure: the declared delay, the declared false alarms, and what a plain test would do."""

from __future__ import annotations

import numpy as np
import pytest

from feedback.estimators.trends import BAR, mann_kendall, trend

# 50 runs a day, each with a deviation of 1.
DEVIATION = 1 / np.sqrt(50)
# Declared: a rise of 1.1 to 1.6 within so many days is told before it ends.
DELAY_DAYS = 28


def _nights(line: np.ndarray, first: int = 56) -> int | None:
    """The day after which the alarm is first raised by a look every night, counted from ``first``."""
    for day in range(first, line.size + 1):
        found = trend(line[max(0, day - 56) : day].tolist())
        if found is not None and found.alarm:
            return day - first
    return None


def test_a_loop_counter_that_rises_slowly_is_told_before_the_rise_ends() -> None:
    rng = np.random.default_rng(1)
    level = np.concatenate([np.full(56, 1.1), np.linspace(1.1, 1.6, DELAY_DAYS), np.full(14, 1.6)])
    delays = [_nights(level + rng.normal(0, DEVIATION, level.size)) for _ in range(40)]
    assert all(delay is not None for delay in delays)
    assert np.quantile([delay for delay in delays if delay is not None], 0.95) <= DELAY_DAYS
    assert min(delay for delay in delays if delay is not None) > 3


def test_days_without_a_trend_raise_an_alarm_in_few_years() -> None:
    rng = np.random.default_rng(2)
    false = [_nights(rng.normal(1.1, DEVIATION, 56 + 365)) is not None for _ in range(30)]
    assert np.mean(false) <= 0.07


def test_a_weekly_pattern_is_no_trend() -> None:
    rng = np.random.default_rng(3)
    week = np.tile([1.0, 1.0, 1.0, 1.0, 1.0, 1.4, 1.4], 40)
    false = [_nights(week + rng.normal(0, 0.1, week.size)) is not None for _ in range(15)]
    assert sum(false) <= 1


def test_the_usual_bar_asked_every_night_would_cry_wolf() -> None:
    rng = np.random.default_rng(4)
    cried = 0
    for _ in range(40):
        line = rng.normal(1.1, DEVIATION, 180)
        cried += any(abs(mann_kendall(line[day - 28 : day])) > 1.96 for day in range(28, 181))
    assert cried >= 30
    assert BAR > 1.96


def test_the_bar_of_one_day_alone_sees_no_slow_rise() -> None:
    # Each day lies within three deviations of the day before: a threshold per day never speaks.
    level = np.linspace(1.1, 1.6, 28)
    assert np.abs(np.diff(level)).max() < 3 * DEVIATION
    assert trend(level.tolist()).alarm


def test_a_trend_that_matters_to_nobody_is_none() -> None:
    assert not trend(np.linspace(1.0, 1.05, 56).tolist()).alarm
    assert trend(np.linspace(1.6, 1.1, 28).tolist()).alarm


def test_days_that_are_missing_are_no_zeros() -> None:
    line: list[float | None] = [1.0 + day / 60 for day in range(28)]
    line[3] = line[17] = None
    found = trend(line)
    assert found is not None
    assert (found.n, found.alarm) == (26, True)
    assert found.change == pytest.approx(27 / 60)
    assert trend([None] * 56) is None
    assert trend([]) is None
