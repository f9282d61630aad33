"""How well scores meet labels: per-row losses, their weighted means, and paired differences.

Intervals here ask "how good is this model on such traffic?", so rows count as a sample even where every
row is labelled; the estimate of a past window, with its finite-population interval, is in ``feedback``.
Shapes: n rows, k classes in the registered order; a label is the index of its class.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

# A score of exactly 0 for the true class would make one row decide everything.
SMALLEST_SCORE = 1e-6
# Two-sided 95 %.
Z = 1.959963984540054


@dataclass(frozen=True)
class Losses:
    """One value per row of each loss; all are better when smaller."""

    zero_one: Floats
    log_loss: Floats
    brier: Floats
    cost: Floats


@dataclass(frozen=True)
class Difference:
    """A weighted mean of paired differences with its 95 % interval; None where nothing can be said."""

    estimate: float | None
    low: float | None
    high: float | None
    effective_n: float

    def document(self) -> dict[str, float | None]:
        return asdict(self)


def losses(scores: Floats, labels: Integers, costs: Floats) -> Losses:
    """Per-row losses of scores (n, k) against labels (n,); ``costs[predicted, actual]`` is (k, k).

    Brier is the sum over classes, halved, so that for two classes it is (p - y)² of one of them.

    >>> row = losses(np.array([[0.8, 0.2]]), np.array([1]), np.array([[0.0, 5.0], [1.0, 0.0]]))
    >>> row.zero_one.tolist(), row.brier.round(2).tolist(), row.cost.tolist()
    ([1.0], [0.64], [5.0])
    """
    rows = np.arange(len(labels))
    predicted = scores.argmax(axis=1) if len(labels) else np.zeros(0, dtype=np.int64)
    truth = np.zeros_like(scores)
    truth[rows, labels] = 1.0
    return Losses(
        zero_one=(predicted != labels).astype(np.float64),
        log_loss=-np.log(np.clip(scores[rows, labels], SMALLEST_SCORE, 1.0)),
        brier=((scores - truth) ** 2).sum(axis=1) / 2.0,
        cost=costs[predicted, labels].astype(np.float64),
    )


def summary(found: Losses, weight: Floats) -> dict[str, float]:
    """Weighted means of the losses, accuracy instead of error; empty without rows."""
    if not len(weight):
        return {}
    share = weight / weight.sum()
    return {
        "log_loss": float(share @ found.log_loss),
        "accuracy": float(1.0 - share @ found.zero_one),
        "brier": float(share @ found.brier),
        "cost": float(share @ found.cost),
    }


def constant_scores(labels: Integers, weight: Floats, classes: int) -> Floats:
    """Scores (n, k) of the best predictor that ignores the features: the weighted class shares of these very rows.

    It has seen the answers it is judged on, which favours it: a model that is not better is of no use.
    """
    counts = np.bincount(labels, weights=weight, minlength=classes)
    return np.tile(counts / counts.sum(), (len(labels), 1)) if len(labels) else np.zeros((0, classes))


def effective_n(weight: Floats, entity: Sequence[Any] | None = None) -> float:
    """Kish's effective sample size (Σw)²/Σw²; rows of one entity count as one.

    >>> effective_n(np.array([1.0, 1.0, 1.0, 1.0]))
    4.0
    >>> effective_n(np.array([1.0, 1.0, 1.0, 1.0]), ["a", "a", "b", "b"])
    2.0
    """
    if not len(weight):
        return 0.0
    total = _by_entity(weight, entity)
    return float(total.sum() ** 2 / (total**2).sum())


def paired_difference(new: Floats, old: Floats, weight: Floats, entity: Sequence[Any] | None = None) -> Difference:
    """Weighted mean of ``new - old`` on the same rows (the Hájek estimator), with a linearised variance.

    V = g/(g-1) Σ_g (Σ_{i in g} w_i (d_i - θ) / Σw)², residuals summed per entity before they are squared,
    because the rows of one entity are not independent. Fewer than two entities: no interval.
    """
    size = effective_n(weight, entity)
    if not len(weight):
        return Difference(None, None, None, size)
    difference = new - old
    total = weight.sum()
    estimate = float(weight @ difference / total)
    residual = _by_entity(weight * (difference - estimate) / total, entity)
    groups = len(residual)
    if groups < 2:
        return Difference(estimate, None, None, size)
    half = Z * float(np.sqrt(groups / (groups - 1) * (residual**2).sum()))
    return Difference(estimate, estimate - half, estimate + half, size)


def _by_entity(values: Floats, entity: Sequence[Any] | None) -> Floats:
    if entity is None:
        return values
    _, number = np.unique(np.asarray(entity, dtype=object).astype(str), return_inverse=True)
    return np.bincount(number, weights=values).astype(np.float64)
