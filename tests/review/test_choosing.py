from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from review.policies import Batch, Choice, choose_many, parse
from tests.review.columns import case, choose, many

LOW = {"name": "low", "when": {"field": "confidence", "lt": 0.75}, "p": 1.0, "kind": "gate"}
MAYBE = {"name": "maybe", "when": {"field": "feature.amount", "gte": 100}, "p": 0.4, "kind": "gate"}
WATCH = {"name": "watch", "when": {"field": "feature.country", "eq": "FR"}, "p": 0.6, "kind": "audit"}
MINOR = {"name": "minor", "when": {"field": "feature.age", "lt": 18}, "disposition": "refuse"}
TRUSTED = {"name": "trusted", "when": {"field": "group.tier", "eq": "gold"}, "disposition": "proceed"}
ON_HOLD = {"name": "watched", "when": {"field": "feature.age", "gt": 90}, "disposition": "hold"}
UNIFORM = {"sampling": {"kind": "uniform", "budget": 0.3}, "audit_floor": 0.05}


def told(choice: Choice) -> tuple[Any, ...]:
    return choice.disposition, choice.review, choice.p_gate, choice.propensity, list(choice.reasons)


@pytest.mark.parametrize(
    ("document", "at", "u", "expected"),
    [
        pytest.param({}, case(), 0.5, ("proceed", "none", 0, 0.05, []), id="nothing asks"),
        pytest.param({}, case(), 0.04, ("proceed", "audit", 0, 0.05, ["audit_floor"]), id="floor"),
        pytest.param({}, case(predicted="fraud"), 0.5, ("refuse", "none", 0, 0.05, []), id="the answer means refuse"),
        pytest.param(UNIFORM, case(), 0.29, ("proceed", "audit", 0, 0.3, ["sampling"]), id="sampling"),
        pytest.param(
            UNIFORM, case(), 0.01, ("proceed", "audit", 0, 0.3, ["sampling", "audit_floor"]), id="sampling and floor"
        ),
        pytest.param({"review": [LOW]}, case(0.6), 0.99, ("hold", "gate", 1, 1, ["low"]), id="gate"),
        pytest.param(
            {"review": [LOW, MAYBE, WATCH]},
            case(0.6, features={"amount": 200, "country": "FR"}),
            0.99,
            ("hold", "gate", 1, 1, ["low", "maybe", "watch"]),
            id="every branch that matches is named",
        ),
        pytest.param(
            {"review": [MAYBE]},
            case(features={"amount": 200}),
            0.39,
            ("hold", "gate", 0.4, 0.4, ["maybe"]),
            id="p below",
        ),
        pytest.param(
            {"review": [MAYBE]},
            case(features={"amount": 200}),
            0.41,
            ("proceed", "none", 0.4, 0.4, ["maybe"]),
            id="p above",
        ),
        pytest.param(
            {"review": [MAYBE, WATCH]},
            case(features={"amount": 200, "country": "FR"}),
            0.5,
            ("proceed", "audit", 0.4, 0.6, ["maybe", "watch"]),
            id="between gate and audit",
        ),
        pytest.param(
            {"review": [MAYBE]},
            case(features={"age": 1}),
            0.3,
            ("hold", "gate", 0.4, 0.4, ["maybe"]),
            id="unknown branch",
        ),
        pytest.param(
            {"rules": [MINOR]},
            case(features={"age": 12}),
            0.9,
            ("refuse", "none", 0, 0.05, ["minor"]),
            id="rule refuses",
        ),
        pytest.param(
            {"rules": [MINOR], "review": [LOW]},
            case(0.6, features={"age": 12}),
            0.04,
            ("refuse", "audit", 0, 0.05, ["minor", "audit_floor"]),
            id="a refused one is audited too, and no gate is asked",
        ),
        pytest.param(
            {"rules": [TRUSTED], "review": [LOW, WATCH]},
            case(0.6, features={"country": "FR"}, groups={"tier": "gold"}),
            0.5,
            ("proceed", "audit", 0, 0.6, ["trusted", "watch"]),
            id="rule proceeds",
        ),
        pytest.param(
            {"rules": [ON_HOLD]}, case(features={"age": 95}), 0.9, ("hold", "gate", 1, 1, ["watched"]), id="rule holds"
        ),
        pytest.param(
            {"rules": [MINOR, TRUSTED]},
            case(features={"age": 12}, groups={"tier": "gold"}),
            0.9,
            ("refuse", "none", 0, 0.05, ["minor"]),
            id="the first rule that matches",
        ),
        pytest.param(
            {"rules": [MINOR, TRUSTED]},
            case(features={"age": None}, groups={"tier": "gold"}),
            0.9,
            ("hold", "gate", 1, 1, ["minor", "missing_value"]),
            id="unknown in a rule",
        ),
        pytest.param({}, case(kill_switch=True), 0.9, ("hold", "gate", 1, 1, ["kill_switch"]), id="kill switch"),
        pytest.param(
            {"rules": [MINOR]},
            case(features={"age": 12}, kill_switch=True),
            0.9,
            ("hold", "gate", 1, 1, ["kill_switch", "minor"]),
            id="kill switch before a refusal",
        ),
        pytest.param(
            {}, case(oversight_always=True), 0.9, ("hold", "gate", 1, 1, ["oversight_always"]), id="oversight"
        ),
        pytest.param(
            {"rules": [TRUSTED]},
            case(oversight_always=True, groups={"tier": "gold"}),
            0.9,
            ("hold", "gate", 1, 1, ["oversight_always", "trusted"]),
            id="oversight is not waived by a rule",
        ),
        pytest.param(
            {"rules": [MINOR]},
            case(features={"age": 12}, oversight_always=True),
            0.9,
            ("refuse", "none", 0, 0.05, ["minor"]),
            id="a rule may refuse under oversight",
        ),
        pytest.param(None, case(), 0.9, ("hold", "gate", 1, 1, ["no_active_policy"]), id="no policy"),
        pytest.param(
            {"review": [{"name": "b", "when": {"field": "score.gone", "lt": 1}}]},
            case(),
            0.9,
            ("hold", "gate", 1, 1, ["policy_error"]),
            id="error in evaluation",
        ),
        pytest.param(UNIFORM, case(sampling_share=0.0), 0.2, ("proceed", "none", 0, 0.05, []), id="no capacity left"),
    ],
)
def test_the_policy_decides(document: dict[str, Any] | None, at: Batch, u: float, expected: tuple[Any, ...]) -> None:
    assert told(choose(None if document is None else parse(document), at, u)) == expected


def test_risk_is_the_expected_cost_times_the_value() -> None:
    risky = {"review": [{"name": "risky", "when": {"field": "risk", "gte": 250}, "p": 1.0, "kind": "gate"}]}
    assert case(0.9).column("risk") == pytest.approx([0.5])
    assert case(0.9, predicted="fraud", value=10).column("risk") == pytest.approx([1.0])
    assert choose(parse(risky), case(0.9, value=501), 0.9).disposition == "hold"
    assert choose(parse(risky), case(0.9, value=499), 0.9).disposition == "proceed"


def test_an_item_goes_to_the_queue_of_the_most_urgent_branch_with_the_soonest_due_time() -> None:
    branches = [
        {**LOW, "due_seconds": 600, "priority": 1, "queue": "slow"},
        {**MAYBE, "due_seconds": 3600, "priority": 9, "queue": "fast"},
    ]
    document = {"review": branches, "hold": {"timeout_seconds": 60, "on_timeout": "refuse"}}
    choice = choose(parse(document), case(0.6, features={"amount": 500}), 0.2)
    assert (choice.queue, choice.priority, choice.due_seconds) == ("fast", 9, 600)
    assert (choice.hold_seconds, choice.hold_fallback) == (60, "refuse")


@pytest.mark.parametrize("forced", [{"kill_switch": True}, {"oversight_always": True}])
def test_where_a_person_must_decide_a_timeout_does_not_let_the_caller_proceed(forced: dict[str, bool]) -> None:
    policy = parse({"hold": {"timeout_seconds": 60, "on_timeout": "proceed"}, "review": [LOW]})
    assert choose(policy, case(0.6), 0.2).hold_fallback == "proceed"
    assert choose(policy, case(0.6, **forced), 0.2).hold_fallback == "hold"


def test_an_audit_has_no_hold_to_time_out() -> None:
    choice = choose(parse({**UNIFORM, "hold": {"timeout_seconds": 60, "on_timeout": "refuse"}}), case(), 0.2)
    assert (choice.review, choice.hold_seconds, choice.hold_fallback) == ("audit", None, "")


documents = st.fixed_dictionaries(
    {
        "rules": st.lists(st.sampled_from([MINOR, TRUSTED, ON_HOLD]), max_size=3, unique_by=lambda rule: rule["name"]),
        "review": st.lists(st.sampled_from([LOW, MAYBE, WATCH]), max_size=3, unique_by=lambda branch: branch["name"]),
        "sampling": st.sampled_from([{"kind": "none"}, {"kind": "uniform", "budget": 0.3}]),
        "audit_floor": st.floats(0.01, 0.2),
    }
)
cases = st.builds(
    lambda confidence, age, amount, country, tier, predicted, kill, always: case(
        confidence,
        features={"age": age, "amount": amount, "country": country},
        groups={"tier": tier},
        predicted=predicted,
        kill_switch=kill,
        oversight_always=always,
    ),
    st.floats(0.5, 1.0),
    st.sampled_from([None, 12, 40, 95]),
    st.sampled_from([None, 10.0, 500.0]),
    st.sampled_from([None, "DE", "FR"]),
    st.sampled_from([None, "gold", "tin"]),
    st.sampled_from(["ok", "fraud"]),
    st.booleans(),
    st.booleans(),
)


@given(documents, cases, st.floats(0, 1, exclude_max=True))
def test_every_choice_keeps_the_rules_of_the_draw(document: dict[str, Any], at: Batch, u: float) -> None:
    choice = choose(parse(document), at, u)
    assert (choice.disposition == "hold") is (choice.review == "gate") is (u < choice.p_gate)
    assert (choice.review != "none") is (u < choice.propensity)
    assert document["audit_floor"] <= choice.propensity <= 1
    assert 0 <= choice.p_gate <= choice.propensity
    if at.setting.kill_switch:
        assert (choice.disposition, choice.p_gate) == ("hold", 1)
    if at.setting.oversight_always:
        assert choice.disposition != "proceed"


@given(documents, cases, st.floats(0, 1, exclude_max=True), st.floats(0, 1, exclude_max=True))
def test_the_propensity_does_not_depend_on_the_draw(document: dict[str, Any], at: Batch, u: float, v: float) -> None:
    policy = parse(document)
    one, other = choose(policy, at, u), choose(policy, at, v)
    assert (one.p_gate, one.propensity) == (other.p_gate, other.propensity)


@given(cases, st.floats(0, 1, exclude_max=True))
def test_without_a_policy_every_case_is_held(at: Batch, u: float) -> None:
    choice = choose(None, at, u)
    assert (choice.disposition, choice.propensity) == ("hold", 1)
    assert "no_active_policy" in choice.reasons


@given(documents, st.lists(cases, min_size=1, max_size=6), st.data())
def test_a_row_is_chosen_for_as_if_it_stood_alone(document: dict[str, Any], rows: list[Batch], data: Any) -> None:
    policy = parse(document)
    same = [replace(row, setting=rows[0].setting) for row in rows]
    draws = data.draw(st.lists(st.floats(0, 1, exclude_max=True), min_size=len(rows), max_size=len(rows)))
    together = choose_many(policy, many(same), np.array(draws))
    assert together.rows() == [choose(policy, row, u) for row, u in zip(same, draws, strict=True)]


def test_an_error_in_one_row_is_a_gate_for_that_row_only() -> None:
    policy = parse({"rules": [TRUSTED], "review": [LOW]})
    rows = [case(0.9, groups={"tier": "gold"}), case(0.9, groups="gold"), case(0.6, groups={}), case(0.9, groups={})]
    told_rows = [
        (choice.disposition, *choice.reasons) for choice in choose_many(policy, many(rows), np.full(4, 0.5)).rows()
    ]
    assert told_rows == [
        ("proceed", "trusted"), ("hold", "policy_error"), ("hold", "trusted", "missing_value", "low"),
        ("hold", "trusted", "missing_value"),
    ]  # fmt: skip


NOVEL = {"name": "novel", "when": {"field": "novelty", "gte": 0.99}, "p": 1.0, "kind": "gate"}
STALE = {"name": "old", "when": {"field": "stale.bureau", "eq": True}, "p": 1.0, "kind": "gate"}


@pytest.mark.parametrize(
    ("cells", "reasons"),
    [
        ({"novelty": 0.995, "unusual": ("age", "amount", "country", "city")},
         ["novel", "unusual:age", "unusual:amount", "unusual:country"]),
        ({"novelty": 0.5, "unusual": ("age",), "stale": {"bureau": False}}, []),
        ({"novelty": float("nan"), "stale": {"bureau": False}}, ["novel"]),
        ({"novelty": 0.1, "stale": {"bureau": True, "other": True}}, ["old", "stale:bureau"]),
        ({"novelty": 0.1, "stale": {}}, ["old"]),
    ],
)  # fmt: skip
def test_what_is_unusual_or_too_old_is_named(cells: dict[str, Any], reasons: list[str]) -> None:
    given_cells = {"stale": {"bureau": False}, **cells}
    choice = choose(parse({"review": [NOVEL, STALE]}), case(0.9, **given_cells), 0.9)
    assert list(choice.reasons) == reasons
    assert (choice.disposition == "hold") is bool(reasons)
