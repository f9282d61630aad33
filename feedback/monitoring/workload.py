"""Work for people against what they get done: arrivals, reviews, backlog and when it passes its due times."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from django.utils import timezone

from feedback.delays.backlog import forecast, unusual
from models_registry import sql
from models_registry.models import RegisteredModel
from review.models import RoutingControl

# A gold item is told as the audit that its reviewer takes it for.
KINDS = ("gate", "audit", "manual")
SLICES = {"hour": timedelta(hours=1), "day": timedelta(days=1)}
WINDOWS = {"hour": timedelta(hours=48), "day": timedelta(days=28)}
# Of the newest items and decisions, so that the cost does not grow with history.
NEWEST = 100_000
# Rates are those of the last day; what is usual is told by a week.
RECENT, USUAL = timedelta(days=1), timedelta(days=7)
# Rates of a day say nothing about what is farther away than this.
AHEAD = timedelta(days=7)

_NEWEST = """
    WITH newest AS MATERIALIZED (
        SELECT prediction_id, kind = 'gold' AS gold, CASE kind WHEN 'gold' THEN 'audit' ELSE kind END AS kind,
               state, enqueued_at, closed_at, least(due_at, hold_until) AS due
        FROM review_queueitem WHERE model_id = %(model)s ORDER BY id DESC LIMIT %(newest)s
    )
"""
_FLOW = f"""
    {_NEWEST}
    SELECT date_trunc(%(by)s, enqueued_at, 'UTC'), 'arrived', kind, count(*) FROM newest
    WHERE enqueued_at >= %(start)s AND enqueued_at <= %(now)s GROUP BY 1, 3
    UNION ALL
    SELECT date_trunc(%(by)s, closed_at, 'UTC'), state, kind, count(*) FROM newest
    WHERE closed_at >= %(start)s AND closed_at <= %(now)s AND state <> 'open' GROUP BY 1, 2, 3
"""  # noqa: S608
_REASONS = f"""
    {_NEWEST}
    SELECT reason, count(*), count(*) FILTER (WHERE n.state = 'open')
    FROM newest n JOIN review_routingdecision r ON r.prediction_id = n.prediction_id
    CROSS JOIN LATERAL jsonb_array_elements_text(r.reasons) reason
    WHERE n.enqueued_at >= %(start)s AND n.enqueued_at <= %(now)s AND NOT n.gold GROUP BY 1 ORDER BY 2 DESC, 1
"""  # noqa: S608
_RATES = f"""
    {_NEWEST}
    SELECT count(*) FILTER (WHERE enqueued_at > %(now)s - interval '1 hour' AND enqueued_at <= %(now)s),
           count(*) FILTER (WHERE enqueued_at > %(week)s AND enqueued_at <= %(now)s - interval '1 hour'),
           count(*) FILTER (WHERE state = 'decided' AND closed_at > %(day)s AND closed_at <= %(now)s),
           EXTRACT(EPOCH FROM percentile_cont(0.5) WITHIN GROUP (ORDER BY due - enqueued_at)
               FILTER (WHERE enqueued_at > %(week)s)),
           EXTRACT(EPOCH FROM %(now)s - greatest(min(enqueued_at), %(week)s))
    FROM newest
"""  # noqa: S608
_OPEN = """
    SELECT CASE kind WHEN 'gold' THEN 'audit' ELSE kind END,
           EXTRACT(EPOCH FROM least(due_at, hold_until) - %(now)s), EXTRACT(EPOCH FROM %(now)s - enqueued_at)
    FROM review_queueitem WHERE model_id = %(model)s AND state = 'open' ORDER BY id LIMIT %(newest)s
"""
_SPENT = """
    SELECT count(*), sum(seconds), percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) FROM (
        SELECT decided_at, coalesce(seconds_active, EXTRACT(EPOCH FROM decided_at - claimed_at)) AS seconds
        FROM review_reviewdecision WHERE model_id = %(model)s AND kind = 'decision'
        ORDER BY id DESC LIMIT %(newest)s
    ) decided WHERE decided_at > %(week)s AND decided_at <= %(now)s
"""


def workload(
    *,
    model: RegisteredModel,
    by: str = "day",
    now: datetime | None = None,
    newest: int = NEWEST,
    reasons_until: datetime | None = None,
) -> dict[str, Any]:
    """The queue of a model over the last four weeks by day, or over two days by hour, and what is coming.

    Each slice has what ``arrived`` (``by_kind``), was ``done`` and ``withdrawn`` in it, and the ``backlog`` at
    its end. An hour whose inflow is ``unusual`` is told at once, before anything is late.
    """
    now = now or timezone.now()
    start = _floor(now - WINDOWS[by], by)
    values: dict[str, Any] = {"model": model.pk, "newest": newest, "by": by, "start": start}
    values |= {"now": now, "day": now - RECENT, "week": now - USUAL}
    waiting = sql.rows(_OPEN, values)
    hour, week, done, allowed, seen = sql.rows(_RATES, values)[0]
    usual = week / max((float(seen or 0) - 3600) / 3600, 1.0)
    left = np.array([np.inf if due is None else float(due) for _, due, _ in waiting], dtype=np.float64)
    rate = done / (min(float(seen), RECENT.total_seconds()) or 1.0) if done else 0.0
    stands_out = unusual(hour, usual)
    inflow = (hour if stands_out else max(usual, 0.0)) / 3600
    spent = _spent(values, float(seen or 0))
    return {
        "window": {"from": start.isoformat(), "to": now.isoformat()},
        "by": by,
        "slices": _slices(sql.rows(_FLOW, values), start, now, by, len(waiting)),
        "reasons": _reasons(values | {"now": reasons_until or now}),
        "open": _open(waiting, left),
        "inflow": {
            "last_hour": hour,
            "usual_per_hour": usual,
            "per_day": 86_400 * inflow,
            "ratio": hour / usual if usual else None,
            "unusual": stands_out,
        },
        "capacity": {"per_day": _per_day(model), "done_per_day": 86_400 * rate, **spent}
        | {"needed_hours": None if spent["seconds"] is None else 24 * inflow * spent["seconds"]},
        "forecast": asdict(
            forecast(
                left,
                inflow=inflow,
                rate=rate,
                allowed=None if allowed is None else float(allowed),
                horizon=AHEAD.total_seconds(),
            )
        ),
    }


def _reasons(values: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"reason": reason, "n": n, "open": still} for reason, n, still in sql.rows(_REASONS, values)]


def _open(waiting: list[tuple[Any, ...]], left: np.ndarray[Any, np.dtype[np.float64]]) -> dict[str, Any]:
    """What waits now; overdue is what has passed its due time."""
    kinds = Counter(kind for kind, _, _ in waiting)
    audits = np.array([kind == "audit" for kind, _, _ in waiting], dtype=bool)
    return {
        "total": len(waiting),
        "by_kind": {kind: kinds[kind] for kind in KINDS},
        "oldest_age_seconds": max((float(age) for _, _, age in waiting), default=None),
        "overdue": int((left < 0).sum()),
        "overdue_audits": int((audits & (left < 0)).sum()),
    }


def _slices(
    counted: list[tuple[Any, ...]], start: datetime, now: datetime, by: str, backlog: int
) -> list[dict[str, Any]]:
    """The counts by slice, oldest first; the backlog is told backwards from what waits now."""
    counts = {(at, what, kind): n for at, what, kind, n in counted}
    found = []
    at = _floor(now, by)
    while at >= start:
        came = {kind: counts.get((at, "arrived", kind), 0) for kind in KINDS}
        done, gone = (sum(counts.get((at, what, kind), 0) for kind in KINDS) for what in ("decided", "withdrawn"))
        found.append(
            {"from": at.isoformat(), "to": (at + SLICES[by]).isoformat(), "partial": at + SLICES[by] > now}
            | {"arrived": sum(came.values()), "by_kind": came, "done": done, "withdrawn": gone, "backlog": backlog}
        )
        # An item that was opened again has lost its first closing; a count is never below nothing.
        backlog = max(0, backlog - sum(came.values()) + done + gone)
        at -= SLICES[by]
    return found[::-1]


def _spent(values: dict[str, Any], seen: float) -> dict[str, Any]:
    """Hours of reviewing a day over the last week, and the median seconds of one review."""
    _, seconds, median = sql.rows(_SPENT, values)[0]
    days = max(min(seen, USUAL.total_seconds()) / 86_400, 1.0)
    hours = None if seconds is None else float(seconds) / 3600 / days
    return {"hours_per_day": hours, "seconds": None if median is None else float(median)}


def _per_day(model: RegisteredModel) -> int | None:
    """The reviews a day that the active policy allows for; None where it sets no capacity."""
    control = RoutingControl.objects.select_related("active").filter(model=model).first()
    document: dict[str, Any] = {} if control is None or control.active is None else control.active.document
    return (document.get("capacity") or {}).get("per_day")


def _floor(at: datetime, by: str) -> datetime:
    whole = at.replace(minute=0, second=0, microsecond=0)
    return whole if by == "hour" else whole.replace(hour=0)
