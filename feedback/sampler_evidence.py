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

from feedback.models import Label
from models_registry.models import RegisteredModel
from review import samplers, sampling
from review.models import RoutingDecision, SamplerFit

logger = logging.getLogger("reviewhub.routing")
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Labelled:
    """Of N past rows: ``right`` whether the model's answer was the label, ``seen`` the probability that the
    label is known by now; both (N,), nan and 0 where it is not known.
    """

    right: Floats
    seen: Floats

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
    """Solve the model's live sampler, with the tau that its labelled rows speak for where the policy asks."""
    policy = samplers.sampler_of(samplers.live_policy(model))
    if policy is None or policy.sampling.kind != "active" or policy.sampling.tau is not None:
        return samplers.refit(model=model)
    past = samplers.past_of(model, policy)
    if not past.ids:
        return samplers.refit(model=model)
    labelled = labels_of(past.ids)
    residual = residuals(labelled.right, past.guess, labelled.seen)
    budget, weight = policy.sampling.budget, labelled.weight
    tau = sampling.choose_tau(budget=budget, guess=past.guess, least=past.least, residual=residual, weight=weight)
    return samplers.set_evidence(model=model, tau=tau, evidence=evidence(budget, past, residual, weight))


def labels_of(ids: tuple[int, ...]) -> Labelled:
    """The standing review labels of drawn rows, in the order of the prediction ids."""
    columns = ("prediction_id", "propensity", "review", "prediction__predicted")
    routed = {row[0]: row[1:] for row in RoutingDecision.objects.filter(pk__in=ids).values_list(*columns)}
    standing = Label.objects.filter(
        prediction__in=ids, retired_at__isnull=True, source=Label.Source.REVIEW, selection=Label.Selection.DRAW
    )
    known = dict(standing.values_list("prediction_id", "value"))
    arrived = _arrived(routed, known)
    right, seen = np.full(len(ids), np.nan), np.zeros(len(ids))
    for place, pk in enumerate(ids):
        propensity, review, predicted = routed[pk]
        if pk in known and review in arrived:
            right[place], seen[place] = known[pk] == predicted, propensity * arrived[review]
    return Labelled(right, seen)


def residuals(right: Floats, guess: Floats, seen: Floats) -> Floats:
    """d - h of accuracy per row, 0 where there is no label: what is left of ``right`` after its regression on m.

    ``seen`` q (N,) is the probability that the label is known, 0 where it is not. The weights (1 - q) / q²
    are those of the estimator whose variance is at stake.

    >>> residuals(np.array([1.0, 0.0, np.nan, 1.0]), np.full(4, 0.8), np.array([0.5, 0.5, 0.0, 0.5])).round(6).tolist()
    [0.333333, -0.666667, 0.0, 0.333333]
    """
    rows = seen > 0
    found = np.zeros(right.size)
    if not rows.any():
        return found
    root = np.sqrt((1.0 - seen[rows]) / seen[rows] ** 2)
    if np.count_nonzero(root) < 2:
        root = 1.0 / seen[rows]
    design = np.column_stack([np.ones(int(rows.sum())), guess[rows]])
    line, *_ = np.linalg.lstsq(design * root[:, None], right[rows] * root, rcond=None)
    found[rows] = right[rows] - design @ line
    return found


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
        drawn = [pk for pk, (_, review, _) in routed.items() if review == kind]
        shares[kind] = sum(pk in known for pk in drawn) / len(drawn) if drawn else 1.0
    return shares
