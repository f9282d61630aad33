from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from models_registry import evaluation, gates


def difference(estimate: float | None, half: float = 0.01, size: float = 200.0) -> dict[str, Any]:
    if estimate is None:
        return {"estimate": None, "low": None, "high": None, "effective_n": 0.0}
    return {"estimate": estimate, "low": estimate - half, "high": estimate + half, "effective_n": size}


def evidence(**changes: Any) -> dict[str, Any]:
    """A candidate that passes every gate."""
    base: dict[str, Any] = {
        "rows": 300,
        "effective_n": 200.0,
        "champion": {"cost": 0.5},
        "differences": {
            "champion": {"log_loss": difference(-0.05), "cost": difference(-0.02)},
            "constant": {"log_loss": difference(-0.2)},
        },
    }
    return {**base, **changes}


def compared(**losses: Any) -> dict[str, Any]:
    base = evidence()["differences"]
    return evidence(differences={**base, "champion": {**base["champion"], **losses}})


def verdict(gate: str, given: dict[str, Any]) -> gates.Verdict:
    return next(found for found in gates.judge(given) if found.gate == gate)


def test_a_better_candidate_passes_every_gate():
    assert {found.verdict for found in gates.judge(evidence())} == {gates.PASSED}


@pytest.mark.parametrize(
    ("found", "expected", "said"),
    [
        (difference(-0.05), gates.PASSED, "better beyond chance"),
        (difference(-0.005), gates.FAILED, "an improvement is not shown"),
        (difference(0.0, half=0.0), gates.FAILED, "an improvement is not shown"),
        (difference(0.05), gates.FAILED, "worse beyond chance"),
        (difference(-0.5, size=29.9), gates.INSUFFICIENT, "at least 30 are needed"),
    ],
)
def test_log_loss_must_be_lower_beyond_chance(found: dict[str, Any], expected: str, said: str):
    given = verdict("better_log_loss", compared(log_loss=found))
    assert given.verdict == expected
    assert said in given.reason
    assert given.blocking


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (difference(0.0, half=0.0), gates.PASSED),
        (difference(0.03, half=0.01), gates.PASSED),
        (difference(0.03, half=0.05), gates.INSUFFICIENT),
        (difference(0.03, half=0.025), gates.FAILED),
        (difference(0.06, half=0.1), gates.INSUFFICIENT),
        (difference(0.2), gates.FAILED),
        (difference(-0.2, size=10), gates.INSUFFICIENT),
    ],
)
def test_cost_may_exceed_the_champions_by_a_tenth_at_most(found: dict[str, Any], expected: str):
    given = verdict("not_worse_cost", compared(cost=found))
    assert given.verdict == expected


def test_a_candidate_no_better_than_a_constant_is_refused():
    differences = {**evidence()["differences"], "constant": {"log_loss": difference(0.001)}}
    given = verdict("better_than_constant", evidence(differences=differences))
    assert given.verdict == gates.FAILED
    assert "no lower than a constant" in given.reason


def test_a_small_sample_warns_and_blocks_nothing():
    given = verdict("effective_sample", evidence(effective_n=60.0))
    assert (given.verdict, given.blocking) == (gates.INSUFFICIENT, False)


def test_without_held_out_rows_every_gate_lacks_data():
    nothing = difference(None)
    given = gates.judge(
        evidence(
            rows=0,
            effective_n=0.0,
            differences={"champion": {"log_loss": nothing, "cost": nothing}, "constant": {"log_loss": nothing}},
        )
    )
    assert {found.verdict for found in given} == {gates.INSUFFICIENT}


def test_without_a_champion_to_compare_with_the_reason_says_so():
    given = verdict(
        "better_log_loss", evidence(champion=None, differences={**evidence()["differences"], "champion": None})
    )
    assert given.verdict == gates.INSUFFICIENT
    assert "nothing to compare with" in given.reason


def test_paired_intervals_cover_the_true_difference():
    draw = np.random.default_rng(0)
    misses = 0
    for _ in range(400):
        propensity = draw.choice([0.1, 0.4, 1.0], 1500)
        # Losses depend on how likely a row is to be reviewed, so unweighted means are off.
        d = draw.normal(0.1 * propensity - 0.02, 0.3)
        seen = draw.random(1500) < propensity
        found = evaluation.paired_difference(d[seen], np.zeros(seen.sum()), 1 / propensity[seen])
        assert found.low is not None
        assert found.high is not None
        misses += not found.low <= 0.1 * 0.5 - 0.02 <= found.high
    assert misses / 400 <= 0.085


def test_rows_of_one_entity_count_as_one():
    d = np.random.default_rng(0).normal(size=20)
    once = evaluation.paired_difference(d, np.zeros(20), np.ones(20))
    repeated = evaluation.paired_difference(np.repeat(d, 5), np.zeros(100), np.ones(100), np.repeat(np.arange(20), 5))
    assert repeated.effective_n == pytest.approx(20.0)
    assert repeated.high == pytest.approx(once.high)


def test_losses_follow_the_registered_class_order():
    found = evaluation.losses(
        np.array([[0.7, 0.2, 0.1], [0.0, 0.5, 0.5]]),
        np.array([0, 0]),
        np.array([[0.0, 1.0, 2.0], [3.0, 0.0, 4.0], [5.0, 6.0, 0.0]]),
    )
    assert found.zero_one.tolist() == [0.0, 1.0]
    assert found.cost.tolist() == [0.0, 3.0]
    assert found.log_loss[1] == pytest.approx(-np.log(evaluation.SMALLEST_SCORE))
    assert found.brier[0] == pytest.approx((0.3**2 + 0.2**2 + 0.1**2) / 2)
