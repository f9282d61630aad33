"""A9 to A11, A17, A18 and the frequencies: reviewers, the audit of the draws, lack of support, plans, comparisons."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from feedback.estimators import Outputs, State, measure, planning, true_value
from feedback.estimators.audit import propensity_audit
from feedback.estimators.guess import with_confidence
from feedback.estimators.intervals import Z95
from feedback.simulation import routes
from models_registry import evaluation
from tests.acceptance import made
from tests.acceptance.checks import Check, Size, measured
from tests.acceptance.routing_frequency import review_frequency
from tests.feedback import reviewed_by_people, test_draw_audit, test_estimator_bounds
from tests.feedback.simulated_traffic import COSTS, answers, traffic


def reviewer_error(size: Size) -> list[Check]:
    """A9: sensitivity 0.92, specificity 0.96, gold 4 x 400; the anchored copy a quarter of disagreements."""

    def run(count: int) -> Iterator[Check]:
        for kind, copied in (("independent", 0.0), ("anchored", reviewed_by_people.COPIED)):
            found = reviewed_by_people.errors(
                ("accuracy",), runs=count, n=10_000, each=400, copied=copied, gold_copied=copied, budget=0.15, seed=19
            )["accuracy"]
            error, covered, believed, _ = found.T
            yield Check("A9", f"{kind} reviewers, corrected: bias", abs(error.mean()), high=0.003 + size.slack / 20)
            yield Check("A9", f"{kind} reviewers, corrected: coverage", covered.mean(), 0.92 - size.slack)
            yield Check("A9", f"{kind} reviewers, believed: bias", abs(believed.mean()), 0.015)
        # Gold of another screen than the labels'.
        found = reviewed_by_people.errors(
            ("accuracy",), runs=count, n=10_000, each=400, copied=reviewed_by_people.COPIED, gold_copied=0.0,
            budget=0.15, seed=19,
        )["accuracy"]  # fmt: skip
        yield Check("A9", "anchored reviewers, gold answered hidden: bias", abs(found[:, 0].mean()), 0.03)
        yield Check("A9", "anchored reviewers, gold answered hidden: coverage", found[:, 1].mean(), high=0.05)

    # Its biases are known far better than coverages are: near their bar is nothing to measure anew.
    return list(run(size.again or size.replications))


def propensity_audits(size: Size) -> Iterator[Check]:
    """A10: windows of 20,000 routings, 400 of them."""
    honest, vanished, recomputed = [], [], []
    early = np.arange(test_draw_audit.N) < test_draw_audit.N // 2
    for rng, m, pi in test_draw_audit.windows(400 if size.again else size.replications):
        drawn = rng.random(m.size) < pi
        lost = (m < np.median(m)) & (rng.random(m.size) < 0.15)
        logged = np.where(early, np.where(m < 0.6, 1.0, 0.03), pi)
        honest.append(propensity_audit(m, pi, drawn).alarm)
        vanished.append(propensity_audit(m, pi, drawn & ~lost).alarm)
        recomputed.append(propensity_audit(m, pi, rng.random(m.size) < logged).alarm)
    yield Check("A10", "propensity audit: false alarms", float(np.mean(honest)), high=0.01)
    yield Check("A10", "propensity audit: hard reviews skipped, found", float(np.mean(vanished)), 0.95)
    yield Check("A10", "propensity audit: recomputed propensities, found", float(np.mean(recomputed)), 0.95)


def no_support(size: Size) -> Iterator[Check]:
    """A11: part of the traffic can never be reviewed."""
    shown, held, silent = 0, 0, 0
    for number in range(size.replications):
        rows = test_estimator_bounds.without_slice(np.random.default_rng([11, number]))
        truth = true_value("accuracy", rows.outputs, rows.truth)
        found = measure("accuracy", rows.outputs, rows.labels, rows.propensity)
        shown += found.point is not None or found.state is not State.UNSUPPORTED
        held += found.bounds[0] <= truth <= found.bounds[1]
        # Whoever takes the lost part for reviewed as often as the rest is sure and wrong.
        pretended = np.where(rows.propensity > 0, rows.propensity, rows.propensity[rows.propensity > 0].min())
        wrong = measure("accuracy", rows.outputs, rows.labels, pretended)
        silent += wrong.low <= truth <= wrong.high
    yield Check("A11", "no support: windows with a point estimate", shown / size.replications, high=0.0)
    yield Check("A11", "no support: bounds cover", held / size.replications, 1.0)
    yield Check("A11", "no support: an estimate that imputes silently covers", silent / size.replications, high=0.5)


def planned_width(size: Size) -> Iterator[Check]:
    """A17: what the planner says before any label, over what the estimates then vary by."""
    rows = made.ROWS if size.again else 12_000
    # The spread of 300 errors is known to 4 %, too little for a bar of 10 %.
    runs = size.again or size.replications
    for name in ("active", "default"):
        setup = made.setup("made", rows=rows, budget=0.15, policies=(name,))
        planned, errors = zip(*(_planned(setup, name, number) for number in range(runs)), strict=True)
        ratio = float(np.mean(planned)) / float(np.std(errors))
        wide = 0.10 + 4 * size.slack
        yield Check("A17", f"planner, {name}: planned over realised error", ratio, 1 - wide, 1 + wide)


def _planned(setup: routes.Setup, name: str, number: int) -> tuple[float, float]:
    rng = np.random.default_rng([17, number])
    order = rng.permutation(setup.labels.size)
    half = min(10_000, order.size // 2)
    past, window = routes.rows_at(setup, order[half : 2 * half]), routes.rows_at(setup, order[:half])
    evidence = routes.Evidence.of(past, budget=0.15, rng=rng)
    past, window = evidence.trusted(past), evidence.trusted(window)
    propensity = routes.route(setup, name, window=window, past=past, evidence=evidence).window
    spread = planning.residual_variance(window.guess, np.full(half, np.nan), np.ones(half))
    planned = planning.half_width(spread, propensity) / Z95
    outputs = Outputs(
        window.scores, window.predicted, setup.positive, setup.costs,
        with_confidence(window.scores, window.predicted, window.guess),
    )  # fmt: skip
    labels = np.where(rng.random(half) < propensity, window.labels, -1)
    found = measure("accuracy", outputs, labels, propensity)
    return planned, found.point - true_value("accuracy", outputs, window.labels)


def challengers(size: Size) -> list[Check]:
    """A18: a challenger's losses less the champion's on the same rows."""

    def run(count: int) -> Iterator[Check]:
        for loss, name in (("log_loss", "log loss"), ("zero_one", "error")):
            covered = [_compared(loss, number) for number in range(count)]
            what = f"challenger less champion, {name}: coverage"
            yield Check("A18", what, float(np.mean(covered)), 0.915 - size.slack)

    return measured(run, size)


def _compared(loss: str, number: int) -> bool:
    rng = np.random.default_rng([18, number])
    rows = traffic(rng, 4_000, 0.15)
    logit = np.log(rows.outputs.scores[:, 1] / rows.outputs.scores[:, 0])
    other = answers(0.8 * logit + 0.3 * rng.normal(size=logit.size))
    old, new = (getattr(evaluation.losses(one.scores, rows.truth, COSTS), loss) for one in (rows.outputs, other))
    seen = rows.drawn
    found = evaluation.paired_difference(new[seen], old[seen], 1 / rows.propensity[seen])
    return bool(found.low <= np.mean(new - old) <= found.high)


def frequencies(size: Size) -> Iterator[Check]:
    """Every tenth of the propensities is reviewed as often as it says."""
    rows = 100_000 if size.again else 20_000
    worst = max(decile.sigmas for decile in review_frequency(rows, seed=20))
    yield Check("freq", f"{rows:,} routed: worst tenth off by (sigma)", worst, high=3.0)
