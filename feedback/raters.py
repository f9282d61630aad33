"""Reviewers err: how often, by what was true and what they were shown, and what their answers are then worth.

Gold items, whose answer is known, give P(answer o | truth k, shown s) under the screen of ordinary reviews. With the
rows of its inverse as the worth of an answer, any figure that is linear in the truth is unbiased: the method of
unbiased estimators (Natarajan et al. 2013). As it goes by what was shown, it removes anchoring on the model too.
Pure: arrays in, numbers out.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]

# Fewer gold answers than this of a class under a suggestion do not tell how it is answered.
FEWEST = 30
# Answers that tell the classes apart by less (least singular value; sensitivity + specificity - 1 at least) are
# worth next to nothing, and their inverse next to anything.
LEAST_APART = 0.2
# Of each answer beside those that were counted, in the variance alone: reviewers without a slip have some error.
PSEUDO_COUNT = 0.5


@dataclass(frozen=True)
class Confusion:
    """``counts`` (S, K, K): gold answers by the screen (as by the class shown), the true class, the answer."""

    counts: Floats

    def __post_init__(self) -> None:
        if self.counts.ndim != 3 or self.counts.shape[1] != self.counts.shape[2] or not (self.counts >= 0).all():
            raise ValueError("gold answers are counted by what was shown, what was true and what was answered")

    @cached_property
    def shares(self) -> Floats:
        """(S, K, K): P(answer | shown, true class) as counted; a class without an answer counts as answered right."""
        total = self.counts.sum(axis=2, keepdims=True)
        right = np.broadcast_to(np.eye(self.counts.shape[1]), self.counts.shape)
        return np.asarray(np.where(total > 0, self.counts / np.maximum(total, 1.0), right), dtype=np.float64)

    @cached_property
    def usable(self) -> Flags:
        """(S,): enough gold answers of every class, and answers that tell the classes apart.

        >>> Confusion(np.array([[[28.0, 4.0], [3.0, 37.0]], [[28.0, 1.0], [3.0, 37.0]]])).usable.tolist()
        [True, False]
        >>> Confusion(np.array([[[60.0, 40.0], [55.0, 45.0]]])).usable.tolist()
        [False]
        """
        enough = self.counts.sum(axis=2).min(axis=1) >= FEWEST
        apart = np.linalg.svd(self.shares, compute_uv=False)[:, -1] >= LEAST_APART
        return np.asarray(enough & apart)

    @cached_property
    def worth(self) -> Floats:
        """(S, K, K): the inverse of the shares; what an answer (first) is worth of each true class. Usable ones only.

        With two classes, f1 and f0 the shares of answer 1 where 1 and 0 is true, it is (o - f0) / (f1 - f0) of class 1.

        >>> sure = Confusion(np.array([[[90.0, 10.0], [20.0, 80.0]]])).worth[0]
        >>> [round(float(x), 4) for x in sure[:, 1]] == [round((o - 0.1) / (0.8 - 0.1), 4) for o in (0, 1)]
        True
        """
        whole = np.broadcast_to(np.eye(self.counts.shape[1]), self.counts.shape)
        return np.asarray(np.linalg.inv(np.where(self.usable[:, None, None], self.shares, whole)), dtype=np.float64)

    @property
    def missing(self) -> Integers:
        """(S, K): how many more gold answers of each true class it takes under each screen.

        >>> Confusion(np.array([[[28.0, 4.0], [3.0, 7.0]]])).missing.tolist()
        [[0, 20]]
        """
        return np.asarray(np.maximum(FEWEST - self.counts.sum(axis=2), 0), dtype=np.int64)

    def variance(self, gradient: Floats) -> float:
        """Of a figure with that derivative (S, K, K) by the shares: the gold answers are multinomial (delta method).

        >>> one = Confusion(np.array([[[400.0, 0.0], [80.0, 320.0]]]))
        >>> gradient = np.array([[[0.0, 0.0], [0.0, 1.0]]])
        >>> bool(abs(one.variance(gradient) - 0.8 * 0.2 / 400) < 2e-6)
        True
        """
        n = self.counts.sum(axis=2)
        filled = self.counts + PSEUDO_COUNT
        share = filled / filled.sum(axis=2, keepdims=True)
        mean = (share * gradient).sum(axis=2)
        spread = (share * gradient**2).sum(axis=2) - mean**2
        return float(np.sum(np.divide(spread, n, out=np.zeros_like(n), where=n > 0)))


def screens(suggested: Integers, hidden: Flags, classes: int) -> Integers:
    """The screen under which each answer was given: the class that the model answered, with the model hidden the same
    beyond those, as the 2 K screens of K classes.

    >>> screens(np.array([0, 1, 1]), np.array([False, False, True]), 2).tolist()
    [0, 1, 3]
    """
    return np.asarray(suggested + classes * hidden, dtype=np.int64)


def confusion(
    shown: Integers, truth: Integers, answered: Integers, classes: int, kinds: int | None = None
) -> Confusion:
    """The gold answers counted by screen (n,), of which there are ``kinds`` (as many as classes by default), by true
    class and answer (n,).

    >>> confusion(np.array([0, 0, 1]), np.array([0, 1, 1]), np.array([0, 0, 1]), 2).counts.tolist()
    [[[1.0, 0.0], [1.0, 0.0]], [[0.0, 0.0], [0.0, 1.0]]]
    """
    counts = np.zeros((classes if kinds is None else kinds, classes, classes))
    np.add.at(counts, (shown, truth, answered), 1.0)
    return Confusion(counts)


def unbiased(table: Floats, shown: Integers, reviewers: Confusion) -> Floats:
    """What each answer (M, K, n) stands for of a table (M, K, n) by true class: its mean over answers is the table.

    >>> reviewers = Confusion(np.array([[[90.0, 10.0], [20.0, 80.0]]]))
    >>> stands = unbiased(np.array([[[0.0], [1.0]]]), np.array([0]), reviewers)
    >>> (np.round(reviewers.shares[0] @ stands[0], 12) + 0.0).tolist()
    [[0.0], [1.0]]
    """
    return np.asarray(np.einsum("nok,mkn->mon", reviewers.worth[shown], table), dtype=np.float64)
