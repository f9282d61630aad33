"""What a policy says about one prediction: disposition, review, and the probability it had.

One uniform draw u decides everything: u < p_gate holds the caller until a person has decided,
p_gate <= u < propensity sends a copy to a person while the caller goes on, anything above is left alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from review.policies.case import Case, Setting
from review.policies.policy import Branch, Hold, Policy, Rule

KILL_SWITCH = "kill_switch"
NO_ACTIVE_POLICY = "no_active_policy"
POLICY_ERROR = "policy_error"
OVERSIGHT_ALWAYS = "oversight_always"
MISSING_VALUE = "missing_value"
SAMPLING = "sampling"
AUDIT_FLOOR = "audit_floor"
# The reasons that routing itself gives; every other one is the name of a rule or branch.
REASONS = (KILL_SWITCH, NO_ACTIVE_POLICY, POLICY_ERROR, OVERSIGHT_ALWAYS, MISSING_VALUE, SAMPLING, AUDIT_FLOOR)

DRAW_BITS = 53


@dataclass(frozen=True, slots=True)
class Choice:
    """What happens to a prediction, why, and with which probabilities."""

    disposition: str
    review: str
    draw: float
    p_gate: float
    propensity: float
    reasons: tuple[str, ...]
    by: str
    queue: str
    priority: int = 0
    due_seconds: float | None = None
    hold_seconds: float | None = None
    hold_fallback: str = ""


@dataclass(frozen=True, slots=True)
class Findings:
    """Which parts of a policy speak to a case."""

    rule: Rule | None = None
    # The first rule of which nobody can say whether it matches.
    unknown: Rule | None = None
    branches: tuple[Branch, ...] = ()
    failed: bool = False


def choose(policy: Policy | None, case: Case, draw: float) -> Choice:
    """The choice for a case under the active policy, None where there is none, and its draw in [0, 1).

    Never raises for what a policy or a case holds: an error in evaluation is a gate.
    """
    findings = examine(policy, case)
    forced = forced_reasons(policy, case.setting, findings)
    p_gate = gate_probability(findings, forced)
    sampled = sampling_probability(policy, case.setting)
    floor = 0.0 if policy is None else policy.audit_floor
    propensity = max(p_gate, audit_probability(findings), sampled, floor)
    review = review_of(draw, p_gate, propensity)
    chance: tuple[str, ...] = ()
    if review == "audit":
        chance = tuple(name for name, p in ((SAMPLING, sampled), (AUDIT_FLOOR, floor)) if draw < p)
    gated = review == "gate"
    rule = findings.rule
    hold = policy.hold if policy is not None and gated else None
    return Choice(
        disposition="hold" if gated else disposition_of(case, rule),
        review=review,
        draw=draw,
        p_gate=p_gate,
        propensity=propensity,
        reasons=(*forced, *named_reasons(findings, forced), *chance),
        by="model" if rule is None else "rule",
        queue=next((branch.queue for branch in _by_priority(findings) if branch.queue), case.setting.queue),
        priority=max((branch.priority for branch in findings.branches), default=0),
        due_seconds=min((branch.due_seconds for branch in findings.branches if branch.due_seconds), default=None),
        hold_seconds=hold.timeout_seconds if hold else None,
        hold_fallback=fallback_of(hold, case.setting) if hold else "",
    )


def unsampled_propensity(policy: Policy, case: Case) -> float:
    """The propensity that gates, audits and the audit floor give, without any sampling."""
    findings = examine(policy, case)
    p_gate = gate_probability(findings, forced_reasons(policy, case.setting, findings))
    return max(p_gate, audit_probability(findings), policy.audit_floor)


def gate_unrouted(setting: Setting, draw: float) -> Choice:
    """The choice for a prediction that routing failed on: a person looks."""
    return Choice(
        disposition="hold",
        review="gate",
        draw=draw,
        p_gate=1.0,
        propensity=1.0,
        reasons=(POLICY_ERROR,),
        by="model",
        queue=setting.queue,
    )


def draw(secret: bytes, model_slug: str, external_id: str, policy_number: int) -> float:
    """The one uniform number in [0, 1) of a prediction under a policy: 53 bits of a keyed hash.

    Nobody without the key can tell it beforehand, and sending again changes nothing. Number 0 stands for
    no policy.

    >>> draw(b"k", "loans", "a-1", 1) == draw(b"k", "loans", "a-1", 1)
    True
    """
    # No text that reaches ReviewHub holds a NUL, so the parts cannot run into each other.
    message = f"{model_slug}\0{external_id}\0{policy_number}".encode()
    digest = hashlib.blake2b(message, key=secret, digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> (64 - DRAW_BITS)) * 2.0**-DRAW_BITS


def examine(policy: Policy | None, case: Case) -> Findings:
    """What of the policy matches. An unknown branch matches; rules are asked in order up to the first answer."""
    if policy is None:
        return Findings()
    try:
        rule, unknown = _first_rule(policy, case)
        # A rule that lets through or refuses leaves no gate to ask for.
        settled = rule is not None and unknown is None and rule.disposition != "hold"
        branches = tuple(
            branch
            for branch in policy.branches
            if not (settled and branch.kind == "gate") and branch.when.truth(case.lookup) is not False
        )
    except Exception:  # noqa: BLE001 - whatever is wrong with a case, a person looks at it
        return Findings(failed=True)
    return Findings(rule=rule, unknown=unknown, branches=branches)


def forced_reasons(policy: Policy | None, setting: Setting, findings: Findings) -> tuple[str, ...]:
    """Why a person must decide before the caller acts, whatever the draw; empty when nothing says so."""
    rule = findings.rule
    held = rule is not None and rule.disposition == "hold"
    refused = rule is not None and rule.disposition == "refuse"
    reasons = (
        (KILL_SWITCH, setting.kill_switch),
        (NO_ACTIVE_POLICY, policy is None and not setting.policy_broken),
        (POLICY_ERROR, findings.failed or setting.policy_broken),
        (rule.name if rule is not None else "", held),
        (findings.unknown.name if findings.unknown is not None else "", findings.unknown is not None),
        (MISSING_VALUE, findings.unknown is not None),
        (OVERSIGHT_ALWAYS, setting.oversight_always and not refused),
    )
    return tuple(name for name, holds in reasons if holds)


def gate_probability(findings: Findings, forced: Sequence[str]) -> float:
    """p_gate: 1 where a person must decide, 0 where a rule has, else the largest p of the gates that match."""
    if forced:
        return 1.0
    if findings.rule is not None:
        return 0.0
    return max((branch.p for branch in findings.branches if branch.kind == "gate"), default=0.0)


def audit_probability(findings: Findings) -> float:
    """The largest p of the audit branches that match."""
    return max((branch.p for branch in findings.branches if branch.kind == "audit"), default=0.0)


def sampling_probability(policy: Policy | None, setting: Setting) -> float:
    """What sampling asks for, scaled down where there is no capacity left."""
    if policy is None or policy.sampling.kind != "uniform":
        return 0.0
    return policy.sampling.budget * setting.sampling_share


def review_of(draw: float, p_gate: float, propensity: float) -> str:
    """Which review a draw means."""
    if draw < p_gate:
        return "gate"
    return "audit" if draw < propensity else "none"


def disposition_of(case: Case, rule: Rule | None) -> str:
    """What the caller does without a person: as the rule says, else as the model's answer means."""
    if rule is not None:
        return rule.disposition
    return case.setting.disposition_of.get(case.predicted, "proceed")


def fallback_of(hold: Hold, setting: Setting) -> str:
    """What a hold resolves to when its time is over; where a person must decide it never proceeds without one."""
    if hold.on_timeout == "proceed" and (setting.kill_switch or setting.oversight_always):
        return "hold"
    return hold.on_timeout


def named_reasons(findings: Findings, forced: Sequence[str]) -> tuple[str, ...]:
    """The rule that decided and every branch that matched, by name."""
    rule = () if findings.rule is None or findings.rule.name in forced else (findings.rule.name,)
    return (*rule, *(branch.name for branch in findings.branches))


def _first_rule(policy: Policy, case: Case) -> tuple[Rule | None, Rule | None]:
    for rule in policy.rules:
        truth = rule.when.truth(case.lookup)
        if truth is True:
            return rule, None
        if truth is None:
            return None, rule
    return None, None


def _by_priority(findings: Findings) -> list[Branch]:
    return sorted(findings.branches, key=lambda branch: -branch.priority)
