"""The model-assisted ratio estimator: any metric that is a sum over a sum, from labels that were drawn.

Survey sampling calls it GREG; with a model's scores as the guess it is prediction-powered inference
(Angelopoulos et al. 2023) under known unequal probabilities (Zrnic and Candes 2024). Sampling is
independent per row (Poisson), the target is the finite population of predictions actually made.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from feedback.estimators.arrival import Totals
from feedback.estimators.intervals import Z95, Estimate, State, publishable, sequence, shrunk, student, wilson
from feedback.estimators.metrics import AUTO_ACCEPTED_ERROR, PROPORTIONS, UNBOUNDED, Flags, Floats
from feedback.estimators.sums import Moments

# Fewer labelled rows than this cannot carry a regression of two parameters.
FEWEST_FOR_TUNING = 10
# Where all labels weigh about alike, fewer of the rarer answer than this cannot tell what a guess explains.
FEWEST_EVENTS = 20.0
ALIKE = 0.9
# What is left of sums that cancel to below this share of their size is rounding.
ROUNDING = 1e-13


def estimate(sums: Totals, added: float = 0.0) -> Estimate:
    """The mean of the ratios (one, or one per class for a macro average) with its interval.

    ``added`` is variance from elsewhere than the draw, as by reviewers who err.

    A row with propensity 0 leaves part of the population without evidence: there is then no point estimate
    at all, but ``bounds`` of what the whole can be at worst and at best, that part being all wrong or all right.
    """
    plain = unweighted(sums)
    if sums.counts[2] > 0:
        share = float(sums.counts[2]) / (_population(sums) + float(sums.counts[2]))
        return replace(plain, state=State.UNSUPPORTED, unsupported_share=share, bounds=bounds(sums, sums))
    fit = _fit(sums)
    return plain if fit is None else _with(plain, sums, replace(fit, variance=fit.variance + added))


def influence(sums: Totals) -> Floats | None:
    """What the figure gains per unit of the sums of A and of B (2R,), about; None where no label tells of any B."""
    first = _first(sums)
    return None if first is None else np.asarray(first.influence / _population(sums), dtype=np.float64)


def unweighted(sums: Moments | Totals) -> Estimate:
    """The plain mean over labelled rows, as if they had been chosen blindly; no estimate, only ``naive``."""
    labels = round(float(sums.counts[1]))
    empty = Estimate(None, None, None, None, 0.0, State.INSUFFICIENT, labels=labels)
    known = sums.seen[sums.seen[:, 1] > 0]
    if not len(known):
        return empty
    share = float(np.mean(known[:, 0] / known[:, 1]))
    if sums.metric in PROPORTIONS:
        low, high = wilson(min(1.0, max(0.0, share)), float(known[:, 1].sum()))
    else:
        spread = max(float(known[0, 2]) / labels - (float(known[0, 0]) / labels) ** 2, 0.0)
        half = Z95 * (spread / labels) ** 0.5
        low, high = share - half, share + half
    return replace(empty, naive=share, naive_low=low, naive_high=high)


def guessed(sums: Moments | Totals) -> float | None:
    """The model's own guess of the metric over all rows, labelled or not; None for an empty denominator."""
    known = sums.guess[sums.guess[:, 1] > 0]
    return float(np.mean(known[:, 0] / known[:, 1])) if len(known) else None


def departs(found: Estimate, guess: float | None) -> bool:
    """Whether the model's guess lies outside the honest interval: concept drift, or scores that promise too much.

    >>> departs(Estimate(0.8, 0.77, 0.83, 0.015, 700.0, State.OK), 0.86)
    True
    >>> departs(Estimate(0.8, 0.5, 0.95, 0.1, 12.0, State.INSUFFICIENT), 0.96)
    False
    """
    if guess is None or found.low is None or found.high is None or found.state is not State.OK:
        return False
    return not found.low <= guess <= found.high


def nonresponse_bounds(sums: Totals, lost: tuple[Totals, Totals]) -> tuple[float, float] | None:
    """The figure if all drawn rows whose label will never come were wrong, and if all were right (Manski).

    ``lost`` are the totals of `lost_moments`; the arrival probability in these and in ``sums`` counts a lost
    label as arrived. Each lost row stands for 1 / propensity. The ends include the error of sampling.
    """
    worst, best = lost
    return bounds(sums + worst, sums + best)


def bounds(worst: Totals, best: Totals) -> tuple[float, float] | None:
    """From the low end with every unsupported row at its least to the high end with each at its greatest.

    None for a loss without a largest value, and for any but a proportion where no label supports the rest.
    """
    if worst.metric in UNBOUNDED:
        return None
    low, high = _settled(worst, worst.least), _settled(best, best.greatest)
    return None if low is None or high is None else (low[0], high[1])


def _settled(sums: Totals, unsupported: Floats) -> tuple[float, float] | None:
    """The interval once the unsupported rows are known to add these A and B (R, 2): rows without doubt."""
    unknown = (0.0, 1.0) if sums.metric in PROPORTIONS else None
    if _population(sums) <= 0:
        if not np.all(unsupported[:, 1] > 0):
            return unknown
        value = float(np.mean(unsupported[:, 0] / unsupported[:, 1]))
        return value, value
    added = np.concatenate([sums.counts[2:3], unsupported.T.ravel()])
    certain = sums.certain.copy()
    certain[0] += added
    fit = _fit(replace(sums, certain=certain))
    # A class that no label speaks of may turn out either way.
    if fit is None or not fit.whole:
        return unknown
    return _interval(sums.metric, fit)[:2]


@dataclass(frozen=True)
class _Fit:
    """The estimate before its interval; ``whole`` where every class of a macro average has a figure."""

    point: float
    variance: float
    kish: float
    denominator: float
    square: float
    whole: bool


@dataclass(frozen=True)
class _First:
    """The ratios (R,) before tuning; ``scale`` is what 1 more of A adds to N times the figure, 0 if not ``valid``.

    ``plain``: the labels of a proportion are a plain sample; ``thin``: and so few of them gave the rarer answer
    that no guess takes part.
    """

    ratios: Floats
    bottom: Floats
    scale: Floats
    kishes: Floats
    valid: Flags
    plain: bool
    thin: bool

    @property
    def influence(self) -> Floats:
        return np.concatenate([self.scale, -self.ratios * self.scale])


def _first(sums: Totals) -> _First | None:
    """None where no label tells of any denominator."""
    parts = len(sums.seen)
    known = sums.target[0, 1:] + sums.certain[0, 1:] + sums.first[0, 1 + 2 * parts :]
    top, bottom = known[:parts], known[parts:]
    valid = (bottom > 0) & (sums.weighed[:, 1] > 0)
    if not valid.any() or sums.counts[1] == 0:
        return None
    first = np.divide(top, bottom, out=np.zeros(parts), where=valid)
    kishes = np.divide(sums.weighed[:, 0] ** 2, sums.weighed[:, 1], out=np.zeros(parts), where=valid)
    plain = sums.metric in PROPORTIONS and _is_plain(sums, kishes)
    thin = plain and _is_thin(first, kishes)
    if thin:
        top, bottom = _weighted_totals(sums, parts)
        first = np.divide(top, bottom, out=np.zeros(parts), where=valid)
    scale = np.divide(_population(sums) / valid.sum(), bottom, out=np.zeros(parts), where=valid)
    return _First(first, bottom, scale, kishes, valid, plain, thin)


def _population(sums: Totals) -> float:
    return float(sums.target[0, 0] + sums.certain[0, 0])


def _fit(sums: Totals) -> _Fit | None:
    """The tuned estimate: None where no label tells of any denominator.

    The first estimate is a ratio of difference-estimator totals. The influence d = (A - theta B) / D is then
    regressed on the model's guess of it over labelled rows, weighted as their residuals are in the sampling
    variance (PPI++'s power tuning): slope 0 is Hajek's estimator, slope 1 AIPW. A row that adds the same
    whatever its class needs no label: it is its own guess and takes no part in the fit.
    """
    n, parts, start = _population(sums), len(sums.seen), _first(sums)
    if start is None:
        return None
    first, scale, kishes, valid, thin = start.ratios, start.scale, start.kishes, start.valid, start.thin
    influence = start.influence
    x, e = np.concatenate([[0.0], influence]), np.concatenate([[0.0], np.zeros(2 * parts), influence])
    wide = np.concatenate([x, np.zeros(2 * parts)])
    b0, slope, fitted = _line(sums, wide, e, flat=thin)
    h = x * (1 + slope)
    h[0] += b0
    residual, miss = e - slope * wide, -slope * x
    residual[0], miss[0] = -b0, -b0
    kish = float(np.min(kishes[valid]))
    # Residuals of a line through the same labels are too small by the parameters that were fitted.
    short = max(kish, 1.0) / max(kish - fitted, 1.0)
    sampling = _form(residual, sums.variance, residual) * short
    model = _form(influence, sums.spread, influence) + _form(miss, sums.model, miss)
    if start.plain:
        # What a plain sample says of itself: scores that are far off must not make it worth less.
        own = _thin_variance(sums, first, scale, kishes)
        model = own if thin else min(model, own)
    shift = float(sums.target[0] @ h + sums.certain[0] @ x + sums.first[0] @ residual) / n
    high = np.concatenate([h, np.zeros(2 * parts)])
    square = _form(h, sums.target, h) + _form(x, sums.certain, x) + 2 * _form(high, sums.first, residual)
    square = (square + _form(residual, sums.square, residual)) / n - shift**2
    point = float(first[valid].mean()) + shift
    return _Fit(point, max(sampling, model) / n**2, kish, float(start.bottom[valid].sum()), square, bool(valid.all()))


def _form(x: Floats, sums: Floats, y: Floats) -> float:
    """x' sums y, and 0 where that is but the rounding of what cancels in it."""
    value, size = float(x @ sums @ y), float(np.abs(x) @ np.abs(sums) @ np.abs(y))
    return value if abs(value) > ROUNDING * size else 0.0


def _is_plain(sums: Totals, kishes: Floats) -> bool:
    """Whether the labels are a plain sample: they weigh about alike, and about what any row would.

    Where rows of low propensity happen to be missing, the labels that are there are alike and tell nothing of
    the others.
    """
    alike = float(kishes.sum()) >= ALIKE * float(sums.seen[:, 1].sum())
    # The mean of 1 / q over labels, and over all rows whose label matters.
    labelled = float(sums.first[0, 0]) / max(float(sums.counts[3]), 1.0)
    everyone = 1.0 + float(sums.model[0, 0]) / max(float(sums.target[0, 0]), 1.0)
    return alike and labelled >= ALIKE * everyone


def _is_thin(first: Floats, kishes: Floats) -> bool:
    """Whether a plain sample holds hardly any of the rarer answer, over all classes that count."""
    share = np.clip(first, 0.0, 1.0)
    return float(kishes @ np.minimum(share, 1.0 - share)) < FEWEST_EVENTS


def _weighted_totals(sums: Totals, parts: int) -> tuple[Floats, Floats]:
    """Totals of A and B (R,) by weights alone, scaled to the rows there are (Hájek): no guess takes part."""
    weight = sums.first[0]
    labelled = weight[1 : 1 + 2 * parts] + weight[1 + 2 * parts :]
    whole = sums.certain[0, 1:] + labelled * (sums.target[0, 0] / weight[0] if weight[0] > 0 else 0.0)
    return whole[:parts], whole[parts:]


def _thin_variance(sums: Totals, first: Floats, scale: Floats, kishes: Floats) -> float:
    """The variance of the weighted mean of a proportion, two pseudo-rows having answered either way.

    With so few rows of the rarer answer neither their residuals nor the scores say how large it is; what a
    plain sample says of itself does.
    """
    parts = len(first)
    share = (np.clip(first, 0.0, 1.0) * kishes + 1.0) / (kishes + 2.0)
    total = 0.0
    for part in range(parts):
        below = np.zeros(1 + 4 * parts)
        below[[1 + parts + part, 1 + 3 * parts + part]] = scale[part]
        total += float(share[part] * (1.0 - share[part])) * _form(below, sums.variance, below)
    return total


def _line(sums: Totals, x: Floats, e: Floats, *, flat: bool) -> tuple[float, float, int]:
    """What the guess x misses (e) as a line over x: intercept, slope, how many of the two were fitted.

    ``flat``: the guess is left out, and the mean stands for all rows.
    """
    weight = sums.variance
    if sums.counts[4] < FEWEST_FOR_TUNING:
        return 0.0, 0.0, 0
    total, sum_x, sum_e = float(weight[0, 0]), float(weight[0] @ x), float(weight[0] @ e)
    across = float(x @ weight @ x) - sum_x**2 / total
    if flat or across <= 10 * ROUNDING * float(np.abs(x) @ np.abs(weight) @ np.abs(x)):
        # A guess that is the same for all rows explains nothing: the mean does.
        return (sum_x + sum_e) / total, -1.0, 1
    slope = (float(x @ weight @ e) - sum_x * sum_e / total) / across
    return (sum_e - slope * sum_x) / total, slope, 2


def _interval(metric: str, fit: _Fit) -> tuple[float, float, float]:
    """Low, high and the effective number of rows; for ``metric`` a proportion the point is cut to [0, 1] first."""
    if metric not in PROPORTIONS:
        half = student(fit.kish - 1) * fit.variance**0.5
        return fit.point - half, fit.point + half, fit.kish
    point = min(1.0, max(0.0, fit.point))
    guess = shrunk(point, fit.kish)
    spread = guess * (1 - guess)
    effective = spread / max(fit.variance, spread / fit.denominator)
    return *wilson(point, effective, student(fit.kish - 1)), effective


def _with(plain: Estimate, sums: Totals, fit: _Fit) -> Estimate:
    low, high, effective = _interval(sums.metric, fit)
    proportion = sums.metric in PROPORTIONS
    point = min(1.0, max(0.0, fit.point)) if proportion else fit.point
    # A good guess may make few labels worth many, but not out of next to none.
    labels = float(sums.counts[4]) if sums.metric == AUTO_ACCEPTED_ERROR else plain.labels
    state = publishable(min(effective, labels) if proportion else effective, high - low if proportion else None)
    watched = None
    # Of the rows that were not drawn there is no fixed order in time: the draw decides who they are.
    if sums.metric != AUTO_ACCEPTED_ERROR:
        below, above = sequence(fit.point, max(fit.square, 0.0) ** 0.5, _population(sums))
        watched = (min(point, max(0.0, below)), max(point, min(1.0, above))) if proportion else (below, above)
    return replace(
        plain,
        point=point,
        low=low,
        high=high,
        standard_error=fit.variance**0.5,
        effective_n=effective,
        state=state,
        sequence=watched,
    )
