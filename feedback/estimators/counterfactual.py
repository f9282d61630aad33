"""What other answers would have brought, from labels that were drawn with a logged probability.

Another routing policy is a question for `feedback.estimators.consequences`, another disposition, whose outcome
depends on it, for `feedback.estimators.dispositions`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from feedback.estimators.intervals import Estimate, State, student
from feedback.estimators.linear import Evidence, mean
from feedback.estimators.measuring import measure
from feedback.estimators.metrics import Floats, Integers, Outputs, Ratio, ratios

COMPARED = ("accuracy", "precision", "recall", "cost")


@dataclass(frozen=True)
class Compared:
    """A metric of the candidate's answers, of the live ones, and candidate minus live on the same rows (paired).

    Where rows that it needs could never be labelled (``unsupported_share``) a state is `State.UNSUPPORTED`.
    """

    candidate: Estimate
    live: Estimate
    difference: Estimate


def answers_at(outputs: Outputs, threshold: float) -> Integers:
    """The answers (N,) of a two-class model that says positive from a score on.

    >>> scores = np.array([[0.9, 0.1], [0.4, 0.6]])
    >>> answers_at(Outputs(scores, np.array([0, 1]), positive=1), 0.05).tolist()
    [1, 1]
    """
    positive = 1 if outputs.positive is None else outputs.positive
    return np.where(outputs.scores[:, positive] >= threshold, positive, 1 - positive).astype(np.int64)


def compare_answers(metric: str, live: Outputs, candidate: Integers, evidence: Evidence) -> Compared:
    """One of `COMPARED` if the model had answered ``candidate`` (N,), beside the answers it gave.

    The difference of accuracy and of cost needs labels only where the answer changes, so it may be known
    where the levels are not.
    """
    other = replace(live, predicted=candidate)
    theirs, ours = (measure(metric, outputs, evidence.labels, evidence.seen) for outputs in (other, live))
    new, old = ratios(metric, other), ratios(metric, live)
    if metric in ("accuracy", "cost"):
        change = np.ascontiguousarray((new[0].numerator - old[0].numerator).T)
        return Compared(theirs, ours, mean(evidence, change).estimate)
    return Compared(theirs, ours, _ratio_difference((theirs, ours), new, old, evidence))


def _ratio_difference(
    levels: tuple[Estimate, Estimate], new: list[Ratio], old: list[Ratio], evidence: Evidence
) -> Estimate:
    """Difference of two ratios by their influences: exact in the points, first order in the error."""
    first, second = levels
    for level in levels:
        if level.state is State.UNSUPPORTED or level.point is None:
            state = State.UNSUPPORTED if level.state is State.UNSUPPORTED else State.INSUFFICIENT
            return replace(level, point=None, low=None, high=None, standard_error=None, state=state, naive=None)
    influences = [_influence(part, evidence) for part in (new, old)]
    if influences[0] is None or influences[1] is None or first.point is None or second.point is None:
        return Estimate(None, None, None, None, 0.0, State.INSUFFICIENT, labels=first.labels)
    found = mean(evidence, influences[0] - influences[1]).estimate
    if found.standard_error is None:
        return found
    point, half = first.point - second.point, student(found.effective_n - 1) * found.standard_error
    return replace(found, point=point, low=point - half, high=point + half)


def _influence(parts: list[Ratio], evidence: Evidence) -> Floats | None:
    """(K, N): each row's influence on a ratio of means, or on the mean of several; None for empty denominators."""
    found = []
    for part in parts:
        above, below = part.numerator.T, part.denominator.T
        top, bottom = mean(evidence, above).estimate.point, mean(evidence, below).estimate.point
        if top is not None and bottom is not None and bottom > 0:
            found.append((above - top / bottom * below) / bottom)
    return np.asarray(np.mean(found, axis=0), dtype=np.float64) if found else None
