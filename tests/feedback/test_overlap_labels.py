from __future__ import annotations

from typing import Any

import pytest

from feedback import arrivals, labels
from feedback.models import Label
from models_registry.models import DatabaseNow
from review import decisions
from review.models import Prediction, QueueItem, ReviewDecision, ReviewQueue
from reviewhub.invariants import INVARIANTS, check
from tests.conftest import Cast
from tests.review.overlapping import make_overlap, say, who

ONE_LABEL = next(invariant for invariant in INVARIANTS if invariant.number == "I-09")


def standing() -> list[tuple[str, str, float | None]]:
    labels.pull_all()
    found = Label.objects.filter(retired_at=None).order_by("id")
    return [(label.value, label.selection, label.propensity) for label in found]


def an_hour_ago() -> None:
    """As if all that was decided had been decided before the last pull."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE review_reviewdecision DISABLE TRIGGER review_reviewdecision_append_only")
        cursor.execute("UPDATE review_reviewdecision SET decided_at = decided_at - interval '1 hour'")
        cursor.execute("ALTER TABLE review_reviewdecision ENABLE TRIGGER review_reviewdecision_append_only")


def test_the_first_of_two_answers_is_no_label_and_the_second_that_agrees_is_one(cast: Cast) -> None:
    make_overlap(cast.model, kind="audit")

    say(cast.model, cast.alice, "fraud")
    assert standing() == []
    last = say(cast.model, cast.bob, "fraud")

    assert standing() == [("fraud", "draw", 0.3)]
    label = Label.objects.get()
    # It was settled, and not known before, when the last answer came.
    assert (label.decision_id, label.observed_at) == (last.pk, last.decided_at)
    assert standing() == [("fraud", "draw", 0.3)]


def test_answers_that_differ_are_no_label_and_the_adjudicators_is_the_drawn_one(cast: Cast) -> None:
    make_overlap(cast.model, kind="audit")
    say(cast.model, cast.alice, "fraud")
    say(cast.model, cast.bob, "ok")
    assert standing() == []

    made = say(cast.model, cast.erin, "fraud")

    assert standing() == [("fraud", "draw", 0.3)]
    assert Label.objects.get().decision_id == made.pk


def test_a_label_goes_with_any_of_the_answers_it_was_settled_by(cast: Cast) -> None:
    make_overlap(cast.model)
    first = say(cast.model, cast.alice, "fraud")
    say(cast.model, cast.bob, "fraud")
    assert standing() == [("fraud", "draw", 1.0)]

    decisions.undo(decision=first, principal=who(cast.alice))
    assert standing() == []
    say(cast.model, cast.alice, "fraud")

    assert standing() == [("fraud", "draw", 1.0)]


def test_settled_again_between_two_pulls_the_new_label_takes_the_place_of_the_old(cast: Cast) -> None:
    make_overlap(cast.model)
    first = say(cast.model, cast.alice, "fraud")
    say(cast.model, cast.bob, "fraud")
    assert standing() == [("fraud", "draw", 1.0)]
    decisions.undo(decision=first, principal=who(cast.alice))
    say(cast.model, cast.alice, "ok")
    say(cast.model, cast.erin, "ok")

    assert standing() == [("ok", "draw", 1.0)]
    assert Label.objects.count() == 2


def test_a_prediction_that_was_withdrawn_with_one_answer_has_no_label(cast: Cast) -> None:
    prediction = make_overlap(cast.model)
    say(cast.model, cast.alice, "fraud")
    Prediction.objects.filter(pk=prediction.pk).update(status="withdrawn")
    prediction.items.filter(state="open").update(state="withdrawn")

    assert standing() == []


def test_a_gold_answer_changes_no_label(cast: Cast) -> None:
    prediction = make_overlap(cast.model)
    say(cast.model, cast.alice, "fraud")
    say(cast.model, cast.bob, "fraud")
    assert standing() == [("fraud", "draw", 1.0)]
    QueueItem.objects.create(
        prediction=prediction, slot=3, model=cast.model, queue=ReviewQueue.objects.get(slug="payments"), kind="gold"
    )
    assert standing() == [("fraud", "draw", 1.0)]

    say(cast.model, cast.erin, "ok")

    assert standing() == [("fraud", "draw", 1.0)]


def test_a_case_that_two_decide_arrives_once_and_when_it_is_settled(cast: Cast) -> None:
    make_overlap(cast.model, kind="audit")
    say(cast.model, cast.alice, "fraud")
    standing()
    now = ReviewDecision.objects.values_list(DatabaseNow(), flat=True).first()
    assert arrivals.learn(cast.model, now=now).labelled == {"audit": 0}

    say(cast.model, cast.bob, "fraud")
    standing()
    now = ReviewDecision.objects.values_list(DatabaseNow(), flat=True).first()

    found = arrivals.learn(cast.model, now=now)
    assert (found.drawn, found.labelled) == ({"audit": 1}, {"audit": 1})


@pytest.mark.parametrize(
    "naive",
    [
        # Each decision by itself, as if nobody else were asked.
        labels._FRESH_DECISIONS.replace("i.kind = 'gold' OR (", "true OR ("),
        # Agreement alone, so that an adjudicated case never has a label.
        labels._FRESH_DECISIONS.replace("i.kind = 'gold' OR (", "i.kind = 'gold' OR (i.kind <> 'adjudication' AND "),
    ],
)
def test_labels_of_what_is_not_settled_or_none_of_what_is_are_noticed(
    cast: Cast, monkeypatch: pytest.MonkeyPatch, naive: str
) -> None:
    def work(prefix: str) -> None:
        for number, answers in enumerate((["fraud"], ["fraud", "ok", "ok"])):
            made = make_overlap(cast.model, f"{prefix}-{number}", kind="audit")
            people: list[Any] = [cast.alice, cast.bob, cast.erin]
            for person, label in zip(people, answers, strict=False):
                say(cast.model, person, label)
            made.items.filter(state="open").update(queue=ReviewQueue.objects.get(slug="secrets"))
        an_hour_ago()
        while labels.pull(limit=1):
            pass

    work("sound")
    assert check(ONE_LABEL).broken == 0
    monkeypatch.setattr(labels, "_FRESH_DECISIONS", naive)
    work("naive")
    assert check(ONE_LABEL).broken > 0
