"""The model-assisted ratio estimator: any metric that is a sum over a sum, from labels that were drawn.

Survey sampling calls it GREG; with a model's scores as the guess it is prediction-powered inference
(Angelopoulos et al. 2023) under known unequal probabilities (Zrnic and Candes 2024). Sampling is
independent per row (Poisson), the target is the finite population of predictions actually made.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from feedback.estimators.intervals import Z95, Estimate, State, asymptotic_sequence, publishable, shrunk, wilson
from feedback.weights import effective_sample_size

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

UNKNOWN = -1
# Fewer labelled rows than this cannot carry a regression of two parameters.
FEWEST_FOR_TUNING = 10
NOTHING = 1e-18


@dataclass(frozen=True)
class Sample:
    """N predictions in time order with K classes.

    ``scores`` (N, K) are the model's probabilities, ``labels`` (N,) the index of the true class or -1
    where the draw did not reveal it, ``propensity`` (N,) the logged probability that it would.
    """

    scores: Floats
    labels: Integers
    propensity: Floats

    def __post_init__(self) -> None:
        n = self.labels.shape[0]
        if self.scores.ndim != 2 or self.scores.shape[0] != n or self.propensity.shape != (n,):
            raise ValueError("scores are (N, K), labels and propensity (N,)")
        if n and (not np.isfinite(self.propensity).all() or self.propensity.min() < 0 or self.propensity.max() > 1):
            raise ValueError("a propensity is a probability")

    @property
    def observed(self) -> NDArray[np.bool_]:
        return np.asarray(self.labels != UNKNOWN)

    def guess(self, table: Floats) -> Floats:
        """The model's expectation of a (N, K) table of values per possible class."""
        p = self.scores / np.maximum(self.scores.sum(axis=1, keepdims=True), NOTHING)
        return np.asarray((p * table).sum(axis=1), dtype=np.float64)

    def seen(self, table: Floats) -> Floats:
        """The table's value at the true class; 0 where that is unknown."""
        picked = table[np.arange(self.labels.size), np.maximum(self.labels, 0)]
        return np.asarray(np.where(self.observed, picked, 0.0), dtype=np.float64)


@dataclass(frozen=True)
class Ratio:
    """sum(numerator) / sum(denominator); each (N, K): the row's contribution if class k is the true one."""

    numerator: Floats
    denominator: Floats


@dataclass(frozen=True)
class _Linearised:
    """A ratio near its first estimate: ``table`` (N, K) is each row's influence on it."""

    first: float
    table: Floats
    denominator: float
    kish: float


def estimate(sample: Sample, ratios: list[Ratio], *, proportion: bool) -> Estimate:
    """The mean of the ratios (one, or one per class for a macro average) with its interval.

    ``proportion``: the metric lies in [0, 1] and gets Wilson's interval. A row with probability zero
    leaves part of the population without evidence: there is then no point estimate at all.
    """
    plain = naive(sample, ratios, proportion=proportion)
    if sample.labels.size and float(sample.propensity.min()) <= 0:
        return replace(plain, state=State.UNSUPPORTED)
    if not sample.observed.any():
        return plain
    parts = [part for ratio in ratios if (part := _linearise(sample, ratio)) is not None]
    if not parts:
        return plain
    z, variance = _tuned(sample, np.asarray(np.mean([part.table for part in parts], axis=0), dtype=np.float64))
    first = float(np.mean([part.first for part in parts]))
    z = first + z
    point = float(np.mean(z))
    kish = min(part.kish for part in parts)
    if not proportion:
        half = Z95 * variance**0.5
        return _with(plain, point, point - half, point + half, variance, kish, publishable(kish, None), z)
    point = min(1.0, max(0.0, point))
    limit = sum(part.denominator for part in parts)
    guess = shrunk(point, kish)
    effective = limit if variance <= NOTHING else min(limit, guess * (1 - guess) / variance)
    low, high = wilson(point, effective)
    # A good guess may make few labels worth many, but not out of next to none.
    state = publishable(min(effective, plain.labels), high - low)
    found = _with(plain, point, low, high, variance, effective, state, z)
    assert found.sequence is not None
    below, above = found.sequence
    return replace(found, sequence=(min(point, max(0.0, below)), max(point, min(1.0, above))))


def naive(sample: Sample, ratios: list[Ratio], *, proportion: bool) -> Estimate:
    """The plain mean over labelled rows, as if they had been chosen blindly; no estimate, only ``naive``."""
    rows = sample.observed
    labels = int(rows.sum())
    empty = Estimate(None, None, None, None, 0.0, State.INSUFFICIENT, labels=labels)
    shares, sizes, spread = [], [], []
    for ratio in ratios:
        numerator, denominator = sample.seen(ratio.numerator)[rows], sample.seen(ratio.denominator)[rows]
        if denominator.sum() > 0:
            shares.append(float(numerator.sum() / denominator.sum()))
            sizes.append(float(denominator.sum()))
            spread.append(float(np.std(numerator)))
    if not shares:
        return empty
    share = float(np.mean(shares))
    if proportion:
        low, high = wilson(min(1.0, max(0.0, share)), sum(sizes))
    else:
        half = Z95 * spread[0] / max(labels, 1) ** 0.5
        low, high = share - half, share + half
    return replace(empty, naive=share, naive_low=low, naive_high=high)


def _linearise(sample: Sample, ratio: Ratio) -> _Linearised | None:
    """First-order expansion of a ratio of difference-estimator totals; None for an empty denominator."""
    weight = np.where(sample.observed, 1.0 / sample.propensity, 0.0)
    numerator_guess, denominator_guess = sample.guess(ratio.numerator), sample.guess(ratio.denominator)
    denominator_seen = sample.seen(ratio.denominator)
    top = float(np.sum(numerator_guess + weight * (sample.seen(ratio.numerator) - numerator_guess)))
    bottom = float(np.sum(denominator_guess + weight * (denominator_seen - denominator_guess)))
    kish = effective_sample_size((weight * denominator_seen)[sample.observed])
    if bottom <= 0 or kish <= 0:
        return None
    first = top / bottom
    table = (ratio.numerator - first * ratio.denominator) / (bottom / sample.labels.size)
    return _Linearised(first, np.asarray(table, dtype=np.float64), bottom, kish)


def _tuned(sample: Sample, table: Floats) -> tuple[Floats, float]:
    """Pseudo-outcomes z (N,) and the larger of the sampling and the model variance of their mean.

    Power tuning (PPI++): the influence d is regressed on its guess over labelled rows with weights
    (1 - pi) / pi^2, which minimises the sampling variance; slope 0 is Hajek's estimator, slope 1 AIPW.
    The model variance guards against residuals that are small because no rare error was drawn. A row that
    adds the same whatever its class needs no label: it is its own guess and takes no part in the fit.
    """
    n, pi, rows = sample.labels.size, sample.propensity, sample.observed
    d, guess = sample.seen(table), sample.guess(table)
    certain = np.ptp(table, axis=1) <= NOTHING
    fitted = rows & ~certain
    b0, b1 = _line(guess[fitted], d[fitted], ((1 - pi) / pi**2)[fitted])
    h = np.where(certain, table[:, 0], b0 + b1 * guess)
    residual = np.where(rows, d - h, 0.0)
    sampling = float(np.sum((1 - pi) / pi**2 * residual**2)) / n**2
    spread = np.maximum(sample.guess(table**2) - guess**2, 0.0)
    model = float(np.sum((1 - pi) / pi * (spread + (guess - h) ** 2))) / n**2
    return np.asarray(h + residual / pi, dtype=np.float64), max(sampling, model)


def _line(x: Floats, y: Floats, weight: Floats) -> tuple[float, float]:
    """Weighted least squares intercept and slope; (0, 1) where there is too little to fit."""
    if int(np.count_nonzero(weight)) < FEWEST_FOR_TUNING:
        return 0.0, 1.0
    weight = weight / weight.sum()
    mean_x, mean_y = float(weight @ x), float(weight @ y)
    across = float(weight @ (x - mean_x) ** 2)
    if across <= NOTHING * max(1.0, mean_x**2):
        return mean_y, 0.0
    slope = float(weight @ ((x - mean_x) * (y - mean_y))) / across
    return mean_y - slope * mean_x, slope


def _with(
    plain: Estimate, point: float, low: float, high: float, variance: float, effective: float, state: State, z: Floats
) -> Estimate:
    return replace(
        plain,
        point=point,
        low=low,
        high=high,
        standard_error=variance**0.5,
        effective_n=effective,
        state=state,
        sequence=asymptotic_sequence(z),
    )
