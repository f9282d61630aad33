"""Drawn rows without a label, each with the cause: missing evidence is counted, not just absent."""

from __future__ import annotations

from typing import Any

from feedback.delays import ArrivalModel
from feedback.estimators import wilson
from feedback.monitoring.waits import REVIEW, WITHDRAWN, Waits
from models_registry import sql
from models_registry.models import RegisteredModel

CAUSES = ("pending", "overdue", "abstained", "skipped", "expired", "withdrawn")
KINDS = ("gate", "audit")

# The cause is the last thing that happened; an abstention outlasts later leases, because it is an answer. One that
# was undone is none.
# Few are left once the labelled are gone, fewer than the planner thinks: what belongs to them is looked up one by one.
_CAUSES = """
    SELECT d.review, coalesce(d.mature, false),
        CASE
            WHEN i.state = 'withdrawn' THEN 'withdrawn'
            WHEN said.abstained THEN 'abstained'
            WHEN i.lease_expires_at > clock_timestamp() OR last.ending = 'decided' OR last.token IS NULL
                THEN CASE WHEN i.due_at < clock_timestamp() THEN 'overdue' ELSE 'pending' END
            WHEN last.ending = 'released' THEN 'skipped'
            ELSE 'expired'
        END AS cause, count(*)
    FROM (
        SELECT r.prediction_id, r.review,
               clock_timestamp() - r.routed_at >= make_interval(secs =>
                   CASE r.review WHEN 'gate' THEN %(gate)s::float8 ELSE %(audit)s::float8 END) AS mature
        FROM review_routingdecision r
        WHERE r.model_id = %(model)s AND r.review <> 'none' AND NOT EXISTS (
            SELECT FROM feedback_label l WHERE l.prediction_id = r.prediction_id AND l.source = 'review'
                AND l.selection = 'draw' AND l.retired_at IS NULL)
    ) d
    JOIN LATERAL (SELECT status FROM review_prediction WHERE id = d.prediction_id OFFSET 0) p
        ON p.status <> 'withdrawn'
    LEFT JOIN LATERAL (
        SELECT id, state, lease_expires_at, due_at FROM review_queueitem
        WHERE prediction_id = d.prediction_id AND kind <> 'gold' ORDER BY state <> 'open', slot LIMIT 1
    ) i ON true
    LEFT JOIN LATERAL (
        SELECT bool_and(a.abstained) AS abstained FROM review_reviewdecision a
        WHERE a.item_id = i.id AND a.kind = 'decision'
          AND NOT EXISTS (SELECT FROM review_reviewdecision u WHERE u.supersedes_id = a.id AND u.kind = 'undo')
    ) said ON true
    LEFT JOIN LATERAL (
        SELECT token, ending FROM review_lease e WHERE e.item_id = i.id ORDER BY e.claimed_at DESC LIMIT 1
    ) last ON true
    GROUP BY 1, 2, 3
"""


def nonresponse(*, model: RegisteredModel, arrival: ArrivalModel, counted: Waits) -> dict[str, Any]:
    """Per review kind: drawn, labelled, lost and pending rows, and each cause with its rate (Wilson, 95 %).

    Lost is what is not expected to be labelled any more: withdrawn, or without a label in a mature cohort, where
    `ArrivalModel` counts it as unanswered. Everything else is pending. What has a label or was withdrawn has been
    ``counted``; the others are looked at one by one.
    """
    ages = {kind: arrival.mature.get(kind) for kind in KINDS}
    rows = sql.rows(_CAUSES, {"model": model.pk, **ages})
    found = {}
    for kind in KINDS:
        without = [(mature, cause, count) for name, mature, cause, count in rows if name == kind]
        withdrawn = (False, "withdrawn", counted.hop(f"{WITHDRAWN}{kind}").n)
        found[kind] = _of_kind([*without, withdrawn], counted.hop(f"{REVIEW}{kind}").n)
    return found


def _of_kind(rows: list[tuple[bool, str, int]], labelled: int) -> dict[str, Any]:
    drawn = labelled + sum(count for _, _, count in rows)
    causes: dict[str, dict[str, Any]] = {}
    for cause in CAUSES:
        count = sum(found for _, name, found in rows if name == cause)
        gone = sum(found for mature, name, found in rows if name == cause and (mature or cause == "withdrawn"))
        causes[cause] = {"count": count, "lost": gone, **rate(count, drawn)}
    lost = sum(row["lost"] for row in causes.values())
    return {
        "drawn": drawn,
        "labelled": labelled,
        "lost": lost,
        "pending": drawn - labelled - lost,
        "causes": causes,
    }


def rate(count: int, n: int) -> dict[str, float | None]:
    """A proportion with its Wilson interval; None where nothing was counted.

    >>> rate(0, 0)
    {'rate': None, 'low': None, 'high': None}
    """
    if not n:
        return {"rate": None, "low": None, "high": None}
    low, high = wilson(count / n, n)
    return {"rate": count / n, "low": low, "high": high}
