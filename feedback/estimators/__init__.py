"""How well predictions did, from the labels of those a policy chose to review.

Every estimate uses the probability with which a row's label became known, logged when it was chosen.
Pure: arrays in, numbers out.
"""

from feedback.estimators.intervals import Estimate, State, asymptotic_sequence, wilson
from feedback.estimators.metrics import METRICS, Outputs, measure, true_value
from feedback.estimators.ratio import Ratio, Sample, estimate, naive

__all__ = [
    "METRICS",
    "Estimate",
    "Outputs",
    "Ratio",
    "Sample",
    "State",
    "asymptotic_sequence",
    "estimate",
    "measure",
    "naive",
    "true_value",
    "wilson",
]
