from __future__ import annotations

from typing import Any

import pytest

from models_registry import contracts

FEATURES: list[dict[str, Any]] = [
    {"name": "amount", "dtype": "float", "min": 0, "max": 100},
    {"name": "age", "dtype": "int", "nullable": True},
    {"name": "vip", "dtype": "bool", "required": False},
    {"name": "country", "dtype": "category", "values": ["DE", "FR"]},
    {"name": "plan", "dtype": "category", "values": ["a"], "nullable": True},
    {"name": "city", "dtype": "category"},
    {"name": "note", "dtype": "text"},
    {"name": "seen/at", "dtype": "timestamp"},
]
CONTRACT = {"features": FEATURES}
RECORD: dict[str, Any] = {
    "amount": 12.5,
    "age": 41,
    "vip": True,
    "country": "DE",
    "plan": "a",
    "city": "Bonn",
    "note": "",
    "seen/at": "2026-01-02T03:04:05Z",
}


def faults(record: Any) -> list[tuple[str, str]]:
    return [(fault.pointer, fault.code) for fault in contracts.checker(CONTRACT)(record, "/features")]


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"amount": 0},
        {"amount": 100.0},
        {"age": None},
        {"age": 3.0},
        {"plan": None},
        {"note": "__proto__"},
        {"seen/at": "2026-01-02T03:04:05.123456+02:00"},
        {"seen/at": "2026-01-02t03:04:05z"},
    ],
)
def test_a_record_within_the_contract_passes(change: dict[str, Any]):
    assert faults({**RECORD, **change}) == []


def test_an_optional_feature_may_be_absent():
    assert faults({key: value for key, value in RECORD.items() if key != "vip"}) == []


@pytest.mark.parametrize(
    ("change", "pointer", "code"),
    [
        ({"amount": "12.5"}, "/features/amount", "type"),
        ({"amount": True}, "/features/amount", "type"),
        ({"amount": None}, "/features/amount", "type"),
        ({"amount": -0.01}, "/features/amount", "out_of_range"),
        ({"amount": 100.01}, "/features/amount", "out_of_range"),
        ({"amount": [1]}, "/features/amount", "type"),
        ({"age": 3.5}, "/features/age", "type"),
        ({"age": "41"}, "/features/age", "type"),
        ({"age": True}, "/features/age", "type"),
        ({"age": 1e300}, "/features/age", "out_of_range"),
        ({"vip": 1}, "/features/vip", "type"),
        ({"vip": "true"}, "/features/vip", "type"),
        ({"vip": None}, "/features/vip", "type"),
        ({"country": "de"}, "/features/country", "not_allowed"),
        ({"country": None}, "/features/country", "not_allowed"),
        ({"country": 1}, "/features/country", "not_allowed"),
        ({"plan": "b"}, "/features/plan", "not_allowed"),
        ({"city": 7}, "/features/city", "type"),
        ({"note": {"a": 1}}, "/features/note", "type"),
        ({"seen/at": "2026-01-02T03:04:05"}, "/features/seen~1at", "format"),
        ({"seen/at": "2026-02-30T03:04:05Z"}, "/features/seen~1at", "format"),
        ({"seen/at": "2026-06-30T23:59:60Z"}, "/features/seen~1at", "format"),
        ({"seen/at": 1767322800}, "/features/seen~1at", "type"),
        ({"Amount": 1}, "/features/Amount", "unknown_field"),
        ({"a~b": 1}, "/features/a~0b", "unknown_field"),
    ],
)
def test_a_mutant_is_refused_with_the_pointer_of_its_feature(change: dict[str, Any], pointer: str, code: str):
    assert faults({**RECORD, **change}) == [(pointer, code)]


def test_all_faults_of_a_record_are_told_at_once():
    found = faults({"amount": -1, "age": "x", "country": "XX", "extra": 1, "more": 2})
    missing = {("/features/plan", "required"), ("/features/city", "required"), ("/features/note", "required")}
    wrong = {("/features/amount", "out_of_range"), ("/features/age", "type"), ("/features/country", "not_allowed")}
    unknown = {("/features/extra", "unknown_field"), ("/features/more", "unknown_field")}
    assert set(found) == missing | wrong | unknown | {("/features/seen~1at", "required")}


@pytest.mark.parametrize("record", [None, [], "x", 1])
def test_what_is_no_object_is_one_fault(record: Any):
    assert faults(record) == [("/features", "type")]


def feature(**changes: Any) -> dict[str, Any]:
    return {"features": [{"name": "a", "dtype": "int", **changes}]}


@pytest.mark.parametrize(
    ("document", "pointer", "code"),
    [
        (None, "", "type"),
        ([], "", "type"),
        ({}, "/features", "required"),
        ({"features": []}, "/features", "length"),
        ({"features": {}}, "/features", "type"),
        ({"features": ["a"]}, "/features/0", "type"),
        ({"features": [{"name": "a"}]}, "/features/0/dtype", "required"),
        ({"features": [{"dtype": "int"}]}, "/features/0/name", "required"),
        ({**feature(), "on_violation": "quarantine"}, "/on_violation", "not_allowed"),
        ({**feature(), "extra": 1}, "/extra", "unknown_field"),
        (feature(dtype="integer"), "/features/0/dtype", "not_allowed"),
        (feature(required="yes"), "/features/0/required", "type"),
        (feature(min="0"), "/features/0/min", "type"),
        (feature(min=2, max=1), "/features/0/max", "out_of_range"),
        (feature(values=["x"]), "/features/0/values", "not_allowed"),
        (feature(dtype="category", values=[]), "/features/0/values", "length"),
        (feature(dtype="category", values=["x", "x"]), "/features/0/values", "duplicate"),
        (feature(dtype="category", values=[1]), "/features/0/values/0", "type"),
        (feature(dtype="category", min=1), "/features/0/min", "not_allowed"),
        (feature(dtype="bool", max=1), "/features/0/max", "not_allowed"),
        (feature(max_age_seconds=0), "/features/0/max_age_seconds", "out_of_range"),
        (feature(default=1), "/features/0/default", "unknown_field"),
        (feature(name=""), "/features/0/name", "length"),
        (feature(name="a\nb"), "/features/0/name", "pattern"),
        (feature(name="x" * 201), "/features/0/name", "length"),
        (feature(name="label"), "/features/0/name", "reserved"),
        (feature(name="score.fraud"), "/features/0/name", "reserved"),
    ],
)
def test_a_faulty_contract_is_refused_with_its_pointer(document: Any, pointer: str, code: str):
    found = [(fault.pointer, fault.code) for fault in contracts.contract_faults(document)]
    assert (pointer, code) in found


def test_a_valid_contract_has_no_faults():
    assert contracts.contract_faults({**CONTRACT, "on_violation": "reject"}) == []


def test_two_features_of_one_name_are_refused_whatever_their_unicode_form():
    names = ["café", "cafe\u0301", "b", "b"]
    found = contracts.contract_faults({"features": [{"name": name, "dtype": "int"} for name in names]})
    assert [(fault.pointer, fault.code) for fault in found] == [
        ("/features/1/name", "duplicate"),
        ("/features/3/name", "duplicate"),
    ]


def test_a_contract_has_a_highest_number_of_features():
    document = {"features": [{"name": f"f{n}", "dtype": "int"} for n in range(4)]}
    assert contracts.contract_faults(document, max_features=4) == []
    assert [f.pointer for f in contracts.contract_faults(document, max_features=3, prefix="/contract")] == [
        "/contract/features"
    ]


def test_form_and_sense_of_a_contract_are_told_together():
    document = {"features": [{"name": "a", "dtype": "int", "min": 2, "max": 1, "x": 1}, {"name": "a", "dtype": "no"}]}
    found = {fault.pointer for fault in contracts.contract_faults(document)}
    assert found == {"/features/0/x", "/features/0/max", "/features/1/dtype", "/features/1/name"}
