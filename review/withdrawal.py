"""Taking a prediction back: the calling service no longer needs an answer."""

from __future__ import annotations

from django.db import transaction

from models_registry.errors import Conflict
from models_registry.ledger import record
from models_registry.models import DatabaseNow
from review.models import Lease, Prediction, QueueItem

Status = Prediction.Status


def withdraw(*, prediction: Prediction, reason: str, actor: str) -> Prediction:
    """Close the prediction's open items, end their leases and keep the reason; safe to repeat.

    Nothing of what was routed or said before is removed. Raises Conflict ``already_decided`` where every
    required decision has been made.
    """
    with transaction.atomic():
        # The prediction before its items, as everywhere; an item that routing adds meanwhile is seen below.
        row = Prediction.objects.select_for_update(no_key=True).get(pk=prediction.pk)
        if row.status == Status.WITHDRAWN:
            return row
        if row.status == Status.DECIDED:
            raise Conflict("a person has decided this prediction already", code="already_decided")
        # Items before their leases, as claim, renew and release lock them; the list holds the tokens as they
        # are once the locks are ours, so a claim that was quicker is ended too.
        items = QueueItem.objects.open().filter(prediction=row).order_by("pk")
        locked = list(items.select_for_update(no_key=True))
        QueueItem.objects.filter(pk__in=[item.pk for item in locked]).update(
            state=QueueItem.State.WITHDRAWN,
            lease_token=None,
            lease_holder=None,
            lease_expires_at=None,
            closed_at=DatabaseNow(),
        )
        tokens = [item.lease_token for item in locked if item.lease_token]
        Lease.objects.filter(token__in=tokens, ending__isnull=True).update(
            ended_at=DatabaseNow(), ending=Lease.Ending.WITHDRAWN
        )
        row.status, row.withdrawn_reason = Status.WITHDRAWN, reason
        row.save(update_fields=["status", "withdrawn_reason"])
        record(
            actor=actor,
            action="prediction.withdrawn",
            subject=row.external_id,
            model=row.model,
            detail={"prediction": str(row.pk), "reason": reason},
        )
    return row
