"""What somebody may know of their own work: counts, pace, undo, gold, reliance. Compared with nobody."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone

from feedback.monitoring.nonresponse import rate
from feedback.reliance import reliance
from feedback.rubber_stamps import Signal, signals
from models_registry import access, sql
from models_registry.models import RegisteredModel

DAYS = 90
# Fewer gold answers than this would tell which case was one, and so would a figure that moves with each: of the oldest
# answers that cannot be undone any more so many are counted as make whole steps.
STEP_OF_GOLD = 10

_COUNTS = """
    SELECT d.model_id, count(*) FILTER (WHERE d.kind = 'decision'), count(*) FILTER (WHERE d.abstained),
           count(*) FILTER (WHERE d.kind = 'decision' AND gone.kind = 'undo'),
           percentile_cont(0.5) WITHIN GROUP (ORDER BY
               coalesce(d.seconds_active, EXTRACT(EPOCH FROM d.decided_at - coalesce(e.opened_at, d.claimed_at))))
               FILTER (WHERE d.kind = 'decision'),
           array_agg(gold.label = gold.value ORDER BY d.id) FILTER (WHERE gold.label IS NOT NULL)
    FROM review_reviewdecision d
    LEFT JOIN review_lease e ON e.token = d.lease_id
    LEFT JOIN review_reviewdecision gone ON gone.supersedes_id = d.id
    LEFT JOIN LATERAL (
        SELECT d.label, g.value FROM review_queueitem i JOIN feedback_goldtruth g ON g.prediction_id = i.prediction_id
        WHERE i.id = d.item_id AND i.kind = 'gold' AND gone.id IS NULL AND d.label IS NOT NULL
          AND g.set_by <> %(name)s AND d.decided_at <= %(final)s
    ) gold ON true
    WHERE d.reviewer = %(reviewer)s AND d.decided_at >= %(start)s AND d.decided_at <= %(now)s
    GROUP BY d.model_id
"""
_DAYS = """
    SELECT (decided_at AT TIME ZONE 'UTC')::date AS day, count(*) FROM review_reviewdecision
    WHERE reviewer = %(reviewer)s AND kind = 'decision' AND decided_at >= %(start)s AND decided_at <= %(now)s
    GROUP BY day ORDER BY day
"""


def own_figures(*, principal: access.Principal, now: datetime | None = None) -> dict[str, Any]:
    """The last 90 days of one person, by model in alphabetical order; models they may no longer read are left out."""
    now = now or timezone.now()
    start = now - timedelta(days=DAYS)
    final = now - timedelta(seconds=settings.REVIEWHUB["UNDO_SECONDS"])
    values = {"reviewer": principal.pseudonym, "name": principal.name, "start": start, "now": now, "final": final}
    counts = {row[0]: row[1:] for row in sql.rows(_COUNTS, values)}
    models = principal.models("read").filter(pk__in=counts).order_by("slug")
    return {
        "window": {"from": start.isoformat(), "to": now.isoformat()},
        "days": [{"day": day.isoformat(), "decisions": n} for day, n in sql.rows(_DAYS, values)],
        "models": [_of_model(model, principal.pseudonym, counts[model.pk], start) for model in models],
    }


def _of_model(model: RegisteredModel, pseudonym: str, counts: tuple[Any, ...], start: datetime) -> dict[str, Any]:
    made, abstained, undone, seconds, known = counts
    counted = (known or [])[: len(known or []) // STEP_OF_GOLD * STEP_OF_GOLD]
    gold, right = len(counted), sum(counted)
    rows = reliance(model=model, start=start)["reviewers"]
    signal: Signal | None = signals(model).get(pseudonym)
    return {
        "model": model,
        "decisions": made,
        "abstained": {"n": made, "k": abstained, **rate(abstained, made)},
        "undone": {"n": made, "k": undone, **rate(undone, made)},
        "seconds": None if seconds is None else float(seconds),
        "gold": {"n": gold or None, "k": right if gold else None, **rate(right, gold)},
        "reliance": next((row for row in rows if row["reviewer"] == pseudonym), None),
        "signal": signal if signal is not None and signal.alarm else None,
    }
