"""The thresholds that a model's declared prices ask for, on its newest predictions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from feedback.estimators.thresholds import errors_cost, propose

if TYPE_CHECKING:
    from feedback.estimators.thresholds import Prices
    from feedback.whatif.past import Past
    from models_registry.models import RegisteredModel

PER = 1_000


@dataclass(frozen=True)
class Proposed:
    """Hold from this risk on, or below this confidence (each None where prices give no such threshold).

    ``saved``: what that saves per 1,000 decisions over acting on every answer, ``reviewed`` the share it
    holds; both as the scores have it, so only as good as their calibration.
    """

    risk: float | None
    confidence: float | None
    saved: float
    reviewed: float


def proposal(model: RegisteredModel, past: Past, prices: Prices | None) -> Proposed | None:
    """What is cheapest with a person's review as a third answer.

    None where a review has no price, where prices are not those of errors, or where no row tells.
    """
    if prices is None or model.review_cost is None or past.source != "predictions" or not errors_cost(prices.costs):
        return None
    scores = np.ascontiguousarray(past.evidence.beliefs.T)
    positive = model.classes.index(model.positive_class) if model.positive_class in model.classes else None
    value = past.batch.value
    valued = value is not None and not bool(np.isnan(value).all())
    worth = np.where(np.isnan(value), 1.0, value) if valued and value is not None else None
    found = propose(scores, prices, positive=positive, value=worth, predicted=past.batch.predicted)
    if found.live is None or found.live.point is None or found.reviewed.point is None:
        return None
    saved = PER * (found.live.point - found.reviewed.point)
    return Proposed(found.risk, found.confidence, saved, found.share_reviewed)
