"""Live quality where several people decide a case: one answer of each is corrected, whatever settled the case."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import numpy as np
import pytest

from feedback import arrivals, gold, monitoring
from feedback.estimators import measure
from feedback.estimators.corrected import corrected
from feedback.estimators.rows import Rows
from feedback.models import Label, LearnedArrival
from feedback.monitoring.days import refresh
from feedback.monitoring.population import load, load_answered
from feedback.raters import screens
from review.models import Lease, QueueItem, ReviewDecision
from tests.conftest import Cast, make_model
from tests.feedback.cases import make_case
from tests.feedback.live_world import BEGIN, World, world
from tests.feedback.reviewed_rows import answer, give, known, settle
from tests.kept import kept

NOW = BEGIN + timedelta(days=31)
EVER = (float("-inf"), float("inf"))
SHARE = 0.3


def _quality(made: World, now: Any = NOW, **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = monitoring.quality(model=made.model, start=BEGIN, now=now, **more)["reviewers"]
    return found


@pytest.fixture(scope="module")
def written(django_db_setup: None, django_db_blocker: Any) -> Iterator[tuple[World, np.ndarray]]:
    with kept(django_db_blocker):
        made = world(make_model("reviewed")[0], n=1500, days=8)
        first = give(made, share=SHARE, copied=0.25, several=0.6)
        for hidden in (False, True):
            known(made.model, 60, hidden=hidden, copied=0.25)
        refresh(made.model, now=NOW)
        yield made, first


@pytest.fixture
def reviewed(written: tuple[World, np.ndarray], db: None) -> tuple[World, np.ndarray]:
    return written


def test_the_answer_to_the_drawn_item_is_corrected_and_the_settled_label_is_not(
    reviewed: tuple[World, np.ndarray],
) -> None:
    made, first = reviewed
    found, rows = _quality(made), load(made.model, [EVER])
    rows = rows.where(np.asarray(rows.occurred >= BEGIN.timestamp()))
    drawn = {item.prediction_id: item for item in QueueItem.objects.filter(slot=1).exclude(kind="gold")}
    hidden = np.array([row.pk in drawn and drawn[row.pk].is_drawn_blind for row in made.rows])
    reviewers, screen = gold.confusion_of(made.model), screens(rows.predicted, hidden, 2)
    outputs = rows.outputs(made.model)
    assert QueueItem.objects.filter(kind="adjudication").count() > 10
    assert 10 < int((rows.label != first).sum()) < int(made.drawn.sum()) / 5
    for metric in ("accuracy", "recall", "cost"):
        expected = corrected(metric, outputs, Rows(first, rows.propensity, rows.drawn, screen=screen), reviewers)
        settled = corrected(metric, outputs, Rows(rows.label, rows.propensity, rows.drawn, screen=screen), reviewers)
        plain = measure(metric, outputs, rows.label, rows.propensity)
        got = found["metrics"][metric]
        # Everything was answered at once, so nothing is late and both are the same sums.
        assert got["corrected"]["estimate"] == pytest.approx(expected.point, abs=1e-9)
        assert (got["corrected"]["low"], got["corrected"]["high"]) == pytest.approx((expected.low, expected.high))
        assert got["labels"]["estimate"] == pytest.approx(plain.point, abs=1e-9)
        assert settled.point != pytest.approx(expected.point, abs=1e-6)


def test_stored_sums_and_rows_give_the_same_where_several_decide(reviewed: tuple[World, np.ndarray]) -> None:
    stored, fresh = (_quality(reviewed[0], from_rows=rows) for rows in (False, True))
    assert (stored["gold"], stored["labels"]) == (fresh["gold"], fresh["labels"])
    for metric, figures in stored["metrics"].items():
        for name, figure in figures.items():
            assert figure == pytest.approx(fresh["metrics"][metric][name], abs=1e-8), (metric, name)


def test_the_blind_arm_is_that_of_the_drawn_item_and_an_adjudication_ends_none(
    reviewed: tuple[World, np.ndarray],
) -> None:
    made, first = reviewed
    found, rows = _quality(made), load(made.model, [(BEGIN.timestamp(), NOW.timestamp())])
    blind = {item.prediction_id for item in QueueItem.objects.filter(slot=1) if item.is_drawn_blind}
    arm = np.array([row.pk in blind for row in made.rows])
    expected = measure("accuracy", rows.outputs(made.model), np.where(arm, first, -1), rows.propensity * SHARE)
    figure = found["metrics"]["accuracy"]["hidden_arm"]
    assert found["hidden_arm"] == {"from": BEGIN.isoformat(), "share": pytest.approx(SHARE)}
    assert found["labels"]["drawn_hidden"] == figure["labels"] == int((first[arm] >= 0).sum())
    assert figure["estimate"] == pytest.approx(expected.point, abs=0.01)


def test_an_answer_counts_when_it_is_given_though_the_case_is_not_settled(db: None) -> None:
    made = world(make_model("live")[0], n=500, days=8, seed=4)
    drawn = np.flatnonzero(made.drawn).tolist()
    queue = made.model.queues.get()
    rng = np.random.default_rng(1)
    late = dict(zip(drawn, rng.exponential(3.0, len(drawn)).tolist(), strict=True))
    for slot in (1, 2):
        items = QueueItem.objects.bulk_create(
            QueueItem(prediction=made.rows[i], model=made.model, queue=queue, kind=made.kinds[i], required=2, slot=slot,
                      state="decided" if slot == 1 or late[i] < 2 else "open")
            for i in drawn
        )  # fmt: skip
        answer([item for item in items if item.state == "decided"],
               [int(made.truth[i]) for i, item in zip(drawn, items, strict=True) if item.state == "decided"],
               [False] * sum(item.state == "decided" for item in items), 0.0)  # fmt: skip
    settle()
    Label.objects.update(created_at=BEGIN + timedelta(hours=1))
    known(made.model, 60, hidden=False, copied=0.0)
    settled = sum(late[i] < 2 for i in drawn)
    assert Label.objects.filter(model=made.model, retired_at=None).count() == settled < 0.8 * len(drawn)

    found = _quality(made)

    assert found["labels"]["shown"] == len(drawn)
    assert found["metrics"]["accuracy"]["labels"]["labels"] == settled
    rows, _ = load_answered(made.model, [(BEGIN.timestamp(), NOW.timestamp())])
    assert len(rows) == len(drawn)
    learned = arrivals.arrivals_of(made.model, now=NOW)
    assert learned.answers is not None
    for kind in ("gate", "audit"):
        assert learned.answers.share_labelled((kind,)) == 1.0
        assert learned.model.share_labelled((kind,)) < 0.9


def test_what_is_known_of_answers_is_kept_with_what_is_known_of_labels(reviewed: tuple[World, np.ndarray]) -> None:
    made, _ = reviewed
    learned = arrivals.arrivals_of(made.model, now=NOW)
    assert LearnedArrival.objects.get().document["answers"]
    again = arrivals.arrivals_of(made.model, now=NOW)
    assert learned.answers is not None
    assert again.answers is not None
    assert again.answers.document() == learned.answers.document()


def test_where_one_person_decides_answers_are_labels_and_nothing_more_is_learned(db: None) -> None:
    made = world(make_model("live")[0], n=300, days=4)
    give(made, share=0.0, copied=0.0)
    assert arrivals.learn(made.model, now=NOW).answers is None
    rows, _ = load_answered(made.model, [EVER])
    whole = load(made.model, [EVER])
    assert rows.label.tolist() == whole.label[whole.label >= 0].tolist()


def test_the_first_answer_counts_though_it_was_undone_and_one_who_could_not_tell_gave_none(cast: Cast) -> None:
    made = make_case(cast.model, "p-1", review="audit", occurred_at=BEGIN)
    item = made.items.get()
    chain: dict[str, Any] = {
        "item": item, "prediction": made, "model": cast.model, "reviewer": "r",
        "definition": cast.model.definitions.get(),
    }  # fmt: skip
    last = None
    for label, abstained in ((None, True), ("fraud", False), (None, False), ("ok", False)):
        lease = Lease.objects.create(token=uuid4(), item=item, holder="r", expires_at=NOW)
        undo = label is None and not abstained
        last = ReviewDecision.objects.create(
            **chain, label=label, abstained=abstained, supersedes=last, kind="undo" if undo else "decision",
            lease=None if undo else lease, model_shown_at=BEGIN if label == "ok" else None,
        )  # fmt: skip
    rows, answered = load_answered(cast.model, [EVER])
    assert rows.label.tolist() == [cast.model.classes.index("fraud")]
    assert answered.hidden.tolist() == [True]
