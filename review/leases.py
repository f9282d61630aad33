"""What a lease token still allows, and the exact refusal when it allows nothing any more."""

from __future__ import annotations

from uuid import UUID

from models_registry.errors import Conflict
from review.models import Lease, QueueItem

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
STILL_HELD = """
    i.id = live.id AND i.lease_token = %(token)s AND i.lease_holder = %(holder)s AND i.state = 'open'
    AND i.lease_expires_at > clock_timestamp()
"""


def live(first: str = "true") -> str:
    """CTEs that lock the token's item and tell by ``live`` whether it is still held; ``first`` is evaluated before."""
    return _LIVE.replace("{first}", first)


def find(token: UUID) -> Lease | None:
    """The lease of that token with its item, queue, model and prediction, current or past."""
    related = ("item__queue", "item__model", "item__prediction")
    return Lease.objects.select_related(*related).filter(token=token).first()


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
    if lease.ending == Lease.Ending.RELEASED:
        return Conflict("this lease was released", code="lease_lost")
    if item.lease_token in (None, token):
        return Conflict("this lease has expired; claim again", code="lease_expired")
    return Conflict("this lease expired and somebody else has the item now", code="lease_lost")
