"""How long things take, and what that says about the labels that are here by now. Pure: arrays in, numbers out."""

from feedback.delays.arrival import (
    AGREE,
    LEAST,
    OVERRIDE,
    UNKNOWN,
    ArrivalModel,
    Reviews,
    Strata,
    bands,
    fit,
    maturity,
)
from feedback.delays.cohorts import Cohort, cohorts
from feedback.delays.curves import Curve, empirical, kaplan_meier, quantiles, reached, thinned, truncated
from feedback.delays.shift import Shift, shift

__all__ = [
    "AGREE",
    "LEAST",
    "OVERRIDE",
    "UNKNOWN",
    "ArrivalModel",
    "Cohort",
    "Curve",
    "Reviews",
    "Shift",
    "Strata",
    "bands",
    "cohorts",
    "empirical",
    "fit",
    "kaplan_meier",
    "maturity",
    "quantiles",
    "reached",
    "shift",
    "thinned",
    "truncated",
]
