"""A policy without faults, as frozen rows that ``choose_many`` reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from review import rules
from review.rules import Condition

DEFAULT_AUDIT_FLOOR = 0.05


@dataclass(frozen=True, slots=True)
class Rule:
    """The first rule that matches fixes the disposition."""

    name: str
    when: Condition
    disposition: str


@dataclass(frozen=True, slots=True)
class Branch:
    """A reason for review: with probability ``p`` a person looks, before (gate) or after (audit) the caller acts."""

    name: str
    when: Condition
    p: float
    kind: str
    queue: str | None
    priority: int
    due_seconds: float | None


@dataclass(frozen=True, slots=True)
class Floor:
    """Rows that match are drawn with at least this probability."""

    when: Condition
    p: float


@dataclass(frozen=True, slots=True)
class Sampling:
    """How predictions are drawn for review beyond gates and audits.

    ``budget`` is the share of all traffic that is reviewed, gates, audits and floors included. ``tau`` None
    leaves the choice to past residuals.
    """

    kind: str
    budget: float
    tau: float | None = None
    epsilon: float = 0.0
    floors: tuple[Floor, ...] = ()


@dataclass(frozen=True, slots=True)
class Hold:
    """How long a caller waits for a person, None for as long as it takes, and what it is told then."""

    timeout_seconds: float | None
    on_timeout: str


@dataclass(frozen=True, slots=True)
class Policy:
    rules: tuple[Rule, ...]
    branches: tuple[Branch, ...]
    sampling: Sampling
    audit_floor: float
    hold: Hold
    per_day: int | None
    # Random shares of the reviewed: answered without seeing the model, decided by more people; and how many gold items
    # follow a reviewed prediction on average.
    blind_share: float
    overlap_share: float
    gold_share: float
    # The names of all fields that its conditions look at.
    fields: frozenset[str]

    def asks(self, kind: str) -> bool:
        """Whether a condition looks at a field of that kind, such as ``feature`` or ``novelty``."""
        return any(name.partition(".")[0] == kind for name in self.fields)


def overridden(policy: Policy, segments: Sequence[tuple[Mapping[str, Any], str]], name: str) -> Policy:
    """The policy with what people said about segments, (condition, disposition) each, before its first rule."""
    first = tuple(Rule(name, rules.parse(when), disposition) for when, disposition in segments)
    asked = policy.fields.union(*(rules.fields(rule.when) for rule in first))
    return replace(policy, rules=(*first, *policy.rules), fields=asked) if first else policy


def parse(document: Mapping[str, Any]) -> Policy:
    """The policy of a document without faults, with every default filled in."""
    found_rules = tuple(_rule(entry) for entry in document.get("rules", ()))
    branches = tuple(_branch(entry) for entry in document.get("review", ()))
    sampling = _sampling(document.get("sampling", {"kind": "none"}))
    hold = document.get("hold", {})
    conditions = [rule.when for rule in found_rules] + [branch.when for branch in branches]
    conditions += [floor.when for floor in sampling.floors]
    per_day = document.get("capacity", {}).get("per_day")
    return Policy(
        rules=found_rules,
        branches=branches,
        sampling=sampling,
        audit_floor=float(document.get("audit_floor", DEFAULT_AUDIT_FLOOR)),
        hold=Hold(timeout_seconds=hold.get("timeout_seconds"), on_timeout=hold.get("on_timeout", "hold")),
        per_day=None if per_day is None else int(per_day),
        blind_share=float(document.get("blind_share", 0.0)),
        overlap_share=float(document.get("overlap_share", 0.0)),
        gold_share=float(document.get("gold_share", 0.0)),
        fields=frozenset().union(*(rules.fields(when) for when in conditions)),
    )


def _rule(entry: Mapping[str, Any]) -> Rule:
    return Rule(name=entry["name"], when=rules.parse(entry["when"]), disposition=entry["disposition"])


def _branch(entry: Mapping[str, Any]) -> Branch:
    return Branch(
        name=entry["name"],
        when=rules.parse(entry["when"]),
        p=float(entry.get("p", 1.0)),
        kind=entry.get("kind", "gate"),
        queue=entry.get("queue"),
        priority=int(entry.get("priority", 0)),
        due_seconds=entry.get("due_seconds"),
    )


def _sampling(entry: Mapping[str, Any]) -> Sampling:
    tau = entry.get("tau", "auto")
    return Sampling(
        kind=entry["kind"],
        budget=float(entry.get("budget", 0.0)),
        tau=None if tau == "auto" else float(tau),
        epsilon=float(entry.get("epsilon", 0.0)),
        floors=tuple(Floor(when=rules.parse(floor["when"]), p=float(floor["p"])) for floor in entry.get("floors", ())),
    )
