"""The policy document: its faults, its meaning, and the one choice it makes about each prediction. Pure."""

from review.policies.batch import Batch, Floats, Integers, Setting
from review.policies.budget import batch_on_confidence, floor_share, least_on_confidence, on_confidence, solve
from review.policies.choice import choose_many, gate_unrouted, least_propensity
from review.policies.choices import Choice, Choices
from review.policies.document import POLICY, Facts, faults, warnings
from review.policies.draws import arm_draw, draw, draws
from review.policies.findings import examine
from review.policies.policy import Branch, Floor, Hold, Policy, Rule, Sampling, overridden, parse
from review.policies.reasons import OVERRIDE
from review.policies.staleness import stale_groups

__all__ = [
    "OVERRIDE",
    "POLICY",
    "Batch",
    "Branch",
    "Choice",
    "Choices",
    "Facts",
    "Floats",
    "Floor",
    "Hold",
    "Integers",
    "Policy",
    "Rule",
    "Sampling",
    "Setting",
    "arm_draw",
    "batch_on_confidence",
    "choose_many",
    "draw",
    "draws",
    "examine",
    "faults",
    "floor_share",
    "gate_unrouted",
    "least_on_confidence",
    "least_propensity",
    "on_confidence",
    "overridden",
    "parse",
    "solve",
    "stale_groups",
    "warnings",
]
