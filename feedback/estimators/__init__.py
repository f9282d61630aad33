"""How well predictions did, from the labels of those a policy chose to review.

Every estimate uses the probability with which a row's label became known, logged when it was chosen.
Pure: arrays in, numbers out.
"""

from feedback.estimators.arrival import Totals, totals
from feedback.estimators.intervals import Estimate, State, wilson
from feedback.estimators.measuring import Sample, label_free, measure, naive, paired_difference
from feedback.estimators.metrics import AUTO_ACCEPTED_ERROR, METRICS, PAIRED, Outputs, Ratio, true_value
from feedback.estimators.ratio import departs, estimate, guessed, nonresponse_bounds, unweighted
from feedback.estimators.rows import lost_moments, moments, paired_moments
from feedback.estimators.sums import Moments

__all__ = [
    "AUTO_ACCEPTED_ERROR",
    "METRICS",
    "PAIRED",
    "Estimate",
    "Moments",
    "Outputs",
    "Ratio",
    "Sample",
    "State",
    "Totals",
    "departs",
    "estimate",
    "guessed",
    "label_free",
    "lost_moments",
    "measure",
    "moments",
    "naive",
    "nonresponse_bounds",
    "paired_difference",
    "paired_moments",
    "totals",
    "true_value",
    "unweighted",
    "wilson",
]
