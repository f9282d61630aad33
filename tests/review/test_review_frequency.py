from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from review.policies import choose_many, draws, least_propensity, parse, solve
from tests.acceptance.routing_frequency import KEY, POLICY, deciles, review_frequency
from tests.review.columns import traffic

EPSILON = {"sampling": {"kind": "epsilon", "budget": 0.2, "epsilon": 0.06}, "audit_floor": 0.05}
UNIFORM = {"sampling": {"kind": "uniform", "budget": 0.2}, "audit_floor": 0.05}


@pytest.mark.parametrize("document", [POLICY, EPSILON, UNIFORM], ids=["active", "epsilon", "uniform"])
def test_predictions_are_reviewed_as_often_as_their_propensity_says(document: dict[str, Any]) -> None:
    found = review_frequency(100_000, document=document)
    assert sum(decile.rows for decile in found) == 100_000
    assert max(decile.sigmas for decile in found) < 3


def test_a_propensity_that_is_recomputed_under_another_policy_is_found_out() -> None:
    policy, batch = parse(POLICY), traffic(100_000)
    keyed = draws(KEY, "payments", (f"case-{number}" for number in range(100_000)), 1)
    fit = solve(policy, guess=batch.guess, least=least_propensity(policy, batch))
    reviewed = choose_many(policy, batch, keyed, fit).review != "none"
    later = choose_many(parse(UNIFORM), batch, keyed).propensity
    assert max(decile.sigmas for decile in deciles(later, reviewed)) > 10


@pytest.mark.parametrize("document", [POLICY, EPSILON, UNIFORM], ids=["active", "epsilon", "uniform"])
def test_the_whole_of_review_meets_the_budget(document: dict[str, Any]) -> None:
    policy = parse(document)
    past, batch = traffic(10_000, seed=1), traffic(50_000, seed=2)
    fit = solve(policy, guess=past.guess, least=least_propensity(policy, past))
    share = choose_many(policy, batch, np.full(50_000, 0.5), fit).propensity.mean()
    assert share == pytest.approx(document["sampling"]["budget"], abs=0.005)


def test_where_gates_alone_exceed_the_budget_sampling_adds_nothing() -> None:
    gates = {"review": [{"name": "low", "when": {"field": "confidence", "lt": 0.8}}]}
    policy, batch = parse({**UNIFORM, **gates}), traffic(10_000)
    least = least_propensity(policy, batch)
    fit = solve(policy, guess=batch.guess, least=least)
    assert least.mean() > 0.2
    assert (choose_many(policy, batch, np.full(10_000, 0.5), fit).propensity == least).all()


def test_a_floor_holds_where_it_matches_or_nobody_knows() -> None:
    floor = {"when": {"field": "group.segment", "eq": "vip"}, "p": 0.35}
    policy = parse({"sampling": {"kind": "active", "budget": 0.15, "tau": 0.5, "floors": [floor]}})
    batch = traffic(3)
    batch = type(batch)(**{name: getattr(batch, name) for name in type(batch).__slots__ if name != "groups"},
                        groups=[{"segment": "vip"}, {"segment": "other"}, None])  # fmt: skip
    choices = choose_many(policy, batch, np.array([0.3, 0.3, 0.3]))
    assert choices.propensity.tolist() == [0.35, 0.15, 0.35]
    assert choices.reasons() == [["sampling_floor"], [], ["sampling_floor"]]


def test_capacity_scales_sampling_and_nothing_else() -> None:
    document = {**UNIFORM, "review": [{"name": "low", "when": {"field": "confidence", "lt": 0.6}}]}
    for share, expected in ((1.0, 0.2), (0.5, 0.1), (0.0, 0.05)):
        batch = traffic(1_000, sampling_share=share)
        choices = choose_many(parse(document), batch, np.full(1_000, 0.01))
        low = batch.confidence < 0.6
        assert (choices.propensity[low] == 1).all()
        assert (choices.propensity[~low] == expected).all()
