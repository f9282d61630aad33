"""What a policy says about predictions: disposition, review, and the probability it had. Columns in, columns out.

One uniform draw u decides everything: u < p_gate holds the caller until a person has decided,
p_gate <= u < propensity sends a copy to a person while the caller goes on, anything above is left alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from review import sampling
from review.policies.batch import Batch, Floats, Setting
from review.policies.choices import Choices, Words
from review.policies.findings import NONE, Findings, Flags, examine
from review.policies.policy import Policy
from review.policies.reasons import (
    AUDIT_FLOOR,
    KILL_SWITCH,
    MISSING_VALUE,
    NO_ACTIVE_POLICY,
    OVERSIGHT_ALWAYS,
    POLICY_ERROR,
    SAMPLING,
    SAMPLING_FLOOR,
    Reason,
    specific,
)


def choose_many(policy: Policy | None, batch: Batch, draws: Floats, fit: sampling.Fit | None = None) -> Choices:
    """The choice for each row under the active policy, None where there is none, and its draws in [0, 1).

    ``fit`` is the policy's sampler, solved on past traffic; without one it is uniform at the budget. Never
    raises for what a policy or a row holds: an error in evaluation is a gate for that row.
    """
    findings = examine(policy, batch)
    forced = _forced(policy, batch.setting, findings)
    p_gate = _gate_probability(policy, findings, forced)
    sampled = _sampled(policy, batch, fit)
    floors = _largest([] if policy is None else [floor.p for floor in policy.sampling.floors], findings.floors)
    audit_floor = 0.0 if policy is None else policy.audit_floor
    propensity = np.maximum.reduce([p_gate, _audit_probability(policy, findings), floors, sampled])
    propensity = np.maximum(propensity, audit_floor)
    review = np.where(draws < p_gate, "gate", np.where(draws < propensity, "audit", "none"))
    audited = review == "audit"
    chance = [
        Reason(SAMPLING, audited & (draws < sampled)),
        Reason(SAMPLING_FLOOR, audited & (draws < floors)),
        Reason(AUDIT_FLOOR, audited & (draws < audit_floor)),
    ]
    named = _named(policy, findings)
    return Choices(
        setting=batch.setting,
        disposition=np.where(review == "gate", "hold", _dispositions(policy, batch, findings)),
        review=review,
        draw=draws,
        p_gate=p_gate,
        propensity=propensity,
        sampled=sampled,
        by=np.where(findings.rule == NONE, "model", "rule"),
        **_places(policy, batch.setting, findings),
        hold=None if policy is None else policy.hold,
        causes=(*forced, *named, *chance),
        details=specific(policy, batch, named),
    )


def least_propensity(policy: Policy, batch: Batch) -> Floats:
    """The propensity that gates, audits, floors and the audit floor give, without any sampling. (N,)"""
    findings = examine(policy, batch)
    p_gate = _gate_probability(policy, findings, _forced(policy, batch.setting, findings))
    floors = floor_probability(policy, findings)
    least = np.maximum.reduce([p_gate, _audit_probability(policy, findings), floors])
    return np.asarray(np.maximum(least, policy.audit_floor))


def floor_probability(policy: Policy, findings: Findings) -> Floats:
    """The largest p of the sampling floors that match. (N,)"""
    return _largest([floor.p for floor in policy.sampling.floors], findings.floors)


def gate_unrouted(setting: Setting, draws: Floats) -> Choices:
    """The choices for predictions that routing failed on: a person looks. Asks nothing of their rows."""
    rows = draws.size
    nothing, one = np.zeros(rows), np.ones(rows)
    return Choices(
        setting=setting,
        disposition=np.full(rows, "hold"),
        review=np.full(rows, "gate"),
        draw=draws,
        p_gate=one,
        propensity=one,
        sampled=nothing,
        by=np.full(rows, "model"),
        queue=np.full(rows, setting.queue),
        priority=np.zeros(rows, dtype=np.int64),
        due_seconds=np.full(rows, np.nan),
        hold=None,
        causes=(Reason(POLICY_ERROR, np.ones(rows, dtype=bool)),),
    )


def _forced(policy: Policy | None, setting: Setting, findings: Findings) -> list[Reason]:
    """Why a person must decide before the caller acts, whatever the draw."""
    rows = findings.failed.size
    every = np.ones(rows, dtype=bool)
    found = [
        Reason(KILL_SWITCH, every & setting.kill_switch),
        Reason(NO_ACTIVE_POLICY, every & (policy is None and not setting.policy_broken)),
        Reason(POLICY_ERROR, findings.failed | setting.policy_broken),
    ]
    refused = np.zeros(rows, dtype=bool)
    for place, rule in enumerate(policy.rules if policy is not None else ()):
        decides = findings.rule == place
        if rule.disposition == "hold":
            found.append(Reason(rule.name, decides))
        refused |= decides & (rule.disposition == "refuse")
    found += [
        Reason(rule.name, findings.unknown == place)
        for place, rule in enumerate(policy.rules if policy is not None else ())
    ]
    found.append(Reason(MISSING_VALUE, findings.unknown != NONE))
    found.append(Reason(OVERSIGHT_ALWAYS, ~refused & setting.oversight_always))
    return found


def _gate_probability(policy: Policy | None, findings: Findings, forced: list[Reason]) -> Floats:
    """p_gate: 1 where a person must decide, 0 where a rule has, else the largest p of the gates that match."""
    gates = np.where(findings.rule == NONE, _branch_probability(policy, findings, "gate"), 0.0)
    return np.asarray(np.where(np.logical_or.reduce([reason.rows for reason in forced]), 1.0, gates))


def _audit_probability(policy: Policy | None, findings: Findings) -> Floats:
    """The largest p of the audit branches that match."""
    return _branch_probability(policy, findings, "audit")


def _branch_probability(policy: Policy | None, findings: Findings, kind: str) -> Floats:
    probabilities = [] if policy is None else [branch.p if branch.kind == kind else 0.0 for branch in policy.branches]
    return _largest(probabilities, findings.branches)


def _largest(probabilities: list[float], matches: Flags) -> Floats:
    largest = np.zeros(matches.shape[1])
    for p, rows in zip(probabilities, matches, strict=True):
        np.maximum(largest, np.where(rows, p, 0.0), out=largest)
    return largest


def _sampled(policy: Policy | None, batch: Batch, fit: sampling.Fit | None) -> Floats:
    """What sampling asks for, scaled down to the capacity that is left."""
    if policy is None or policy.sampling.kind == "none":
        return np.zeros(len(batch))
    wanted = policy.sampling
    sampler = fit or sampling.unfitted(wanted.kind, budget=wanted.budget)
    return sampling.probability(sampler, batch.guess) * batch.setting.sampling_share


def _dispositions(policy: Policy | None, batch: Batch, findings: Findings) -> Words:
    """What the caller does without a person: as the rule says, else as the model's answer means."""
    meaning = np.array([batch.setting.disposition_of.get(name, "proceed") for name in batch.setting.classes])
    answer = meaning[batch.predicted]
    if policy is None or not policy.rules:
        return np.asarray(answer)
    ruled = np.array([rule.disposition for rule in policy.rules])
    return np.where(findings.rule == NONE, answer, ruled[findings.rule])


def _named(policy: Policy | None, findings: Findings) -> list[Reason]:
    """The rule that decided and every branch that matched; a rule that holds is among the forced reasons."""
    if policy is None:
        return []
    rules = [
        Reason(rule.name, findings.rule == place)
        for place, rule in enumerate(policy.rules)
        if rule.disposition != "hold"
    ]
    return rules + [Reason(branch.name, rows) for branch, rows in zip(policy.branches, findings.branches, strict=True)]


def _places(policy: Policy | None, setting: Setting, findings: Findings) -> dict[str, Any]:
    """Queue of the most urgent branch that names one, the highest priority, and the soonest due time."""
    rows = findings.failed.size
    branches = [] if policy is None else list(zip(policy.branches, findings.branches, strict=True))
    queues = [setting.queue, *(branch.queue or "" for branch, _ in branches)]
    place = np.zeros(rows, dtype=np.int64)
    lowest = np.iinfo(np.int64).min
    priority, due = np.full(rows, lowest), np.full(rows, np.inf)
    ranked = sorted(enumerate(branches, start=1), key=lambda entry: -entry[1][0].priority)
    # The most urgent comes last and overwrites the others.
    for number, (branch, matches) in reversed(ranked):
        priority[matches] = np.maximum(priority[matches], branch.priority)
        if branch.queue:
            place[matches] = number
        if branch.due_seconds:
            due[matches] = np.minimum(due[matches], branch.due_seconds)
    return {
        "queue": np.array(queues)[place],
        "priority": np.where(priority == lowest, 0, priority),
        "due_seconds": np.where(np.isinf(due), np.nan, due),
    }
