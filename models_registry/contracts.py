"""The data contract of a model: what a record must look like before it is scored or stored.

A contract is compiled to JSON Schema 2020-12 and checked without any coercion. An integer is JSON
Schema's: 3.0 is one, 3.5 and "3" are not.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import jsonschema_rs
import msgspec

from models_registry import schemas
from models_registry.errors import Fault

MAX_FEATURES = 500
MAX_VALUES = 10_000
# Beyond it neither a double nor JavaScript holds every integer.
MAX_INTEGER = 2**53 - 1
NUMERIC = ("int", "float")
# Reference files and label exports give these column names a meaning of their own.
RESERVED_NAME = "label"
RESERVED_PREFIX = "score."

_LINE = {"type": "string", "maxLength": 200, "pattern": r"^[^\u0000-\u001f\u007f]*$"}
FEATURE: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {**_LINE, "minLength": 1, "allOf": [{"pattern": r"\S"}]},
        "dtype": {"enum": ["int", "float", "bool", "category", "text", "timestamp"]},
        "required": {"type": "boolean"},
        "nullable": {"type": "boolean"},
        "min": {"type": "number"},
        "max": {"type": "number"},
        "values": {
            "type": "array",
            "items": {"type": "string", "maxLength": 1000},
            "minItems": 1,
            "maxItems": MAX_VALUES,
            "uniqueItems": True,
        },
        "unit": _LINE,
        "label": _LINE,
        "group": _LINE,
        "max_age_seconds": {"type": "number", "exclusiveMinimum": 0},
        "critical": {"type": "boolean"},
        "sensitive": {"type": "boolean"},
        "source": _LINE,
    },
    "required": ["name", "dtype"],
    "additionalProperties": False,
}
CONTRACT: dict[str, Any] = {
    "type": "object",
    "properties": {
        "features": {"type": "array", "items": FEATURE, "minItems": 1},
        "on_violation": {"enum": ["reject"]},
    },
    "required": ["features"],
    "additionalProperties": False,
}


def contract_faults(document: Any, *, max_features: int = MAX_FEATURES, prefix: str = "") -> list[Fault]:
    """Every fault of a contract itself, of form and of sense; empty when it may be used.

    >>> document = {"features": [{"name": "a", "dtype": "int", "min": 2, "max": 1}]}
    >>> [(f.pointer, f.code) for f in contract_faults(document)]
    [('/features/0/max', 'out_of_range')]
    """
    found = schemas.faults(CONTRACT, document, prefix=prefix)
    features = document.get("features") if isinstance(document, dict) else None
    if not isinstance(features, list):
        return found
    if len(features) > max_features:
        reason = f"at most {max_features} features, this has {len(features)}"
        found.append(Fault(f"{prefix}/features", "length", reason))
    first: dict[str, int] = {}
    for place, feature in enumerate(features):
        if isinstance(feature, dict):
            at = f"{prefix}/features/{place}"
            found += _name_faults(feature.get("name"), at, place, first)
            found += _bound_faults(feature, at)
    return found


def _name_faults(name: Any, at: str, place: int, first: dict[str, int]) -> list[Fault]:
    if not isinstance(name, str):
        return []
    if name == RESERVED_NAME or name.startswith(RESERVED_PREFIX):
        reason = "reference files and exports use this column name for labels and scores"
        return [Fault(f"{at}/name", "reserved", reason)]
    # Two spellings of one visible name could never be told apart by a person.
    seen = first.setdefault(unicodedata.normalize("NFC", name), place)
    return [] if seen == place else [Fault(f"{at}/name", "duplicate", f"feature {seen} has this name too")]


def _bound_faults(feature: dict[str, Any], at: str) -> list[Fault]:
    dtype, found = feature.get("dtype"), []
    if "values" in feature and dtype != "category":
        found.append(Fault(f"{at}/values", "not_allowed", "only a category lists its values"))
    if dtype not in NUMERIC:
        bounds = [key for key in ("min", "max") if key in feature]
        found += [Fault(f"{at}/{key}", "not_allowed", "only int and float have bounds") for key in bounds]
    low, high = _number(feature.get("min")), _number(feature.get("max"))
    if low is not None and high is not None and low > high:
        found.append(Fault(f"{at}/max", "out_of_range", f"max {high} is below min {low}: no value could pass"))
    return found


def _number(value: Any) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def compile_contract(document: dict[str, Any]) -> dict[str, Any]:
    """The JSON Schema 2020-12 of a record under a valid contract; unknown features are refused.

    >>> compile_contract({"features": [{"name": "vip", "dtype": "bool"}]})["properties"]
    {'vip': {'type': 'boolean'}}
    """
    features = document["features"]
    return {
        "type": "object",
        "properties": {feature["name"]: _feature_schema(feature) for feature in features},
        "required": [feature["name"] for feature in features if feature.get("required", True)],
        "additionalProperties": False,
    }


def _feature_schema(feature: dict[str, Any]) -> dict[str, Any]:
    dtype, nullable = feature["dtype"], feature.get("nullable", False)
    if dtype == "category" and "values" in feature:
        return {"enum": [*feature["values"], *([None] if nullable else [])]}
    schema: dict[str, Any] = {"type": _JSON_TYPES[dtype]}
    if dtype in NUMERIC:
        widest = MAX_INTEGER if dtype == "int" else None
        for key, word, limit in (("min", "minimum", widest and -widest), ("max", "maximum", widest)):
            if (bound := feature.get(key, limit)) is not None:
                schema[word] = bound
    elif dtype == "timestamp":
        schema["format"] = "date-time"
    if nullable:
        schema["type"] = [schema["type"], "null"]
    return schema


_JSON_TYPES = {
    "int": "integer",
    "float": "number",
    "bool": "boolean",
    "category": "string",
    "text": "string",
    "timestamp": "string",
}


def checker(contract: dict[str, Any]) -> Callable[[Any, str], list[Fault]]:
    """A function of record and prefix that tells every way in which a record breaks the contract.

    >>> check = checker({"features": [{"name": "age", "dtype": "int", "max": 130}]})
    >>> [(f.pointer, f.code) for f in check({"age": 131, "Age": 4}, "/features")]
    [('/features/age', 'out_of_range'), ('/features/Age', 'unknown_field')]
    """
    validator, times = _validator(msgspec.json.encode(contract, order="sorted"))

    def check(record: Any, prefix: str = "/features") -> list[Fault]:
        found = [] if validator.is_valid(record) else schemas.collect(validator, record, prefix=prefix)
        if times and isinstance(record, dict):
            told = {fault.pointer for fault in found}
            late = [fault for name in times for fault in _time_faults(record.get(name), prefix, name)]
            found += [fault for fault in late if fault.pointer not in told]
        return found

    return check


@lru_cache(maxsize=256)
def _validator(contract: bytes) -> tuple[jsonschema_rs.Draft202012Validator, tuple[str, ...]]:
    """The compiled validator of a contract (canonical JSON bytes) and the names of its timestamps."""
    document = msgspec.json.decode(contract)
    times = tuple(feature["name"] for feature in document["features"] if feature["dtype"] == "timestamp")
    return schemas.compiled(msgspec.json.encode(compile_contract(document), order="sorted")), times


def _time_faults(value: Any, prefix: str, name: str) -> list[Fault]:
    """Leap seconds and the year 0 are RFC 3339 and cannot be stored."""
    if not isinstance(value, str):
        return []
    try:
        schemas.instant(value.upper())
    except ValueError as error:
        return [Fault(prefix + schemas.pointer(name), "format", f"not a time that can be stored: {error}")]
    return []
