"""Typed conditions over one prediction, in Kleene's three-valued logic. Nothing is ever evaluated as code.

A leaf compares one field with a constant: ``{"field": "feature.age", "lt": 18}``. Leaves are combined by
``all``, ``any`` and ``not``, three levels deep at most. A missing value makes a leaf unknown (None).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from models_registry.schemas import instant

Truth = bool | None
# The value of a field of the prediction at hand, None where it is missing.
Lookup = Callable[[str], Any]

ORDERED = ("lt", "lte", "gt", "gte")
EQUAL = ("eq", "ne", "in")
OPERATORS = (*ORDERED, *EQUAL, "missing")
COMBINERS = ("all", "any", "not")


@dataclass(frozen=True, slots=True)
class Leaf:
    """One comparison. ``operand`` is as in the document, times already read."""

    name: str
    operator: str
    operand: Any

    def truth(self, lookup: Lookup) -> Truth:
        value = lookup(self.name)
        if self.operator == "missing":
            return (value is None) is self.operand
        return None if value is None else _compare(self.operator, value, self.operand)


@dataclass(frozen=True, slots=True)
class AllOf:
    parts: tuple[Condition, ...]

    def truth(self, lookup: Lookup) -> Truth:
        answer: Truth = True
        for part in self.parts:
            truth = part.truth(lookup)
            if truth is False:
                return False
            if truth is None:
                answer = None
        return answer


@dataclass(frozen=True, slots=True)
class AnyOf:
    parts: tuple[Condition, ...]

    def truth(self, lookup: Lookup) -> Truth:
        answer: Truth = False
        for part in self.parts:
            truth = part.truth(lookup)
            if truth is True:
                return True
            if truth is None:
                answer = None
        return answer


@dataclass(frozen=True, slots=True)
class Not:
    part: Condition

    def truth(self, lookup: Lookup) -> Truth:
        truth = self.part.truth(lookup)
        return None if truth is None else not truth


Condition = Leaf | AllOf | AnyOf | Not


def parse(document: Mapping[str, Any]) -> Condition:
    """The condition of a document without faults.

    >>> condition = parse({"any": [{"field": "risk", "gte": 250}, {"field": "feature.age", "lt": 18}]})
    >>> [condition.truth({"risk": 3.0, "feature.age": age}.get) for age in (17, 40, None)]
    [True, False, None]
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


def _compare(operator: str, value: Any, operand: Any) -> Truth:
    match operator:
        case "eq":
            return _same(value, operand)
        case "ne":
            return not _same(value, operand)
        case "in":
            return any(_same(value, one) for one in operand)
        case _:
            return _ordered(operator, value, operand)


def _ordered(operator: str, value: Any, operand: Any) -> Truth:
    if isinstance(operand, datetime):
        value = time_of(value)
    elif isinstance(value, bool) or not isinstance(value, int | float):
        value = None
    if value is None:
        # What cannot be ordered against the operand is as good as missing.
        return None
    match operator:
        case "lt":
            return bool(value < operand)
        case "lte":
            return bool(value <= operand)
        case "gt":
            return bool(value > operand)
        case _:
            return bool(value >= operand)


def time_of(value: Any) -> datetime | None:
    """An RFC 3339 time with its zone, or None for anything else."""
    try:
        return instant(value.upper()) if isinstance(value, str) else None
    except ValueError:
        return None


def _same(value: Any, operand: Any) -> bool:
    """Equality in which true is not 1."""
    return isinstance(value, bool) is isinstance(operand, bool) and bool(value == operand)
