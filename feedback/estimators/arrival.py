"""Bringing in the probability that a label has arrived, which changes after its row was summed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields

from feedback.estimators.metrics import AUTO_ACCEPTED_ERROR, Floats
from feedback.estimators.sums import Moments

# Sums over some rows, the arrival probability of their labels, and that of any of its rows before its draw.
Cell = tuple[Moments, float, float]


@dataclass(frozen=True)
class Totals:
    """Sums over a whole population with full weights, as `Moments` names them; they add.

    ``first``, ``square`` and ``variance`` are sums of f f' over labelled rows with the weight w of a label
    in a total, its square, and the weight of a squared residual in the sampling variance; ``model`` and
    ``spread`` carry the weight of a squared error of the guess in the variance that the scores expect.
    """

    metric: str
    counts: Floats
    guess: Floats
    seen: Floats
    weighed: Floats
    least: Floats
    greatest: Floats
    first: Floats
    square: Floats
    variance: Floats
    target: Floats
    certain: Floats
    model: Floats
    spread: Floats

    def __add__(self, other: Totals) -> Totals:
        if self.metric != other.metric or self.seen.shape != other.seen.shape:
            raise ValueError(f"sums of {self.metric} and {other.metric} do not add")
        return Totals(self.metric, *(getattr(self, name) + getattr(other, name) for name in _NAMES))


_NAMES = tuple(field.name for field in fields(Totals))[1:]


def totals(cells: Iterable[Cell]) -> Totals:
    """The population's totals; arrival probabilities lie in (0, 1], and there is at least one cell.

    A label is known with probability q = pi G, the propensity times the arrival probability. No sum is taken
    from another: 1 - q is (1 - pi) + pi (1 - G), each with sums of its own.
    """
    found = [_weighted(*cell) for cell in cells]
    if not found:
        raise ValueError("there are no sums to add")
    whole = found[0]
    for more in found[1:]:
        whole += more
    return whole


def _weighted(sums: Moments, arrival: float, arrival_of_all: float) -> Totals:
    if not (0 < arrival <= 1 and 0 < arrival_of_all <= 1):
        raise ValueError("an arrival probability is above 0 and at most 1")
    g, a = arrival, arrival_of_all
    one, two = sums.reviewed1, sums.reviewed2
    counts = sums.counts.copy()
    if sums.metric == AUTO_ACCEPTED_ERROR:
        # The row itself must not have been drawn, so its error is weighed apart from that of the others:
        # (1 - pi) (1 - pi (1 - G)) / q^2 over labels estimates E[(w seen - [not drawn])^2].
        square, variance = two / g**2, two / g**2 + one / g
        model, spread = (m1 / a + m0 for m1, m0 in ((sums.model1, sums.model0), (sums.spread1, sums.spread0)))
    else:
        square, variance = (two + one) / g**2, two / g**2 + one * ((1 - g) / g**2)
        model, spread = (
            m1 / a + m0 * ((1 - a) / a) for m1, m0 in ((sums.model1, sums.model0), (sums.spread1, sums.spread0))
        )
        # Where labels may be late none is certain to be known, so all have weight in the fit.
        counts[4] = counts[3] if g < 1 else counts[4]
    return Totals(
        sums.metric,
        counts=counts,
        guess=sums.guess,
        seen=sums.seen,
        weighed=sums.weighed / [g, g**2],
        least=sums.least,
        greatest=sums.greatest,
        first=one / g,
        square=square,
        variance=variance,
        target=sums.target,
        certain=sums.certain,
        model=model,
        spread=spread,
    )
