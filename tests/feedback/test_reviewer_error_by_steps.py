"""A9 through the real steps: the figures are those of the arrays whose replications meet the bars.

Small here; `make acceptance` sets A9_ROWS and A9_EACH larger.
"""

from __future__ import annotations

import os

import numpy as np
import pytest
from django.contrib.auth import get_user_model

from feedback import gold
from feedback.estimators import measure, true_value
from feedback.estimators.corrected import corrected
from feedback.estimators.rows import Rows
from feedback.monitoring.population import load, load_answered
from feedback.raters import screens
from models_registry import access
from review.models import QueueItem
from reviewhub.invariants import check_all
from tests.conftest import make_model
from tests.feedback.reviewed_by_people import COPIED
from tests.feedback.reviewed_by_steps import Stepped, stepped

ROWS, EACH = int(os.environ.get("A9_ROWS", "300")), int(os.environ.get("A9_EACH", "32"))
EVER = (float("-inf"), float("inf"))


def _run(copied: float, *, rows: int = ROWS, each: int = EACH, blind: float = 0.0) -> Stepped:
    model, _ = make_model("judged", costs={"ok": {"fraud": 5.0}})
    people = [get_user_model().objects.create_user(f"person-{place}") for place in range(4)]
    for person in people:
        access.grant_role(user=person, model=model, role="reviewer", actor="test")
    budget = min(0.6, 1.1 * 4 * each / rows)
    return stepped(model, people, n=rows, each=each, copied=copied, seed=19, blind=blind, budget=budget)


@pytest.mark.parametrize("copied", [0.0, COPIED], ids=["independent", "anchored"])
def test_steps_and_arrays_give_the_same_corrected_figures(db: None, copied: float) -> None:
    made = _run(copied)
    assert gold.confusion_of(made.model).counts.tolist() == made.gold.counts.tolist()
    assert made.gold.counts[:2].sum(axis=2).min() >= 0.9 * EACH
    rows = load(made.model, [EVER])
    rows = rows.where(np.asarray(rows.occurred > rows.occurred.max() - 86_400))
    assert rows.label.tolist() == made.labels.tolist()
    outputs = rows.outputs(made.model)
    np.testing.assert_allclose(outputs.scores, made.outputs.scores, atol=1e-12)
    for metric in ("accuracy", "recall"):
        known = gold.confusion_of(made.model)
        screen = screens(rows.predicted, np.zeros(len(rows), dtype=bool), 2)
        stored = Rows(rows.label, rows.propensity, rows.drawn, screen=screen)
        by_steps = corrected(metric, outputs, stored, known)
        told = Rows(made.labels, made.propensity, None, screen=screens(made.outputs.predicted, made.hidden, 2))
        by_arrays = corrected(metric, outputs, told, made.gold)
        truth = true_value(metric, outputs, made.truth)
        assert by_steps.point == pytest.approx(by_arrays.point, abs=1e-12)
        assert by_steps.naive == pytest.approx(by_arrays.naive, abs=1e-12)
        assert abs(by_steps.point - truth) <= 4 * by_steps.standard_error
    assert [verdict.invariant.number for verdict in check_all() if verdict.broken] == []
    if EACH >= 400:
        # Against the truth of the very rows that were reviewed, so that the draw has no part in it.
        given = np.where(made.labels >= 0, made.truth, -1)
        off = measure("accuracy", made.outputs, made.labels, made.propensity).point
        assert abs(off - measure("accuracy", made.outputs, given, made.propensity).point) > 0.01


def test_of_a_blind_arm_labels_and_gold_are_told_apart_by_what_the_steps_recorded(db: None) -> None:
    # Counts alone are compared here, so a few of each are enough.
    made = _run(COPIED, rows=ROWS * 2 // 5, each=EACH * 3 // 8, blind=0.4)
    _, answered = load_answered(made.model, [EVER])
    labelled = made.labels >= 0
    assert int(answered.hidden.sum()) == int(made.hidden[labelled].sum())
    assert 0 < answered.hidden.sum() < labelled.sum()
    assert (answered.hidden == answered.drawn).all()
    assert set(answered.share.tolist()) == {0.4}
    assert gold.confusion_of(made.model).counts.tolist() == made.gold.counts.tolist()
    assert (made.gold.counts.sum(axis=2) > 0).all()
    items = QueueItem.objects.filter(kind="gold")
    assert 0 < sum(item.is_drawn_blind for item in items) < items.count()
