"""What happens to one prediction, from arrival to the decision and what its caller should do."""

from review.models.decisions import Lease, ReviewDecision
from review.models.overrides import Override
from review.models.people import CaseView, Comment, ReviewerSettings
from review.models.policy import PolicyVersion, RoutingControl, RoutingDecision, SamplerFit, ShadowDecision
from review.models.prediction import Explanation, Prediction, PredictionPayload
from review.models.queue import MOST_DECISIONS, Mode, QueueItem, ReviewQueue
from review.models.resolution import Resolution

__all__ = [
    "MOST_DECISIONS",
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
