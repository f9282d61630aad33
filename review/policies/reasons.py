"""Why a row went where it went: names of rules and branches, and those that routing itself gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from review import rules
from review.policies.batch import Batch
from review.policies.findings import Flags
from review.policies.policy import Policy

KILL_SWITCH = "kill_switch"
OVERRIDE = "override"
NO_ACTIVE_POLICY = "no_active_policy"
POLICY_ERROR = "policy_error"
OVERSIGHT_ALWAYS = "oversight_always"
MISSING_VALUE = "missing_value"
SAMPLING = "sampling"
SAMPLING_FLOOR = "sampling_floor"
AUDIT_FLOOR = "audit_floor"
# The reasons that routing itself gives; every other one is the name of a rule or branch.
REASONS = (
    KILL_SWITCH,
    OVERRIDE,
    NO_ACTIVE_POLICY,
    POLICY_ERROR,
    OVERSIGHT_ALWAYS,
    MISSING_VALUE,
    SAMPLING,
    SAMPLING_FLOOR,
    AUDIT_FLOOR,
)
# What is unusual or too old, said beside the branch that asked.
PREFIXES = ("unusual:", "stale:")
MOST_UNUSUAL = 3

Details = tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Reason:
    """A name, and the rows (N,) for which it is a reason."""

    name: str
    rows: Flags


def collected(causes: Sequence[Reason], details: Details | None, rows: int) -> list[list[str]]:
    """The names per row, in the order of the causes, details last."""
    found: list[list[str]] = [[] for _ in range(rows)]
    for cause in causes:
        for place in np.flatnonzero(cause.rows).tolist():
            found[place].append(cause.name)
    for place, names in enumerate(details or ()):
        found[place].extend(names)
    return found


def specific(policy: Policy | None, batch: Batch, named: Sequence[Reason]) -> Details | None:
    """Per row which features are unusual and which groups too old, where a rule or branch asked for that."""
    if policy is None or not (policy.asks("novelty") or policy.asks("stale")):
        return None
    asking = {rule.name: rules.fields(rule.when) for rule in policy.rules}
    asking |= {branch.name: rules.fields(branch.when) for branch in policy.branches}
    found: list[list[str]] = [[] for _ in range(len(batch))]
    for reason in named:
        fields = asking[reason.name]
        groups = sorted(name.removeprefix("stale.") for name in fields if name.startswith("stale."))
        for place in np.flatnonzero(reason.rows).tolist():
            if "novelty" in fields and batch.unusual is not None:
                found[place] += [f"unusual:{name}" for name in batch.unusual[place][:MOST_UNUSUAL]]
            stale = (batch.stale[place] if batch.stale is not None else None) or {}
            found[place] += [f"stale:{group}" for group in groups if stale.get(group)]
    return tuple(tuple(dict.fromkeys(names)) for names in found)
