"""What conditions may speak of, and every fault of a condition with its JSON pointer."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from models_registry.errors import Fault
from models_registry.schemas import pointer
from review.rules import COMBINERS, EQUAL, OPERATORS, ORDERED, time_of

MAX_LEVELS = 3
MAX_PARTS = 100
MAX_VALUES = 1000
MAX_TEXT = 1000

NUMBERS = ("confidence", "margin", "risk", "novelty")
# What a field of each type may be asked, beside ``missing``.
ALLOWED: dict[str, tuple[str, ...]] = {
    "number": (*ORDERED, *EQUAL),
    "class": EQUAL,
    "text": EQUAL,
    "bool": ("eq", "ne"),
    "timestamp": ORDERED,
    "any": (*ORDERED, *EQUAL),
}
TYPE_OF_DTYPE = {
    "int": "number",
    "float": "number",
    "bool": "bool",
    "category": "text",
    "text": "text",
    "timestamp": "timestamp",
}


@dataclass(frozen=True)
class Vocabulary:
    """What a model's conditions may speak of.

    ``contracts`` are the feature contracts of the versions in use; a feature must be in each of them.
    Without any, no feature can be wrong yet.
    """

    classes: Sequence[str]
    contracts: Sequence[Mapping[str, Any]] = ()

    def types(self, name: str) -> set[str]:
        """The types that a field may have; empty when there is no such field."""
        kind, _, rest = name.partition(".")
        if name in NUMBERS:
            return {"number"}
        if name == "predicted":
            return {"class"}
        if kind == "score" and rest in self.classes:
            return {"number"}
        if kind == "group" and rest:
            return {"any"}
        if kind == "stale" and rest and all(rest in _groups(contract) for contract in self.contracts):
            return {"bool"}
        if kind == "feature" and rest:
            return self._feature_types(rest)
        return set()

    def _feature_types(self, name: str) -> set[str]:
        if not self.contracts:
            return {"any"}
        dtypes = [_dtypes(contract).get(name) for contract in self.contracts]
        return set() if None in dtypes else {TYPE_OF_DTYPE[str(dtype)] for dtype in dtypes}


def _dtypes(contract: Mapping[str, Any]) -> dict[str, str]:
    return {feature["name"]: feature["dtype"] for feature in contract["features"]}


def _groups(contract: Mapping[str, Any]) -> set[str]:
    return {feature["group"] for feature in contract["features"] if "group" in feature}


@dataclass
class Checker:
    """Finds every fault of conditions that may speak of a vocabulary."""

    vocabulary: Vocabulary
    found: list[Fault] = field(default_factory=list)
    leaves: int = 0

    def __post_init__(self) -> None:
        self._types = cache(self.vocabulary.types)

    def check(self, document: Any, at: str, levels: int = 0) -> None:
        """Add the faults of one condition to ``found``; ``levels`` combiners stand above it."""
        if not isinstance(document, dict):
            self._say(at, "type", "a condition is an object")
            return
        combiners = [key for key in document if key in COMBINERS]
        if not combiners:
            self._check_leaf(document, at)
            return
        for key in document:
            if key not in combiners[:1]:
                self._say(at + pointer(key), "unknown_field", f"beside {combiners[0]!r} nothing else may stand here")
        if levels == MAX_LEVELS:
            self._say(at, "too_deep", f"conditions are combined at most {MAX_LEVELS} levels deep")
            return
        self._check_parts(combiners[0], document[combiners[0]], at + pointer(combiners[0]), levels + 1)

    def _check_parts(self, combiner: str, parts: Any, at: str, levels: int) -> None:
        if combiner == "not":
            self.check(parts, at, levels)
        elif not isinstance(parts, list):
            self._say(at, "type", f"{combiner!r} takes a list of conditions")
        elif not 1 <= len(parts) <= MAX_PARTS:
            self._say(at, "length", f"{combiner!r} takes 1 to {MAX_PARTS} conditions")
        else:
            for place, part in enumerate(parts):
                self.check(part, at + pointer(place), levels)

    def _check_leaf(self, document: dict[str, Any], at: str) -> None:
        self.leaves += 1
        operators = [key for key in document if key in OPERATORS]
        for key in document:
            if key != "field" and key not in OPERATORS:
                known = ", ".join(OPERATORS)
                self._say(at + pointer(key), "unknown_operator", f"known operators: {known}; combined by all, any, not")
        if len(operators) > 1:
            self._say(at + pointer(operators[1]), "unknown_field", "one operator for each condition; combine by 'all'")
        if not operators and len(document.keys() - {"field"}) == 0:
            self._say(at, "required", f"give one of {', '.join(OPERATORS)}")
        types = self._field_types(document, at)
        if types is not None:
            for operator in operators:
                self._check_operator(operator, document[operator], types, at + pointer(operator))

    def _field_types(self, document: dict[str, Any], at: str) -> set[str] | None:
        if "field" not in document:
            self._say(at + "/field", "required", "which field?")
            return None
        name = document["field"]
        if not isinstance(name, str):
            self._say(at + "/field", "type", "the name of a field is a text")
            return None
        types = self._types(name)
        if not types:
            self._say(at + "/field", *self._unknown(name[:200]))
            return None
        return types

    def _unknown(self, name: str) -> tuple[str, str]:
        kind, _, rest = name.partition(".")
        if kind == "score":
            return "unknown_class", f"the model has no class {rest!r}"
        if kind == "feature" and rest:
            return "unknown_feature", f"{rest!r} is not in the contract of every version in use"
        known = ", ".join(NUMBERS)
        return "unknown_field", f"{name!r} is no field; known: {known}, predicted, score., feature., group., stale."

    def _check_operator(self, operator: str, operand: Any, types: set[str], at: str) -> None:
        if operator == "missing":
            if not isinstance(operand, bool):
                self._say(at, "type", "'missing' takes true or false")
            return
        if refused := sorted(kind for kind in types if operator not in ALLOWED[kind]):
            self._say(at, "type_mismatch", f"{operator!r} cannot be asked of a {refused[0]}")
            return
        if operator != "in":
            self._check_operand(operator, operand, types, at)
        elif not isinstance(operand, list):
            self._say(at, "type", "'in' takes a list of values")
        elif not 1 <= len(operand) <= MAX_VALUES:
            self._say(at, "length", f"'in' takes 1 to {MAX_VALUES} values")
        else:
            for place, one in enumerate(operand):
                self._check_operand(operator, one, types, at + pointer(place))

    def _check_operand(self, operator: str, operand: Any, types: set[str], at: str) -> None:
        if isinstance(operand, float) and not math.isfinite(operand):
            self._say(at, "not_finite", "a number in a condition is finite")
            return
        if isinstance(operand, str) and len(operand) > MAX_TEXT:
            self._say(at, "length", f"a text in a condition has at most {MAX_TEXT} characters")
            return
        if refused := sorted(kind for kind in types if not _fits(operator, operand, kind)):
            self._say(at, "type_mismatch", f"this value cannot be compared with a {refused[0]}")
        elif "class" in types and operand not in self.vocabulary.classes:
            self._say(at, "unknown_class", f"the model has no class {operand!r}")

    def _say(self, at: str, code: str, message: str) -> None:
        self.found.append(Fault(at, code, message))


def _fits(operator: str, operand: Any, kind: str) -> bool:
    number = isinstance(operand, int | float) and not isinstance(operand, bool)
    match kind:
        case "number":
            return number
        case "bool":
            return isinstance(operand, bool)
        case "class" | "text":
            return isinstance(operand, str)
        case "timestamp":
            return time_of(operand) is not None
        case _ if operator in ORDERED:
            return number or time_of(operand) is not None
        case _:
            return isinstance(operand, str | int | float)
