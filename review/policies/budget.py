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


def least_on_confidence(policy: Policy, setting: Setting, confidence: Floats) -> Floats:
    """``least_propensity`` where nothing but the confidence of each row is known.

    Only branches and floors that ask for nothing else take part: of the others nobody can say which share
    of the traffic they will match.
    """
    known = {"confidence"}
    narrow = replace(
        policy,
        rules=(),
        branches=tuple(branch for branch in policy.branches if rules.fields(branch.when) <= known),
        sampling=replace(
            policy.sampling,
            floors=tuple(floor for floor in policy.sampling.floors if rules.fields(floor.when) <= known),
        ),
    )
    rows = confidence.size
    scores = np.zeros((rows, len(setting.classes)))
    return least_propensity(narrow, Batch(setting, scores, np.zeros(rows, dtype=np.int64), confidence, confidence))


def floor_share(policy: Policy, batch: Batch) -> float:
    """The share of all traffic that the sampling floors alone would review on these rows."""
    return float(floor_probability(policy, examine(policy, batch)).mean()) if len(batch) else 0.0
