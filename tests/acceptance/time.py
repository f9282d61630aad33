"""A6 to A8: drift that is seen, figures that may be looked at every day, labels that come late."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from feedback import delays
from feedback.estimators import Estimate, Outputs, Rows, measure, summed, totals, true_value
from feedback.estimators.guess import with_confidence
from feedback.estimators.ratio import estimate
from feedback.simulation import reviewing, routes
from feedback.simulation.plain import plain_width
from tests.acceptance import made
from tests.acceptance.checks import Check, Size
from tests.feedback import delayed, test_arrival

DAYS, A_DAY, DRIFT_FROM = 40, 500, 20
Z = 1.959963984540054


def drift(size: Size) -> Iterator[Check]:
    """A6: 40 days of 500 predictions, from the middle on a quarter of the surest rows turn out otherwise."""
    rows = made.ROWS if size.again else 12_000
    setup = made.setup("made", rows=rows, budget=0.15, policies=("default",))
    found = np.array([_drifted(setup, number) for number in range(size.replications)])
    seen, covered, post, plain, naive, truth = found.mean(axis=0)
    yield Check("A6", "drift: the interval of post - pre excludes 0", seen, 0.95 - size.slack)
    yield Check("A6", "drift: coverage of post - pre", covered, 0.925 - size.slack)
    yield Check("A6", "drift: width after it, against uniform", post / plain, high=1.20 + size.slack)
    yield Check("A6", "drift: the naive figure sees so much less of it (points)", naive - truth, 0.01)


def _drifted(setup: routes.Setup, number: int) -> tuple[float, ...]:
    rng = np.random.default_rng([6, number])
    size = DAYS * A_DAY
    past = routes.rows_at(setup, rng.integers(0, setup.labels.size, size // 2))
    evidence = routes.Evidence.of(past, budget=0.15, rng=rng)
    window = evidence.trusted(routes.rows_at(setup, rng.integers(0, setup.labels.size, size)))
    labels = reviewing.drifted(window.labels, window.scores.max(axis=1), len(setup.classes), rng)
    window = replace(window, labels=labels)
    propensity = routes.route(setup, "default", window=window, past=evidence.trusted(past), evidence=evidence).window
    drawn = rng.random(size) < propensity
    late = np.arange(size) >= DRIFT_FROM * A_DAY
    pre, post = (_accuracy(setup, window, drawn, propensity, part) for part in (~late, late))
    right = window.labels == window.predicted
    truth = right[late].mean() - right[~late].mean()
    half = Z * (pre.standard_error**2 + post.standard_error**2) ** 0.5
    change = post.point - pre.point
    part = window.where(late)
    uniform = rng.random(part.labels.size) < 0.15
    ratio = _right(part.predicted[uniform], len(setup.classes))
    plain = plain_width(ratio, part.labels[uniform], of=part.labels.size, proportion=True)
    return (
        float(abs(change) > half), float(abs(change - truth) <= half), post.high - post.low, plain,
        post.naive - pre.naive, truth,
    )  # fmt: skip


def _accuracy(
    setup: routes.Setup, window: routes.Rows, drawn: np.ndarray, propensity: np.ndarray, part: np.ndarray
) -> Estimate:
    rows = window.where(part)
    guess = with_confidence(rows.scores, rows.predicted, rows.guess)
    outputs = Outputs(rows.scores, rows.predicted, setup.positive, setup.costs, guess)
    return measure("accuracy", outputs, np.where(drawn[part], rows.labels, -1), propensity[part])


def _right(predicted: np.ndarray, classes: int) -> list:
    from feedback.estimators.metrics import ratios

    return ratios("accuracy", Outputs(np.zeros((predicted.size, classes)), predicted))


def daily_looks(size: Size) -> Iterator[Check]:
    """A7: 39 looks, every 500 predictions from 1,000 on."""
    rows = made.ROWS if size.again else 12_000
    setup = made.setup("made", rows=rows, budget=0.15, policies=("active",))
    found = np.array([_looks(setup, number) for number in range(size.replications)])
    missed, repeated, watched, fixed = found.mean(axis=0)
    yield Check("A7", "daily looks: the sequence misses at any look", missed, high=0.05)
    yield Check("A7", "daily looks: a repeated interval misses at any look", repeated, 0.15)
    yield Check("A7", "daily looks: width of the sequence against the interval", watched / fixed, high=1.75)


def _looks(setup: routes.Setup, number: int) -> tuple[float, ...]:
    rng = np.random.default_rng([7, number])
    size = DAYS * A_DAY
    past = routes.rows_at(setup, rng.integers(0, setup.labels.size, size // 2))
    evidence = routes.Evidence.of(past, budget=0.15, rng=rng)
    window = evidence.trusted(routes.rows_at(setup, rng.integers(0, setup.labels.size, size)))
    propensity = routes.route(setup, "active", window=window, past=evidence.trusted(past), evidence=evidence).window
    drawn = rng.random(size) < propensity
    guess = with_confidence(window.scores, window.predicted, window.guess)
    outputs = Outputs(window.scores, window.predicted, setup.positive, setup.costs, guess)
    labels, right = np.where(drawn, window.labels, -1), np.cumsum(window.labels == window.predicted)
    sums, missed, repeated, found = None, False, False, None
    for end in range(A_DAY, size + 1, A_DAY):
        day = slice(end - A_DAY, end)
        one = summed("accuracy", outputs.part(day), Rows(labels[day], propensity[day]))
        sums = one if sums is None else sums + one
        if end < 2 * A_DAY:
            continue
        found, truth = estimate(totals([(sums, 1.0, 1.0)])), right[end - 1] / end
        missed |= not found.sequence[0] <= truth <= found.sequence[1]
        repeated |= not found.low <= truth <= found.high
    assert found is not None
    return missed, repeated, found.sequence[1] - found.sequence[0], found.high - found.low


def late_labels(size: Size) -> Iterator[Check]:
    """A8: overrides take 2.5 times as long; the setting in which Kaplan and Meier's curve is off by points."""
    rows = []
    for seed in range(size.replications):
        seen = delayed.traffic(np.random.default_rng([8, seed]), slower=2.5)
        model = delays.fit(seen.reviews())
        window = seen.where((seen.age < 10 * delayed.DAY) & (seen.age >= model.holds_from()))
        truth = true_value("accuracy", window.outputs, window.truth)
        arrival = model.arrival(window.strata, window.verdict, window.age)
        whole = model.arrival(window.strata, np.full(arrival.size, delays.UNKNOWN), window.age)
        ours = measure("accuracy", window.outputs, window.labels, window.propensity, arrival, whole)
        by_stratum = test_arrival.by_kaplan_meier(seen, window)
        curve = measure("accuracy", window.outputs, window.labels, window.propensity, by_stratum, by_stratum)
        rows.append((ours.point - truth, ours.low <= truth <= ours.high, curve.point - truth))
    bias, covered, naive = np.mean(rows, axis=0)
    yield Check("A8", "late overrides: bias, verdict-conditional arrival", abs(bias), high=0.005 + size.slack / 20)
    yield Check("A8", "late overrides: coverage", covered, 0.91 - size.slack)
    yield Check("A8", "late overrides: bias of Kaplan-Meier per stratum", naive, 0.03)
    alarms = []
    for seed in range(min(size.replications, 150)):
        reviews = delayed.traffic(np.random.default_rng([9, seed]), slower=2.5, lately=1.3).reviews()
        alarms.append(delays.shift(delays.fit(reviews), reviews).shifted)
    yield Check("A8", "reviews 30 % slower lately: alarms", float(np.mean(alarms)), 0.80)
