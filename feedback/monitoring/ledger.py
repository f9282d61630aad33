"""The delay ledger: how long each step from an event to its label took."""

from __future__ import annotations

from typing import Any

import numpy as np
from django.db import connection

from feedback.delays import empirical, kaplan_meier, quantiles, thinned
from models_registry.models import RegisteredModel

# The newest rows of each hop that are looked at.
NEWEST = 100_000

_HOPS = {
    "occurred_to_received": """
        SELECT EXTRACT(EPOCH FROM received_at - occurred_at) FROM review_prediction
        WHERE model_id = %(model)s ORDER BY id DESC LIMIT %(newest)s
    """,
    "received_to_routed": """
        SELECT EXTRACT(EPOCH FROM r.routed_at - p.received_at)
        FROM review_prediction p JOIN review_routingdecision r ON r.prediction_id = p.id
        WHERE p.model_id = %(model)s ORDER BY p.id DESC LIMIT %(newest)s
    """,
    "routed_to_claimed": """
        SELECT EXTRACT(EPOCH FROM d.claimed_at - r.routed_at)
        FROM review_reviewdecision d JOIN review_routingdecision r ON r.prediction_id = d.prediction_id
        WHERE d.model_id = %(model)s AND d.kind = 'decision' AND NOT d.abstained ORDER BY d.id DESC LIMIT %(newest)s
    """,
    "claimed_to_decided": """
        SELECT EXTRACT(EPOCH FROM decided_at - claimed_at) FROM review_reviewdecision
        WHERE model_id = %(model)s AND kind = 'decision' AND NOT abstained ORDER BY id DESC LIMIT %(newest)s
    """,
    "decided_to_label": """
        SELECT EXTRACT(EPOCH FROM l.created_at - d.decided_at)
        FROM feedback_label l JOIN review_reviewdecision d ON d.id = l.decision_id
        WHERE l.model_id = %(model)s ORDER BY l.id DESC LIMIT %(newest)s
    """,
    "occurred_to_outcome": """
        SELECT EXTRACT(EPOCH FROM o.observed_at - p.occurred_at)
        FROM feedback_outcomeevent o JOIN review_prediction p ON p.id = o.prediction_id
        WHERE o.model_id = %(model)s AND NOT o.before_prediction ORDER BY o.id DESC LIMIT %(newest)s
    """,
    "outcome_observed_to_received": """
        SELECT EXTRACT(EPOCH FROM received_at - observed_at) FROM feedback_outcomeevent
        WHERE model_id = %(model)s AND NOT before_prediction ORDER BY id DESC LIMIT %(newest)s
    """,
}
_REVIEWS = """
    SELECT r.review, EXTRACT(EPOCH FROM coalesce(l.observed_at, clock_timestamp()) - r.routed_at), l.id IS NOT NULL
    FROM review_routingdecision r
    JOIN review_prediction p ON p.id = r.prediction_id AND p.status <> 'withdrawn'
    LEFT JOIN feedback_label l ON l.prediction_id = r.prediction_id AND l.source = 'review'
        AND l.selection = 'draw' AND l.retired_at IS NULL
    WHERE r.model_id = %(model)s AND r.review <> 'none'
    ORDER BY r.prediction_id DESC LIMIT %(newest)s
"""


def delays(*, model: RegisteredModel, newest: int = NEWEST) -> dict[str, Any]:
    """Quantiles in seconds of each hop, the curve of reviews (Kaplan-Meier, by review kind) and of outcomes.

    Of the ``newest`` rows of each hop, so that the cost does not grow with history.
    """
    parameters = {"model": model.pk, "newest": newest}
    hops = {}
    for name, query in _HOPS.items():
        hops[name] = [float(seconds) for (seconds,) in _rows(query, parameters) if seconds is not None]
    reviews = _rows(_REVIEWS, parameters)
    curves = {}
    for kind in ("gate", "audit"):
        seconds = np.array([max(float(age), 0.0) for review, age, _ in reviews if review == kind])
        ended = np.array([done for review, _, done in reviews if review == kind], dtype=bool)
        curve = thinned(kaplan_meier(seconds, ended))
        curves[kind] = {"drawn": int(seconds.size), "decided": int(ended.sum()), "curve": curve}
    outcomes = thinned(empirical(hops["occurred_to_outcome"]))
    return {
        "hops": {name: quantiles(seconds) for name, seconds in hops.items()},
        "reviews": curves,
        "outcomes": {"observed": len(hops["occurred_to_outcome"]), "curve": outcomes},
    }


def _rows(query: str, parameters: dict[str, int]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query, parameters)
        return list(cursor.fetchall())
