from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from review import rules

TRUE, FALSE, UNKNOWN = {"field": "x", "eq": 1}, {"field": "x", "eq": 2}, {"field": "gone", "eq": 1}
VALUES = {"x": 1, "age": 17, "country": "DE", "member": True, "at": "2026-01-02T00:00:00Z", "odd": "a text"}


TRUTHS = {1: True, 0: False, -1: None}


def truth(document: dict, values: dict = VALUES) -> bool | None:
    [found] = rules.parse(document).truths(lambda name: [values.get(name)])
    return TRUTHS[int(found)]


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"field": "age", "lt": 18}, True),
        ({"field": "age", "lt": 17}, False),
        ({"field": "age", "lte": 17}, True),
        ({"field": "age", "gt": 17}, False),
        ({"field": "age", "gte": 17}, True),
        ({"field": "age", "eq": 17.0}, True),
        ({"field": "age", "ne": 17}, False),
        ({"field": "country", "in": ["FR", "DE"]}, True),
        ({"field": "country", "in": ["FR"]}, False),
        ({"field": "country", "ne": "FR"}, True),
        ({"field": "member", "eq": True}, True),
        ({"field": "member", "eq": 1}, False),
        ({"field": "x", "eq": True}, False),
        ({"field": "at", "lt": "2026-01-02T01:00:00+00:30"}, True),
        ({"field": "at", "gte": "2026-01-02T01:00:00+01:00"}, True),
        ({"field": "gone", "missing": True}, True),
        ({"field": "gone", "missing": False}, False),
        ({"field": "age", "missing": True}, False),
        ({"field": "gone", "lt": 1}, None),
        ({"field": "gone", "ne": "FR"}, None),
        ({"field": "gone", "in": ["FR"]}, None),
        ({"field": "odd", "lt": 3}, None),
        ({"field": "member", "lt": 3}, None),
        ({"field": "odd", "lt": "2026-01-02T01:00:00Z"}, None),
    ],
)
def test_a_leaf_compares_without_coercion_and_is_unknown_without_a_value(document: dict, expected: bool | None) -> None:
    assert truth(document) is expected


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"all": [TRUE, TRUE]}, True),
        ({"all": [TRUE, UNKNOWN]}, None),
        ({"all": [UNKNOWN, FALSE]}, False),
        ({"any": [FALSE, FALSE]}, False),
        ({"any": [FALSE, UNKNOWN]}, None),
        ({"any": [UNKNOWN, TRUE]}, True),
        ({"not": TRUE}, False),
        ({"not": FALSE}, True),
        ({"not": UNKNOWN}, None),
        ({"not": {"all": [{"any": [TRUE, UNKNOWN]}, FALSE]}}, True),
    ],
)
def test_conditions_combine_by_kleene_logic(document: dict, expected: bool | None) -> None:
    assert truth(document) is expected


leaves = st.sampled_from([TRUE, FALSE, UNKNOWN])


@given(st.lists(leaves, min_size=1, max_size=5))
def test_not_any_is_all_of_the_negations(parts: list[dict]) -> None:
    assert truth({"not": {"any": parts}}) is truth({"all": [{"not": part} for part in parts]})


@given(st.lists(leaves, min_size=1, max_size=5), st.integers(0, 4))
def test_learning_a_missing_value_never_turns_a_known_answer_round(parts: list[dict], known: int) -> None:
    before = truth({"all": parts})
    after = truth({"all": parts}, {**VALUES, "gone": known})
    assert before is None or before is after


def test_fields_are_found_at_every_depth() -> None:
    condition = rules.parse({"all": [TRUE, {"not": {"any": [UNKNOWN, {"field": "age", "missing": True}]}}]})
    assert rules.fields(condition) == {"x", "gone", "age"}


numbers = st.one_of(st.none(), st.floats(allow_nan=False), st.integers(-3, 3).map(float))
number_leaves = st.one_of(
    st.builds(lambda operator, x: {operator: x}, st.sampled_from(["lt", "lte", "gt", "gte", "eq", "ne"]),
              st.one_of(st.integers(-3, 3), st.integers(2**53 - 2, 2**53 + 2), st.floats(allow_nan=False))),
    st.builds(lambda values: {"in": values}, st.lists(st.integers(-3, 3), min_size=1, max_size=4)),
    st.builds(lambda missing: {"missing": missing}, st.booleans()),
)  # fmt: skip


@given(number_leaves, st.lists(numbers, min_size=1, max_size=8))
def test_a_column_of_numbers_is_compared_as_its_values_one_by_one(leaf: dict, values: list[float | None]) -> None:
    condition = rules.parse({"field": "x", **leaf})
    column = np.array([np.nan if value is None else value for value in values])
    assert condition.truths(lambda _: column).tolist() == condition.truths(lambda _: values).tolist()


def test_a_coded_column_is_compared_by_its_values() -> None:
    column = rules.Coded(np.array([1, 0, 1]), ["no", "yes"])
    assert rules.parse({"field": "predicted", "eq": "yes"}).truths(lambda _: column).tolist() == [1, 0, 1]


def test_what_no_row_waits_for_is_not_evaluated() -> None:
    def columns(name: str) -> list[int]:
        if name == "broken":
            raise ValueError(name)
        return [1, 1]

    broken = {"field": "broken", "eq": 1}
    assert rules.parse({"any": [TRUE, broken]}).truths(columns).tolist() == [1, 1]
    assert rules.parse({"all": [FALSE, broken]}).truths(columns).tolist() == [0, 0]
    with pytest.raises(ValueError, match="broken"):
        rules.parse({"all": [TRUE, broken]}).truths(columns)
