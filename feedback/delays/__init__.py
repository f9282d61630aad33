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
from feedback.delays.curves import Curve, kaplan_meier, reached, thinned, truncated
from feedback.delays.histogram import EDGES, Histogram, Waiting, empirical, life_table, quantiles, together
from feedback.delays.shift import Shift, shift

__all__ = [
    "AGREE",
    "EDGES",
    "LEAST",
    "OVERRIDE",
    "UNKNOWN",
    "ArrivalModel",
    "Cohort",
    "Curve",
    "Histogram",
    "Reviews",
    "Shift",
    "Strata",
    "Waiting",
    "bands",
    "cohorts",
    "empirical",
    "fit",
    "kaplan_meier",
    "life_table",
    "maturity",
    "quantiles",
    "reached",
    "shift",
    "thinned",
    "together",
    "truncated",
]
