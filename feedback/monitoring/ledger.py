"""The delay ledger: how long each step from an event to its label took, and which days that moved."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from django.utils import timezone

from feedback.arrivals import arrivals_of
from feedback.delays import Cohort, empirical, thinned
from feedback.known_tables import count_unknown
from feedback.monitoring import days
from feedback.monitoring.agreement import reliability
from feedback.monitoring.nonresponse import nonresponse
from feedback.monitoring.population import DAY
from feedback.monitoring.sums import Shape
from feedback.monitoring.waits import OTHER, PROCEED, REVIEW, Waits, added, from_bytes, waits_of
from models_registry import sql
from models_registry.models import RegisteredModel

REVIEW_KINDS = ("gate", "audit")
# Steps of the curve of one week.
STEPS = 30

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


def delays(
    *, model: RegisteredModel, since: datetime | None = None, now: datetime | None = None, from_rows: bool = False
) -> dict[str, Any]:
    """The document of GET …/delays/: hops, curves, arrival, non-response, restated days, implicit feedback.

    Hops and curves come from the counts of days; ``from_rows`` counts all rows anew: slower, and the same. ``since``
    is a day ago by default.
    """
    now = now or timezone.now()
    count_unknown()
    found, learned = waits(model, now=now, from_rows=from_rows), arrivals_of(model, now=now)
    outcomes = found.hop("occurred_to_outcome")
    return {
        "hops": found.hops(),
        "reviews": {kind: _reviews(found, [f"{REVIEW}{kind}"], now) for kind in REVIEW_KINDS},
        "outcomes": {
            "observed": outcomes.n,
            "curve": thinned(empirical(outcomes)),
            "cohorts": _weeks(found, _waits_for(model), now),
        },
        "arrival": learned.summary(),
        "nonresponse": nonresponse(model=model, arrival=learned.model, counted=found),
        "restated": restatements(model=model, since=since or now - timedelta(days=1)),
        "implicit": reliability(model=model),
    }


def waits(model: RegisteredModel, *, now: datetime, from_rows: bool = False) -> Waits:
    """How long each step took of all predictions; of days whose counts are stored from these, else from rows."""
    if from_rows:
        return added(waits_of(model, [(-np.inf, np.inf)]).values())
    stored = days.kept(model, Shape(model), -np.inf, np.inf, before=int(now.timestamp() // DAY), column="waits")
    missing = [day for day, counts in stored if counts is None]
    held = [from_bytes(counts) for _, counts in stored if counts is not None]
    return added([*held, *waits_of(model, days.spans_of(missing)).values()])


def restatements(*, model: RegisteredModel, since: datetime) -> dict[str, Any]:
    """What became known from ``since`` on about predictions of the days before: figures of these days have moved.

    Per day of the predictions (UTC): labels from reviews and from outcomes that came, and older ones that were
    taken back without or before a new one.
    """
    rows = sql.rows(_RESTATED, {"model": model.pk, "since": since})
    moved = [
        {"day": day.isoformat(), "reviews": reviews, "outcomes": outcomes, "retired": retired}
        for day, reviews, outcomes, retired in rows
    ]
    return {"since": since.isoformat(), "days": moved}


def restatements_by_day(*, model: RegisteredModel, now: datetime) -> dict[float, int]:
    """How many labels came or went in the day before ``now``, by the day (its begin in seconds) that they move."""
    found = {}
    for one in restatements(model=model, since=now - timedelta(days=1))["days"]:
        begin = datetime.fromisoformat(f"{one['day']}T00:00:00+00:00").timestamp()
        found[begin] = int(one["reviews"] + one["outcomes"] + one["retired"])
    return found


def _reviews(found: Waits, names: list[str], now: datetime) -> dict[str, Any]:
    """One review kind as a whole and by week, what is open counting as waiting."""
    whole = found.waiting(names, now.timestamp())
    curves = {"curve": thinned(whole.curve), "cohorts": _weeks(found, names, now)}
    return {"drawn": whole.n, "decided": whole.ended, **curves}


def _waits_for(model: RegisteredModel) -> list[str]:
    """Which predictions are declared to show an outcome; none where no population is complete."""
    of = model.CompleteFor
    names: dict[str, list[str]] = {of.NONE: [], of.PROCEEDED: [PROCEED], of.ALL: [PROCEED, OTHER]}
    return names[model.outcomes_complete_for]


def _weeks(found: Waits, names: list[str], now: datetime) -> list[dict[str, Any]]:
    return [_cohort(week) for week in found.weeks(names, now.timestamp())]


def _cohort(week: Cohort) -> dict[str, Any]:
    begin, rows = datetime.fromtimestamp(week.begin, UTC).date().isoformat(), week.waiting
    points = {"p50": rows.p50, "p90": rows.p90}
    return {"week": begin, "n": rows.n, "ended": rows.ended, **points, "curve": thinned(rows.curve, STEPS)}
