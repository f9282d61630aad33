"""What a two-class model would have been worth at another threshold, from the labels of its past predictions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np

from feedback.estimators import Outputs
from feedback.estimators.counterfactual import COMPARED, Compared, answers_at, compare_answers
from feedback.whatif.past import load
from feedback.whatif.trying import prices_of
from models_registry.errors import Conflict
from models_registry.models import RegisteredModel

NEWEST = 100_000


@dataclass(frozen=True)
class OtherAnswers:
    """Of ``predictions``, ``changed`` of which would have been answered otherwise, each of `COMPARED`.

    ``unsupported``: the share of them that no label could ever reach.
    """

    threshold: float
    positive: str
    predictions: int
    labels: int
    changed: int
    unsupported: float
    metrics: dict[str, Compared]


def other_answers(
    *, model: RegisteredModel, threshold: float, last: int = NEWEST, before: datetime | None = None
) -> OtherAnswers:
    """The newest predictions as if the positive answer had been given from this score on.

    Raises Conflict for a model that has no two classes of which one is positive.
    """
    if len(model.classes) != 2 or model.positive_class not in model.classes:
        raise Conflict(
            "only a model of two classes, one of them declared positive, has a threshold", code="no_threshold"
        )
    past, prices = load(model, [], last=last, before=before), prices_of(model)
    live = Outputs(
        past.batch.scores,
        past.batch.predicted,
        model.classes.index(model.positive_class),
        None if prices is None else prices.costs,
        np.ascontiguousarray(past.evidence.beliefs.T),
    )
    answers, seen = answers_at(live, threshold), past.source == "predictions"
    return OtherAnswers(
        threshold=threshold,
        positive=model.positive_class,
        predictions=len(past) if seen else 0,
        labels=int(past.evidence.known.sum()),
        changed=int(np.sum(answers != live.predicted)) if seen else 0,
        unsupported=float(np.mean(past.evidence.seen <= 0)) if len(past) else 0.0,
        metrics={metric: compare_answers(metric, live, answers, past.evidence) for metric in COMPARED},
    )
