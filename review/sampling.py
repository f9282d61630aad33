"""Propensities for a budget, and the interval width they will buy. Arrays in, arrays out.

Notation as in docs/statistics.md: m is the model's own guess that its answer is right, pi the
propensity, B the budget (share of all traffic reviewed, gates and floors included), tau how close the
sampler stays to uniform review. Whatever is solved here is solved on past rows: a scale fitted to the
window that it samples would make the draw depend on it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

BISECTIONS = 50
# tau = 1 is uniform review; at 0.5 the variance is at most twice that of uniform, however poor the scores.
TAUS = (0.5, 0.625, 0.75, 0.875, 1.0)
# So many labelled rows, and so many that weigh anything in a variance, before tau may leave 1.
FEWEST_LABELS = 200
FEWEST_RESIDUALS = 30
# Another tau must beat uniform review by this many standard errors of the difference.
MARGIN = 1.0


@dataclass(frozen=True, slots=True)
class Fit:
    """A sampler solved on past traffic: with which probability it asks for a review, given m.

    ``level``: what every row has at least; ``scale``: c of ``c sqrt(m (1 - m))``; ``cut``: doubt 1 - m
    beyond which a row is drawn for certain, ``at_cut``: with which probability on the cut itself;
    ``temperature``: how far past labels trust the scores that m is read from.
    """

    kind: str
    level: float = 0.0
    scale: float = 0.0
    tau: float = 1.0
    cut: float = 1.0
    at_cut: float = 0.0
    temperature: float = 1.0

    def document(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Fit:
        return cls(**document)


def guess_of(scores: Floats, predicted: NDArray[np.int64], temperature: float = 1.0) -> Floats:
    """m (N,): the probability that the answer is right, softmax(log p / T) of the class that was answered.

    ``scores`` (N, K), ``predicted`` (N,) class indexes.

    >>> scores = np.array([[0.8, 0.2], [0.5, 0.5]])
    >>> guess_of(scores, np.array([0, 1])).tolist(), guess_of(scores, np.array([0, 1]), 2.0).round(3).tolist()
    ([0.8, 0.5], [0.667, 0.5])
    """
    rows = np.arange(predicted.size)
    if temperature == 1.0:
        return np.asarray(scores[rows, predicted], dtype=np.float64)
    powers = scores ** (1.0 / temperature)
    return np.asarray(powers[rows, predicted] / powers.sum(axis=1))


def uncertainty(guess: Floats) -> Floats:
    """sqrt(m (1 - m)) per row: the standard deviation of "the answer is right" under the model's guess.

    Reviewing in proportion to it is Neyman allocation with one row per stratum (Neyman 1934; Zrnic and
    Candès, Active statistical inference, 2024).

    >>> uncertainty(np.array([0.5, 0.9, 1.0])).round(6).tolist()
    [0.5, 0.3, 0.0]
    """
    bounded = np.clip(guess, 0.0, 1.0)
    return np.asarray(np.sqrt(bounded * (1.0 - bounded)))


def probability(fit: Fit, guess: Floats) -> Floats:
    """What the sampler alone asks for, per row; the propensity is the largest of this, gates and floors.

    >>> probability(Fit("active", level=0.1, scale=0.5), np.array([0.5, 0.9, 1.0])).tolist()
    [0.25, 0.15, 0.1]
    >>> probability(Fit("epsilon", level=0.03, cut=0.4, at_cut=0.5), np.array([0.5, 0.6, 0.9])).round(3).tolist()
    [1.0, 0.515, 0.03]
    """
    if fit.kind == "active":
        return np.asarray(np.clip(np.maximum(fit.scale * uncertainty(guess), fit.level), 0.0, 1.0))
    if fit.kind == "epsilon":
        doubt = _doubt(guess)
        certain = np.where(doubt == fit.cut, fit.at_cut, (doubt > fit.cut).astype(np.float64))
        return np.asarray(fit.level + (1.0 - fit.level) * certain)
    return np.full(guess.shape, fit.level)


def unfitted(kind: str, *, budget: float) -> Fit:
    """The sampler before there is any past to solve it on: uniform review at the budget."""
    if kind == "none":
        return Fit("none")
    return Fit(kind, level=budget)


def fit(
    kind: str,
    *,
    budget: float,
    guess: Floats,
    least: Floats,
    tau: float = 1.0,
    epsilon: float = 0.0,
    weight: Floats | None = None,
) -> Fit:
    """The sampler whose mean propensity on these past rows is the budget.

    ``guess`` m and ``least`` (what gates, audits and floors ask for already) are (N,); ``weight`` (N,) says
    how many rows each stands for. Where ``least`` alone reaches the budget the sampler adds nothing.

    >>> m, least = np.array([0.5, 0.8, 0.9, 0.99]), np.full(4, 0.05)
    >>> for kind in ("uniform", "active", "epsilon"):
    ...     found = fit(kind, budget=0.4, guess=m, least=least, tau=0.5, epsilon=0.1)
    ...     round(float(np.maximum(least, probability(found, m)).mean()), 9)
    0.4
    0.4
    0.4
    """
    if kind == "none" or guess.size == 0:
        return unfitted(kind, budget=budget)
    share = np.full(guess.size, 1.0 / guess.size) if weight is None else weight / weight.sum()
    level = _solve(lambda p: np.maximum(least, p), share, budget, 1.0)
    if kind == "active":
        return _active(budget, guess, least, share, level, tau)
    if kind == "epsilon":
        return _epsilon(budget, guess, least, share, min(level, epsilon))
    return Fit("uniform", level=level)


def choose_tau(*, budget: float, guess: Floats, least: Floats, residual: Floats, weight: Floats) -> float:
    """tau in TAUS for which the estimate of accuracy would have varied least on these past rows.

    ``residual`` d - h of the regression estimator on labelled rows, ``weight`` 1/q on labelled rows and 0 on
    all others; all (N,). ``sum w (1 - pi_tau) / pi_tau residual²`` estimates the variance that each tau
    would have given, without trusting the scores. 1 (uniform review) until there is enough evidence that
    another is better; after Li, Zrnic and Candès, Robust sampling for active statistical inference (2025).

    >>> rng = np.random.default_rng(0)
    >>> m = rng.uniform(0.5, 1.0, 4000)
    >>> for wrong in (rng.random(4000) > m, rng.random(4000) > 0.75):
    ...     r = wrong - wrong.mean()
    ...     choose_tau(budget=0.2, guess=m, least=np.full(4000, 0.01), residual=r, weight=np.full(4000, 1.0)) < 1
    True
    False
    """
    labelled = weight > 0
    spread = (weight * residual**2)[labelled]
    effective = float(spread.sum() ** 2 / np.sum(spread**2)) if spread.any() else 0.0
    if int(labelled.sum()) < FEWEST_LABELS or effective < FEWEST_RESIDUALS:
        return 1.0
    odds = {}
    for tau in TAUS:
        sampler = fit("active", budget=budget, guess=guess, least=least, tau=tau)
        pi = np.maximum(least, probability(sampler, guess))[labelled]
        odds[tau] = (1.0 - pi) / pi
    best, lowest = 1.0, 0.0
    for tau in TAUS:
        gain = spread * (odds[tau] - odds[1.0])
        total = float(gain.sum())
        if total + MARGIN * float(np.sqrt(np.sum(gain**2))) < 0 and total < lowest:
            best, lowest = tau, total
    return best


def _active(budget: float, guess: Floats, least: Floats, share: Floats, level: float, tau: float) -> Fit:
    """pi = max(least, c u, tau level): tau = 1 is uniform review under the same gates and floors."""
    u = uncertainty(guess)
    floor = np.maximum(least, tau * level)
    positive = u[u > 0]
    most = 1.0 / float(positive.min()) if positive.size else 0.0
    scale = _solve(lambda c: np.clip(np.maximum(c * u, floor), 0.0, 1.0), share, budget, most)
    return Fit("active", level=tau * level, scale=scale, tau=tau)


def _epsilon(budget: float, guess: Floats, least: Floats, share: Floats, level: float) -> Fit:
    """Certain above a cut of doubt, ``level`` below it, and in between on the cut what the budget leaves."""
    floor = np.maximum(least, level)
    doubt, place = np.unique(-_doubt(guess), return_inverse=True)
    gain = np.bincount(place, weights=share * (1.0 - floor), minlength=doubt.size)
    left = budget - float(share @ floor)
    spent = np.cumsum(gain)
    last = int(np.searchsorted(spent, left))
    if left <= 0:
        return Fit("epsilon", level=level)
    if last == doubt.size:
        return Fit("epsilon", level=level, cut=-1.0)
    before = float(spent[last - 1]) if last else 0.0
    # On the cut the sampler gives level + (1 - level) q, of which only what exceeds the floor is a gain.
    at_cut = _share_at_cut(left - before, floor[place == last], share[place == last], level)
    return Fit("epsilon", level=level, cut=float(-doubt[last]), at_cut=at_cut)


def _share_at_cut(left: float, floor: Floats, share: Floats, level: float) -> float:
    target = float(share @ floor) + left
    p = _solve(lambda x: np.maximum(floor, x), share, target, 1.0)
    return max(0.0, (p - level) / (1.0 - level)) if level < 1.0 else 0.0


def _solve(propensity: Callable[[float], Floats], share: Floats, budget: float, most: float) -> float:
    """The parameter in [0, most] at which the mean of a rising propensity is the budget; 0 where it starts above."""
    low, high = 0.0, most
    if float(share @ propensity(low)) >= budget:
        return 0.0
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        if float(share @ propensity(middle)) < budget:
            low = middle
        else:
            high = middle
    return high


def _doubt(guess: Floats) -> Floats:
    return np.asarray(1.0 - guess)
