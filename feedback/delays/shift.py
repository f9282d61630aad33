"""Whether labels still arrive as they did in the cohorts from which arrival was learned."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from feedback.delays.arrival import AGREE, FEWEST, LEAST, OVERRIDE, UNKNOWN, ArrivalModel, Reviews

BANDS = 4
ALPHA = 0.01
# What is mature in a history of fewer mature ages than these is a few days that happen to be old: little to compare
# with, and labels slower than the history are in none of it.
SHORTEST = 2.5


@dataclass(frozen=True)
class Shift:
    """Chi-square of drawn against weighted arrived rows by age; ``shifted`` when chance explains it in 1 % or less.

    ``ratio`` is weighted arrivals over draws: below 1 labels arrive later than they used to.
    """

    shifted: bool
    p_value: float | None = None
    statistic: float = 0.0
    degrees: int = 0
    ratio: float | None = None


def shift(model: ArrivalModel, reviews: Reviews, *, alpha: float = ALPHA) -> Shift:
    """Compare the recent cohorts with the mature ones: do 1 / arrival over the arrived rows sum to the drawn?

    The sum is conditional on the verdicts, so a model that became worse, whose overrides take longer, is no shift.
    Rows too young to be used and kinds without a mature cohort are left out, and so are kinds whose history is shorter
    than two and a half mature ages; without enough rows nothing is said.
    """
    ages = {kind: age for kind, age in model.mature.items() if age is not None and _known_long(reviews, kind, age)}
    limit = np.array([ages.get(str(kind), 0.0) for kind in reviews.strata.kind], dtype=np.float64)
    recent = reviews.where((reviews.age >= model.holds_from()) & (reviews.age < limit))
    if recent.age.size < FEWEST:
        return Shift(shifted=False)
    count = min(BANDS, recent.age.size // FEWEST)
    edges = np.quantile(recent.age, np.linspace(0, 1, count + 1)[1:-1])
    band = np.searchsorted(edges, recent.age, side="right")
    pairs = [_excess(model, recent.where(np.asarray(band == b))) for b in np.unique(band)]
    usable = [(excess, variance) for excess, variance in pairs if variance > 0]
    if not usable:
        return Shift(shifted=False)
    statistic = float(sum(excess**2 / variance for excess, variance in usable))
    p_value = float(chi2.sf(statistic, len(usable)))
    ratio = 1 + sum(excess for excess, _ in pairs) / recent.age.size
    return Shift(p_value <= alpha, p_value, statistic, len(usable), float(ratio))


def _known_long(reviews: Reviews, kind: str, age: float) -> bool:
    ages = reviews.age[np.asarray(reviews.strata.kind == kind, dtype=bool)]
    return bool(ages.size) and float(ages.max()) >= SHORTEST * age


def _excess(model: ArrivalModel, rows: Reviews) -> tuple[float, float]:
    """Weighted arrivals minus draws, and its variance: of the arrivals and of what was learned about them."""
    arrived = rows.where(rows.arrived)
    share = model.arrival(arrived.strata, arrived.verdict, arrived.age)
    weight = 1.0 / np.maximum(share, 1e-6)
    # What did arrive says too little about the variance where the slowest rows are those that are missing.
    variance = max(float(np.sum((1 - share) * weight**2)), _expected_variance(model, rows))
    for key, verdict, places in arrived.strata.groups(arrived.verdict):
        cell = model.cell(key, verdict)
        if cell is not None and cell.n:
            variance += float(weight[places].sum()) ** 2 * _relative_variance(share[places]) / cell.n
    return float(weight.sum()) - rows.age.size, variance


def _expected_variance(model: ArrivalModel, rows: Reviews) -> float:
    """The variance of the weighted arrivals if the verdicts are as frequent as they were in mature cohorts."""
    total = 0.0
    for key, _, places in rows.strata.groups(np.full(rows.age.size, UNKNOWN)):
        cells = [cell for verdict in (AGREE, OVERRIDE) if (cell := model.cell(key, verdict)) is not None]
        known = sum(cell.n for cell in cells)
        for cell in cells:
            share = np.maximum(model.share_labelled(key) * cell.at(rows.age[places]), LEAST)
            total += cell.n / max(known, 1) * float(np.sum(1 / share - 1))
    return total


def _relative_variance(share: NDArray[np.float64]) -> float:
    mean = float(np.clip(share.mean(), 1e-6, 1.0))
    return (1 - mean) / mean
