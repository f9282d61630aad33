"""One metric of some rows in one call: sums, totals, estimate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from feedback.estimators import ratio
from feedback.estimators.arrival import totals
from feedback.estimators.corrected import corrected
from feedback.estimators.intervals import Estimate
from feedback.estimators.metrics import Flags, Floats, Integers, Outputs, Ratio
from feedback.estimators.rows import UNKNOWN, Rows, paired_sums, summed, sums_of
from feedback.raters import Confusion


def measure(
    metric: str,
    outputs: Outputs,
    labels: Integers,
    propensity: Floats,
    arrival: Floats | None = None,
    arrival_of_all: Floats | None = None,
    drawn: Flags | None = None,
    reviewers: Confusion | None = None,
) -> Estimate:
    """The estimate of one metric; ``labels`` are -1 where the draw did not reveal them.

    ``arrival`` (N,) is the probability that a drawn row's label has arrived, given the row's own review kind;
    ``arrival_of_all`` (N,) the same before its draw, equal to it where None. ``drawn`` (N,) is needed for
    `auto_accepted_error`, the share of errors among the rows that were not drawn. With ``reviewers`` (gold answers
    under the screen of these labels) the labels are corrected for the errors of who gave them. Raises KeyError for an
    unknown metric, ValueError for shapes that do not fit and for what is no probability.

    All reviewed with certainty: the estimate is the plain mean, without error.

    >>> scores = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.3, 0.7]])
    >>> outputs = Outputs(scores, scores.argmax(axis=1), positive=1)
    >>> found = measure("accuracy", outputs, np.array([0, 1, 1, 1]), np.ones(4))
    >>> round(found.point, 12), found.standard_error
    (0.75, 0.0)
    """
    rows = Rows(labels, propensity, drawn, arrival, arrival_of_all)
    if reviewers is not None:
        return corrected(metric, outputs, rows, reviewers)
    sums = summed(metric, outputs, rows)
    return ratio.estimate(totals([(sums, 1.0, 1.0)]))


def paired_difference(
    metric: str,
    champion: Outputs,
    challenger: Outputs,
    labels: Integers,
    propensity: Floats,
    arrival: Floats | None = None,
    arrival_of_all: Floats | None = None,
) -> Estimate:
    """Challenger less champion on the same rows: much narrower than the difference of two estimates.

    For accuracy, cost (the error rate where no costs are declared), brier and log_loss; KeyError for others.

    >>> old, new = np.array([[0.6, 0.4], [0.4, 0.6]]), np.array([[0.7, 0.3], [0.6, 0.4]])
    >>> answers = Outputs(old, old.argmax(axis=1)), Outputs(new, new.argmax(axis=1))
    >>> round(paired_difference("accuracy", *answers, np.array([0, 0]), np.ones(2)).point, 12)
    0.5
    """
    sums = paired_sums(metric, champion, challenger, Rows(labels, propensity, None, arrival, arrival_of_all))
    return ratio.estimate(totals([(sums, 1.0, 1.0)]))


def label_free(metric: str, outputs: Outputs, drawn: Flags | None = None) -> float | None:
    """The model's own guess of its metric, from all rows and no label: a prior, not a measurement.

    It is right as long as the scores are calibrated, and cannot see concept drift; see `departs`.

    >>> scores = np.array([[0.9, 0.1], [0.3, 0.7]])
    >>> round(label_free("accuracy", Outputs(scores, scores.argmax(axis=1))), 12)
    0.8
    """
    n = len(outputs.scores)
    return ratio.guessed(summed(metric, outputs, Rows(np.full(n, UNKNOWN), np.ones(n), drawn)))


@dataclass(frozen=True)
class Sample:
    """N predictions: ``scores`` (N, K), ``labels`` (N,) -1 where unknown, ``propensity`` (N,)."""

    scores: Floats
    labels: Integers
    propensity: Floats


def naive(sample: Sample, ratios: list[Ratio], *, proportion: bool) -> Estimate:
    """The plain mean over labelled rows, as if they had been chosen blindly; no estimate, only ``naive``.

    ``proportion``: the ratios lie in [0, 1] and get Wilson's interval.
    """
    rows = Rows(sample.labels, sample.propensity)
    return ratio.unweighted(sums_of("accuracy" if proportion else "cost", sample.scores, ratios, rows))
