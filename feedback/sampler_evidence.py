"""Hand the residuals of labelled rows down to the sampler: how far may it leave uniform review?

The residuals are of the past; a tau that they speak for samples the future only, so that estimates stay
unbiased. Li, Zrnic and Candès, Robust sampling for active statistical inference (2025).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
from celery.exceptions import SoftTimeLimitExceeded
from django.utils import timezone
from numpy.typing import NDArray

from feedback.arrivals import arrivals_of, seen_probability
from feedback.delays import AGREE, LEAST, OVERRIDE, UNKNOWN
from feedback.estimators.guess import residuals, temperature
from models_registry import sql
from models_registry.models import RegisteredModel
from review import samplers, sampling
from review.models import SamplerFit

logger = logging.getLogger("reviewhub.routing")
_LABELLED = """
    SELECT r.prediction_id, r.review, r.p_gate, r.propensity,
           greatest(extract(epoch FROM clock_timestamp() - r.routed_at), 0)::float8, p.predicted, p.version_id, l.value
    FROM review_routingdecision r JOIN review_prediction p ON p.id = r.prediction_id
    LEFT JOIN feedback_label l ON l.prediction_id = r.prediction_id AND l.source = 'review' AND l.selection = 'draw'
        AND l.retired_at IS NULL
    WHERE r.prediction_id = ANY(%(ids)s)
"""
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Labelled:
    """Of N past rows: ``right`` whether the model's answer was the label, ``seen`` the probability that the
    label is known by now; both (N,), nan and 0 where it is not known. ``place`` is the label's class index,
    -1 where it is not known.
    """

    right: Floats
    seen: Floats
    place: NDArray[np.int64]

    @property
    def weight(self) -> Floats:
        return np.divide(1.0, self.seen, out=np.zeros_like(self.seen), where=self.seen > 0)


def fit_due() -> int:
    """Solve every live sampler that is due; how many were solved."""
    fitted = 0
    for model in RegisteredModel.objects.order_by("pk"):
        if samplers.is_due(model):
            try:
                fitted += fit(model) is not None
            except SoftTimeLimitExceeded:
                raise
            except Exception:
                logger.exception("the sampler of model %s was not solved; routing goes on by its last one", model.slug)
    return fitted


def fit(model: RegisteredModel) -> SamplerFit | None:
    """Solve the model's live sampler, with what its labelled rows say where they say anything.

    They tell the temperature of the champion's scores and, where the policy leaves it open, tau; labels of other
    versions tell nothing about the champion.
    """
    version = samplers.live_policy(model)
    policy = samplers.sampler_of(version)
    if version is None or policy is None:
        return None
    past = samplers.past_of(model, policy)
    if past.scores is None or past.predicted is None:
        return samplers.refit(model=model, policy=version)
    labelled = labels_of(model, past.ids)
    known, weight = labelled.place >= 0, labelled.weight
    trust = temperature(past.scores[known], labelled.place[known], weight[known])
    past = past.at(trust)
    residual = residuals(labelled.right, past.guess, labelled.seen)
    budget, tau = policy.sampling.budget, None
    if policy.sampling.kind == "active" and policy.sampling.tau is None:
        tau = sampling.choose_tau(budget=budget, guess=past.guess, least=past.least, residual=residual, weight=weight)
    told = {"version": model.champion_id, "tau": tau, **evidence(budget, past, residual, weight)}
    # The policy that was read: another may be live by now, with another budget.
    told_of = samplers.Told(tau=tau, temperature=trust, evidence=told)
    return samplers.refit(model=model, policy=version, told=told_of)


def labels_of(model: RegisteredModel, ids: tuple[int, ...]) -> Labelled:
    """The standing review labels of drawn rows that the champion answered, in the order of the prediction ids."""
    rows = {row[0]: row[1:] for row in sql.rows(_LABELLED, {"ids": list(ids)})}
    classes = {name: number for number, name in enumerate(model.classes)}
    cells = [rows[pk] for pk in ids]
    index = np.array([classes.get(value, -1) for *_, value in cells], dtype=np.int64)
    right = np.array([np.nan if value is None else float(value == cell[4]) for *cell, value in cells])
    known = index >= 0
    kind, p_gate, propensity, age = (np.array([cell[place] for cell in cells]) for place in range(4))
    verdict = np.where(known, np.where(right == 1, AGREE, OVERRIDE), UNKNOWN)
    arrival = arrivals_of(model, now=timezone.now()).model
    seen = seen_probability(
        arrival, kind=kind, p_gate=p_gate, propensity=propensity, verdict=verdict, age=age.astype(np.float64)
    )
    known &= seen >= LEAST * propensity
    known &= np.array([cell[5] == model.champion_id for cell in cells], dtype=bool)
    return Labelled(np.where(known, right, np.nan), np.where(known, seen, 0.0), np.where(known, index, -1))


def evidence(budget: float, past: samplers.Past, residual: Floats, weight: Floats) -> dict[str, Any]:
    """Per tau the estimated variance relative to uniform review, the reviews it asks for and the share they are."""
    found: dict[str, dict[str, float | None]] = {}
    uniform = None
    for tau in sorted(sampling.TAUS, reverse=True):
        sampler = sampling.fit("active", budget=budget, guess=past.guess, least=past.least, tau=tau)
        pi = np.maximum(past.least, sampling.probability(sampler, past.guess))
        variance = float(np.sum(weight * residual**2 * (1.0 - pi) / pi))
        uniform = variance if uniform is None else uniform
        relative = variance / uniform if uniform else None
        found[str(tau)] = {"variance": relative, "reviewed": float(pi.sum()), "budget": float(pi.mean())}
    return {"budget": budget, "labelled": int((weight > 0).sum()), "taus": found}
