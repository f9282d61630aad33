"""What happens to one prediction, from arrival to the decision and what its caller should do."""

from review.models.policy import PolicyVersion, RoutingControl, RoutingDecision, SamplerFit, ShadowDecision
from review.models.prediction import Explanation, Prediction, PredictionPayload
from review.models.queue import Lease, QueueItem, ReviewDecision, ReviewQueue
from review.models.resolution import Resolution

__all__ = [
    "Explanation",
    "Lease",
    "PolicyVersion",
    "Prediction",
    "PredictionPayload",
    "QueueItem",
    "Resolution",
    "ReviewDecision",
    "ReviewQueue",
    "RoutingControl",
    "RoutingDecision",
    "SamplerFit",
    "ShadowDecision",
]
