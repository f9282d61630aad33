"""The form over a policy document: what it shows, what it changes, what it leaves alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from review import policy_fields

DOCUMENT = {
    "rules": [{"name": "minor", "when": {"field": "feature.age", "lt": 18}, "disposition": "refuse"}],
    "review": [
        {"name": "vip", "when": {"field": "group.segment", "eq": "vip"}, "p": 0.5, "kind": "gate"},
        {"name": "unsure", "when": {"field": "confidence", "lt": 0.75}, "p": 1.0, "kind": "gate", "priority": 5},
        {"name": "checked", "when": {"field": "confidence", "lt": 0.9}, "p": 0.1, "kind": "audit"},
    ],
    "sampling": {"kind": "uniform", "budget": 0.2},
    "audit_floor": 0.05,
    "hold": {"timeout_seconds": 90, "on_timeout": "refuse"},
    "capacity": {"per_day": 40},
}


def changed(**values):
    return policy_fields.write(DOCUMENT, replace(policy_fields.read(DOCUMENT), **values))


def test_the_form_shows_what_the_document_says():
    assert policy_fields.read(DOCUMENT) == policy_fields.Fields(
        0.75, None, 0.05, "uniform", 0.2, None, 40, 1.5, "refuse"
    )
    nothing = policy_fields.Fields(None, None, 0.05, "none", None, None, None, None, "hold")
    assert policy_fields.read({}) == nothing


def test_writing_back_what_was_read_changes_nothing():
    assert changed() == DOCUMENT


def test_a_threshold_changes_its_gate_alone():
    new = changed(confidence=0.9)
    assert new["review"][1] == {**DOCUMENT["review"][1], "when": {"field": "confidence", "lt": 0.9}}
    assert [new["review"][0], new["review"][2]] == [DOCUMENT["review"][0], DOCUMENT["review"][2]]
    assert {key: new[key] for key in new if key != "review"} == {
        key: DOCUMENT[key] for key in DOCUMENT if key != "review"
    }


def test_a_new_threshold_is_a_gate_with_a_free_name():
    named = {**DOCUMENT, "rules": [{**DOCUMENT["rules"][0], "name": "high_risk"}]}
    new = policy_fields.write(named, replace(policy_fields.read(named), risk=250.0))
    gate = {"name": "high_risk_2", "when": {"field": "risk", "gte": 250.0}, "p": 1.0, "kind": "gate"}
    assert new["review"] == [*DOCUMENT["review"], gate]


def test_an_emptied_threshold_removes_its_gate():
    assert [branch["name"] for branch in changed(confidence=None)["review"]] == ["vip", "checked"]


@pytest.mark.parametrize(
    ("values", "sampling"),
    [
        ({"sampling": "none", "budget": None}, {"kind": "none"}),
        ({"budget": 0.3}, {"kind": "uniform", "budget": 0.3}),
        ({"sampling": "active"}, {"kind": "active", "budget": 0.2}),
        (
            {"sampling": "epsilon", "budget": 0.3, "epsilon": 0.1},
            {"kind": "epsilon", "budget": 0.3, "epsilon": 0.1},
        ),
    ],
)
def test_kind_and_budget_decide_the_sampling(values, sampling):
    assert changed(**values)["sampling"] == sampling


def test_what_the_form_does_not_show_of_sampling_stays_as_long_as_its_kind():
    floors = [{"when": {"field": "group.segment", "eq": "vip"}, "p": 0.35}]
    active = {**DOCUMENT, "sampling": {"kind": "active", "budget": 0.2, "tau": 0.5, "floors": floors}}
    new = policy_fields.write(active, replace(policy_fields.read(active), budget=0.5))
    assert new["sampling"] == {**active["sampling"], "budget": 0.5}
    assert {"1 sampling floor", "tau 0.5"} <= set(policy_fields.kept(active))
    plain = policy_fields.write(active, replace(policy_fields.read(active), sampling="uniform"))
    assert plain["sampling"] == {"kind": "uniform", "budget": 0.2}


def test_the_capacity_of_a_day_is_set_and_lifted():
    assert changed(per_day=None)["capacity"] == {"per_day": None}
    assert changed(per_day=12)["capacity"] == {"per_day": 12}


def test_what_the_form_does_not_show_is_named():
    kept = ["rule minor", "branch vip", "branch checked"]
    assert policy_fields.kept(DOCUMENT) == kept


def test_differences_mark_what_changes():
    rows = policy_fields.differences(DOCUMENT, changed(confidence=0.8, hold_minutes=None))
    marked = {row["name"]: (row["live"], row["new"]) for row in rows if row["changed"]}
    assert marked == {
        "Held when the score is below": ("0.75", "0.8"),
        "A hold waits": ("1 min 30 s", "for ever"),
        "Then the caller is told to": ("refuse", "–"),
    }
