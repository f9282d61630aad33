"""One metric of some rows in one call: sums, totals, estimate."""

from __future__ import annotations

from feedback.estimators import ratio
from feedback.estimators.arrival import totals
from feedback.estimators.corrected import corrected
from feedback.estimators.intervals import Estimate
from feedback.estimators.metrics import Flags, Floats, Integers, Outputs
from feedback.estimators.rows import Rows, summed
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

    >>> import numpy as np
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
