"""What happens to one prediction, from arrival to the decision and what its caller should do."""

from review.models.overrides import Override
from review.models.policy import PolicyVersion, RoutingControl, RoutingDecision, SamplerFit, ShadowDecision
from review.models.prediction import Explanation, Prediction, PredictionPayload
from review.models.queue import (
    CaseView,
    Comment,
    Lease,
    Mode,
    QueueItem,
    ReviewDecision,
    ReviewerSettings,
    ReviewQueue,
)
from review.models.resolution import Resolution

__all__ = [
    "CaseView",
    "Comment",
    "Explanation",
    "Lease",
    "Mode",
    "Override",
    "PolicyVersion",
    "Prediction",
    "PredictionPayload",
    "QueueItem",
    "Resolution",
    "ReviewDecision",
    "ReviewQueue",
    "ReviewerSettings",
    "RoutingControl",
    "RoutingDecision",
    "SamplerFit",
    "ShadowDecision",
]
