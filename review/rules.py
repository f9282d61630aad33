"""Typed conditions over columns of predictions, in Kleene's three-valued logic. Nothing is ever evaluated as code.

A leaf compares one field with a constant: ``{"field": "feature.age", "lt": 18}``. Leaves are combined by
``all``, ``any`` and ``not``, three levels deep at most. A missing value makes a leaf unknown. What cannot
matter any more is not evaluated, so that an error of one part is none where another has answered for all rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import ge, gt, le, lt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models_registry.schemas import instant

Floats = NDArray[np.float64]
# One truth per row: 1 true, 0 false, -1 unknown.
Truths = NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class Coded:
    """A column of few values: row i holds ``values[codes[i]]``."""

    codes: NDArray[np.int64]
    values: Sequence[Any]


# The values of a field, one per row: numbers with nan for missing, else objects with None for missing.
Column = Floats | Coded | Sequence[Any]
Columns = Callable[[str], Column]

ORDERED = ("lt", "lte", "gt", "gte")
EQUAL = ("eq", "ne", "in")
OPERATORS = (*ORDERED, *EQUAL, "missing")
_ORDER: dict[str, Callable[[Any, Any], Any]] = {"lt": lt, "lte": le, "gt": gt, "gte": ge}
# Whole numbers beyond it have no float of their own.
EXACT = 2**53
COMBINERS = ("all", "any", "not")


@dataclass(frozen=True, slots=True)
class Leaf:
    """One comparison. ``operand`` is as in the document, times already read."""

    name: str
    operator: str
    operand: Any

    def truths(self, columns: Columns) -> Truths:
        column = columns(self.name)
        if isinstance(column, Coded):
            return self._one_by_one(column.values)[column.codes]
        if isinstance(column, np.ndarray):
            plain = self.operator == "missing" or _is_plain(self.operand)
            return self._numbers(column) if plain else self._one_by_one(_objects(column))
        return self._one_by_one(column)

    def _one_by_one(self, values: Sequence[Any]) -> Truths:
        if self.operator == "missing":
            return np.array([(value is None) is self.operand for value in values], dtype=np.int8)
        found = [-1 if value is None else _compare(self.operator, value, self.operand) for value in values]
        return np.array(found, dtype=np.int8)

    def _numbers(self, values: Floats) -> Truths:
        missing = np.isnan(values)
        if self.operator == "missing":
            return np.asarray(missing == self.operand, dtype=np.int8)
        match self.operator:
            case "eq":
                answer = values == self.operand
            case "ne":
                answer = values != self.operand
            case "in":
                answer = np.isin(values, self.operand)
            case _:
                answer = _ORDER[self.operator](values, self.operand)
        return np.asarray(np.where(missing, -1, answer), dtype=np.int8)


@dataclass(frozen=True, slots=True)
class AllOf:
    parts: tuple[Condition, ...]

    def truths(self, columns: Columns) -> Truths:
        answer = self.parts[0].truths(columns)
        for part in self.parts[1:]:
            if not answer.any():
                break
            other = part.truths(columns)
            false = (answer == 0) | (other == 0)
            answer = np.where(false, 0, np.minimum(answer, other)).astype(np.int8)
        return answer


@dataclass(frozen=True, slots=True)
class AnyOf:
    parts: tuple[Condition, ...]

    def truths(self, columns: Columns) -> Truths:
        answer = self.parts[0].truths(columns)
        for part in self.parts[1:]:
            if (answer == 1).all():
                break
            other = part.truths(columns)
            true = (answer == 1) | (other == 1)
            answer = np.where(true, 1, np.minimum(answer, other)).astype(np.int8)
        return answer


@dataclass(frozen=True, slots=True)
class Not:
    part: Condition

    def truths(self, columns: Columns) -> Truths:
        truths = self.part.truths(columns)
        return np.where(truths == -1, -1, 1 - truths).astype(np.int8)


Condition = Leaf | AllOf | AnyOf | Not


def parse(document: Mapping[str, Any]) -> Condition:
    """The condition of a document without faults.

    >>> condition = parse({"any": [{"field": "risk", "gte": 250}, {"field": "feature.age", "lt": 18}]})
    >>> columns = {"risk": np.array([3.0, 3.0, 3.0]), "feature.age": [17, 40, None]}
    >>> condition.truths(columns.__getitem__).tolist()
    [1, 0, -1]
    """
    if "all" in document:
        return AllOf(tuple(parse(part) for part in document["all"]))
    if "any" in document:
        return AnyOf(tuple(parse(part) for part in document["any"]))
    if "not" in document:
        return Not(parse(document["not"]))
    operator = next(key for key in document if key != "field")
    operand = document[operator]
    if operator in ORDERED and isinstance(operand, str):
        operand = instant(operand)
    return Leaf(document["field"], operator, tuple(operand) if operator == "in" else operand)


def fields(condition: Condition) -> set[str]:
    """The names of the fields that a condition looks at."""
    match condition:
        case Leaf(name=name):
            return {name}
        case Not(part=part):
            return fields(part)
        case AllOf(parts=parts) | AnyOf(parts=parts):
            return set().union(*(fields(part) for part in parts))


def _compare(name: str, value: Any, operand: Any) -> int:
    match name:
        case "eq":
            return _same(value, operand)
        case "ne":
            return not _same(value, operand)
        case "in":
            return any(_same(value, one) for one in operand)
        case _:
            return _ordered(name, value, operand)


def _ordered(name: str, value: Any, operand: Any) -> int:
    if isinstance(operand, datetime):
        value = time_of(value)
    elif not _numeric(value):
        value = None
    # What cannot be ordered against the operand is as good as missing.
    return -1 if value is None else bool(_ORDER[name](value, operand))


def _numeric(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_plain(operand: Any) -> bool:
    """Whether an operand, or each of several, is a number that floats can be compared with as it is."""
    if isinstance(operand, tuple):
        return all(_is_plain(one) for one in operand)
    return _numeric(operand) and (isinstance(operand, float) or abs(operand) < EXACT)


def _objects(values: Floats) -> list[Any]:
    return [None if value != value else value for value in values.tolist()]


def column_of(values: Sequence[Any]) -> Column:
    """Objects as a column that compares fast: as numbers where all are numbers or missing, else by distinct value.

    >>> column_of([3, None]).tolist(), column_of(["a", "b", "a"]).codes.tolist()
    ([3.0, nan], [0, 1, 0])
    """
    kinds = set(map(type, values))
    if kinds <= {int, float, type(None)}:
        numbers = np.array(values, dtype=np.float64)
        if not bool(np.any(np.abs(numbers) >= EXACT)):
            return numbers
    if kinds & {list, dict}:
        return values
    # True is 1 to a dictionary, and to no condition.
    places: dict[tuple[type, Any], int] = {}
    codes = [places.setdefault((type(value), value), len(places)) for value in values]
    return Coded(np.array(codes, dtype=np.int64), [value for _, value in places])


def time_of(value: Any) -> datetime | None:
    """An RFC 3339 time with its zone, or None for anything else."""
    try:
        return instant(value.upper()) if isinstance(value, str) else None
    except ValueError:
        return None


def _same(value: Any, operand: Any) -> bool:
    """Equality in which true is not 1."""
    return isinstance(value, bool) is isinstance(operand, bool) and bool(value == operand)
