"""Every fault of a policy document, of form and of sense, with its JSON pointer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from models_registry import schemas
from models_registry.errors import Fault
from models_registry.schemas import pointer
from review import rules
from review.policies.policy import DEFAULT_AUDIT_FLOOR
from review.policies.reasons import PREFIXES, REASONS
from review.vocabulary import Checker, Vocabulary

LEAST_AUDIT_FLOOR = 0.01
LONGEST_SECONDS = 366 * 24 * 3600
MAX_ENTRIES = 100
# All of them are made for every prediction.
MAX_LEAVES = 2000
# What a kind of sampling may say.
SAMPLING_KEYS = {
    "none": set(),
    "uniform": {"budget"},
    "active": {"budget", "tau", "floors"},
    "epsilon": {"budget", "epsilon"},
}
SHARES = ("blind_share", "overlap_share", "gold_share")
# The fields by which a threshold picks what the model is least sure of.
CERTAINTY = ("confidence", "margin")

_NAME: dict[str, Any] = {
    "type": "string",
    "minLength": 1,
    "maxLength": 100,
    "pattern": r"^[^\u0000-\u001f\u007f]*$",
    "allOf": [{"pattern": r"\S"}],
}
_CONDITION = {
    "type": "object",
    "description": "a field compared with a constant, or conditions combined by all, any, not; docs/policy.md",
}
_PROBABILITY = {"type": "number", "minimum": 0, "maximum": 1}
_SECONDS = {"type": "number", "exclusiveMinimum": 0, "maximum": LONGEST_SECONDS}
_SECONDS_OR_NULL = {**_SECONDS, "type": ["number", "null"]}


def _object(properties: dict[str, Any], *required: str) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


_RULE = _object(
    {
        "name": _NAME,
        "when": _CONDITION,
        "disposition": {"enum": ["proceed", "refuse", "hold"]},
        "reason": {"type": "string", "maxLength": 500},
    },
    "name",
    "when",
    "disposition",
)
_BRANCH = _object(
    {
        "name": _NAME,
        "when": _CONDITION,
        "p": _PROBABILITY,
        "kind": {"enum": ["gate", "audit"]},
        "queue": {"type": "string", "maxLength": 63},
        "priority": {"type": "integer", "minimum": -1000, "maximum": 1000},
        "due_seconds": _SECONDS_OR_NULL,
    },
    "name",
    "when",
)
_FLOOR = _object({"when": _CONDITION, "p": _PROBABILITY}, "when", "p")
_SAMPLING = _object(
    {
        "kind": {"enum": list(SAMPLING_KEYS)},
        "budget": _PROBABILITY,
        "tau": {"type": ["number", "string"], "exclusiveMinimum": 0, "maximum": 1, "pattern": "^auto$"},
        "epsilon": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
        "floors": {"type": "array", "items": _FLOOR, "maxItems": MAX_ENTRIES},
    },
    "kind",
)
POLICY: dict[str, Any] = _object(
    {
        "rules": {"type": "array", "items": _RULE, "maxItems": MAX_ENTRIES},
        "review": {"type": "array", "items": _BRANCH, "maxItems": MAX_ENTRIES},
        "sampling": _SAMPLING,
        "audit_floor": {"type": "number", "minimum": LEAST_AUDIT_FLOOR, "maximum": 1},
        **dict.fromkeys(SHARES, _PROBABILITY),
        "hold": _object(
            {"timeout_seconds": _SECONDS_OR_NULL, "on_timeout": {"enum": ["hold", "proceed", "refuse"]}},
        ),
        "capacity": _object({"per_day": {"type": ["integer", "null"], "minimum": 1, "maximum": 10**9}}),
    }
)


@dataclass(frozen=True)
class Facts:
    """What a model has that its policy may name."""

    vocabulary: Vocabulary
    queues: frozenset[str]
    oversight_always: bool = False


def faults(document: Any, facts: Facts) -> list[Fault]:
    """Every fault of a policy document for a model with these facts; empty when it may be used.

    >>> facts = Facts(Vocabulary(["no", "yes"]), frozenset({"loans"}))
    >>> document = {"audit_floor": 0.3, "sampling": {"kind": "uniform", "budget": 0.2}}
    >>> [(fault.pointer, fault.code) for fault in faults(document, facts)]
    [('/audit_floor', 'out_of_range')]
    """
    found = schemas.faults(POLICY, document)
    if not isinstance(document, dict):
        return found
    found += _name_faults(list(_entries(document)))
    checker = Checker(facts.vocabulary)
    for entry, at in (*_entries(document), *_floors(document)):
        if isinstance(entry.get("when"), dict):
            checker.check(entry["when"], f"{at}/when")
        queue = entry.get("queue") if at.startswith("/review/") else None
        if isinstance(queue, str) and queue not in facts.queues:
            known = ", ".join(sorted(facts.queues)) or "none"
            found.append(Fault(f"{at}/queue", "unknown_queue", f"queues of this model: {known}"))
    found += checker.found
    if checker.leaves > MAX_LEAVES:
        found.append(Fault("", "length", f"at most {MAX_LEAVES} comparisons, this has {checker.leaves}"))
    found += _sampling_faults(document)
    hold = document.get("hold")
    if facts.oversight_always and isinstance(hold, dict) and hold.get("on_timeout") == "proceed":
        reason = "a person decides every case of this model, so none may proceed without one"
        found.append(Fault("/hold/on_timeout", "not_allowed", reason))
    return found


def warnings(document: dict[str, Any], *, novelty_known: bool = False) -> list[Fault]:
    """What may be meant and deserves a second look, for a document without faults.

    ``novelty_known``: the champion has a profile of its training rows that novelty is measured by.
    """
    reason = "the champion has no profile to measure novelty by, so this condition is unknown for every case"
    found = [
        Fault(f"{at}/when", "always_unknown", reason)
        for entry, at in (*_entries(document), *_floors(document))
        if not novelty_known and "novelty" in rules.fields(rules.parse(entry["when"]))
    ]
    if _is_thresholded(document):
        reason = (
            "what is certain is hardly reviewed, so intervals are about twice as wide as those of uniform review "
            "at the same budget; drawing more where the model is unsure (kind 'active') finds nearly as many errors "
            "and keeps them narrow"
        )
        found.append(Fault("/sampling/kind", "wide_intervals", reason))
    return found


def _is_thresholded(document: dict[str, Any]) -> bool:
    """Whether review goes to the least certain, with next to nothing for the rest."""
    kind = document.get("sampling", {}).get("kind", "none")
    if kind != "none":
        return bool(kind == "epsilon")
    asked = (rules.fields(rules.parse(branch["when"])) for branch in document.get("review", ()))
    return any(fields <= set(CERTAINTY) for fields in asked)


def _floors(document: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str]]:
    """Every sampling floor with its pointer."""
    sampling = document.get("sampling")
    floors = sampling.get("floors") if isinstance(sampling, dict) else None
    for place, floor in enumerate(floors) if isinstance(floors, list) else ():
        if isinstance(floor, dict):
            yield floor, pointer("sampling", "floors", place)


def _entries(document: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str]]:
    """Every rule and branch with its pointer."""
    for key in ("rules", "review"):
        entries = document.get(key)
        for place, entry in enumerate(entries) if isinstance(entries, list) else ():
            if isinstance(entry, dict):
                yield entry, pointer(key, place)


def _name_faults(entries: list[tuple[dict[str, Any], str]]) -> list[Fault]:
    first: dict[str, str] = {}
    found = []
    for entry, at in entries:
        name = entry.get("name")
        if not isinstance(name, str):
            continue
        if first.setdefault(name, at) != at:
            found.append(Fault(f"{at}/name", "duplicate", f"{first[name]} has this name too"))
        if name in REASONS or name.startswith(PREFIXES):
            found.append(Fault(f"{at}/name", "reserved", "routing itself gives this reason; choose another name"))
    return found


def _sampling_faults(document: dict[str, Any]) -> list[Fault]:
    sampling = document.get("sampling")
    kind = sampling.get("kind") if isinstance(sampling, dict) else None
    if not isinstance(sampling, dict) or not isinstance(kind, str) or kind not in SAMPLING_KEYS:
        return []
    known = SAMPLING_KEYS["active"] | SAMPLING_KEYS["epsilon"]
    found = [
        Fault(f"/sampling/{key}", "unknown_field", f"sampling {kind!r} takes no {key!r}")
        for key in sorted((sampling.keys() & known) - SAMPLING_KEYS[kind])
    ]
    if kind == "none":
        return found
    if "budget" not in sampling:
        found.append(Fault("/sampling/budget", "required", "which share of all traffic is reviewed?"))
    if kind == "epsilon" and "epsilon" not in sampling:
        found.append(Fault("/sampling/epsilon", "required", "which share of all traffic is reviewed blindly?"))
    return found + _budget_faults(sampling, document.get("audit_floor", DEFAULT_AUDIT_FLOOR))


def _budget_faults(sampling: dict[str, Any], floor: Any) -> list[Fault]:
    budget: Any = sampling.get("budget")
    if not _is_share(budget):
        return []
    found = []
    if _is_share(floor) and floor >= budget:
        reason = f"the audit floor, {floor}, is not below the budget, {budget}"
        found.append(Fault("/audit_floor", "out_of_range", reason))
    epsilon = sampling.get("epsilon")
    if sampling["kind"] == "epsilon" and _is_share(epsilon) and epsilon >= budget:
        reason = f"the uniform share, {epsilon}, is not below the budget, {budget}"
        found.append(Fault("/sampling/epsilon", "out_of_range", reason))
    return found


def _is_share(value: Any) -> bool:
    return _number(value) and 0 <= value <= 1


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
