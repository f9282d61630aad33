"""A metric whose labels are reviewers' answers, corrected for how often these are wrong."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from feedback.estimators import ratio
from feedback.estimators.arrival import Totals, totals
from feedback.estimators.intervals import Estimate
from feedback.estimators.metrics import AUTO_ACCEPTED_ERROR, Floats, Integers, Outputs
from feedback.estimators.rows import Rows, labelled, summed
from feedback.raters import Confusion


def corrected(metric: str, outputs: Outputs, rows: Rows, reviewers: Confusion) -> Estimate:
    """The estimate with each label taken for what it is worth; ``naive`` takes it for the truth, as everywhere.

    No figure where gold answers do not tell what a label of the open rows is worth. Gold answers are the same at
    every look and in every row, so there is no ``sequence``; nor are there ``bounds``.
    """
    if reviewers.counts.shape[1] != outputs.classes:
        raise ValueError("gold answers are of the classes of the scores")
    sums = totals([(summed(metric, outputs, rows, reviewers), 1.0, 1.0)])
    return corrected_totals(metric, outputs, rows, reviewers, sums)


def corrected_totals(metric: str, outputs: Outputs, rows: Rows, reviewers: Confusion, sums: Totals) -> Estimate:
    """The same from totals that count labels for what they are worth; of ``rows`` only the labelled are read."""
    some, known, table, weight = labelled(metric, outputs, rows)
    plain = ratio.unweighted(summed(metric, some, known))
    screen = some.predicted if known.screen is None else known.screen
    open_ = np.ptp(table, axis=1).max(axis=0) > 0
    gains = ratio.influence(sums)
    if gains is None or not reviewers.usable[np.unique(screen[open_])].all():
        return plain
    answers = Answers(np.einsum("m,mkn->kn", gains, table), weight, screen, known.labels)
    # Among rows that were not drawn the weight of a squared residual counts the answer's own noise already.
    noise = 0.0 if metric == AUTO_ACCEPTED_ERROR else answer_variance(answers, reviewers)
    found = ratio.estimate(sums, noise + reviewers.variance(answer_gradient(answers, reviewers)))
    naive, low, high = plain.naive, plain.naive_low, plain.naive_high
    return replace(found, naive=naive, naive_low=low, naive_high=high, sequence=None, bounds=None)


@dataclass(frozen=True)
class Answers:
    """n labelled rows: what class k would add to the figure (K, n), the weight of a label in it, the screen under
    which it was given (an index of the gold answers), the answer."""

    gain: Floats
    weight: Floats
    shown: Integers
    answered: Integers


def answer_variance(answers: Answers, reviewers: Confusion) -> float:
    """The variance of the figure because an answer is a draw too: sum of weight times Var(worth | truth).

    The draw's own variance holds the share (1 - q) / q of it per row, this is the rest, 1 per row of the
    population. The variance given the truth is itself linear in the truth, so it is corrected likewise.
    """
    stand, squares = (_stand(gain, answers, reviewers) for gain in (answers.gain, answers.gain**2))
    return max(0.0, float(answers.weight @ (stand**2 - squares)))


def answer_gradient(answers: Answers, reviewers: Confusion) -> Floats:
    """(S, K, K): derivative of the figure by the shares M of the answers.

    The worth of an answer is o' M^-1 gain, and dM^-1 = -M^-1 dM M^-1. What the tuning changes by is of second order.
    """
    found = np.zeros_like(reviewers.shares)
    for s in np.unique(answers.shown):
        rows = np.flatnonzero(answers.shown == s)
        stand = reviewers.worth[s] @ answers.gain[:, rows]
        found[s] = -(reviewers.worth[s][answers.answered[rows]] * answers.weight[rows, None]).T @ stand.T
    return found


def _stand(gain: Floats, answers: Answers, reviewers: Confusion) -> Floats:
    """(n,): what each answer stands for of that gain (K, n)."""
    worth = reviewers.worth[answers.shown, answers.answered]
    return np.asarray(np.einsum("nk,kn->n", worth, gain), dtype=np.float64)
