"""The parts of a policy document that an owner sets in a form, and back. All other parts stay as they are.

A threshold is the gate whose condition asks only that one field: ``{"field": "confidence", "lt": 0.75}``.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

from models_registry.wording import number, share, span

DEFAULT_FLOOR = 0.05
# For each threshold: the field it asks, the operators that count as a threshold, the name of a new branch.
THRESHOLDS = {
    "confidence": ("confidence", ("lt", "lte"), "low_confidence"),
    "risk": ("risk", ("gte", "gt"), "high_risk"),
}
# How predictions are drawn for review beyond gates and the floor, in words.
SAMPLING = {
    "none": "not at all",
    "uniform": "evenly",
    "active": "more where the model is unsure",
    "epsilon": "the least certain first, and a share blindly",
}


@dataclass(frozen=True)
class Fields:
    """What the form shows: thresholds in their field's units, shares in [0, 1], the hold's time in minutes."""

    confidence: float | None
    risk: float | None
    audit_floor: float
    sampling: str
    budget: float | None
    epsilon: float | None
    per_day: int | None
    hold_minutes: float | None
    on_timeout: str


def read(document: dict[str, Any]) -> Fields:
    """The form's fields out of a document.

    >>> read({"review": [{"name": "a", "when": {"field": "confidence", "lt": 0.75}, "p": 1.0}]}).confidence
    0.75
    """
    hold, sampling = document.get("hold") or {}, document.get("sampling") or {}
    seconds = hold.get("timeout_seconds")
    return Fields(
        confidence=_threshold(document, "confidence"),
        risk=_threshold(document, "risk"),
        audit_floor=document.get("audit_floor", DEFAULT_FLOOR),
        sampling=sampling.get("kind", "none"),
        budget=sampling.get("budget"),
        epsilon=sampling.get("epsilon"),
        per_day=(document.get("capacity") or {}).get("per_day"),
        hold_minutes=None if seconds is None else _plain(seconds / 60),
        on_timeout=hold.get("on_timeout", "hold"),
    )


def write(document: dict[str, Any], fields: Fields) -> dict[str, Any]:
    """A new document with those fields, and everything else of the old one.

    >>> old = {"rules": [{"name": "minor"}], "audit_floor": 0.05}
    >>> write(old, read(old)) == {**old, "hold": {"timeout_seconds": None, "on_timeout": "hold"}}
    True
    """
    new = copy.deepcopy(document)
    for kind in THRESHOLDS:
        _set_threshold(new, kind, getattr(fields, kind))
    new["audit_floor"] = fields.audit_floor
    _set_sampling(new, fields)
    if fields.per_day != read(document).per_day:
        new["capacity"] = {**(document.get("capacity") or {}), "per_day": fields.per_day}
    seconds = None if fields.hold_minutes is None else round(fields.hold_minutes * 60, 3)
    new["hold"] = {**(document.get("hold") or {}), "timeout_seconds": seconds, "on_timeout": fields.on_timeout}
    return new


def kept(document: dict[str, Any]) -> list[str]:
    """The parts that the form does not show, in words.

    >>> kept({"rules": [{"name": "minor"}], "review": [{"name": "vip", "when": {"field": "group.vip", "eq": True}}]})
    ['rule minor', 'branch vip']
    """
    shown = [_find(document, kind) for kind in THRESHOLDS]
    parts = [f"rule {rule['name']}" for rule in document.get("rules") or []]
    parts += [f"branch {branch['name']}" for branch in document.get("review") or [] if branch not in shown]
    sampling = document.get("sampling") or {}
    if floors := len(sampling.get("floors") or []):
        parts.append(f"{floors} sampling floor{'s' if floors > 1 else ''}")
    if isinstance(sampling.get("tau"), int | float):
        parts.append(f"tau {number(sampling['tau'])}")
    return parts


def differences(live: dict[str, Any] | None, new: dict[str, Any]) -> list[dict[str, Any]]:
    """Each setting as it is live and as it would be, in words."""
    before = None if live is None else _words(live)
    return [
        {
            "name": name,
            "live": "–" if before is None else before[name],
            "new": text,
            "changed": before is None or before[name] != text,
        }
        for name, text in _words(new).items()
    ]


def _plain(x: float) -> float:
    """4 for 4.0, as a person would type it."""
    return int(x) if float(x).is_integer() else x


def _words(document: dict[str, Any]) -> dict[str, str]:
    fields = read(document)
    budget = "none" if fields.budget is None else f"{share(fields.budget, 0 if fields.budget >= 0.1 else 1)} of all"
    return {
        "Held when the score is below": "never" if fields.confidence is None else number(fields.confidence),
        "Held when the risk reaches": "never" if fields.risk is None else number(fields.risk),
        "Checked at random, at least": share(fields.audit_floor, 1 if fields.audit_floor < 0.1 else 0),
        "Drawn for review": SAMPLING[fields.sampling],
        "Review budget": budget,
        "Of it, drawn blindly": "–" if fields.epsilon is None else share(fields.epsilon, 1),
        "Reviews a day, at most": "no limit" if fields.per_day is None else number(fields.per_day),
        "A hold waits": "for ever" if fields.hold_minutes is None else span(fields.hold_minutes * 60),
        "Then the caller is told to": fields.on_timeout if fields.hold_minutes is not None else "–",
    }


def _find(document: dict[str, Any], kind: str) -> dict[str, Any] | None:
    field, operators, _ = THRESHOLDS[kind]
    for branch in document.get("review") or []:
        when = branch.get("when") or {}
        if branch.get("kind", "gate") != "gate":
            continue
        if len(when) == 2 and when.get("field") == field and any(operator in when for operator in operators):
            return dict(branch)
    return None


def _threshold(document: dict[str, Any], kind: str) -> float | None:
    branch = _find(document, kind)
    if branch is None:
        return None
    return next(float(value) for name, value in branch["when"].items() if name != "field")


def _set_sampling(document: dict[str, Any], fields: Fields) -> None:
    """Change kind, budget and epsilon in place; tau and floors stay as long as the kind does."""
    before = read(document)
    wanted = (fields.sampling, fields.budget, fields.epsilon)
    if wanted == (before.sampling, before.budget, before.epsilon):
        return
    kept = dict(document["sampling"]) if fields.sampling == before.sampling and "sampling" in document else {}
    found = {**kept, "kind": fields.sampling, "budget": fields.budget, "epsilon": fields.epsilon}
    unfit = {"none": ("budget", "epsilon"), "epsilon": ()}.get(fields.sampling, ("epsilon",))
    document["sampling"] = {key: cell for key, cell in found.items() if cell is not None and key not in unfit}


def _set_threshold(document: dict[str, Any], kind: str, value: float | None) -> None:
    """Change, add or remove the one branch of a threshold in place."""
    field, operators, name = THRESHOLDS[kind]
    found = _find(document, kind)
    branches: list[dict[str, Any]] = list(document.get("review") or [])
    if found is None and value is None:
        return
    if found is None:
        taken = {entry["name"] for entry in [*branches, *(document.get("rules") or [])]}
        free = next(n for n in (name, *(f"{name}_{i}" for i in range(2, len(taken) + 3))) if n not in taken)
        branches.append({"name": free, "when": {"field": field, operators[0]: value}, "p": 1.0, "kind": "gate"})
    elif value is None:
        branches.remove(found)
    else:
        operator = next(operator for operator in operators if operator in found["when"])
        changed = {**found, "when": {"field": field, operator: value}}
        branches[branches.index(found)] = changed
    document["review"] = branches
