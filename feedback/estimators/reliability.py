"""Calibration from sums over narrow bins of the score: they add, so a window's is the sum of its days'.

The bins are equal steps of the score's logit. For the eye they are joined to at most ten of about as many rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from feedback.estimators.intervals import FEWEST, State, wilson
from feedback.estimators.logistic import fit
from feedback.estimators.metrics import Floats, Integers

EDGES = 1 / (1 + np.exp(-np.linspace(-6.0, 6.0, 31)))
CELLS = EDGES.size + 1
SHOWN = 10
OF_ROWS = ("rows", "score")
OF_LABELS = ("labels", "weight", "square", "true", "scored", "noise")
FARTHEST = 1e-6
# One alarm in a hundred looks where all is well.
LIMIT = 0.99
DRAWS = 5_000
SEED = 20260301


@dataclass(frozen=True)
class Bin:
    """Rows with a score in [low, high): how many, their mean score, and the share that is true with its interval."""

    low: float
    high: float
    mean_score: float
    n: int
    labels: int
    share: float | None
    share_low: float
    share_high: float


@dataclass(frozen=True)
class Reliability:
    """All None where ``state`` is not ok. ``ece_noise`` is what the error would read on average if every score were
    right, with these labels, ``ece_limit`` what it would exceed once in a hundred looks.

    ``intercept`` is calibration in the large, in logits (0 is right, above 0 the scores are too low); ``slope`` 1 is
    right, below 1 the scores are too extreme.
    """

    state: State
    bins: tuple[Bin, ...]
    ece: float | None = None
    ece_noise: float | None = None
    ece_limit: float | None = None
    slope: float | None = None
    intercept: float | None = None

    @property
    def miscalibrated(self) -> bool | None:
        """Whether more is wrong than chance explains (1 % false alarms); None where too little is known."""
        return None if self.ece is None or self.ece_limit is None else self.ece > self.ece_limit


def of_rows(score: Floats) -> Floats:
    """(CELLS, 2): rows and their scores by bin."""
    place = np.searchsorted(EDGES, score, side="right")
    return np.stack([np.bincount(place, minlength=CELLS), np.bincount(place, score, CELLS)], axis=1).astype(np.float64)


def of_labels(score: Floats, true: Integers, weight: Floats) -> Floats:
    """(CELLS, 6): of labelled rows, true 1 or 0: labels, w, w^2, w t, w s, and w^2 s (1 - s) by bin."""
    place = np.searchsorted(EDGES, score, side="right")
    square = weight * weight
    columns = (np.ones(score.size), weight, square, weight * true, weight * score, square * score * (1 - score))
    return np.stack([np.bincount(place, column, CELLS) for column in columns], axis=1)


def weighted(sums: Floats, came: float) -> Floats:
    """`of_labels` of a cell whose labels have come with that chance."""
    return np.asarray(sums / np.array([1.0, came, came**2, came, came, came**2]), dtype=np.float64)


def reliability(rows: Floats, labels: Floats) -> Reliability:
    """The calibration that both sums tell; nothing below 30 effective labels, as for other figures.

    The error is ``sum n_b / N |gap_b|`` with gap the weighted mean of truth less score. Had every score been
    right, a gap would be about normal around 0 with variance ``sum w^2 s (1 - s) / (sum w)^2``.

    >>> score = np.repeat([0.2, 0.8], 500)
    >>> true = np.tile([1, 0, 0, 0, 0], 200) ^ (score > 0.5)
    >>> found = reliability(of_rows(score), of_labels(score, true, np.ones(1000)))
    >>> round(found.ece, 9), [round(one.share, 3) for one in found.bins], round(found.slope, 3)
    (0.0, [0.2, 0.8], 1.0)
    """
    joined = _joined(rows[:, 0])
    parts = [(rows[a:b].sum(axis=0), labels[a:b].sum(axis=0)) for a, b in joined]
    bins = tuple(_bin(a, b, *part) for (a, b), part in zip(joined, parts, strict=True))
    weight, square = labels[:, 1].sum(), labels[:, 2].sum()
    kish = float(weight**2 / square) if square > 0 else 0.0
    if kish < FEWEST or any(one.labels == 0 for one in bins):
        return Reliability(State.INSUFFICIENT, bins)
    share = np.array([part[0][0] for part in parts]) / rows[:, 0].sum()
    gap = np.array([(one[3] - one[4]) / one[1] for _, one in parts])
    spread = np.array([one[5] ** 0.5 / one[1] for _, one in parts])
    by_chance = np.abs(np.random.default_rng(SEED).normal(size=(DRAWS, spread.size)) * spread) @ share
    slope, intercept = _line(labels)
    return Reliability(
        State.OK, bins, float(share @ np.abs(gap)), float(share @ spread) * (2 / np.pi) ** 0.5,
        float(np.quantile(by_chance, LIMIT)), slope, intercept,
    )  # fmt: skip


def _joined(rows: Floats) -> list[tuple[int, int]]:
    """Runs of narrow bins with about a tenth of the rows each; none is empty."""
    found, start, held = [], 0, 0.0
    least = rows.sum() / SHOWN
    for place, count in enumerate(rows):
        held += count
        if held > 0 and held >= least - 1e-9:
            found.append((start, place + 1))
            start, held = place + 1, 0.0
    if held > 0:
        found.append((start, rows.size))
    elif found:
        found[-1] = found[-1][0], rows.size
    return found


def _bin(start: int, stop: int, rows: Floats, labels: Floats) -> Bin:
    ends = np.concatenate([[0.0], EDGES, [1.0]])
    mean = float(rows[1] / rows[0])
    kish = float(labels[1] ** 2 / labels[2]) if labels[2] > 0 else 0.0
    share = None if not labels[1] else min(1.0, max(0.0, mean + float((labels[3] - labels[4]) / labels[1])))
    low, high = wilson(0.5 if share is None else share, kish)
    return Bin(float(ends[start]), float(ends[stop]), mean, int(rows[0]), int(labels[0]), share, low, high)


def _line(labels: Floats) -> tuple[float | None, float | None]:
    """Slope and intercept in logits (Cox 1958), each bin standing at its mean score."""
    some = labels[labels[:, 1] > 0]
    score = np.clip(some[:, 4] / some[:, 1], FARTHEST, 1 - FARTHEST)
    logit = np.tile(np.log(score / (1 - score)), 2)
    true = np.repeat([1.0, 0.0], len(some))
    # Rounding must not leave a share of less than nothing.
    weight = np.maximum(np.concatenate([some[:, 3], some[:, 1] - some[:, 3]]), 0.0)
    kept = weight > 0
    logit, true, weight = logit[kept], true[kept], weight[kept]
    ones = np.ones(logit.size)
    large, both = fit(ones[:, None], true, weight, offset=logit), None
    if np.unique(logit).size > 1:
        both = fit(np.column_stack([ones, logit]), true, weight)
    return None if both is None else both[1], None if large is None else large[0]
