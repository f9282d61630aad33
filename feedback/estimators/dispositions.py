"""What other dispositions would have brought, where an outcome shows only under the one that was taken.

Inverse propensity scores (Horvitz and Thompson 1952), self-normalised (Swaminathan and Joachims 2015) and
doubly robust (Dudík, Langford, Li 2011). Cases count as a sample of such traffic, not as a finite population.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from feedback.estimators.intervals import FEWEST, Z95, Estimate, State
from feedback.weights import effective_sample_size

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Valued:
    """The candidate's mean outcome three ways, and ``live``, the mean under the policy that ran.

    ``unsupported``: the mean probability that the candidate puts on dispositions of logged propensity 0.
    Above 0 there is no estimate of it. ``effective_n`` is Kish's, of the weights candidate / logged.
    """

    ips: Estimate
    self_normalised: Estimate
    doubly_robust: Estimate
    live: Estimate
    unsupported: float
    effective_n: float


def value_of(
    taken: Integers, propensity: Floats, outcome: Floats, candidate: Floats, guess: Floats, known: Floats | float = 1.0
) -> Valued:
    """The mean outcome (or cost) if dispositions had been taken with probabilities ``candidate`` (N, A).

    ``taken`` (N,) is the disposition that was, ``propensity`` (N, A) the logged probabilities of all of
    them, ``outcome`` (N,) what it brought, NaN where not (yet) known, ``known`` (N,) the probability that it
    is, ``guess`` (N, A) a model's expectation of it, made without these outcomes: it buys width, not
    validity. Raises ValueError for what are no probabilities.

    >>> taken, outcome = np.arange(200) % 2, np.where(np.arange(200) % 2 == 0, 1.0, 3.0)
    >>> always = np.tile([0.0, 1.0], (200, 1))
    >>> found = value_of(taken, np.full((200, 2), 0.5), outcome, always, np.full((200, 2), 2.0))
    >>> found.ips.point, found.self_normalised.point, found.doubly_robust.point, found.effective_n
    (3.0, 3.0, 3.0, 100.0)
    """
    _check(propensity, candidate)
    n = taken.size
    rows = np.arange(n)
    seen = np.isfinite(outcome)
    unsupported = float(np.mean(np.sum(np.where(propensity > 0, 0.0, candidate), axis=1))) if n else 0.0
    chance = propensity[rows, taken] * known
    if bool(np.any(seen & (chance <= 0))):
        raise ValueError("a disposition of propensity 0 was taken")
    logged = np.where(seen, 1.0 / np.where(chance > 0, chance, 1.0), 0.0)
    weight = logged * candidate[rows, taken]
    brought = np.where(seen, outcome, 0.0)
    arrived = np.where(seen, 1.0 / np.where(np.broadcast_to(known, (n,)) > 0, known, 1.0), 0.0)
    live = _ratio(arrived, brought)
    kish = effective_sample_size(weight)
    if unsupported > 0:
        nothing = Estimate(None, None, None, None, kish, State.UNSUPPORTED, labels=int(seen.sum()))
        refused = replace(nothing, unsupported_share=unsupported)
        return Valued(refused, refused, refused, live, unsupported, kish)
    expected = np.sum(candidate * guess, axis=1)
    robust = expected + weight * (brought - guess[rows, taken])
    return Valued(
        ips=_mean(weight * brought, weight),
        self_normalised=_ratio(weight, brought),
        doubly_robust=_mean(robust, weight),
        live=live,
        unsupported=0.0,
        effective_n=kish,
    )


def _check(*tables: Floats) -> None:
    for table in tables:
        if table.ndim != 2 or not bool(np.all(table >= 0)) or not np.allclose(table.sum(axis=1), 1.0, atol=1e-6):
            raise ValueError("probabilities of dispositions are (N, A), at least 0, and sum to 1")


def _mean(z: Floats, weight: Floats) -> Estimate:
    """The mean of pseudo-outcomes, with the variance between cases."""
    if z.size < 2 or not weight.any():
        return _nothing(weight)
    return _estimate(float(z.mean()), float(z.std(ddof=1)) / z.size**0.5, weight)


def _ratio(weight: Floats, outcome: Floats) -> Estimate:
    """Weighted mean, its error by linearisation."""
    total = float(weight.sum())
    if weight.size < 2 or total <= 0:
        return _nothing(weight)
    point = float(weight @ outcome) / total
    kish = effective_sample_size(weight)
    # As many rows as the weights are worth, less the one that the mean took.
    correction = kish / (kish - 1) if kish > 1 else 1.0
    return _estimate(point, float(np.sum((weight * (outcome - point)) ** 2) * correction) ** 0.5 / total, weight)


def _estimate(point: float, error: float, weight: Floats) -> Estimate:
    kish = effective_sample_size(weight)
    state = State.OK if kish >= FEWEST else State.INSUFFICIENT
    labels = int(np.count_nonzero(weight))
    return Estimate(point, point - Z95 * error, point + Z95 * error, error, kish, state, labels=labels)


def _nothing(weight: Floats) -> Estimate:
    return Estimate(None, None, None, None, effective_sample_size(weight), State.INSUFFICIENT)
