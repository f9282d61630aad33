"""A policy's sampler solved on past rows, so that gates, audits, floors and sampling together meet the budget."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from review import rules, sampling
from review.policies.batch import Batch, Floats, Setting
from review.policies.choice import floor_probability, least_propensity
from review.policies.findings import examine
from review.policies.policy import Policy

UNIFORM_TAU = 1.0


def solve(
    policy: Policy, *, guess: Floats, least: Floats, tau: float | None = None, weight: Floats | None = None
) -> sampling.Fit:
    """The sampler whose mean propensity on these past rows is the policy's budget.

    ``guess`` m and ``least`` (``least_propensity``) are (N,), ``weight`` how many rows each stands for.
    ``tau`` is what past residuals say, where the policy leaves it to them; None stays with uniform review.
    """
    wanted = policy.sampling
    chosen = wanted.tau if wanted.tau is not None else tau
    return sampling.fit(
        wanted.kind,
        budget=wanted.budget,
        guess=guess,
        least=least,
        tau=UNIFORM_TAU if chosen is None else chosen,
        epsilon=wanted.epsilon,
        weight=weight,
    )


def on_confidence(policy: Policy) -> Policy:
    """The policy where nothing but the confidence of each row is known.

    Only rules, branches and floors that ask for nothing else take part: of the others nobody can say which
    share of the traffic they will match.
    """
    known = {"confidence"}
    return replace(
        policy,
        rules=tuple(rule for rule in policy.rules if rules.fields(rule.when) <= known),
        branches=tuple(branch for branch in policy.branches if rules.fields(branch.when) <= known),
        sampling=replace(
            policy.sampling,
            floors=tuple(floor for floor in policy.sampling.floors if rules.fields(floor.when) <= known),
        ),
    )


def batch_on_confidence(setting: Setting, confidence: Floats) -> Batch:
    """Rows of which nothing but the confidence (N,) is known: the rest of each score is spread evenly."""
    rows, classes = confidence.size, len(setting.classes)
    scores = np.repeat(((1.0 - confidence) / max(classes - 1, 1))[:, None], classes, axis=1)
    scores[:, 0] = confidence
    return Batch(setting, scores, np.zeros(rows, dtype=np.int64), confidence, confidence)


def least_on_confidence(policy: Policy, setting: Setting, confidence: Floats) -> Floats:
    """``least_propensity`` of `on_confidence`."""
    return least_propensity(on_confidence(policy), batch_on_confidence(setting, confidence))


def floor_share(policy: Policy, batch: Batch) -> float:
    """The share of all traffic that the sampling floors alone would review on these rows."""
    return float(floor_probability(policy, examine(policy, batch)).mean()) if len(batch) else 0.0
