from __future__ import annotations

import math
from typing import Any

import pytest

from review.policies import Facts, faults, parse, warnings
from review.vocabulary import Vocabulary
from tests.conftest import CONTRACT

NARROW = {"features": [feature for feature in CONTRACT["features"] if feature["name"] != "age"]}
TIMED = {
    "features": [
        *CONTRACT["features"],
        {"name": "since", "dtype": "timestamp", "group": "bureau", "max_age_seconds": 60},
        {"name": "member", "dtype": "bool"},
        {"name": "note", "dtype": "text"},
    ]
}
FACTS = Facts(Vocabulary(["ok", "fraud"], [TIMED]), frozenset({"payments"}))
LEAF = {"field": "confidence", "lt": 0.75}


def branch(when: Any = LEAF, **changes: Any) -> dict[str, Any]:
    return {"review": [{"name": "b", "when": when, **changes}]}


def rule(when: Any = LEAF, **changes: Any) -> dict[str, Any]:
    return {"rules": [{"name": "r", "when": when, "disposition": "refuse", **changes}]}


def found(document: Any, facts: Facts = FACTS) -> list[tuple[str, str]]:
    return [(fault.pointer, fault.code) for fault in faults(document, facts)]


def deep(levels: int) -> dict[str, Any]:
    return LEAF if levels == 0 else {"not": deep(levels - 1)}


@pytest.mark.parametrize(
    ("document", "pointer", "code"),
    [
        ([], "", "type"),
        ({"reviews": []}, "/reviews", "unknown_field"),
        (branch(p=1.5), "/review/0/p", "out_of_range"),
        (branch(p=-0.1), "/review/0/p", "out_of_range"),
        (branch(p="1"), "/review/0/p", "type"),
        (branch(p=True), "/review/0/p", "type"),
        (branch(p=math.nan), "/review/0/p", "type"),
        (branch(kind="hold"), "/review/0/kind", "not_allowed"),
        (branch(queue="loans"), "/review/0/queue", "unknown_queue"),
        (branch(priority=1.5), "/review/0/priority", "type"),
        (branch(due_seconds=0), "/review/0/due_seconds", "out_of_range"),
        (branch(colour="red"), "/review/0/colour", "unknown_field"),
        ({"review": [{"when": LEAF}]}, "/review/0/name", "required"),
        ({"review": [{"name": "b"}]}, "/review/0/when", "required"),
        (branch(when="confidence < 0.75"), "/review/0/when", "type"),
        (branch(name="kill_switch"), "/review/0/name", "reserved"),
        (rule(disposition="reject"), "/rules/0/disposition", "not_allowed"),
        (rule(queue="payments"), "/rules/0/queue", "unknown_field"),
        ({**rule(name="same"), **branch(name="same")}, "/review/0/name", "duplicate"),
        (rule({"field": "certainty", "lt": 1}), "/rules/0/when/field", "unknown_field"),
        (rule({"field": 3, "lt": 1}), "/rules/0/when/field", "type"),
        (rule({"lt": 1}), "/rules/0/when/field", "required"),
        (rule({"field": "confidence"}), "/rules/0/when", "required"),
        (rule({"field": "confidence", "below": 1}), "/rules/0/when/below", "unknown_operator"),
        (rule({"field": "confidence", "lt": 1, "gt": 0}), "/rules/0/when/gt", "unknown_field"),
        (rule({"field": "confidence", "lt": "1"}), "/rules/0/when/lt", "type_mismatch"),
        (rule({"field": "confidence", "lt": True}), "/rules/0/when/lt", "type_mismatch"),
        (rule({"field": "confidence", "lt": None}), "/rules/0/when/lt", "type_mismatch"),
        (rule({"field": "confidence", "lt": math.inf}), "/rules/0/when/lt", "not_finite"),
        (rule({"field": "confidence", "missing": "yes"}), "/rules/0/when/missing", "type"),
        (rule({"field": "confidence", "in": 0.5}), "/rules/0/when/in", "type"),
        (rule({"field": "confidence", "in": []}), "/rules/0/when/in", "length"),
        (rule({"field": "predicted", "eq": "theft"}), "/rules/0/when/eq", "unknown_class"),
        (rule({"field": "predicted", "in": ["ok", "theft"]}), "/rules/0/when/in/1", "unknown_class"),
        (rule({"field": "predicted", "lt": "ok"}), "/rules/0/when/lt", "type_mismatch"),
        (rule({"field": "score.theft", "gt": 0.5}), "/rules/0/when/field", "unknown_class"),
        (rule({"field": "feature.colour", "eq": "red"}), "/rules/0/when/field", "unknown_feature"),
        (rule({"field": "feature.country", "lt": 3}), "/rules/0/when/lt", "type_mismatch"),
        (rule({"field": "feature.country", "in": ["DE", 3]}), "/rules/0/when/in/1", "type_mismatch"),
        (rule({"field": "feature.note", "gte": "a"}), "/rules/0/when/gte", "type_mismatch"),
        (rule({"field": "feature.member", "eq": 1}), "/rules/0/when/eq", "type_mismatch"),
        (rule({"field": "feature.since", "lt": "yesterday"}), "/rules/0/when/lt", "type_mismatch"),
        (rule({"field": "feature.since", "lt": "2026-01-01T00:00:00"}), "/rules/0/when/lt", "type_mismatch"),
        (rule({"field": "stale.weather", "eq": True}), "/rules/0/when/field", "unknown_field"),
        (rule({"field": "stale.bureau", "gt": 3}), "/rules/0/when/gt", "type_mismatch"),
        (rule({"field": "group.", "eq": "a"}), "/rules/0/when/field", "unknown_field"),
        (rule({"field": "group.a", "eq": {"b": 1}}), "/rules/0/when/eq", "type_mismatch"),
        (rule({"all": []}), "/rules/0/when/all", "length"),
        (rule({"all": LEAF}), "/rules/0/when/all", "type"),
        (rule({"any": [LEAF, "x"]}), "/rules/0/when/any/1", "type"),
        (rule({"all": [LEAF], "any": [LEAF]}), "/rules/0/when/any", "unknown_field"),
        (rule({"not": {"field": "confidence", "under": 1}}), "/rules/0/when/not/under", "unknown_operator"),
        (rule(deep(4)), "/rules/0/when/not/not/not", "too_deep"),
        (rule({"all": [{"all": [LEAF] * 100}] * 21}), "", "length"),
        ({"audit_floor": 0.009}, "/audit_floor", "out_of_range"),
        ({"audit_floor": 1.1}, "/audit_floor", "out_of_range"),
        ({"audit_floor": 0.3, "sampling": {"kind": "uniform", "budget": 0.3}}, "/audit_floor", "out_of_range"),
        ({"sampling": {"kind": "uniform", "budget": 0.04}}, "/audit_floor", "out_of_range"),
        ({"sampling": {"kind": "uniform"}}, "/sampling/budget", "required"),
        ({"sampling": {"kind": "uniform", "budget": 2}}, "/sampling/budget", "out_of_range"),
        ({"sampling": {"kind": "uniform", "budget": 0.3, "tau": 0.5}}, "/sampling/tau", "unknown_field"),
        ({"sampling": {"kind": "none", "budget": 0.3}}, "/sampling/budget", "unknown_field"),
        ({"sampling": {"kind": "random"}}, "/sampling/kind", "not_allowed"),
        ({"sampling": {}}, "/sampling/kind", "required"),
        ({"blind_share": -0.1}, "/blind_share", "out_of_range"),
        ({"overlap_share": "half"}, "/overlap_share", "type"),
        ({"gold_share": 1.1}, "/gold_share", "out_of_range"),
        ({"hold": {"timeout_seconds": -1}}, "/hold/timeout_seconds", "out_of_range"),
        ({"hold": {"on_timeout": "accept"}}, "/hold/on_timeout", "not_allowed"),
        ({"capacity": {"per_day": 0}}, "/capacity/per_day", "out_of_range"),
        ({"capacity": {"per_day": 1.5}}, "/capacity/per_day", "type"),
    ],
)
def test_a_fault_is_named_at_its_place(document: Any, pointer: str, code: str) -> None:
    assert found(document) == [(pointer, code)]


def active(**changes: Any) -> dict[str, Any]:
    return {"sampling": {"kind": "active", "budget": 0.15, **changes}}


def epsilon(**changes: Any) -> dict[str, Any]:
    return {"sampling": {"kind": "epsilon", "budget": 0.15, "epsilon": 0.03, **changes}}


def floor(when: Any = LEAF, p: Any = 0.35, **changes: Any) -> dict[str, Any]:
    return active(floors=[{"when": when, "p": p, **changes}])


@pytest.mark.parametrize(
    ("document", "pointer", "code"),
    [
        ({"sampling": "active"}, "/sampling", "type"),
        ({"sampling": {"kind": "active"}}, "/sampling/budget", "required"),
        (active(budget="0.15"), "/sampling/budget", "type"),
        (active(budget=-0.1), "/sampling/budget", "out_of_range"),
        (active(budget=0.05), "/audit_floor", "out_of_range"),
        (active(budget=0.0), "/audit_floor", "out_of_range"),
        ({**active(), "audit_floor": 0.15}, "/audit_floor", "out_of_range"),
        (active(tau=0), "/sampling/tau", "out_of_range"),
        (active(tau=1.1), "/sampling/tau", "out_of_range"),
        (active(tau=-0.5), "/sampling/tau", "out_of_range"),
        (active(tau="always"), "/sampling/tau", "pattern"),
        (active(tau=None), "/sampling/tau", "type"),
        (active(epsilon=0.03), "/sampling/epsilon", "unknown_field"),
        (active(seed=3), "/sampling/seed", "unknown_field"),
        (active(floors={}), "/sampling/floors", "type"),
        (active(floors=[3]), "/sampling/floors/0", "type"),
        (active(floors=[{"p": 0.3}]), "/sampling/floors/0/when", "required"),
        (active(floors=[{"when": LEAF}]), "/sampling/floors/0/p", "required"),
        (active(floors=[{"when": LEAF, "p": 0.1}] * 101), "/sampling/floors", "length"),
        (floor(p=1.5), "/sampling/floors/0/p", "out_of_range"),
        (floor(p="a third"), "/sampling/floors/0/p", "type"),
        (floor(name="vip"), "/sampling/floors/0/name", "unknown_field"),
        (floor({"field": "feature.gone", "eq": 1}), "/sampling/floors/0/when/field", "unknown_feature"),
        (floor({"field": "group.segment", "is": "vip"}), "/sampling/floors/0/when/is", "unknown_operator"),
        (floor({"all": [LEAF, {"field": "score.theft", "gt": 1}]}), "/sampling/floors/0/when/all/1/field",
         "unknown_class"),
        (floor(deep(4)), "/sampling/floors/0/when/not/not/not", "too_deep"),
        ({"sampling": {"kind": "epsilon", "budget": 0.15}}, "/sampling/epsilon", "required"),
        (epsilon(epsilon=0.15), "/sampling/epsilon", "out_of_range"),
        (epsilon(epsilon=0), "/sampling/epsilon", "out_of_range"),
        (epsilon(epsilon="few"), "/sampling/epsilon", "type"),
        (epsilon(tau=0.5), "/sampling/tau", "unknown_field"),
        (epsilon(floors=[]), "/sampling/floors", "unknown_field"),
        ({"sampling": {"kind": "uniform", "budget": 0.3, "floors": []}}, "/sampling/floors", "unknown_field"),
        ({"sampling": {"kind": "uniform", "budget": 0.3, "epsilon": 0.1}}, "/sampling/epsilon", "unknown_field"),
        ({"sampling": {"kind": "thompson", "budget": 0.3}}, "/sampling/kind", "not_allowed"),
        (branch(name="unusual:age"), "/review/0/name", "reserved"),
        (branch(name="stale:bureau"), "/review/0/name", "reserved"),
        (branch(name="sampling_floor"), "/review/0/name", "reserved"),
    ],
)  # fmt: skip
def test_a_fault_of_sampling_is_named_at_its_place(document: Any, pointer: str, code: str) -> None:
    assert found(document) == [(pointer, code)]


def test_all_faults_are_named_at_once() -> None:
    document = {
        **branch({"all": [{"field": "confidence", "lt": "a"}, {"field": "feature.colour", "eq": 1}]}, p=2, queue="q"),
        "audit_floor": 0,
    }
    assert {pointer for pointer, _ in found(document)} == {
        "/review/0/when/all/0/lt", "/review/0/when/all/1/field", "/review/0/p", "/review/0/queue", "/audit_floor",
    }  # fmt: skip


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"sampling": {"kind": "none"}, "audit_floor": 1},
        {"sampling": {"kind": "uniform", "budget": 1}, "blind_share": 0, "overlap_share": 0.0, "gold_share": 0.0},
        {"sampling": {"kind": "active", "budget": 0.15}},
        {"sampling": {"kind": "active", "budget": 0.15, "tau": "auto", "floors": []}},
        {"sampling": {"kind": "active", "budget": 0.15, "tau": 0.5, "floors": [{"when": LEAF, "p": 0.35}]}},
        {"sampling": {"kind": "epsilon", "budget": 0.15, "epsilon": 0.03}},
        {"hold": {"timeout_seconds": None, "on_timeout": "proceed"}, "capacity": {"per_day": None}},
        rule(deep(3)),
        rule({"field": "feature.age", "lt": 18}, reason="under age"),
        branch({"field": "feature.since", "gte": "2026-01-01T00:00:00Z"}, queue="payments", priority=5),
        branch({"field": "feature.note", "missing": True}, due_seconds=None),
        branch({"field": "group.segment", "in": ["vip", 3, True]}),
        branch({"field": "stale.bureau", "eq": True}),
        branch({"field": "score.fraud", "gt": 0}),
        branch({"any": [{"field": "margin", "lt": 0.1}, {"field": "risk", "gte": 250}]}, kind="audit", p=0),
    ],
)
def test_a_document_without_faults_can_be_parsed(document: dict[str, Any]) -> None:
    assert found(document) == []
    assert parse(document).audit_floor == document.get("audit_floor", 0.05)


def test_a_feature_must_be_in_the_contract_of_every_version_in_use() -> None:
    both = Facts(Vocabulary(["ok", "fraud"], [CONTRACT, NARROW]), frozenset())
    assert found(rule({"field": "feature.age", "lt": 18}), both) == [("/rules/0/when/field", "unknown_feature")]
    assert found(rule({"field": "feature.amount", "lt": 18}), both) == []


def test_a_feature_that_changed_its_type_is_compared_as_both() -> None:
    words = {"features": [{"name": "amount", "dtype": "text"}]}
    both = Facts(Vocabulary(["ok", "fraud"], [CONTRACT, words]), frozenset())
    assert found(rule({"field": "feature.amount", "lt": 18}), both) == [("/rules/0/when/lt", "type_mismatch")]


def test_before_the_first_version_any_feature_may_be_meant() -> None:
    facts = Facts(Vocabulary(["ok", "fraud"]), frozenset())
    assert found(rule({"field": "feature.age", "lt": 18}), facts) == []


def test_a_timeout_never_lets_a_case_proceed_under_oversight() -> None:
    always = Facts(FACTS.vocabulary, FACTS.queues, oversight_always=True)
    assert found({"hold": {"on_timeout": "proceed"}}, always) == [("/hold/on_timeout", "not_allowed")]
    assert found({"hold": {"on_timeout": "refuse"}}, always) == []


def warned(document: dict[str, Any], **known: bool) -> list[tuple[str, str]]:
    assert found(document) == []
    return [(fault.pointer, fault.code) for fault in warnings(document, **known)]


def test_novelty_without_a_profile_is_warned_of() -> None:
    novel = {"any": [{"field": "group.segment", "eq": "vip"}, {"field": "novelty", "gt": 0.9}]}
    assert warned(branch(novel)) == [("/review/0/when", "always_unknown")]
    assert warned(floor(novel)) == [("/sampling/floors/0/when", "always_unknown")]
    assert warned(branch(novel), novelty_known=True) == []


def test_review_by_certainty_alone_is_warned_of() -> None:
    wide = [("/sampling/kind", "wide_intervals")]
    assert warned(epsilon()) == warned(branch()) == warned(branch({"field": "margin", "lt": 0.2})) == wide
    assert warned(active()) == warned({**branch(), **active()}) == warned(branch({"field": "risk", "gte": 9})) == []
