"""Which parts of a policy speak to which rows: the rule that decides, what is unknown, the branches that match."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from review.policies.batch import Batch
from review.policies.policy import Policy
from review.rules import Columns

Flags = NDArray[np.bool_]
Integers = NDArray[np.int64]

NONE = -1


@dataclass(frozen=True, slots=True)
class Findings:
    """Of N rows: ``rule`` (N,) the place of the rule that decides, ``unknown`` (N,) that of the first rule of
    which nobody can say whether it matches, -1 for none; ``branches`` (B, N) and ``floors`` (F, N) what
    matches, unknown ones included; ``failed`` (N,) the rows whose evaluation ended in an error.
    """

    rule: Integers
    unknown: Integers
    branches: Flags
    floors: Flags
    failed: Flags


def examine(policy: Policy | None, batch: Batch) -> Findings:
    """What of the policy matches. Rules are asked in order up to the first answer, for each row.

    Where the columns cannot be evaluated as a whole they are halved until the row at fault stands alone.
    """
    if policy is None or not len(batch):
        return _nothing(policy, len(batch))
    try:
        return _examine(policy, batch)
    except Exception:  # noqa: BLE001 - whatever is wrong with a case, a person looks at it
        if len(batch) == 1:
            return _nothing(policy, 1, failed=True)
    middle = len(batch) // 2
    return _joined(examine(policy, batch.part(0, middle)), examine(policy, batch.part(middle, len(batch))))


def _examine(policy: Policy, batch: Batch) -> Findings:
    columns: Columns = cache(batch.column)
    rule, unknown = _first_rule(policy, columns, len(batch))
    # A rule that lets through or refuses leaves no gate to ask for.
    settled = np.isin(rule, [place for place, one in enumerate(policy.rules) if one.disposition != "hold"])
    branches = np.zeros((len(policy.branches), len(batch)), dtype=bool)
    for place, branch in enumerate(policy.branches):
        asked = ~settled if branch.kind == "gate" else np.ones(len(batch), dtype=bool)
        if asked.any():
            branches[place] = asked & (branch.when.truths(columns) != 0)
    floors = np.zeros((len(policy.sampling.floors), len(batch)), dtype=bool)
    for place, floor in enumerate(policy.sampling.floors):
        floors[place] = floor.when.truths(columns) != 0
    return Findings(rule, unknown, branches, floors, np.zeros(len(batch), dtype=bool))


def _first_rule(policy: Policy, columns: Columns, rows: int) -> tuple[Integers, Integers]:
    rule, unknown = np.full(rows, NONE), np.full(rows, NONE)
    for place, one in enumerate(policy.rules):
        still = (rule == NONE) & (unknown == NONE)
        if not still.any():
            break
        truths = one.when.truths(columns)
        rule[still & (truths == 1)] = place
        unknown[still & (truths == -1)] = place
    return rule, unknown


def _nothing(policy: Policy | None, rows: int, *, failed: bool = False) -> Findings:
    branches, floors = (0, 0) if policy is None else (len(policy.branches), len(policy.sampling.floors))
    return Findings(
        np.full(rows, NONE),
        np.full(rows, NONE),
        np.zeros((branches, rows), dtype=bool),
        np.zeros((floors, rows), dtype=bool),
        np.full(rows, failed),
    )


def _joined(first: Findings, second: Findings) -> Findings:
    return Findings(
        *(np.concatenate([getattr(first, name), getattr(second, name)], axis=-1) for name in Findings.__slots__)
    )
