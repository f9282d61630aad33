"""How well predictions did, from the labels of those a policy chose to review.

Every estimate uses the probability with which a row's label became known, logged when it was chosen.
Pure: arrays in, numbers out.
"""

from feedback.estimators.arrival import Totals, totals
from feedback.estimators.intervals import Estimate, State, wilson
from feedback.estimators.measuring import measure
from feedback.estimators.metrics import AUTO_ACCEPTED_ERROR, METRICS, Outputs, Ratio, true_value
from feedback.estimators.ratio import departs, estimate, guessed, nonresponse_bounds, unweighted
from feedback.estimators.rows import Rows, lost_moments, summed
from feedback.estimators.sums import Moments

__all__ = [
    "AUTO_ACCEPTED_ERROR",
    "METRICS",
    "Estimate",
    "Moments",
    "Outputs",
    "Ratio",
    "Rows",
    "State",
    "Totals",
    "departs",
    "estimate",
    "guessed",
    "lost_moments",
    "measure",
    "nonresponse_bounds",
    "summed",
    "totals",
    "true_value",
    "unweighted",
    "wilson",
]
