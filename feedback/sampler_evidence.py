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
from numpy.typing import NDArray

from feedback.estimators.guess import residuals, temperature
from feedback.models import Label
from models_registry.models import RegisteredModel
from review import samplers, sampling
from review.models import RoutingDecision, SamplerFit

logger = logging.getLogger("reviewhub.routing")
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Labelled:
    """Of N past rows: ``right`` whether the model's answer was the label, ``seen`` the probability that the
    label is known by now; both (N,), nan and 0 where it is not known. ``place`` is the label's class index,
    -1 where it is not known, ``champion`` whether the version that serves now made the prediction.
    """

    right: Floats
    seen: Floats
    place: NDArray[np.int64]
    champion: NDArray[np.bool_]

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

    They tell the temperature of the champion's scores and, where the policy leaves it open, tau.
    """
    policy = samplers.sampler_of(samplers.live_policy(model))
    if policy is None:
        return None
    past = samplers.past_of(model, policy)
    if past.scores is None or past.predicted is None:
        return samplers.refit(model=model)
    labelled = labels_of(model, past.ids)
    known = (labelled.place >= 0) & labelled.champion
    trust = temperature(past.scores[known], labelled.place[known], labelled.weight[known])
    past = past.at(trust)
    residual = residuals(labelled.right, past.guess, labelled.seen)
    budget, weight, tau = policy.sampling.budget, labelled.weight, None
    if policy.sampling.kind == "active" and policy.sampling.tau is None:
        tau = sampling.choose_tau(budget=budget, guess=past.guess, least=past.least, residual=residual, weight=weight)
    told = {"version": model.champion_id, "tau": tau, **evidence(budget, past, residual, weight)}
    return samplers.refit(model=model, told=samplers.Told(tau=tau, temperature=trust, evidence=told))


def labels_of(model: RegisteredModel, ids: tuple[int, ...]) -> Labelled:
    """The standing review labels of drawn rows, in the order of the prediction ids."""
    columns = ("prediction_id", "propensity", "review", "prediction__predicted", "prediction__version_id")
    routed = {row[0]: row[1:] for row in RoutingDecision.objects.filter(pk__in=ids).values_list(*columns)}
    standing = Label.objects.filter(
        prediction__in=ids, retired_at__isnull=True, source=Label.Source.REVIEW, selection=Label.Selection.DRAW
    )
    known = dict(standing.values_list("prediction_id", "value"))
    arrived = _arrived(routed, known)
    right, seen = np.full(len(ids), np.nan), np.zeros(len(ids))
    index, champion = np.full(len(ids), -1), np.zeros(len(ids), dtype=bool)
    classes = {name: number for number, name in enumerate(model.classes)}
    for place, pk in enumerate(ids):
        propensity, review, predicted, version = routed[pk]
        if pk in known and review in arrived:
            right[place], seen[place] = known[pk] == predicted, propensity * arrived[review]
            index[place], champion[place] = classes.get(known[pk], -1), version == model.champion_id
    return Labelled(right, seen, index, champion)


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


def _arrived(routed: dict[int, Any], known: dict[int, str]) -> dict[str, float]:
    """Per review kind the share of drawn rows whose label is known by now."""
    shares = {}
    for kind in ("gate", "audit"):
        drawn = [pk for pk, (_, review, *_) in routed.items() if review == kind]
        shares[kind] = sum(pk in known for pk in drawn) / len(drawn) if drawn else 1.0
    return shares
