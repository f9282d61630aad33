"""The statements that claim: one each, that picks the rows, locks them, leases them and leaves the history.

Nothing is read first and written later, so what a claim takes and whose turn it is are decided by the database.
"""

from __future__ import annotations

import math
from typing import Any

from django.conf import settings

# The class of the advisory locks under which a queue pays the share of its audits, one claim at a time.
LOCK = 0x4155_4449
AUDITS_IN_WINDOW = 5

# Leases of a person who asked for it in the settings, or asks now, last so many times as long.
LONGER = 3

# A key answers for persons, so what it has answered is told by the lease: of that item, as another slot of the
# prediction may be for another person.
# Tier 1 is for who leads the model: what was escalated, and adjudications. What was handed over is the colleague's
# until the time is up, and nobody's after that.
# Of the slots of a prediction the lowest that this holder may have goes first: two claims of one person at the same
# moment, that do not see each other, want the same row and not two of them. Who passed the case on does not get the
# next slot of it.
# OFFSET 0 keeps the planner from turning an exclusion into a join over all rows: each is one index
# probe per candidate, and the claim stops at the first rows that pass.
_ALLOWED = """
    i.queue_id = %(queue)s AND i.state = 'open' AND i.model_id = ANY(%(models)s)
    AND (i.lease_expires_at IS NULL OR i.lease_expires_at <= clock_timestamp())
    AND (i.tier = 0 OR i.model_id = ANY(%(leads)s))
    AND (i.assigned_to IS NULL OR i.assigned_to = %(holder)s OR i.assigned_until <= clock_timestamp())
    AND (%(while_paused)s OR (SELECT q.paused_at IS NULL FROM review_reviewqueue q WHERE q.id = %(queue)s))
    AND NOT EXISTS (
        SELECT 1 FROM review_reviewdecision d
        WHERE d.prediction_id = i.prediction_id AND d.kind = 'decision'
          AND (d.reviewer = %(holder)s OR d.item_id = i.id AND EXISTS (
               SELECT 1 FROM review_lease h WHERE h.token = d.lease_id AND h.holder = %(holder)s OFFSET 0))
          AND NOT EXISTS (SELECT 1 FROM review_reviewdecision u WHERE u.supersedes_id = d.id AND u.kind = 'undo')
        OFFSET 0)
    AND NOT EXISTS (
        SELECT 1 FROM review_queueitem o
        WHERE o.prediction_id = i.prediction_id AND o.id <> i.id AND o.state = 'open'
          AND CASE WHEN o.lease_expires_at > clock_timestamp() THEN o.lease_holder = %(holder)s
                   ELSE o.slot < i.slot AND (o.tier = 0 OR o.model_id = ANY(%(leads)s))
                    AND (o.assigned_to IS NULL OR o.assigned_to = %(holder)s OR o.assigned_until <= clock_timestamp())
              END
        OFFSET 0)
    AND (i.required = 1 OR NOT EXISTS (
        SELECT 1 FROM review_queueitem o JOIN review_lease h ON h.item_id = o.id
        WHERE o.prediction_id = i.prediction_id AND o.id <> i.id AND o.state = 'open'
          AND h.holder = %(holder)s AND h.ending IN ('escalated', 'handed_over')
        OFFSET 0))
"""
_NOT_SKIPPED = """
    NOT EXISTS (
        SELECT 1 FROM review_lease s
        WHERE s.item_id = i.id AND s.holder = %(holder)s AND s.ending = 'released' AND NOT s.reserved OFFSET 0)
"""
_NAMED = f"""
    SELECT i.id, i.lease_token, i.lease_expires_at FROM review_queueitem i WHERE {_ALLOWED} AND i.id = %(item)s
"""  # noqa: S608
# What this person skipped comes again only when nothing else waits, the longest skipped first. It is looked up
# from the open items, as what somebody ever skipped only grows.
_SKIPPED = f"""
    SELECT i.id, i.lease_token, i.lease_expires_at
    FROM review_queueitem i CROSS JOIN LATERAL (
        SELECT max(s.ended_at) AS at FROM review_lease s
        WHERE s.item_id = i.id AND s.holder = %(holder)s AND s.ending = 'released' AND NOT s.reserved) skipped
    WHERE {_ALLOWED} AND skipped.at IS NOT NULL ORDER BY skipped.at, i.id
"""  # noqa: S608
# What colleagues handed over to this person, and what was escalated: by partial indexes that are nearly empty.
_HANDED = f"""
    SELECT i.id, i.lease_token, i.lease_expires_at FROM review_queueitem i
    WHERE {_ALLOWED} AND {_NOT_SKIPPED} AND i.assigned_to = %(holder)s ORDER BY i.id
"""  # noqa: S608
_ESCALATED = f"""
    SELECT i.id, i.lease_token, i.lease_expires_at FROM review_queueitem i
    WHERE {_ALLOWED} AND {_NOT_SKIPPED} AND i.tier = 1 ORDER BY i.id
"""  # noqa: S608
ANY_HANDED = """
    SELECT EXISTS (SELECT 1 FROM review_queueitem i
                   WHERE i.queue_id = %(queue)s AND i.state = 'open' AND i.assigned_to = %(holder)s)
"""
# How long the lease of a holder lasts. What is claimed ahead is kept back for a short time only, as it may never be
# looked at.
LENGTH = f"""
    make_interval(secs => CASE WHEN {{reserved}} THEN least(%(reserved_seconds)s, q.lease_seconds)
        ELSE q.lease_seconds * CASE WHEN %(long)s OR EXISTS (
            SELECT 1 FROM review_reviewersettings r JOIN models_registry_person p ON p.user_id = r.user_id
            WHERE p.pseudonym = %(holder)s AND r.long_lease) THEN {LONGER} ELSE 1 END END)
"""  # noqa: S608
_FIRST = "picked AS MATERIALIZED ({source} LIMIT %(count)s FOR UPDATE OF i SKIP LOCKED)"
# Of a queue's last claims a share belongs to audits, whatever the priority of gates; what is missing from it goes to
# the audits due first. A gold item has its place among them: it looks like one, and behind urgent gates alone nobody
# would ever be asked. Claims at the same moment count the same leases, so each takes one of as many places as audits
# are missing, by a lock that nobody waits for; who gets none takes what is most urgent. The window has room for five
# audits, so a queue that had none for long owes no more than five in a row. The last LIMIT cuts nothing off: it tells
# the planner how few rows are picked.
_SHARED = f"""
    missing AS MATERIALIZED (
        SELECT floor(%(share)s::float8 * (count(*) + %(count)s) + 1e-9) - count(*) FILTER (WHERE audit) AS audits
        FROM (SELECT l.audit FROM review_lease l WHERE l.queue_id = %(queue)s
              ORDER BY l.claimed_at DESC LIMIT %(window)s) latest
    ),
    owed AS MATERIALIZED (
        SELECT CASE WHEN EXISTS (
            SELECT 1 FROM generate_series(1, missing.audits::int) place
            WHERE pg_try_advisory_xact_lock(%(lock)s, hashint8(%(queue)s::bigint * 1000 + place)) OFFSET 0)
            THEN least(audits, %(count)s)::bigint ELSE 0 END AS audits
        FROM missing
    ),
    audits AS MATERIALIZED (
        SELECT i.id, i.lease_token, i.lease_expires_at FROM review_queueitem i
        WHERE {_ALLOWED} AND {_NOT_SKIPPED} AND i.kind IN ('audit', 'gold')
        ORDER BY i.due_at, i.id LIMIT (SELECT audits FROM owed) FOR UPDATE OF i SKIP LOCKED
    ),
    others AS MATERIALIZED (
        SELECT i.id, i.lease_token, i.lease_expires_at FROM review_queueitem i
        WHERE {_ALLOWED} AND {_NOT_SKIPPED} AND NOT EXISTS (SELECT 1 FROM audits a WHERE a.id = i.id OFFSET 0)
        ORDER BY i.priority DESC, i.enqueued_at, i.id
        LIMIT %(count)s - (SELECT count(*) FROM audits) FOR UPDATE OF i SKIP LOCKED
    ),
    picked AS MATERIALIZED (SELECT * FROM audits UNION ALL SELECT * FROM others LIMIT %(count)s)
"""  # noqa: S608
_TAKE = """
    WITH {picked},
    leased AS (
        UPDATE review_queueitem i
        SET lease_token = gen_random_uuid(), lease_holder = %(holder)s,
            lease_expires_at = clock_timestamp() + (SELECT {length} FROM review_reviewqueue q WHERE q.id = %(queue)s)
        FROM picked WHERE i.id = picked.id
        RETURNING i.id, i.prediction_id, i.kind, i.lease_token, i.lease_expires_at, clock_timestamp() AS now,
            CASE WHEN i.blind_draw < i.blind_share THEN 'blind'
                 ELSE (SELECT q.mode FROM review_reviewqueue q WHERE q.id = %(queue)s) END AS mode
    ),
    overtaken AS (
        UPDATE review_lease SET ended_at = picked.lease_expires_at, ending = 'expired'
        FROM picked WHERE token = picked.lease_token AND ending IS NULL
    )
    INSERT INTO review_lease (token, item_id, queue_id, audit, holder, claimed_at, expires_at, reserved, opened_at,
        mode, model_shown_at, explanation_shown)
    SELECT lease_token, id, %(queue)s, kind IN ('audit', 'gold'), %(holder)s, now, lease_expires_at,
           %(reserved)s, CASE WHEN NOT %(reserved)s THEN now END, mode,
           CASE WHEN mode = 'assisted' THEN clock_timestamp() END,
           mode = 'assisted' AND EXISTS (SELECT 1 FROM review_explanation e
                                         WHERE e.prediction_id = leased.prediction_id AND e.status = 'ready')
    FROM leased RETURNING item_id, explanation_shown
"""
_TAKE = _TAKE.replace("{length}", LENGTH.format(reserved="%(reserved)s"))
FRESH = _TAKE.format(picked=_SHARED)
HANDED, ESCALATED, SKIPPED, NAMED = (
    _TAKE.format(picked=_FIRST.format(source=source)) for source in (_HANDED, _ESCALATED, _SKIPPED, _NAMED)
)


def terms() -> dict[str, Any]:
    """What the statements need to know about the share of audits and about time, for a claim that asks for no more."""
    share = settings.REVIEWHUB["AUDIT_CLAIM_SHARE"]
    window = math.ceil(AUDITS_IN_WINDOW / share) - 1 if share else 0
    plain = {"leads": [], "reserved": False, "long": False, "while_paused": False}
    seconds = settings.REVIEWHUB["RESERVED_SECONDS"]
    return {"share": share, "window": window, "lock": LOCK, "reserved_seconds": seconds, **plain}
