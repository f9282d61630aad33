"""No figure flatters a model that a constant answer would equal."""

from __future__ import annotations

import pytest

from feedback.estimators import Estimate, State
from feedback.estimators.baselines import accuracy_may_lead, no_better_than_constant


def figure(point: float, low: float, high: float, state: State = State.OK) -> Estimate:
    return Estimate(point, low, high, (high - low) / 4, 500.0, state)


@pytest.mark.parametrize(("metric", "better"), [("accuracy", 1), ("cost", -1), ("brier", -1), ("log_loss", -1)])
def test_a_model_beats_a_constant_only_where_the_whole_interval_is_on_its_side(metric: str, better: int):
    assert no_better_than_constant(metric, figure(0.02 * better, *sorted((0.01 * better, 0.03 * better)))) is False
    assert no_better_than_constant(metric, figure(-0.02 * better, *sorted((-0.01 * better, -0.03 * better)))) is True
    assert no_better_than_constant(metric, figure(0.01 * better, -0.01, 0.03)) is True
    assert no_better_than_constant(metric, figure(0.0, 0.0, 0.0)) is True


def test_no_verdict_without_enough_labels_or_support():
    for state in (State.INSUFFICIENT, State.UNSUPPORTED):
        assert no_better_than_constant("accuracy", figure(0.02, 0.01, 0.03, state)) is None
    nothing = Estimate(None, None, None, None, 0.0, State.OK)
    assert no_better_than_constant("accuracy", nothing) is None


def test_of_many_classes_the_rarest_decides_about_the_headline_else_the_positive_one():
    shares = [figure(share, share - 0.01, share + 0.01) for share in (0.62, 0.34, 0.04)]
    assert not accuracy_may_lead(shares)
    assert accuracy_may_lead(shares[:2])
    assert accuracy_may_lead(shares, positive=1)
    assert not accuracy_may_lead(shares, positive=2)
    unknown = Estimate(None, None, None, None, 0.0, State.INSUFFICIENT)
    assert not accuracy_may_lead([shares[0], unknown])
