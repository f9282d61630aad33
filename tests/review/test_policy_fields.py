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
    assert policy_fields.read(DOCUMENT) == policy_fields.Fields(0.75, None, 0.05, 0.2, 1.5, "refuse")
    assert policy_fields.read({}) == policy_fields.Fields(None, None, 0.05, None, None, "hold")


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


@pytest.mark.parametrize(("budget", "sampling"), [(None, {"kind": "none"}), (0.3, {"kind": "uniform", "budget": 0.3})])
def test_the_budget_decides_the_sampling(budget, sampling):
    assert changed(budget=budget)["sampling"] == sampling


def test_sampling_that_a_budget_does_not_describe_is_kept():
    active = {**DOCUMENT, "sampling": {"kind": "active", "budget": 0.2, "tau": 0.1}}
    new = policy_fields.write(active, replace(policy_fields.read(active), budget=0.5))
    assert new["sampling"] == active["sampling"]
    assert "active sampling" in policy_fields.kept(active)


def test_what_the_form_does_not_show_is_named():
    kept = ["rule minor", "branch vip", "branch checked", "capacity of 40 reviews a day"]
    assert policy_fields.kept(DOCUMENT) == kept


def test_differences_mark_what_changes():
    rows = policy_fields.differences(DOCUMENT, changed(confidence=0.8, hold_minutes=None))
    marked = {row["name"]: (row["live"], row["new"]) for row in rows if row["changed"]}
    assert marked == {
        "Held when the score is below": ("0.75", "0.8"),
        "A hold waits": ("1 min 30 s", "for ever"),
        "Then the caller is told to": ("refuse", "–"),
    }
