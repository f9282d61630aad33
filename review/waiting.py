"""What waits for one person, queue by queue: for the tab's title and for the digest.

Counting stops at ``MOST``, so that a deep queue costs no more than its first thousand open items.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db.models import Exists, Min, OuterRef, Q

from models_registry.models import DatabaseNow
from review.models import QueueItem, ReviewDecision, ReviewQueue

if TYPE_CHECKING:
    from datetime import datetime

    from django.db.models import QuerySet

    from models_registry.access import Principal

MOST = 1000


@dataclass(frozen=True)
class Waiting:
    """Of one queue what its person could take now; of these, what was escalated and what was handed to them.

    ``oldest_at`` is when the oldest of them was queued. ``more`` says that counting stopped.
    """

    queue: str
    waiting: int
    more: bool
    escalated: int
    handed_over: int
    oldest_at: datetime | None


def waiting(principal: Principal, *, oldest: bool = False) -> list[Waiting]:
    """Every queue of this person that hands out cases, by name; ``oldest_at`` only where it is asked for."""
    lines = ReviewQueue.objects.filter(models__in=principal.models("review"), paused_at__isnull=True).distinct()
    return [_of(line, principal, oldest) for line in lines]


def _of(line: ReviewQueue, principal: Principal, oldest: bool) -> Waiting:
    items = _takeable(line, principal)
    count = items[: MOST + 1].count()
    handed = Q(assigned_to=principal.pseudonym, assigned_until__gt=DatabaseNow())
    return Waiting(
        queue=line.slug,
        waiting=min(count, MOST),
        more=count > MOST,
        escalated=items.filter(tier=1)[:MOST].count() if count else 0,
        handed_over=items.filter(handed)[:MOST].count() if count else 0,
        oldest_at=items.aggregate(at=Min("enqueued_at"))["at"] if count and oldest else None,
    )


def _takeable(line: ReviewQueue, principal: Principal) -> QuerySet[QueueItem]:
    """The open items of a queue that a claim could give to this person now."""
    undone = ReviewDecision.objects.filter(supersedes=OuterRef("pk"), kind=ReviewDecision.Kind.UNDO)
    answered = ReviewDecision.objects.filter(
        prediction=OuterRef("prediction"), reviewer=principal.pseudonym, kind=ReviewDecision.Kind.DECISION
    )
    elsewhere = Q(assigned_until__gt=DatabaseNow()) & ~Q(assigned_to=principal.pseudonym)
    return (
        QueueItem.objects.claimable()
        .filter(Q(tier=0) | Q(model__in=principal.models("preview")))
        .filter(queue=line, model__in=principal.models("review"))
        .exclude(elsewhere)
        .exclude(Exists(answered.exclude(Exists(undone))))
    )
