"""What a model and its people do, day by day: passed on, held, overridden, escalated, skipped, undone, counted.

Every query reads the newest rows of an index and no more: 200,000 routings and resolutions, 100,000 decisions and
leases; counters of the newest 20,000 predictions and of 40 in each hour before.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict
from datetime import date, datetime, timedelta
from typing import Any

from django.utils import timezone

from feedback import alerts
from feedback.estimators import wilson
from feedback.estimators.trends import Trend, trend
from feedback.known_tables import count_unknown
from feedback.monitoring.nonresponse import rate
from models_registry import sql
from models_registry.models import RegisteredModel
from models_registry.wording import figure
from review.models import Override

KIND = "behaviour_trend"
OVERRIDES = "override_rate"
DAYS = 56
NEWEST_ROUTED, NEWEST_DECIDED = 200_000, 100_000
NEWEST_COUNTED, PER_HOUR = 20_000, 40
MOST_COUNTERS = 20
# A day with fewer answers says nothing of the override rate's trend.
FEWEST_ANSWERS = 10

_ROUTED = """
    SELECT (routed_at AT TIME ZONE 'UTC')::date AS day, count(*), count(*) FILTER (WHERE disposition = 'proceed'),
           count(*) FILTER (WHERE disposition = 'hold'), count(*) FILTER (WHERE disposition = 'refuse'),
           count(*) FILTER (WHERE review = 'audit')
    FROM (SELECT routed_at, disposition, review FROM review_routingdecision
          WHERE model_id = %(model)s AND routed_at >= %(start)s AND routed_at <= %(now)s
          ORDER BY routed_at DESC LIMIT %(routed)s) newest
    GROUP BY day ORDER BY day
"""
_NEWEST = """
    WITH said AS MATERIALIZED (
        SELECT (d.decided_at AT TIME ZONE 'UTC')::date AS day, q.slug AS queue, d.kind = 'undo' AS undo, d.abstained,
               gone.id IS NULL AND d.label IS NOT NULL AND i.kind <> 'gold' AS stands, d.label <> p.predicted AS other,
               gone.kind = 'undo' AS undone,
               CASE WHEN i.slot = 1 AND i.kind IN ('gate', 'audit') THEN 1 / nullif(r.propensity, 0) END AS weight,
               coalesce(d.seconds_active, EXTRACT(EPOCH FROM d.decided_at - coalesce(e.opened_at, d.claimed_at)))
                   AS seconds
        FROM (SELECT * FROM review_reviewdecision WHERE model_id = %(model)s ORDER BY id DESC LIMIT %(decided)s) d
        JOIN review_queueitem i ON i.id = d.item_id
        JOIN review_reviewqueue q ON q.id = i.queue_id
        JOIN review_prediction p ON p.id = d.prediction_id
        LEFT JOIN review_routingdecision r ON r.prediction_id = d.prediction_id
        LEFT JOIN review_lease e ON e.token = d.lease_id
        LEFT JOIN review_reviewdecision gone ON gone.supersedes_id = d.id
        WHERE d.decided_at >= %(start)s AND d.decided_at <= %(now)s
    )
"""
_DECIDED = f"""
    {_NEWEST}
    SELECT day, count(*) FILTER (WHERE NOT undo), count(*) FILTER (WHERE abstained), count(*) FILTER (WHERE undo),
           count(*) FILTER (WHERE stands), count(*) FILTER (WHERE stands AND other),
           percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) FILTER (WHERE NOT undo),
           coalesce(sum(weight) FILTER (WHERE stands), 0), coalesce(sum(weight) FILTER (WHERE stands AND other), 0),
           coalesce(sum(weight ^ 2) FILTER (WHERE stands), 0), count(weight) FILTER (WHERE stands)
    FROM said GROUP BY day ORDER BY day
"""  # noqa: S608
_QUEUES = f"""
    {_NEWEST}
    SELECT queue, count(*) FILTER (WHERE NOT undo), count(*) FILTER (WHERE undone AND NOT undo)
    FROM said GROUP BY queue ORDER BY queue
"""  # noqa: S608
_LEASES = """
    SELECT (e.ended_at AT TIME ZONE 'UTC')::date, count(*) FILTER (WHERE e.ending = 'escalated'),
           count(*) FILTER (WHERE e.ending = 'released' AND NOT e.reserved),
           count(*) FILTER (WHERE e.ending = 'handed_over')
    FROM (SELECT item_id, ended_at, ending, reserved FROM review_lease
          WHERE queue_id = ANY(%(queues)s) AND claimed_at >= %(start)s ORDER BY claimed_at DESC LIMIT %(decided)s) e
    JOIN review_queueitem i ON i.id = e.item_id AND i.model_id = %(model)s
    WHERE e.ended_at >= %(start)s AND e.ended_at <= %(now)s GROUP BY 1
"""
_FALLBACKS = """
    SELECT (at AT TIME ZONE 'UTC')::date, count(*)
    FROM (SELECT at, by FROM review_resolution WHERE model_id = %(model)s ORDER BY id DESC LIMIT %(routed)s) newest
    WHERE by = 'fallback' AND at >= %(start)s AND at <= %(now)s GROUP BY 1
"""
# Which rows are read follows from when they were routed alone, never from what they count.
_COUNTERS = """
    WITH chosen AS MATERIALIZED (
        SELECT prediction_id FROM generate_series(%(start)s::timestamptz, %(now)s, '1 hour') AS hour
        CROSS JOIN LATERAL (
            SELECT prediction_id FROM review_routingdecision
            WHERE model_id = %(model)s AND routed_at >= hour AND routed_at < hour + interval '1 hour'
            ORDER BY routed_at LIMIT %(per_hour)s
        ) sampled
        UNION
        (SELECT id FROM review_prediction WHERE model_id = %(model)s ORDER BY id DESC LIMIT %(counted)s)
    )
    SELECT counter.key, (p.occurred_at AT TIME ZONE 'UTC')::date, avg(counter.value::numeric)::float8, count(*)
    FROM chosen
    JOIN review_predictionpayload l ON l.prediction_id = chosen.prediction_id AND jsonb_typeof(l.counters) = 'object'
    JOIN review_prediction p ON p.id = chosen.prediction_id
    CROSS JOIN LATERAL jsonb_each(l.counters) counter
    WHERE jsonb_typeof(counter.value) = 'number' AND p.occurred_at >= %(start)s AND p.occurred_at <= %(now)s
      AND abs(counter.value::numeric) < 1e300
    GROUP BY 1, 2 ORDER BY 1, 2
"""


def behaviour(*, model: RegisteredModel, now: datetime | None = None) -> dict[str, Any]:
    """The document of GET …/behaviour/: the last eight weeks by day (UTC), undo by queue, counters, and trends."""
    now = now or timezone.now()
    values = _values(model, now)
    routed, decided = sql.rows(_ROUTED, values), sql.rows(_DECIDED, values)
    cut = NEWEST_ROUTED if sum(row[1] for row in routed) >= NEWEST_ROUTED else None
    days = _days(values, routed[1:] if cut else routed, decided)
    return {
        "window": {"from": values["start"].isoformat(), "to": now.isoformat(), "cut": cut},
        "days": days,
        "queues": [
            {"queue": queue, "decisions": made, "undone": undone, **rate(undone, made)}
            for queue, made, undone in sql.rows(_QUEUES, values)
        ],
        "counters": _counters(values),
        "trends": {OVERRIDES: _told(_override_trend(days))},
    }


def watch(model: RegisteredModel, *, now: datetime | None = None) -> None:
    """Open, refresh or resolve an alert for each counter, and for the override rate, that rises or falls."""
    now = now or timezone.now()
    values = _values(model, now)
    days = _days(values, [], sql.rows(_DECIDED, values))
    found = {OVERRIDES: ("share", _override_trend(days))}
    found |= {f"counter {name}": ("number", trend(line)) for name, line in _lines(_read_counters(values), now).items()}
    for subject, (kind, seen) in found.items():
        if seen is not None and seen.alarm:
            way = "rises" if seen.change > 0 else "falls"
            what = "The share that reviewers override" if subject == OVERRIDES else subject.capitalize()[:100]
            title = f"{what} {way}: from {figure(seen.begin, kind)} to {figure(seen.end, kind)} in {seen.days} days"
            alerts.raise_alert(model=model, kind=KIND, subject=subject, title=title, detail=asdict(seen))
        elif seen is not None and seen.over:
            alerts.resolve(model=model, kind=KIND, subject=subject)


def _values(model: RegisteredModel, now: datetime) -> dict[str, Any]:
    count_unknown()
    start = now.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=DAYS)
    queues = list(model.queues.values_list("pk", flat=True))
    sizes = {"routed": NEWEST_ROUTED, "decided": NEWEST_DECIDED, "counted": NEWEST_COUNTED, "per_hour": PER_HOUR}
    return {"model": model.pk, "start": start, "now": now, "queues": queues, **sizes}


def _days(
    values: dict[str, Any], routed: list[tuple[Any, ...]], decided: list[tuple[Any, ...]]
) -> list[dict[str, Any]]:
    """One row for every day of the window on which anything happened, oldest first."""
    went = {row[0]: row[1:] for row in routed}
    said = {row[0]: row[1:] for row in decided}
    ended = {row[0]: row[1:] for row in sql.rows(_LEASES, values)}
    late = dict(sql.rows(_FALLBACKS, values))
    put: dict[date, int] = defaultdict(int)
    within = {"model_id": values["model"], "created_at__gte": values["start"], "created_at__lte": values["now"]}
    for made in Override.objects.filter(**within).values_list("created_at", flat=True):
        put[made.astimezone(values["start"].tzinfo).date()] += 1
    found = []
    for day in sorted({*went, *said, *ended, *late, *put}):
        predictions, passed, held, refused, audited = went.get(day, (0,) * 5)
        made, abstained, undone, answers, other, seconds, *sums = said.get(day, (0,) * 5 + (None,) + (0,) * 4)
        escalated, skipped, handed = ended.get(day, (0, 0, 0))
        counts = {"predictions": predictions, "passed": passed, "held": held, "refused": refused, "audited": audited}
        counts |= {"decisions": made, "abstained": abstained, "undone": undone, "escalated": escalated}
        counts |= {
            "skipped": skipped,
            "handed_over": handed,
            "fallbacks": late.get(day, 0),
            "overrides": put.get(day, 0),
        }
        found.append(
            {"day": day.isoformat(), **counts, "passed_share": rate(passed, predictions)}
            | {"override": {"n": answers, "k": other, **rate(other, answers)}, "override_weighted": _weighted(*sums)}
            | {"seconds": None if seconds is None else float(seconds)}
        )
    return found


def _weighted(total: float, other: float, squares: float, n: int) -> dict[str, Any]:
    """The share that a person would override of all traffic: answers weigh 1 / propensity, Wilson at Kish's n."""
    if not total:
        return {"n": 0, "effective_n": 0.0, "rate": None, "low": None, "high": None}
    share, kish = other / total, total**2 / squares
    low, high = wilson(share, kish)
    return {"n": n, "effective_n": round(kish, 1), "rate": share, "low": low, "high": high}


def _override_trend(days: list[dict[str, Any]]) -> Trend | None:
    """Of the answers as they were routed to people: who is asked changes with the policy, and this with it."""
    known = {day["day"]: day["override"]["rate"] for day in days if day["override"]["n"] >= FEWEST_ANSWERS}
    if not known:
        return None
    last = max(date.fromisoformat(day) for day in known)
    first = last - timedelta(days=DAYS - 1)
    line = [known.get((first + timedelta(days=n)).isoformat()) for n in range(DAYS)]
    return trend(line)


def _read_counters(values: dict[str, Any]) -> dict[str, dict[date, tuple[float, int]]]:
    """Mean and number by counter and day; of more than twenty counters those that are sent most."""
    found: dict[str, dict[date, tuple[float, int]]] = defaultdict(dict)
    for name, day, mean, n in sql.rows(_COUNTERS, values):
        found[name][day] = (mean, n)
    most = sorted(found, key=lambda name: (-sum(n for _, n in found[name].values()), name))[:MOST_COUNTERS]
    return {name: found[name] for name in sorted(most)}


def _lines(counters: dict[str, dict[date, tuple[float, int]]], now: datetime) -> dict[str, list[float | None]]:
    """The days that are over, without those before the counter was first sent."""
    found = {}
    for name, days in counters.items():
        line = [days.get(now.date() - timedelta(days=back), (None, 0))[0] for back in range(DAYS, 0, -1)]
        found[name] = line
    return found


def _counters(values: dict[str, Any]) -> list[dict[str, Any]]:
    counters = _read_counters(values)
    lines = _lines(counters, values["now"])
    return [
        {
            "counter": name,
            "days": [{"day": day.isoformat(), "mean": mean, "n": n} for day, (mean, n) in days.items()],
            "trend": _told(trend(lines[name])),
        }
        for name, days in counters.items()
    ]


def _told(found: Trend | None) -> dict[str, Any] | None:
    return None if found is None else {**asdict(found), "alarm": found.alarm}
