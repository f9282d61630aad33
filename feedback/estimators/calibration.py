"""Whether a score means what it says: reliability from labels that a policy chose, with what chance would show.

Every labelled row weighs 1/q, q being the probability with which its label became known. The bins are
quantiles of all scores, labelled or not, so that they do not follow the choice of rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from feedback.estimators import Outputs, State, wilson
from feedback.estimators.logistic import Coefficient, fit
from feedback.weights import effective_sample_size

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

BINS = 10
FEWEST = 30.0
DRAWS = 500
SEED = 20260301
# Numbers drawn at a time, to bound memory.
CHUNK = 2_000_000
# One alarm in a hundred where all is well, shared by the three things that are looked at.
LIMIT = 1 - 0.01 / 3
Z_LIMIT = 2.935199468866698
FARTHEST_LOGIT = 13.8


@dataclass(frozen=True)
class Bin:
    """``rows`` with a score in (low, high]: their mean ``score`` and the share of them that is true.

    ``share`` is the mean score plus the weighted mean of truth minus score over the bin's labelled rows, with
    Wilson's interval at Kish's effective n; None without a label.
    """

    low: float
    high: float
    rows: int
    labels: int
    effective_n: float
    score: float
    share: float | None
    share_low: float
    share_high: float


@dataclass(frozen=True)
class Calibration:
    """All None where ``state`` is not ok. ``ece_noise`` is what a perfectly calibrated score would read on
    average with these rows and weights, ``ece_limit`` what it would exceed once in 300 looks.

    ``intercept`` is calibration in the large, in logits (0 is right, above 0 the scores are too low);
    ``slope`` 1 is right, below 1 the scores are too extreme. ``brier`` is reliability - resolution +
    uncertainty up to the spread of scores inside the bins.
    """

    state: State
    bins: tuple[Bin, ...]
    rows: int
    labels: int
    effective_n: float
    unsupported: float = 0.0
    ece: float | None = None
    ece_noise: float | None = None
    ece_limit: float | None = None
    brier: float | None = None
    reliability: float | None = None
    resolution: float | None = None
    uncertainty: float | None = None
    intercept: Coefficient | None = None
    slope: Coefficient | None = None

    @property
    def miscalibrated(self) -> bool | None:
        """Whether more is wrong than chance explains (1 % false alarms); None where too little is known."""
        if self.ece is None or self.ece_limit is None:
            return None
        off = [(self.intercept, 0.0), (self.slope, 1.0)]
        return self.ece > self.ece_limit or any(
            found is not None and abs(found.value - right) > Z_LIMIT * found.standard_error for found, right in off
        )


@dataclass(frozen=True)
class _Labelled:
    """The labelled rows: score, truth (0 or 1), weight, and the bin of each, in order of the bins."""

    score: Floats
    true: Floats
    weight: Floats
    bin: Integers

    def mean_gap(self, true: Floats, bins: int) -> Floats:
        """Weighted mean of truth minus score per bin; ``true`` is (n,)."""
        total = np.bincount(self.bin, self.weight, bins)
        gap = np.bincount(self.bin, self.weight * (true - self.score), bins)
        return np.asarray(np.divide(gap, total, out=np.zeros(bins), where=total > 0), dtype=np.float64)


def calibration(score: Floats, true: Integers, propensity: Floats, bins: int = BINS) -> Calibration:
    """The calibration of a score (N,) in [0, 1] for what is true (N,): 1 or 0, -1 where no label is known.

    ``propensity`` (N,) is the logged probability that the label is known. `State.UNSUPPORTED` where one is
    0, `State.INSUFFICIENT` below 30 effective rows or with a bin that has no label. Reliability diagrams and
    their noise: Bröcker and Smith (2007); the Brier split: Murphy (1973); slope: Cox (1958).

    >>> score = np.repeat([0.25, 0.75], 40)
    >>> found = calibration(score, np.tile([1, 0, 0, 0], 20) ^ (score > 0.5), np.ones(80), bins=2)
    >>> found.ece, [one.share for one in found.bins], found.miscalibrated
    (0.0, [0.25, 0.75], False)
    """
    if score.size == 0:
        return Calibration(State.INSUFFICIENT, (), 0, 0, 0.0)
    edges = _edges(score, bins)
    place = np.searchsorted(edges[1:-1], score)
    rows = np.flatnonzero((true >= 0) & (propensity > 0))
    rows = rows[np.argsort(place[rows], kind="stable")]
    labelled = _Labelled(score[rows], true[rows].astype(np.float64), 1 / propensity[rows], place[rows])
    found = _bins(edges, score, place, labelled)
    kish, unsupported = effective_sample_size(labelled.weight), float(np.mean(propensity <= 0))
    state = State.OK
    if kish < FEWEST or any(one.labels == 0 for one in found):
        state = State.INSUFFICIENT
    if unsupported > 0:
        state = State.UNSUPPORTED
    plain = Calibration(state, found, int(score.size), int(rows.size), kish, unsupported)
    return plain if state is not State.OK else _measured(plain, labelled)


def of_confidence(outputs: Outputs, labels: Integers, propensity: Floats, bins: int = BINS) -> Calibration:
    """The calibration of the score of the answer given: does it come true as often as it says?"""
    score = outputs.scores[np.arange(labels.size), outputs.predicted]
    true = np.where(labels < 0, -1, (labels == outputs.predicted).astype(np.int64))
    return calibration(score, true, propensity, bins)


def of_classes(outputs: Outputs, labels: Integers, propensity: Floats, bins: int = BINS) -> dict[int, Calibration]:
    """The calibration of the score of each class, one against the rest; of two classes the positive one alone."""
    chosen = range(outputs.classes) if outputs.positive is None else [outputs.positive]
    return {
        k: calibration(outputs.scores[:, k], np.where(labels < 0, -1, (labels == k).astype(np.int64)), propensity, bins)
        for k in chosen
    }


def _edges(score: Floats, bins: int) -> Floats:
    """Quantiles of all scores; equal scores share a bin, so there may be fewer bins."""
    edges = np.unique(np.quantile(score, np.linspace(0, 1, bins + 1)))
    return np.asarray(edges if edges.size > 1 else np.repeat(edges, 2), dtype=np.float64)


def _bins(edges: Floats, score: Floats, place: Integers, labelled: _Labelled) -> tuple[Bin, ...]:
    count = edges.size - 1
    gaps = labelled.mean_gap(labelled.true, count)
    found = []
    for number in range(count):
        members, weight = place == number, labelled.weight[labelled.bin == number]
        if not members.any():
            continue
        mean, kish = float(score[members].mean()), effective_sample_size(weight)
        share = min(1.0, max(0.0, mean + float(gaps[number]))) if weight.size else None
        low, high = wilson(0.5 if share is None else share, kish)
        ends = float(edges[number]), float(edges[number + 1])
        found.append(Bin(*ends, int(members.sum()), int(weight.size), kish, mean, share, low, high))
    return tuple(found)


def _measured(plain: Calibration, labelled: _Labelled) -> Calibration:
    # Bins without a row are left out: number those that are there.
    _, numbered = np.unique(labelled.bin, return_inverse=True)
    labelled = _Labelled(labelled.score, labelled.true, labelled.weight, numbered.astype(np.int64))
    part = np.array([one.rows for one in plain.bins]) / plain.rows
    share = np.array([one.share for one in plain.bins], dtype=np.float64)
    gap = labelled.mean_gap(labelled.true, part.size)
    noise = _noise(labelled, part)
    rate = float(part @ share)
    w, error = labelled.weight, (labelled.score - labelled.true) ** 2
    logit = np.clip(_logit(labelled.score), -FARTHEST_LOGIT, FARTHEST_LOGIT)
    large = fit(np.ones((logit.size, 1)), labelled.true, w, offset=logit)
    both = fit(np.column_stack([np.ones(logit.size), logit]), labelled.true, w)
    return Calibration(
        **{name: getattr(plain, name) for name in ("state", "bins", "rows", "labels", "effective_n", "unsupported")},
        ece=float(part @ np.abs(gap)),
        ece_noise=float(noise.mean()),
        ece_limit=float(np.quantile(noise, LIMIT)),
        brier=float(w @ error / w.sum()),
        reliability=float(part @ gap**2),
        resolution=float(part @ (share - rate) ** 2),
        uncertainty=rate * (1 - rate),
        intercept=None if large is None else large[0],
        slope=None if both is None else both[1],
    )


def _noise(labelled: _Labelled, part: Floats) -> Floats:
    """ECE (DRAWS,) of labels drawn from the scores themselves, on the same rows with the same weights."""
    rng = np.random.default_rng(SEED)
    starts = np.searchsorted(labelled.bin, np.arange(part.size))
    share = labelled.weight / np.bincount(labelled.bin, labelled.weight)[labelled.bin]
    found: list[Floats] = []
    at_once = max(1, CHUNK // labelled.score.size)
    for start in range(0, DRAWS, at_once):
        drawn = rng.random((min(at_once, DRAWS - start), labelled.score.size)) < labelled.score
        gaps = np.add.reduceat(share * (drawn - labelled.score), starts, axis=1)
        found.append(np.asarray(np.abs(gaps) @ part, dtype=np.float64))
    return np.concatenate(found)


def _logit(p: Floats) -> Floats:
    tiny = np.finfo(np.float64).tiny
    return np.asarray(np.log(np.maximum(p, tiny)) - np.log(np.maximum(1 - p, tiny)), dtype=np.float64)
