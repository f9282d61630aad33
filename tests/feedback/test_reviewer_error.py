"""Reviewers err by points, and gold items bring the figure back: acceptance check A9, and what it stands on."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest

from feedback.estimators import AUTO_ACCEPTED_ERROR, METRICS, Outputs, State, measure, ratio, totals, true_value
from feedback.estimators.corrected import Answers, answer_gradient, answer_variance
from feedback.estimators.rows import Rows, labelled, summed
from feedback.raters import Confusion, confusion, unbiased
from tests.feedback.reviewed_by_people import COPIED, answers, errors, gold, traffic

PERFECT = Confusion(np.repeat(400.0 * np.eye(2)[None], 2, axis=0))
# Near enough to what the reviewers of the cases are, and far enough from symmetric to tell rows from columns.
ERRING = Confusion(np.array([[[380.0, 20.0], [60.0, 340.0]], [[350.0, 50.0], [10.0, 390.0]]]))


@lru_cache(maxsize=3)
def _runs(copied: float, gold_copied: float) -> np.ndarray:
    return errors(
        ("accuracy",), runs=200, n=10_000, each=400, copied=copied, gold_copied=gold_copied, budget=0.15, seed=9
    )["accuracy"]


@pytest.mark.parametrize("copied", [0.0, COPIED], ids=["independent", "anchored"])
def test_the_corrected_accuracy_is_unbiased_and_covers(copied):
    error, covered, *_ = _runs(copied, copied).T
    assert abs(error.mean()) <= 0.003
    assert covered.mean() >= 0.92


@pytest.mark.parametrize(("copied", "side"), [(0.0, -1), (COPIED, 1)], ids=["independent", "anchored"])
def test_answers_taken_for_the_truth_are_off_and_sure_of_it(copied, side):
    *_, error, covered = _runs(copied, copied).T
    assert side * error.mean() > 0.015
    assert covered.mean() <= 0.5


def test_gold_answered_with_the_suggestion_hidden_does_not_correct_anchored_reviews():
    error, covered, *_ = _runs(COPIED, 0.0).T
    assert error.mean() > 0.03
    assert covered.mean() <= 0.05


def test_every_metric_is_corrected():
    found = errors(METRICS, runs=40, n=4_000, each=400, copied=COPIED, gold_copied=COPIED, budget=0.3, seed=5)
    for metric in METRICS:
        error, covered, *_ = found[metric].T
        assert abs(error.mean()) <= 4 * error.std() / 40**0.5 + 0.001, metric
        assert covered.mean() >= 0.85, metric


def test_where_all_is_reviewed_the_answers_are_still_drawn():
    # Next to nothing is left of the gold answers' own variance, and the draw has none.
    found = errors(("cost",), runs=100, n=2_000, each=40_000, copied=0.0, gold_copied=0.0, budget=100.0, seed=4)
    error, covered, *_ = found["cost"].T
    assert 0.90 <= covered.mean() <= 1.0
    assert error.std() > 0.01


def test_reviewers_without_a_slip_leave_the_figure_and_widen_it_by_what_gold_cannot_exclude():
    made = traffic(np.random.default_rng(1), 3_000, budget=0.3, copied=0.0)
    for metric in METRICS:
        plain, found = made.measure(metric), made.measure(metric, PERFECT)
        assert found.point == pytest.approx(plain.point, abs=1e-9)
        assert found.standard_error > plain.standard_error
        assert (found.naive, found.naive_low, found.labels) == (plain.naive, plain.naive_low, plain.labels)
        assert found.sequence is None


def test_an_answer_is_worth_on_average_what_is_true():
    table = np.random.default_rng(2).normal(size=(3, 2, 5))
    shown = np.array([0, 1, 1, 0, 1])
    worth = unbiased(table, shown, ERRING)
    back = np.einsum("nko,mon->mkn", ERRING.shares[shown], worth)
    np.testing.assert_allclose(back, table, atol=1e-12)
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(np.einsum("nok,mon->mkn", ERRING.shares[shown], worth), table, atol=1e-3)


def test_two_classes_are_the_pseudo_label_of_natarajan():
    f0, f1 = ERRING.shares[1, 0, 1], ERRING.shares[1, 1, 1]
    worth = unbiased(np.array([[[0.0], [1.0]]]), np.array([1]), ERRING)[0, :, 0]
    np.testing.assert_allclose(worth, [(0 - f0) / (f1 - f0), (1 - f0) / (f1 - f0)], atol=1e-12)


def test_three_classes_are_corrected_by_the_inverse_of_their_confusion():
    rng = np.random.default_rng(6)
    shares = np.array([[0.85, 0.1, 0.05], [0.05, 0.9, 0.05], [0.02, 0.18, 0.8]])
    made, off = np.empty(60), np.empty(60)
    for run in range(60):
        scores = rng.dirichlet([2.0, 1.0, 1.0], 3_000)
        outputs = Outputs(scores, scores.argmax(axis=1))
        truth = (rng.random((3_000, 1)) > np.cumsum(scores, axis=1)[:, :2]).sum(axis=1)
        labels = (rng.random((3_000, 1)) > np.cumsum(shares[truth], axis=1)[:, :2]).sum(axis=1)
        counts = np.array([[rng.multinomial(300, row) for row in shares] for _ in range(3)], dtype=np.float64)
        value = true_value("recall", outputs, truth)
        made[run] = measure("recall", outputs, labels, np.ones(3_000), reviewers=Confusion(counts)).point - value
        off[run] = measure("recall", outputs, labels, np.ones(3_000)).point - value
    assert abs(made.mean()) <= 4 * made.std() / 60**0.5 + 0.001
    assert abs(off.mean()) > 0.02


@pytest.mark.parametrize("metric", ["accuracy", "recall", "cost"])
def test_the_derivative_by_the_shares_is_that_of_the_figure(metric):
    made = traffic(np.random.default_rng(7), 2_000, budget=100.0, copied=0.0)
    one, step = answer_gradient(_answers(metric, made), ERRING), 1e-5
    for s, k in np.ndindex(2, 2):
        moved = []
        for side in (1, -1):
            counts = ERRING.shares * 1e6
            counts[s, k] += side * step * 1e6 * np.array([-1.0, 1.0])
            moved.append(made.measure(metric, Confusion(counts)).point)
        numeric = (moved[0] - moved[1]) / (2 * step)
        assert one[s, k, 1] - one[s, k, 0] == pytest.approx(numeric, rel=1e-3, abs=1e-6)


def _answers(metric: str, made) -> Answers:
    rows = Rows(made.labels, made.propensity)
    some, known, table, weight = labelled(metric, made.outputs, rows)
    gains = ratio.influence(totals([(summed(metric, made.outputs, rows, ERRING), 1.0, 1.0)]))
    return Answers(np.einsum("m,mkn->kn", gains, table), weight, some.predicted, known.labels)


def test_the_variance_of_the_answers_is_that_of_repeating_them():
    rng = np.random.default_rng(8)
    truth, shown = rng.integers(0, 2, 500), rng.integers(0, 2, 500)
    gain = rng.normal(size=(2, 500))
    repeated, told = [], []
    for _ in range(400):
        given = (rng.random(500) < ERRING.shares[shown, truth, 1]).astype(np.int64)
        worth = unbiased(gain[None], shown, ERRING)[0, given, np.arange(500)]
        repeated.append(worth.sum())
        told.append(answer_variance(Answers(gain, np.ones(500), shown, given), ERRING))
    assert np.mean(told) == pytest.approx(np.var(repeated), rel=0.2)


def test_too_few_gold_answers_or_answers_that_tell_nothing_give_no_figure():
    made = traffic(np.random.default_rng(1), 3_000, budget=0.3, copied=0.0)
    few, blind = ERRING.counts.copy(), ERRING.counts.copy()
    few[1, 0] = [25.0, 4.0]
    blind[1] = [[200.0, 200.0], [190.0, 210.0]]
    for counts in (few, blind, np.zeros((2, 2, 2))):
        found = made.measure("accuracy", Confusion(counts))
        assert (found.state, found.point, found.low, found.standard_error) == (State.INSUFFICIENT, None, None, None)
        assert found.naive == made.measure("accuracy").naive
        assert found.labels > 100
    few[1, 0] = [26.0, 4.0]
    assert made.measure("accuracy", Confusion(few)).state is State.OK


def test_only_suggestions_whose_labels_matter_need_gold_answers():
    made = traffic(np.random.default_rng(1), 3_000, budget=0.5, copied=0.0)
    counts = ERRING.counts.copy()
    counts[0] = 0
    # A negative answer adds nothing to precision, whatever is true.
    assert made.measure("precision", Confusion(counts)).point == made.measure("precision", ERRING).point
    assert made.measure("recall", Confusion(counts)).point is None


def test_what_no_draw_could_label_stays_without_a_figure():
    made = traffic(np.random.default_rng(1), 3_000, budget=0.3, copied=0.0)
    made.propensity[made.labels == -1] *= np.arange((made.labels == -1).sum()) > 20
    found = made.measure("accuracy", ERRING)
    assert (found.state, found.point, found.bounds) == (State.UNSUPPORTED, None, None)
    assert found.unsupported_share > 0


def test_errors_that_were_left_are_corrected_too():
    rng = np.random.default_rng(3)
    found = np.empty((100, 3))
    for run in range(100):
        made = traffic(rng, 3_000, budget=0.3, copied=COPIED)
        drawn = made.labels != -1
        value = true_value(AUTO_ACCEPTED_ERROR, made.outputs, made.truth, drawn)
        given = AUTO_ACCEPTED_ERROR, made.outputs, made.labels, made.propensity, None, None, drawn
        got = measure(*given, gold(rng, 400, COPIED))
        found[run] = got.point - value, got.low <= value <= got.high, measure(*given).point - value
    assert abs(found[:, 0].mean()) <= 4 * found[:, 0].std() / 10 + 0.001
    assert found[:, 1].mean() >= 0.88
    assert found[:, 2].mean() < -0.01


def test_gold_of_other_classes_is_refused():
    made = traffic(np.random.default_rng(1), 300, budget=0.3, copied=0.0)
    with pytest.raises(ValueError, match="classes"):
        made.measure("accuracy", Confusion(np.ones((3, 3, 3))))
    with pytest.raises(ValueError, match="counted"):
        Confusion(np.full((2, 2, 2), -1.0))


def test_answers_are_counted_by_what_was_shown():
    rng = np.random.default_rng(0)
    shown, truth = rng.integers(0, 2, 20_000), rng.integers(0, 2, 20_000)
    found = confusion(shown, truth, answers(rng, truth, shown, COPIED), 2)
    assert found.counts.sum() == 20_000
    assert found.shares[0, 1, 0] == pytest.approx(0.08 + 0.92 * COPIED, abs=0.02)
    assert found.shares[1, 1, 0] == pytest.approx(0.08 * (1 - COPIED), abs=0.02)
