"""Cells as matrices give the totals that their moments give; so do bins of the score."""

from __future__ import annotations

from dataclasses import astuple

import numpy as np
import pytest

from feedback.estimators import Outputs, State, summed, totals
from feedback.estimators import reliability as bins
from feedback.estimators.logistic import fit
from feedback.estimators.questions import HEADLINES, questions
from feedback.estimators.rows import Rows
from feedback.estimators.stacks import Layout

UNKNOWN = -1


def traffic(rng, n, classes):
    scores = rng.dirichlet(np.full(classes, 0.6), n)
    truth = (scores.cumsum(axis=1) < rng.random((n, 1))).sum(axis=1).clip(0, classes - 1)
    propensity = np.where(rng.random(n) < 0.1, 1.0, rng.uniform(0.05, 0.9, n))
    drawn = rng.random(n) < propensity
    label = np.where(drawn & (rng.random(n) < 0.7), truth, UNKNOWN)
    return scores, label, propensity, drawn


@pytest.mark.parametrize(("classes", "positive"), [(2, 1), (3, None)])
def test_matrices_of_cells_give_the_totals_of_their_moments(classes, positive):
    rng = np.random.default_rng(4)
    layout = Layout(questions(classes, positive))
    cells, everyone, labelled, came, comes = {name: [] for name in HEADLINES}, [], [], [], []
    for _ in range(5):
        scores, label, propensity, drawn = traffic(rng, 80, classes)
        outputs = Outputs(scores, scores.argmax(axis=1), positive, rng.random((classes, classes)))
        g, a = (1.0, 0.9) if not cells["accuracy"] else rng.uniform(0.2, 1.0, 2)
        known = label != UNKNOWN
        everyone.append(layout.of_everyone(outputs, Rows(label, propensity, drawn)))
        labelled.append(layout.of_labels(outputs.part(known), Rows(label[known], propensity[known], drawn[known])))
        came.append(g)
        comes.append(a)
        for name in HEADLINES:
            cells[name].append((summed(name, outputs, Rows(label, propensity, drawn)), g, a))
    found = layout.totals(*(np.array(part) for part in (everyone, comes, labelled, came)))
    for name in HEADLINES:
        for one, other in zip(astuple(found[name])[1:], astuple(totals(cells[name]))[1:], strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-9)
    assert list(layout.totals(*(np.array(part) for part in (everyone, comes, labelled, came)), {"recall"})) == [
        "recall"
    ]


def score_and_truth(rng, n=20_000, sharpened=1.0):
    right = rng.beta(1.2, 2.0, n)
    true = (rng.random(n) < right).astype(np.int64)
    odds = (right / (1 - right)) ** sharpened
    return odds / (1 + odds), true


def sums(score, true, propensity, seen):
    weight = 1 / propensity[seen]
    return bins.of_rows(score), bins.of_labels(score[seen], true[seen], weight)


def test_calibration_of_bins_adds():
    rng = np.random.default_rng(2)
    score, true = score_and_truth(rng, sharpened=1.8)
    propensity = np.clip(0.05 + score, 0.05, 1)
    seen = rng.random(score.size) < propensity
    found = bins.reliability(*sums(score, true, propensity, seen))
    halves = [sums(score[h], true[h], propensity[h], seen[h]) for h in (slice(0, 9000), slice(9000, None))]
    added = bins.reliability(halves[0][0] + halves[1][0], halves[0][1] + halves[1][1])
    assert added.ece == pytest.approx(found.ece, rel=1e-9)
    logit = np.log(score / (1 - score))[seen]
    intercept = fit(np.ones((logit.size, 1)), true[seen].astype(float), 1 / propensity[seen], offset=logit)[0]
    slope = fit(np.column_stack([np.ones(logit.size), logit]), true[seen].astype(float), 1 / propensity[seen])[1]
    assert found.slope == pytest.approx(slope, abs=0.03)
    assert found.intercept == pytest.approx(intercept, abs=0.03)
    assert found.slope == pytest.approx(1 / 1.8, abs=0.1)
    assert 2 <= len(found.bins) <= 10
    assert sum(one.n for one in found.bins) == score.size


def test_the_noise_of_bins_is_what_right_scores_read():
    rng = np.random.default_rng(3)
    read, promised = [], []
    for _ in range(60):
        score, true = score_and_truth(rng, n=1500)
        propensity = np.clip(0.05 + 0.4 * score, 0.05, 1)
        found = bins.reliability(*sums(score, true, propensity, rng.random(score.size) < propensity))
        if found.state is State.OK:
            read.append(found.ece)
            promised.append(found.ece_noise)
    assert len(read) > 50
    assert np.mean(read) == pytest.approx(np.mean(promised), rel=0.1)
    # Unseen noise would call every one of these scores wrong.
    assert np.mean(read) > 0.03


def test_few_labels_say_nothing_about_calibration():
    score = np.linspace(0.1, 0.9, 50)
    found = bins.reliability(*sums(score, np.ones(50, dtype=int), np.ones(50), np.arange(50) % 10 == 0))
    assert (found.state, found.ece, found.slope) == (State.INSUFFICIENT, None, None)
