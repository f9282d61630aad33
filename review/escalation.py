"""Passing a case up: whoever holds it cannot decide it, and somebody who leads the model should."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import transaction

from models_registry.errors import Conflict
from models_registry.ledger import record
from review import adjudication, leases
from review.models import Comment, Lease, QueueItem

if TYPE_CHECKING:
    from uuid import UUID

    from models_registry.access import Principal


def escalate(*, token: UUID, principal: Principal, note: str = "") -> Lease:
    """End the lease and leave the case to who leads its model, with a note; safe to repeat.

    It does not come back to who escalated it, unless they lead the model themselves. Conflict
    ``highest_tier`` for what waits for a lead already, ``no_lead`` where every lead has answered the case or holds
    another place of it, else what ``leases.refusal`` says.
    """
    lease = leases.of_reviewer(token, principal)
    item = lease.item
    if lease.ending == Lease.Ending.ESCALATED and lease.holder == principal.pseudonym:
        return lease
    if item.tier and item.lease_token == token:
        raise Conflict("this case waits for a lead already; hand it over, or skip it", code="highest_tier")
    if item.lease_token == token and lease.holder == principal.pseudonym and adjudication.without_lead([item]):
        message = "everybody who leads this model has answered this case or is at it; hand it over, or skip it"
        raise Conflict(message, code="no_lead")
    note = note.strip()
    with transaction.atomic():
        leases.pass_on(token=token, holder=principal.pseudonym, ending=Lease.Ending.ESCALATED, tier=1)
        # The note is a comment, which is hidden where colleagues' words are.
        Comment.objects.create(
            prediction_id=item.prediction_id, kind=Comment.Kind.ESCALATION, author=principal.pseudonym, text=note
        )
        detail = {"prediction": str(item.prediction_id)}
        record(actor=principal.name, action="item.escalated", subject=str(item.pk), model=item.model, detail=detail)
    lease.refresh_from_db()
    return lease


def give_back(*, item: QueueItem, principal: Principal) -> QueueItem:
    """Let every reviewer of the model have what was escalated; for owners, and safe to repeat.

    Conflict ``highest_tier`` for answers that differ, which only a lead decides between; and while somebody
    is at it.
    """
    principal.require("admin", item.model)
    if item.kind == QueueItem.Kind.ADJUDICATION:
        message = "reviewers' answers differ here: only somebody who leads the model decides between them"
        raise Conflict(message, code="highest_tier")
    with transaction.atomic():
        locked = QueueItem.objects.select_for_update(no_key=True).get(pk=item.pk)
        escalated = QueueItem.objects.claimable().filter(pk=item.pk, tier=1)
        if escalated.update(tier=0):
            detail = {"prediction": str(item.prediction_id)}
            record(
                actor=principal.name, action="item.given_back", subject=str(item.pk), model=item.model, detail=detail
            )
        elif locked.tier and locked.state == QueueItem.State.OPEN:
            raise Conflict("somebody is at this case; wait until it is free")
    item.refresh_from_db()
    return item
