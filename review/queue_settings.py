"""How a queue is worked: its mode, how many people decide, one key or two, how long a lease lasts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import transaction

from models_registry.errors import Forbidden
from models_registry.ledger import record
from review.models import ReviewQueue

if TYPE_CHECKING:
    from models_registry.access import Principal

# Seconds.
SHORTEST_LEASE, LONGEST_LEASE = 30, 86_400


def change(*, queue: ReviewQueue, principal: Principal, **settings: Any) -> ReviewQueue:
    """Set what is given of ``mode``, ``required_decisions``, ``two_keys`` and ``lease_seconds``.

    For who owns every model of the queue; Forbidden for all others. A change is written to the ledger with what was
    before; saying what is so already changes nothing. Leases that are out keep their mode, and what was routed keeps
    the number of people who decide it.
    """
    models = list(queue.models.all())
    if not may_change(queue, principal):
        raise Forbidden("a queue's settings are for who owns every model of it")
    with transaction.atomic():
        row = ReviewQueue.objects.select_for_update(no_key=True).get(pk=queue.pk)
        changed = {name: [getattr(row, name), new] for name, new in settings.items() if getattr(row, name) != new}
        if changed:
            ReviewQueue.objects.filter(pk=row.pk).update(**{name: new for name, (_, new) in changed.items()})
            detail = {name: {"before": before, "after": after} for name, (before, after) in changed.items()}
            record(actor=principal.name, action="queue.changed", subject=row.slug, model=models[0], detail=detail)
    queue.refresh_from_db()
    return queue


def may_change(queue: ReviewQueue, principal: Principal) -> bool:
    """Whether the principal owns every model of the queue. Reads the prefetched ``models``."""
    models = list(queue.models.all())
    return bool(models) and all("admin" in principal.abilities(model) for model in models)
