"""How often answers like one came true: calibrated frequencies for people, by adaptive bins of the score.

Counts speak to people better than percentages do (Gigerenzer and Hoffrage 1995), so the counts are kept as well; the
share weighs each row by the inverse of the probability with which its truth became known (Hájek 1971), because what a
policy picked for a look is not like the rest even at the same score.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from feedback.estimators.intervals import wilson
from feedback.weights import effective_sample_size

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

# Fewer cases, in effect, tell a person nothing about the next one.
FEWEST = 50.0
# A bin aims at so many, and there are no more than so many bins.
AIM, MOST_BINS = 100, 10
# The newest rows that are binned at all, and of each bin the newest that count.
NEWEST, NEWEST_OF_BIN = 5000, 500


@dataclass(frozen=True)
class Frequency:
    """Of ``n`` cases with a score in [low, high) ``k`` came true; ``share`` is the weighted one, with its interval.

    ``effective_n`` is what the weighted rows are worth in unweighted ones.
    """

    low: float
    high: float
    n: int
    k: int
    share: float
    share_low: float
    share_high: float
    effective_n: float

    @property
    def enough(self) -> bool:
        return self.effective_n >= FEWEST


def frequencies(score: Floats, true: Integers, weight: Floats) -> list[Frequency]:
    """The bins of rows (N,) whose truth (1 or 0) is known, oldest first, in order of the score.

    The bins span the scores that were seen and nothing beyond. Each is worth at least `FEWEST` rows where all
    together are; equal scores share a bin.

    >>> score = np.repeat([0.6, 0.9], 100)
    >>> found = frequencies(score, (np.arange(200) % 10 < 10 * score).astype(np.int64), np.ones(200))
    >>> [(one.n, one.k, round(one.share_low, 2), round(one.share_high, 2)) for one in found]
    [(100, 60, 0.5, 0.69), (100, 90, 0.83, 0.94)]
    """
    score, true, weight = score[-NEWEST:], true[-NEWEST:], weight[-NEWEST:]
    if not score.size:
        return []
    edges = _edges(score, int(min(MOST_BINS, max(1, effective_sample_size(weight) // AIM))))
    place = np.searchsorted(edges[1:-1], score, side="right")
    rows = [np.flatnonzero(place == number) for number in range(len(edges) - 1)]
    while len(rows) > 1:
        worth = [effective_sample_size(weight[members]) for members in rows]
        least = int(np.argmin(worth))
        if worth[least] >= FEWEST:
            break
        # The neighbour that is worth less takes it in.
        first = _first_of_pair(worth, least)
        rows[first : first + 2] = [np.sort(np.concatenate(rows[first : first + 2]))]
        edges = np.delete(edges, first + 1)
    return [
        _frequency(float(low), float(high), true[members[-NEWEST_OF_BIN:]], weight[members[-NEWEST_OF_BIN:]])
        for low, high, members in zip(edges[:-1], edges[1:], rows, strict=True)
    ]


def _first_of_pair(worth: list[float], least: int) -> int:
    if least == 0 or (least < len(worth) - 1 and worth[least + 1] < worth[least - 1]):
        return least
    return least - 1


def _edges(score: Floats, bins: int) -> Floats:
    """Observed scores at equal shares of the rows, the last just above the largest."""
    inner = np.quantile(score, np.linspace(0, 1, bins + 1)[:-1], method="higher")
    return np.unique(np.append(inner, np.nextafter(score.max(), np.inf)))


def _frequency(low: float, high: float, true: Integers, weight: Floats) -> Frequency:
    share = float(weight @ true / weight.sum())
    worth = effective_sample_size(weight)
    error = float(weight**2 @ (true - share) ** 2) / float(weight.sum()) ** 2
    if error > 0:
        # Kish's n takes weights for unrelated to what is true; where the heavy rows are the odd ones it is too large.
        worth = min(worth, share * (1 - share) / error)
    return Frequency(low, high, int(true.size), int(true.sum()), share, *wilson(share, worth), worth)
