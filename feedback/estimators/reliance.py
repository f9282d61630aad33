"""How far people follow the model because it is shown: the reliance gap from a random arm that does not see it.

Delta = P(agree | the draw showed the model) - P(agree | the draw hid it), compared by the arm that was drawn and not
by what was seen, so that it reads causally. Where the chance of the arms differs (another policy, another queue),
rows are compared within strata of one chance: agreement differs between strata and so does the mix of arms.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from feedback.estimators.intervals import FEWEST, Z95, State, wilson

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
# Reviewers with fewer answers than this in an arm are counted in the whole and get no row of their own.
FEWEST_OF_ONE = 5
# Scale of the prior of how much gaps differ between reviewers: half-normal, ten points.
SPREAD = 0.10
# The grid over that spread.
STEPS = 200


@dataclass(frozen=True)
class Arm:
    """Answers of one arm: how many, how many of them agree, the share as weighted over strata, what n it is worth."""

    n: int
    agree: int
    share: float | None
    effective_n: float


@dataclass(frozen=True)
class Gap:
    """Shown less hidden with its 95 % interval; None where an arm is empty or too small to be shown."""

    shown: Arm
    hidden: Arm
    point: float | None
    low: float | None
    high: float | None
    state: State


def gap(agree: Flags, hidden: Flags, stratum: Sequence[Any] | NDArray[Any], *, fewest: float = FEWEST) -> Gap:
    """The difference over strata, each weighted by n1 n0 / (n1 + n0) as Mantel and Haenszel weigh risk differences.

    All are (n,), a row per answer; ``stratum`` names what has one chance of the arms. A stratum without one of the
    arms tells nothing and is left out. The interval is Newcombe's hybrid of two Wilson intervals (Statistics in
    Medicine 1998, method 10), each at the n that its weighted share is worth (Kish). ``insufficient_data`` where
    that is less than ``fewest`` in an arm.

    >>> agree, hidden = np.repeat([True, False, True, False], [56, 14, 48, 32]), np.repeat([False, True], [70, 80])
    >>> found = gap(agree, hidden, np.zeros(150))
    >>> [round(x, 4) for x in (found.point, found.low, found.high)]
    [0.2, 0.0524, 0.3339]
    """
    weight = _weights(hidden, np.asarray(stratum))
    shown, veiled = _arm(agree, weight, ~hidden), _arm(agree, weight, hidden)
    if shown.share is None or veiled.share is None:
        return Gap(shown, veiled, None, None, None, State.INSUFFICIENT)
    low, high = newcombe(shown.share, shown.effective_n, veiled.share, veiled.effective_n)
    enough = min(shown.effective_n, veiled.effective_n) >= fewest
    return Gap(shown, veiled, shown.share - veiled.share, low, high, State.OK if enough else State.INSUFFICIENT)


def newcombe(one: float, n_one: float, other: float, n_other: float) -> tuple[float, float]:
    """The interval of ``one - other``, two independent proportions: Newcombe's method 10.

    >>> [round(x, 4) for x in newcombe(10 / 10, 10, 0 / 20, 20)]
    [0.6791, 1.0]
    """
    low_one, high_one = wilson(one, n_one)
    low_other, high_other = wilson(other, n_other)
    point = one - other
    return (
        point - math.hypot(one - low_one, high_other - other),
        point + math.hypot(high_one - one, other - low_other),
    )


def _weights(hidden: Flags, stratum: NDArray[Any]) -> Floats:
    """Per row; those of each arm sum to 1 where any stratum has both arms, else to nothing."""
    if not hidden.size:
        return np.zeros(0)
    _, place = np.unique(stratum, return_inverse=True)
    veiled = np.bincount(place, weights=hidden)
    shown = np.bincount(place, weights=~hidden)
    share = np.divide(veiled * shown, veiled + shown, out=np.zeros_like(shown), where=veiled + shown > 0)
    total = share.sum()
    if total <= 0:
        return np.zeros(hidden.size)
    own = np.where(hidden, veiled[place], shown[place])
    return np.asarray(share[place] / total / own, dtype=np.float64)


def _arm(agree: Flags, weight: Floats, members: Flags) -> Arm:
    held = weight[members]
    counted = held > 0
    n, agreed = int(counted.sum()), int((agree[members] & counted).sum())
    if not n:
        return Arm(0, 0, None, 0.0)
    # Rounding must not put a share outside of [0, 1].
    share = min(1.0, max(0.0, float(held @ agree[members])))
    return Arm(n, agreed, share, float(1 / (held @ held)))


@dataclass(frozen=True)
class Pooled:
    """One reviewer's gap drawn towards the others': ``point`` with its 95 % interval, ``raw`` as counted."""

    raw: float
    shown: int
    hidden: int
    point: float
    low: float
    high: float


def pooled(
    agree: Flags, hidden: Flags, stratum: Sequence[Any] | NDArray[Any], reviewer: Sequence[str] | NDArray[Any]
) -> dict[str, Pooled]:
    """The gap of each reviewer with at least five answers in each arm, partially pooled, by name in alphabetical order.

    The hierarchical normal model d_j ~ N(theta_j, v_j), theta_j ~ N(mu, tau²) with flat mu, averaged over a
    half-normal prior of tau (Gelman et al., Bayesian Data Analysis, 5.4): with few reviewers the spread between
    them is barely known, and plugging in one guess of it would make intervals too short. v_j is that of two
    proportions with one pseudo-answer of each kind (Agresti and Caffo 2000), so that none of them is nothing.
    """
    names, strata = np.asarray(reviewer, dtype=object), np.asarray(stratum)
    raw: dict[str, tuple[float, int, int]] = {}
    spread: list[float] = []
    for name in sorted({str(one) for one in names}):
        own = names == name
        found = gap(agree[own], hidden[own], strata[own])
        one, other = found.shown, found.hidden
        if found.point is None or min(one.n, other.n) < FEWEST_OF_ONE:
            continue
        raw[name] = (found.point, one.n, other.n)
        spread.append(_variance(one) + _variance(other))
    if not raw:
        return {}
    means, lows, highs = partially_pooled(np.array([d for d, _, _ in raw.values()]), np.array(spread))
    ends = zip(raw.items(), means.tolist(), lows.tolist(), highs.tolist(), strict=True)
    return {name: Pooled(d, n, m, mean, low, high) for (name, (d, n, m)), mean, low, high in ends}


def _variance(arm: Arm) -> float:
    assert arm.share is not None
    share = (arm.share * arm.effective_n + 1) / (arm.effective_n + 2)
    return share * (1 - share) / (arm.effective_n + 2)


def partially_pooled(found: Floats, variance: Floats) -> tuple[Floats, Floats, Floats]:
    """Posterior mean and central 95 % ends of each effect, all (J,), from estimates (J,) and their variances (J,).

    >>> mean, low, high = partially_pooled(np.array([0.30, 0.0, 0.0, 0.0]), np.full(4, 0.01))
    >>> bool(0.075 < mean[0] < 0.30), bool(low[0] < 0.30 < high[0] + 0.1), bool(0 < mean[1] < 0.075)
    (True, True, True)
    """
    tau = np.linspace(0.0, 4 * SPREAD, STEPS)
    total = variance[None, :] + tau[:, None] ** 2
    precision = (1 / total).sum(axis=1)
    centre = (found / total).sum(axis=1) / precision
    log = -0.5 * (np.log(total) + (found - centre[:, None]) ** 2 / total).sum(axis=1)
    log += -0.5 * np.log(precision) - 0.5 * (tau / SPREAD) ** 2
    chance = np.exp(log - log.max())
    chance /= chance.sum()
    keep = (tau[:, None] ** 2) / total
    mean = keep * found + (1 - keep) * centre[:, None]
    deviation = np.sqrt(keep * variance + (1 - keep) ** 2 / precision[:, None])
    whole = chance @ mean
    return whole, *(_quantile(level, chance, mean, deviation) for level in (0.025, 0.975))


def _quantile(level: float, chance: Floats, mean: Floats, deviation: Floats) -> Floats:
    """Of a mixture of normals per column, by halving."""
    reach = 10 * deviation.max(axis=0) + np.ptp(mean, axis=0)
    low, high = mean.min(axis=0) - reach, mean.max(axis=0) + reach
    for _ in range(50):
        middle = (low + high) / 2
        below = chance @ _normal((middle - mean) / deviation) < level
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return np.asarray((low + high) / 2, dtype=np.float64)


def _normal(z: Floats) -> Floats:
    return np.asarray(0.5 * (1 + np.vectorize(math.erf)(z / math.sqrt(2))), dtype=np.float64)


@dataclass(frozen=True)
class Share:
    """``k`` of ``n`` with Wilson's 95 % interval; nothing where n is 0."""

    n: int
    k: int
    point: float | None
    low: float | None
    high: float | None


def counted(flags: Flags) -> Share:
    """
    >>> found = counted(np.array([True, True, False]))
    >>> found.n, found.k, round(found.low, 4), round(found.high, 4)
    (3, 2, 0.2077, 0.9385)
    >>> counted(np.array([], dtype=bool)).point is None
    True
    """
    n, k = int(flags.size), int(flags.sum())
    if not n:
        return Share(0, 0, None, None, None)
    return Share(n, k, k / n, *wilson(k / n, n, Z95))


def appropriate(
    first: Sequence[str], final: Sequence[str], answer: Sequence[str], truth: Sequence[str]
) -> tuple[Share, Share]:
    """RAIR and RSR (Schemmer et al., IUI 2023) of people who answered, then saw the model, then decided.

    RAIR: of those who were wrong where the model was right, the share that came to the right answer. RSR: of those who
    were right where the model was wrong, the share that kept it. Both near 1 is appropriate reliance.

    >>> rair, rsr = appropriate("abab", "bbab", "bbab", "bbba")
    >>> (rair.k, rair.n), (rsr.k, rsr.n)
    ((1, 1), (0, 0))
    """
    start, end, model, true = (np.asarray(list(cells), dtype=object) for cells in (first, final, answer, truth))
    was_right, is_right, model_right = start == true, end == true, model == true
    return (
        counted(np.asarray(is_right[~was_right & model_right], dtype=bool)),
        counted(np.asarray(is_right[was_right & ~model_right], dtype=bool)),
    )
