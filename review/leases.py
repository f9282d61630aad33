"""What a lease token still allows: the statements that use it, and the exact refusal when it allows nothing.

Each statement changes a row only while the lease is live, and counts the lease rows it changed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db.models import F

from models_registry import sql
from models_registry.errors import Conflict
from models_registry.models import DatabaseNow, LabelDefinition
from review.claims import LENGTH
from review.models import Lease, QueueItem

if TYPE_CHECKING:
    from models_registry.access import Principal

# The row is locked first and the clock read after: an UPDATE that has to wait for a lock evaluates its
# WHERE before the wait, and would find a lease alive that ended meanwhile.
_LIVE = """
    locked AS MATERIALIZED (
        SELECT id, lease_holder, lease_expires_at, state FROM review_queueitem
        WHERE lease_token = %(token)s AND {first} FOR UPDATE
    ),
    live AS MATERIALIZED (
        SELECT id FROM locked
        WHERE lease_holder = %(holder)s AND state = 'open' AND lease_expires_at > clock_timestamp()
    )
"""
# What an UPDATE of ``review_queueitem i`` joined with ``live`` says besides.
_STILL_HELD = """
    i.id = live.id AND i.lease_token = %(token)s AND i.lease_holder = %(holder)s AND i.state = 'open'
    AND i.lease_expires_at > clock_timestamp()
"""


def _live(first: str = "true") -> str:
    """CTEs that lock the token's item and tell by ``live`` whether it is still held; ``first`` is evaluated before."""
    return _LIVE.replace("{first}", first)


RENEW = f"""
    WITH {_live()}, renewed AS (
        UPDATE review_queueitem i
        SET lease_expires_at = clock_timestamp() + {LENGTH.format(reserved="l.reserved")}
        FROM live, review_reviewqueue q, review_lease l
        WHERE q.id = i.queue_id AND l.token = i.lease_token AND l.renewals < %(limit)s AND {_STILL_HELD}
        RETURNING i.lease_token, i.lease_expires_at
    )
    UPDATE review_lease l SET expires_at = renewed.lease_expires_at, renewals = l.renewals + 1
    FROM renewed WHERE l.token = renewed.lease_token
"""  # noqa: S608
# The first time on screen: from here on the lease has its full time, however often it was renewed before.
OPEN = f"""
    WITH {_live()}, opened AS (
        UPDATE review_queueitem i
        SET lease_expires_at = clock_timestamp() + {LENGTH.format(reserved="false")}
        FROM live, review_reviewqueue q, review_lease l
        WHERE q.id = i.queue_id AND l.token = i.lease_token AND l.reserved AND {_STILL_HELD}
        RETURNING i.lease_token, i.lease_expires_at
    )
    UPDATE review_lease l
    SET reserved = false, opened_at = clock_timestamp(), expires_at = opened.lease_expires_at, renewals = 0
    FROM opened WHERE l.token = opened.lease_token
"""  # noqa: S608
RELEASE = f"""
    WITH {_live()}, released AS (
        UPDATE review_queueitem i SET lease_token = NULL, lease_holder = NULL, lease_expires_at = NULL
        FROM live WHERE {_STILL_HELD}
        RETURNING i.id
    )
    UPDATE review_lease SET ended_at = clock_timestamp(), ending = 'released', reason = %(reason)s
    FROM released WHERE token = %(token)s
"""  # noqa: S608
# The case goes to who leads the model, or to a colleague alone for a while.
_PASS_ON = f"""
    WITH {_live()}, passed AS (
        UPDATE review_queueitem i
        SET lease_token = NULL, lease_holder = NULL, lease_expires_at = NULL, tier = greatest(i.tier, %(tier)s),
            assigned_to = %(to)s, assigned_until = clock_timestamp() + make_interval(secs => %(seconds)s)
        FROM live WHERE {_STILL_HELD}
        RETURNING i.id
    )
    UPDATE review_lease SET ended_at = clock_timestamp(), ending = %(ending)s, reason = %(reason)s
    FROM passed WHERE token = %(token)s
"""  # noqa: S608
# Rows one after the other by id, so that two of these never wait for each other. What was handed over to the holder is
# everybody's again, whether it is among the leases, its lease has run out, or it still waits.
RELEASE_ALL = """
    WITH theirs AS MATERIALIZED (
        SELECT id, lease_token, lease_holder, lease_expires_at FROM review_queueitem
        WHERE state = 'open' AND (lease_holder = %(holder)s OR assigned_to = %(holder)s)
          AND model_id = ANY(%(models)s) ORDER BY id FOR UPDATE
    ),
    told AS MATERIALIZED (
        SELECT id, lease_token, lease_holder = %(holder)s AND lease_expires_at > clock_timestamp() AS held FROM theirs
    ),
    freed AS (
        UPDATE review_queueitem i
        SET lease_token = CASE WHEN told.held THEN NULL ELSE i.lease_token END,
            lease_holder = CASE WHEN told.held THEN NULL ELSE i.lease_holder END,
            lease_expires_at = CASE WHEN told.held THEN NULL ELSE i.lease_expires_at END,
            assigned_to = nullif(i.assigned_to, %(holder)s),
            assigned_until = CASE WHEN i.assigned_to IS DISTINCT FROM %(holder)s THEN i.assigned_until END
        FROM told WHERE i.id = told.id
        RETURNING told.held, told.lease_token AS token
    )
    UPDATE review_lease l SET ended_at = clock_timestamp(), ending = 'released', reason = %(reason)s
    FROM freed WHERE freed.held AND l.token = freed.token
"""
RELEASE_MANY = """
    WITH held AS MATERIALIZED (
        SELECT id, lease_token, lease_expires_at FROM review_queueitem
        WHERE state = 'open' AND lease_holder = %(holder)s AND lease_token = ANY(%(tokens)s) ORDER BY id FOR UPDATE
    ),
    released AS (
        UPDATE review_queueitem i SET lease_token = NULL, lease_holder = NULL, lease_expires_at = NULL
        FROM held WHERE i.id = held.id AND i.lease_token = held.lease_token
          AND held.lease_expires_at > clock_timestamp()
        RETURNING held.lease_token AS token
    )
    UPDATE review_lease l SET ended_at = clock_timestamp(), ending = 'released', reason = %(reason)s
    FROM released WHERE l.token = released.token
"""
# The prediction before its items, in a decision, in undo and in withdrawal: one order, no deadlock.
CLOSE = f"""
    WITH prediction AS MATERIALIZED (
        SELECT id FROM review_prediction WHERE id = %(prediction)s FOR NO KEY UPDATE
    ),
    {_live("(SELECT id FROM prediction) IS NOT NULL")}, closed AS (
        UPDATE review_queueitem i
        SET state = %(state)s, lease_token = NULL, lease_holder = NULL, lease_expires_at = NULL,
            closed_at = CASE WHEN %(state)s = 'decided' THEN clock_timestamp() END
        FROM live WHERE {_STILL_HELD}
        RETURNING i.id
    )
    UPDATE review_lease SET ended_at = clock_timestamp(), ending = 'decided' FROM closed WHERE token = %(token)s
"""  # noqa: S608


ENDED: dict[str | None, str] = {
    Lease.Ending.RELEASED: "this lease was released",
    Lease.Ending.ESCALATED: "this case was escalated",
    Lease.Ending.HANDED_OVER: "this case was handed over to a colleague",
}

# Before the model is shown the prediction is locked as a decision locks it: an exposure is either seen by a decision
# of the same person or later than it. Both are safe to repeat: what was stored first stays.
_EXPOSE = f"""
    WITH prediction AS MATERIALIZED (
        SELECT id FROM review_prediction WHERE id = %(prediction)s FOR SHARE
    ),
    {_live("(SELECT id FROM prediction) IS NOT NULL")}
    UPDATE review_lease l
    SET {{set}}
        model_shown_at = coalesce(l.model_shown_at, clock_timestamp()),
        explanation_shown = l.explanation_shown OR EXISTS (
            SELECT 1 FROM review_explanation e WHERE e.prediction_id = %(prediction)s AND e.status = 'ready')
    FROM live, review_queueitem i WHERE l.token = %(token)s AND {_STILL_HELD} AND {{where}}
"""  # noqa: S608
FIRST_ANSWER = _EXPOSE.format(
    set="first_answer = %(label)s, first_answer_at = coalesce(l.first_answer_at, clock_timestamp()),",
    where="l.mode = 'blind_first' AND (l.first_answer IS NULL OR l.first_answer = %(label)s)",
)
REVEAL = _EXPOSE.format(set="", where="(l.mode = 'on_request' OR l.model_shown_at IS NOT NULL)")


def pass_on(
    *, token: UUID, holder: str, ending: str, tier: int = 0, to: str | None = None, seconds: float | None = None
) -> None:
    """End the lease; its item is for that tier, or for one colleague for so many seconds. Conflict as ``refusal``."""
    values: dict[str, Any] = {"token": token, "holder": holder, "ending": ending, "reason": "", "tier": tier, "to": to}
    if not sql.change(_PASS_ON, {**values, "seconds": seconds}):
        raise refusal(token, holder)


def find(token: UUID) -> Lease | None:
    """The lease of that token with its item, queue, model and prediction, current or past."""
    related = ("item__queue", "item__model", "item__prediction")
    return Lease.objects.select_related(*related).filter(token=token).first()


def of_reviewer(token: UUID, principal: Principal) -> Lease:
    """The lease of that token, for who may review its model; raises what ``refusal`` says where there is none."""
    lease = find(token)
    if lease is None:
        raise refusal(token, principal.pseudonym)
    principal.require("review", lease.item.model)
    return lease


def seconds_left(token: UUID) -> float:
    """How long the lease still lives by the database's clock; 0 for one that is over or unknown."""
    left = F("lease_expires_at") - DatabaseNow()
    found = QueueItem.objects.filter(lease_token=token).values_list(left, flat=True).first()
    return 0.0 if found is None else max(round(found.total_seconds(), 3), 0.0)


def definition_of(lease: Lease) -> LabelDefinition:
    """The label definition that held when the item was claimed: what its reviewer is shown and answers by."""
    definitions = LabelDefinition.objects.filter(model=lease.item.model_id).order_by("-number")
    return definitions.filter(created_at__lte=lease.claimed_at).first() or definitions.order_by("number")[0]


def refusal(token: UUID, holder: str) -> Conflict:
    """Why a conditional write on the lease changed no row: the present state, read after the attempt.

    ``already_decided``: the item has its decision. ``lease_expired``: the time ran out and nobody else
    has the item. ``lease_lost``: everything else, such as a token that is unknown, of another holder,
    released, withdrawn, or overtaken by a later claim.
    """
    lease = find(token)
    if lease is None or lease.holder != holder:
        return Conflict("this lease is not yours", code="lease_lost")
    item = lease.item
    if item.state == QueueItem.State.DECIDED or lease.ending == Lease.Ending.DECIDED:
        return Conflict("this item has been decided", code="already_decided")
    if item.state == QueueItem.State.WITHDRAWN:
        return Conflict("the prediction was withdrawn", code="lease_lost")
    if lease.ending in ENDED:
        return Conflict(ENDED[lease.ending], code="lease_lost")
    if item.lease_token in (None, token) or not seconds_left(item.lease_token):
        return Conflict("this lease has expired; claim again", code="lease_expired")
    return Conflict("this lease expired and somebody else has the item now", code="lease_lost")
