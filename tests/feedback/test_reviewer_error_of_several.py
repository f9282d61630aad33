"""A9 where several people decide: gold tells how one person errs, which corrects one answer and no settled label."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest

from feedback.estimators import measure, true_value
from tests.feedback.reviewed_by_people import COPIED, answers, gold, traffic

RUNS = 100


@lru_cache(maxsize=8)
def _runs(copied: float, overlap: float) -> np.ndarray:
    """(RUNS, 6): error and coverage of one answer corrected, of the settled label corrected, of it as it is."""
    rng, found = np.random.default_rng(29), []
    for _ in range(RUNS):
        made = traffic(rng, 10_000, budget=0.15, copied=copied)
        others = [answers(rng, made.truth, made.outputs.predicted, copied) for _ in range(2)]
        two = rng.random(made.truth.size) < overlap
        differs = two & (made.labels != others[0]) & (made.labels >= 0)
        settled = np.where(differs, others[1], made.labels)
        reviewers, truth = gold(rng, 400, copied), true_value("accuracy", made.outputs, made.truth)
        row: list[float] = []
        for labels, by in ((made.labels, reviewers), (settled, reviewers), (settled, None)):
            got = measure("accuracy", made.outputs, labels, made.propensity, reviewers=by)
            assert got.point is not None
            assert got.low is not None
            assert got.high is not None
            row += [got.point - truth, float(got.low <= truth <= got.high)]
        found.append(row)
    return np.array(found)


@pytest.mark.parametrize("overlap", [0.3, 1.0], ids=["overlap share", "two required"])
@pytest.mark.parametrize("copied", [0.0, COPIED], ids=["independent", "anchored"])
def test_one_answer_of_each_case_is_corrected_without_bias_and_covers(copied: float, overlap: float) -> None:
    error, covered, *_ = _runs(copied, overlap).T
    assert abs(error.mean()) <= 0.003
    assert covered.mean() >= 0.92


@pytest.mark.parametrize("copied", [0.0, COPIED], ids=["independent", "anchored"])
def test_a_settled_label_is_better_than_one_answer_and_corrected_like_one_is_off_and_sure_of_it(copied: float) -> None:
    _, _, error, covered, *_ = _runs(copied, 1.0).T
    assert abs(error.mean()) > 0.015
    assert covered.mean() <= 0.9


@pytest.mark.parametrize("copied", [0.0, COPIED], ids=["independent", "anchored"])
def test_an_arm_of_those_that_agreed_reads_too_high(copied: float) -> None:
    """The blind arm by the answer to its drawn item, against that of settled labels, which adjudication leaves."""
    rng, own, agreed, given = np.random.default_rng(31), [], [], []
    for _ in range(40):
        made = traffic(rng, 10_000, budget=0.5, copied=0.0)
        second = answers(rng, made.truth, made.outputs.predicted, copied)
        arm = rng.random(made.truth.size) < 0.5
        first = np.where(arm, made.labels, -1)
        given.append(measure("accuracy", made.outputs, made.labels, made.propensity).point)
        own.append(measure("accuracy", made.outputs, first, made.propensity * 0.5).point)
        same = np.where(first == second, first, -1)
        agreed.append(measure("accuracy", made.outputs, same, made.propensity * 0.5).point)
    assert abs(np.subtract(own, given).mean()) <= 0.003
    assert np.subtract(agreed, given).mean() > 0.015
