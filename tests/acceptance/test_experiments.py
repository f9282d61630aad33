"""The acceptance experiment, small and with a fixed seed; `make acceptance` runs it whole."""

from __future__ import annotations

import pytest

from tests.acceptance import intervals, people, reliance, time
from tests.acceptance.checks import SMALL, Check, line

EXPERIMENTS = {
    "coverage": lambda size: intervals.coverage_bias_and_width("made", size),
    "rare": intervals.rare_events,
    "drift": time.drift,
    "looks": time.daily_looks,
    "late": time.late_labels,
    "people": people.reviewer_error,
    "reliance": reliance.hidden_suggestions,
    "audits": people.propensity_audits,
    "support": people.no_support,
    "plans": people.planned_width,
    "challengers": people.challengers,
    "frequencies": people.frequencies,
}


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_bar_is_met(name: str):
    checks = list(EXPERIMENTS[name](SMALL))
    assert len(checks) >= 1
    assert [line(check) for check in checks if not check.met] == []


def test_a_figure_that_is_not_a_number_meets_no_bar():
    assert not Check("A0", "nothing", float("nan"), low=0.0).met
    assert not Check("A0", "nothing", float("nan"), high=0.0).met
