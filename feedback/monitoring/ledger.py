"""The delay ledger: how long each step from an event to its label took, and which days that moved."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from django.db import connection
from django.utils import timezone

from feedback.arrivals import drawn_reviews, learn
from feedback.delays import Cohort, Reviews, cohorts, empirical, kaplan_meier, quantiles, thinned
from feedback.monitoring.agreement import reliability
from feedback.monitoring.nonresponse import nonresponse
from models_registry.models import RegisteredModel

# The newest rows of each hop that are looked at.
NEWEST = 100_000
REVIEW_KINDS = ("gate", "audit")
# Steps of the curve of one week.
STEPS = 30

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
        JOIN review_queueitem i ON i.id = d.item_id AND i.kind <> 'gold'
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
# Outcomes by the prediction that waits for them, of models that declare which predictions show one.
_OUTCOMES = """
    SELECT EXTRACT(EPOCH FROM p.occurred_at),
           EXTRACT(EPOCH FROM coalesce(l.observed_at, clock_timestamp()) - p.occurred_at), l.id IS NOT NULL
    FROM review_prediction p JOIN review_routingdecision r ON r.prediction_id = p.id
    LEFT JOIN feedback_label l ON l.prediction_id = p.id AND l.source = 'outcome' AND l.retired_at IS NULL
    WHERE p.model_id = %(model)s AND p.status <> 'withdrawn' AND (%(all)s OR r.disposition = 'proceed')
    ORDER BY p.id DESC LIMIT %(newest)s
"""
_RESTATED = """
    SELECT (p.occurred_at AT TIME ZONE 'UTC')::date AS day,
           count(*) FILTER (WHERE l.source = 'review' AND l.created_at >= %(since)s),
           count(*) FILTER (WHERE l.source = 'outcome' AND l.created_at >= %(since)s),
           count(*) FILTER (WHERE l.created_at < %(since)s)
    FROM (SELECT * FROM feedback_label WHERE model_id = %(model)s AND created_at >= %(since)s AND retired_at IS NULL
          UNION ALL
          SELECT * FROM feedback_label WHERE model_id = %(model)s AND created_at < %(since)s AND retired_at >= %(since)s
    ) l
    JOIN review_prediction p ON p.id = l.prediction_id
    WHERE p.occurred_at < date_trunc('day', %(since)s::timestamptz, 'UTC') AND p.status <> 'withdrawn'
    GROUP BY day ORDER BY day
"""


def delays(*, model: RegisteredModel, newest: int = NEWEST, since: datetime | None = None) -> dict[str, Any]:
    """The document of GET …/delays/: hops, curves, arrival, non-response, restated days, implicit feedback.

    Of the ``newest`` rows of each, so that the cost does not grow with history; ``since`` is a day ago by default.
    """
    now = timezone.now()
    found = _seconds(model, newest)
    reviews = drawn_reviews(model, now=now, newest=newest)
    learned = learn(model, now=now, newest=newest, reviews=reviews)
    return {
        "hops": {name: quantiles(seconds) for name, seconds in found.items()},
        "reviews": {kind: _curve_of(reviews, kind, now) for kind in REVIEW_KINDS},
        "outcomes": {
            "observed": len(found["occurred_to_outcome"]),
            "curve": thinned(empirical(found["occurred_to_outcome"])),
            "cohorts": _outcome_cohorts(model, newest),
        },
        "arrival": learned.summary(),
        "nonresponse": nonresponse(model=model, arrival=learned.model, newest=newest),
        "restated": restatements(model=model, since=since or now - timedelta(days=1)),
        "implicit": reliability(model=model, newest=newest),
    }


def hops(*, model: RegisteredModel, newest: int = NEWEST) -> dict[str, dict[str, float | int | None]]:
    """Quantiles in seconds of each step from the event to its label, of its ``newest`` rows."""
    return {name: quantiles(seconds) for name, seconds in _seconds(model, newest).items()}


def restatements(*, model: RegisteredModel, since: datetime) -> dict[str, Any]:
    """What became known from ``since`` on about predictions of the days before: figures of these days have moved.

    Per day of the predictions (UTC): labels from reviews and from outcomes that came, and older ones that were
    taken back without or before a new one.
    """
    rows = _rows(_RESTATED, {"model": model.pk, "since": since})
    days = [
        {"day": day.isoformat(), "reviews": reviews, "outcomes": outcomes, "retired": retired}
        for day, reviews, outcomes, retired in rows
    ]
    return {"since": since.isoformat(), "days": days}


def restatements_by_day(*, model: RegisteredModel, now: datetime) -> dict[float, int]:
    """How many labels came or went in the day before ``now``, by the day (its begin in seconds) that they move."""
    days = restatements(model=model, since=now - timedelta(days=1))["days"]
    found = {}
    for one in days:
        begin = datetime.fromisoformat(f"{one['day']}T00:00:00+00:00").timestamp()
        found[begin] = int(one["reviews"] + one["outcomes"] + one["retired"])
    return found


def _seconds(model: RegisteredModel, newest: int) -> dict[str, list[float]]:
    parameters = {"model": model.pk, "newest": newest}
    return {
        name: [float(seconds) for (seconds,) in _rows(query, parameters) if seconds is not None]
        for name, query in _HOPS.items()
    }


def _curve_of(reviews: Reviews, kind: str, now: datetime) -> dict[str, Any]:
    """The Kaplan-Meier curve of one review kind as a whole and by week, what is open counting as waiting."""
    rows = reviews.where(np.asarray(reviews.strata.kind == kind, dtype=bool))
    seconds = np.where(rows.arrived, rows.latency, np.maximum(rows.age, 0.0))
    weeks = cohorts(now.timestamp() - rows.age, seconds, rows.arrived)
    return {
        "drawn": int(rows.age.size),
        "decided": int(rows.arrived.sum()),
        "curve": thinned(kaplan_meier(seconds, rows.arrived)),
        "cohorts": [_cohort(week) for week in weeks],
    }


def _outcome_cohorts(model: RegisteredModel, newest: int) -> list[dict[str, Any]]:
    """Weeks of the predictions that are declared to show an outcome; none where no population is complete."""
    complete = model.outcomes_complete_for
    if complete == RegisteredModel.CompleteFor.NONE:
        return []
    whole = complete == RegisteredModel.CompleteFor.ALL
    rows = _rows(_OUTCOMES, {"model": model.pk, "newest": newest, "all": whole})
    began, seconds, ended = ([row[place] for row in rows] for place in range(3))
    delays_of = np.maximum(np.array(seconds, dtype=np.float64), 0.0)
    return [_cohort(week) for week in cohorts(np.array(began, dtype=np.float64), delays_of, ended)]


def _cohort(week: Cohort) -> dict[str, Any]:
    begin = datetime.fromtimestamp(week.begin, UTC).date().isoformat()
    points = {"p50": week.p50, "p90": week.p90}
    return {"week": begin, "n": week.n, "ended": week.ended, **points, "curve": thinned(week.curve, STEPS)}


def _rows(query: str, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query, parameters)
        return list(cursor.fetchall())
