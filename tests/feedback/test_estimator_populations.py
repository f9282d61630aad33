"""Estimates about the rows that nobody looked at, about the lead over a constant, and from no label at all."""

from __future__ import annotations

from dataclasses import replace
from functools import cache, lru_cache

import numpy as np
import pytest

from feedback.estimators import (
    AUTO_ACCEPTED_ERROR,
    Estimate,
    Outputs,
    Rows,
    State,
    departs,
    estimate,
    measure,
    totals,
    true_value,
)
from feedback.estimators.questions import questions
from feedback.estimators.rows import sums_of
from tests.feedback.simulated_traffic import UNKNOWN, Traffic, label_free, traffic

REPLICATIONS = 300
PAIRS = 200
N = 2_000


@cache
def _unseen(policy: str, arrived: float) -> np.ndarray:
    """(replications, 6): truth, point, low, high, standard error, naive error rate of the labelled rows."""
    rng = np.random.default_rng(20263)
    found = np.empty((REPLICATIONS, 6))
    for run in range(REPLICATIONS):
        made = traffic(rng, N, 0.15, policy=policy)
        labels = np.where(rng.random(N) < arrived, made.labels, UNKNOWN)
        arrival = np.full(N, arrived)
        got = measure(AUTO_ACCEPTED_ERROR, made.outputs, labels, made.propensity, arrival, drawn=made.drawn)
        truth = true_value(AUTO_ACCEPTED_ERROR, made.outputs, made.truth, made.drawn)
        found[run] = truth, got.point, got.low, got.high, got.standard_error, got.naive
    return found


POLICIES = [(policy, arrived) for policy in ("uniform", "active", "threshold") for arrived in (1.0, 0.5)]


@pytest.mark.parametrize(("policy", "arrived"), POLICIES)
def test_the_error_rate_of_unseen_rows_is_covered_whether_or_not_all_labels_have_arrived(policy, arrived):
    truth, point, low, high, error, _ = _unseen(policy, arrived).T
    # 300 runs: three standard errors under 0.95 is 0.912.
    assert np.mean((low <= truth) & (truth <= high)) >= 0.912
    assert abs(np.mean(point - truth)) <= 4 * np.std(point - truth) / REPLICATIONS**0.5
    # The variance is that of the error, which also tells a wrong weight for late labels.
    assert np.mean(error**2) ** 0.5 == pytest.approx(np.std(point - truth), rel=0.12)


def test_the_error_rate_of_unseen_rows_is_covered_as_often_as_promised_over_all_policies():
    truth, _, low, high, *_ = np.concatenate([_unseen(*policy) for policy in POLICIES]).T
    assert 0.94 <= np.mean((low <= truth) & (truth <= high)) <= 0.975


def test_the_errors_that_reviewers_saw_are_not_those_that_were_left():
    truth, _, low, high, _, naive = _unseen("threshold", 1.0).T
    assert np.mean(naive - truth) >= 0.1
    assert np.mean((low <= naive) & (naive <= high)) <= 0.2


def test_rows_reviewed_with_certainty_tell_nothing_of_the_others():
    made = traffic(np.random.default_rng(1), N, 0.15, policy="threshold")
    sure = made.propensity == 1
    turned = np.where(sure, 1 - made.truth, made.truth)
    one, other = (
        measure(AUTO_ACCEPTED_ERROR, made.outputs, np.where(made.drawn, y, UNKNOWN), made.propensity, drawn=made.drawn)
        for y in (made.truth, turned)
    )
    assert (one.point, one.low, one.effective_n) == (other.point, other.low, other.effective_n)
    assert one.naive != other.naive
    few = measure(
        AUTO_ACCEPTED_ERROR,
        made.outputs,
        np.where(made.drawn & (sure | (np.arange(N) < 300)), made.truth, UNKNOWN),
        made.propensity,
        drawn=made.drawn,
    )
    assert few.labels > 200
    assert few.state is State.INSUFFICIENT


def test_a_row_that_waits_for_its_label_is_neither_accepted_nor_seen():
    made = traffic(np.random.default_rng(2), N, 0.15, policy="uniform")
    late = made.drawn & (np.arange(N) % 2 == 0)
    labels, arrival = np.where(late, UNKNOWN, made.labels), np.full(N, 0.5)
    one = measure(AUTO_ACCEPTED_ERROR, made.outputs, labels, made.propensity, arrival, drawn=made.drawn)
    # Its scores may say what they like: only the others' population is spoken of.
    scores = np.where(late[:, None], [0.5, 0.5], made.outputs.scores)
    other = replace(made.outputs, scores=scores)
    two = measure(AUTO_ACCEPTED_ERROR, other, labels, made.propensity, arrival, drawn=made.drawn)
    assert one.point == pytest.approx(two.point, abs=1e-12)


def _ahead(made: Traffic) -> tuple[float, Estimate]:
    """The model's accuracy less that of always answering the commoner class: what it is, and the live figure."""
    [question] = [one for one in questions(2, 1) if one.name == "ahead/0"]
    rows = Rows(made.labels, made.propensity)
    sums = sums_of(question.metric, made.outputs.beliefs, question.ratios(made.outputs), rows)
    truth = true_value("accuracy", made.outputs, made.truth) - np.mean(made.truth == 0)
    return float(truth), estimate(totals([(sums, 1.0, 1.0)]))


def test_the_lead_over_a_constant_is_covered_and_narrower_than_two_estimates():
    rng = np.random.default_rng(20264)
    held, off, wider = [], [], []
    for _ in range(PAIRS):
        made = traffic(rng, N, 0.15)
        constant = replace(made.outputs, predicted=np.zeros(N, dtype=np.int64))
        truth, got = _ahead(made)
        apart = [
            measure("accuracy", one, made.labels, made.propensity).standard_error for one in (made.outputs, constant)
        ]
        held.append(got.low <= truth <= got.high)
        off.append(got.point - truth)
        wider.append(np.hypot(*apart) / got.standard_error)
    assert np.mean(held) >= 0.915
    assert abs(np.mean(off)) <= 4 * np.std(off) / PAIRS**0.5
    assert np.mean(wider) >= 1.2


def test_the_lead_over_a_constant_is_exact_where_all_is_known_and_none_where_the_model_is_that_constant():
    made = traffic(np.random.default_rng(3), N, 0.15)
    truth, found = _ahead(replace(made, propensity=np.ones(N), drawn=np.ones(N, dtype=bool)))
    assert (found.point, found.standard_error) == (pytest.approx(truth, abs=1e-9), pytest.approx(0.0, abs=1e-9))
    same = replace(made, outputs=replace(made.outputs, predicted=np.zeros(N, dtype=np.int64)))
    _, found = _ahead(same)
    assert (found.point, found.standard_error) == (pytest.approx(0.0, abs=1e-12), pytest.approx(0.0, abs=1e-12))


def test_a_guess_without_labels_departs_when_the_concept_drifts_and_not_before():
    rng = np.random.default_rng(20265)
    alarms = {0.0: 0, 2.0: 0}
    for drift in alarms:
        for _ in range(40):
            made = traffic(rng, N, 0.15, drift=drift)
            found = measure("accuracy", made.outputs, made.labels, made.propensity)
            alarms[drift] += departs(found, label_free("accuracy", made.outputs))
    assert alarms[0.0] <= 8
    assert alarms[2.0] == 40


def test_a_guess_without_labels_is_the_mean_of_what_the_model_believes():
    made = traffic(np.random.default_rng(4), N, 0.15)
    outputs = made.outputs
    assert label_free("accuracy", outputs) == pytest.approx(outputs.scores.max(axis=1).mean(), abs=1e-12)
    p = outputs.scores[:, 1]
    assert label_free("recall", outputs) == pytest.approx(p[p > 0.5].sum() / p.sum(), abs=1e-12)
    left = label_free(AUTO_ACCEPTED_ERROR, outputs, made.drawn)
    assert left == pytest.approx(1 - outputs.scores.max(axis=1)[~made.drawn].mean(), abs=1e-12)


@lru_cache(maxsize=1)
def _few() -> dict[tuple[str, int], np.ndarray]:
    rng = np.random.default_rng(20266)
    found = {}
    for labels in (40, 70, 100):
        for _ in range(PAIRS):
            # Scores that say nothing: the model's own variance does not make up for the few labels.
            made = traffic(rng, 1_200, labels / 1_200, policy="uniform")
            blunt = replace(
                made.outputs, scores=np.full((1_200, 2), 0.5) + 1e-3 * rng.normal(size=(1_200, 1)) * [1, -1]
            )
            for metric in ("cost", "brier", "log_loss"):
                outputs = blunt if metric == "cost" else made.outputs
                got = measure(metric, outputs, made.labels, made.propensity)
                truth = true_value(metric, outputs, made.truth)
                held = got.low <= truth <= got.high, abs(got.point - truth) <= 1.96 * got.standard_error
                found.setdefault((metric, labels), []).append(held)
    return {key: np.array(value) for key, value in found.items()}


@pytest.mark.parametrize("labels", [40, 70, 100])
@pytest.mark.parametrize("metric", ["cost", "brier", "log_loss"])
def test_the_interval_of_a_loss_covers_at_few_labels(metric, labels):
    student, normal = _few()[metric, labels].T
    assert np.mean(student) >= 0.915
    assert np.mean(student) >= np.mean(normal)


def test_labels_of_the_likely_rows_alone_are_no_plain_sample_of_all():
    """100 rows drawn by half and 60 hardly ever: where none of the 60 came, nobody knows how they did."""
    rng = np.random.default_rng(31)
    likely = np.arange(160) < 100
    confidence, propensity = np.where(likely, 0.7, 0.95), np.where(likely, 0.5, 0.03)
    shown = []
    for _ in range(400):
        truth = (rng.random(160) > confidence).astype(np.int64)
        outputs = Outputs(np.column_stack([confidence, 1 - confidence]), np.zeros(160, dtype=np.int64), 1)
        labels = np.where(rng.random(160) < propensity, truth, UNKNOWN)
        found, right = measure("accuracy", outputs, labels, propensity), float(np.mean(truth == 0))
        if found.state is State.OK:
            shown.append(found.low <= right <= found.high)
    assert len(shown) == 0 or np.mean(shown) >= 0.93
