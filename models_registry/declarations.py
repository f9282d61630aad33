"""What an owner declares: a model with its classes and costs, and what the classes mean to a reviewer.

Each ``*_faults`` function returns every fault of a document, of form and of sense, with its pointer.
"""

from __future__ import annotations

import math
import unicodedata
from typing import Any

from models_registry import schemas
from models_registry.errors import Fault
from models_registry.schemas import pointer

MAX_CLASSES = 1000
MAX_SOURCES = 100
_VISIBLE = {"type": "string", "pattern": r"^[^\u0000-\u001f\u007f]*$", "allOf": [{"pattern": r"\S"}]}
CLASS_NAME: dict[str, Any] = {**_VISIBLE, "minLength": 1, "maxLength": 100}
REASON_CODE: dict[str, Any] = {**_VISIBLE, "minLength": 1, "maxLength": 80}
CLASSES: dict[str, Any] = {"type": "array", "items": CLASS_NAME, "minItems": 2, "maxItems": MAX_CLASSES}
COST: dict[str, Any] = {"type": "number", "minimum": 0}

MODEL: dict[str, Any] = {
    "type": "object",
    "properties": {
        "slug": {"type": "string", "pattern": r"^[a-z0-9][a-z0-9-]{0,62}$"},
        "name": {**_VISIBLE, "minLength": 1, "maxLength": 200},
        "task": {"enum": ["binary", "multiclass"]},
        "classes": CLASSES,
        "positive_class": CLASS_NAME,
        "oversight": {"enum": ["policy", "always"]},
        "costs": {"type": "object", "additionalProperties": {"type": "object", "additionalProperties": COST}},
        "review_cost": COST,
        "disposition_of": {"type": "object", "additionalProperties": {"enum": ["proceed", "refuse"]}},
        "outcomes": {
            "type": "object",
            "properties": {
                "complete_for": {"enum": ["none", "proceeded", "all"]},
                "horizon_days": {"type": "number", "minimum": 0, "maximum": 36_500},
            },
            "required": ["complete_for"],
            "additionalProperties": False,
        },
    },
    "required": ["slug", "name", "task", "classes"],
    "additionalProperties": False,
}
DEFINITION: dict[str, Any] = {
    "type": "object",
    "properties": {
        "classes": CLASSES,
        "guidelines": {"type": "string", "maxLength": 20_000},
        "reason_codes": {
            "type": "object",
            "additionalProperties": {"type": "array", "items": REASON_CODE, "maxItems": 100, "uniqueItems": True},
        },
        "implicit": {
            "type": "object",
            "description": "what implicit feedback means: by source, the class of each value",
            "propertyNames": CLASS_NAME,
            "maxProperties": MAX_SOURCES,
            "additionalProperties": {
                "type": "object",
                "propertyNames": CLASS_NAME,
                "maxProperties": MAX_CLASSES,
                "additionalProperties": CLASS_NAME,
            },
        },
    },
    "required": ["classes", "guidelines"],
    "additionalProperties": False,
}


def model_faults(body: Any) -> list[Fault]:
    """Every fault of a model's declaration.

    >>> body = {"slug": "m", "name": "M", "task": "binary", "classes": ["no", "yes"], "positive_class": "maybe"}
    >>> [(fault.pointer, fault.code) for fault in model_faults(body)]
    [('/positive_class', 'unknown_class')]
    """
    found = schemas.faults(MODEL, body)
    if not isinstance(body, dict):
        return found
    classes = _texts(body.get("classes"))
    found += class_faults(classes, "/classes")
    if body.get("task") == "binary" and len(classes) > 2:
        found.append(Fault("/classes", "length", f"a binary model has 2 classes, this has {len(classes)}"))
    positive = body.get("positive_class")
    if isinstance(positive, str) and positive not in classes:
        found.append(Fault("/positive_class", "unknown_class", f"{positive!r} is not one of the classes"))
    found += _key_faults(body.get("disposition_of"), classes, "/disposition_of")
    found += _cost_faults(body.get("costs"), classes)
    outcomes = body.get("outcomes")
    if isinstance(outcomes, dict) and "horizon_days" not in outcomes and outcomes.get("complete_for") != "none":
        found.append(Fault("/outcomes/horizon_days", "required", "after how many days are all outcomes there?"))
    return found


def definition_faults(body: Any, known: list[str]) -> list[Fault]:
    """Every fault of a label definition for a model with these classes; it must speak of all of them."""
    found = schemas.faults(DEFINITION, body)
    if not isinstance(body, dict):
        return found
    classes = _texts(body.get("classes"))
    found += class_faults(classes, "/classes")
    for place, name in enumerate(classes):
        if name not in known:
            found.append(Fault(f"/classes/{place}", "unknown_class", f"the model has no class {name!r}"))
    if classes and (missing := [name for name in known if name not in classes]):
        found.append(Fault("/classes", "incomplete", f"the model's class {missing[0]!r} is missing"))
    found += _implicit_faults(body.get("implicit"), known)
    return found + _key_faults(body.get("reason_codes"), known, "/reason_codes")


def class_faults(classes: list[str], at: str) -> list[Fault]:
    """Names that a person, or a system that folds case or normalises, would take for the same class."""
    first: dict[str, int] = {}
    found = []
    for place, name in enumerate(classes):
        seen = first.setdefault(unicodedata.normalize("NFKC", name).strip().casefold(), place)
        if seen != place:
            found.append(Fault(f"{at}/{place}", "duplicate", f"too like class {seen}, {classes[seen]!r}"))
        if name != name.strip():
            found.append(Fault(f"{at}/{place}", "name", "a class name neither begins nor ends with a space"))
    return found


def _cost_faults(costs: Any, classes: list[str]) -> list[Fault]:
    found = _key_faults(costs, classes, "/costs")
    for predicted, row in costs.items() if isinstance(costs, dict) else ():
        at = "/costs" + pointer(predicted)
        found += _key_faults(row, classes, at)
        infinite = [actual for actual, cost in row.items() if _infinite(cost)] if isinstance(row, dict) else []
        found += [Fault(at + pointer(actual), "out_of_range", "a cost is finite") for actual in infinite]
    return found


def _implicit_faults(mapping: Any, classes: list[str]) -> list[Fault]:
    """Values that a mapping takes for a class which the model does not have."""
    return [
        Fault(pointer("implicit", source, value), "unknown_class", f"{name!r} is not one of the classes")
        for source, meaning in (mapping.items() if isinstance(mapping, dict) else ())
        for value, name in (meaning.items() if isinstance(meaning, dict) else ())
        if isinstance(name, str) and name not in classes
    ]


def _key_faults(document: Any, classes: list[str], at: str) -> list[Fault]:
    unknown = [key for key in document if key not in classes] if isinstance(document, dict) else []
    return [Fault(at + pointer(key), "unknown_class", f"{key!r} is not one of the classes") for key in unknown]


def _texts(value: Any) -> list[str]:
    return [name for name in value if isinstance(name, str)] if isinstance(value, list) else []


def _infinite(cost: Any) -> bool:
    return isinstance(cost, float) and not math.isfinite(cost)
