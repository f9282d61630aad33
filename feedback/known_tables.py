"""The tables that figures join many rows of."""

from __future__ import annotations

from feedback.models import Label
from models_registry import planner
from review.models import Lease, Prediction, QueueItem, ReviewDecision, RoutingDecision


def count_unknown() -> list[str]:
    """Have the database count those that it knows nothing of, before many rows of them are joined."""
    return planner.count_unknown(Prediction, RoutingDecision, QueueItem, Lease, ReviewDecision, Label)
