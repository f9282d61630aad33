"""How much of a day's reviews is left for sampling. Gates, audits and floors are never held back.

Only what has been routed already is looked at, so that a draw never depends on its own outcome.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Min

from models_registry.models import RegisteredModel
from review import policies
from review.models import RoutingDecision

DAY = timedelta(days=1)
SHORTEST = timedelta(hours=1)
# The newest decisions say how much traffic there is.
NEWEST = 20_000


@dataclass(frozen=True)
class CapacityState:
    """Reviews of the UTC day so far, and how many there may be.

    ``share`` in [0, 1] is the part of sampling that still has room; ``exceeded``: gates, audits and floors
    alone need more than there is, so nothing that sampling gives up can help.
    """

    used: int
    capacity: int
    expected: float
    share: float
    exceeded: bool


def capacity_state(
    model: RegisteredModel, policy: policies.Policy | None, *, now: datetime, least: float | None
) -> CapacityState | None:
    """The state of the day; None where the policy sets no capacity.

    ``least`` is the mean propensity of late traffic without sampling, None where nobody knows it yet:
    then the audit floor stands for it. ``expected`` counts the reviews of a whole day without sampling.
    """
    if policy is None or policy.per_day is None:
        return None
    capacity = policy.per_day
    start = now.replace(hour=0, minute=0, second=0, microsecond=0)
    used = _reviewed_since(model, start, at_most=capacity + 1)
    rate = _per_day(model, now)
    rest = rate * ((start + DAY - now) / DAY)
    least = policy.audit_floor if least is None else least
    room = capacity - used - rest * least
    demand = rest * max(policy.sampling.budget - least, 0.0)
    expected = rate * least
    return CapacityState(
        used=used,
        capacity=capacity,
        expected=expected,
        share=share_of(room, demand),
        exceeded=used > capacity or expected > capacity,
    )


def share_of(room: float, demand: float) -> float:
    """The part of a demand that there is room for.

    >>> [share_of(room, 10.0) for room in (20.0, 5.0, 0.0, -3.0)], share_of(1.0, 0.0)
    ([1.0, 0.5, 0.0, 0.0], 1.0)
    """
    if room <= 0:
        return 0.0
    return 1.0 if demand <= room else room / demand


def _reviewed_since(model: RegisteredModel, start: datetime, *, at_most: int) -> int:
    today = RoutingDecision.objects.filter(model=model, routed_at__gte=start)
    return today.exclude(review=RoutingDecision.Review.NONE)[:at_most].count()


def _per_day(model: RegisteredModel, now: datetime) -> float:
    """Predictions a day, by the newest of the last 24 hours."""
    recent = RoutingDecision.objects.filter(model=model, routed_at__gt=now - DAY).order_by("-routed_at")
    newest = recent.values("routed_at")[:NEWEST].aggregate(count=Count("routed_at"), oldest=Min("routed_at"))
    count, oldest = newest["count"], newest["oldest"]
    if not count:
        return 0.0
    per_day: float = count * (DAY / min(max(now - oldest, SHORTEST), DAY))
    return per_day
