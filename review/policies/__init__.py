"""The policy document: its faults, its meaning, and the one choice it makes about a prediction. Pure."""

from review.policies.case import Case, Setting
from review.policies.choice import Choice, choose, draw, gate_unrouted, unsampled_propensity
from review.policies.document import POLICY, Facts, faults, warnings
from review.policies.policy import Branch, Hold, Policy, Rule, Sampling, parse
from review.policies.staleness import stale_groups

__all__ = [
    "POLICY",
    "Branch",
    "Case",
    "Choice",
    "Facts",
    "Hold",
    "Policy",
    "Rule",
    "Sampling",
    "Setting",
    "choose",
    "draw",
    "faults",
    "gate_unrouted",
    "parse",
    "stale_groups",
    "unsampled_propensity",
    "warnings",
]
