"""From decisions and outcomes to labels: one each, of the right kind, gone when they no longer stand."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.db import close_old_connections, connection

from feedback import labels, outcomes
from feedback.models import Label
from models_registry.models import LabelDefinition
from tests.feedback.cases import NOON, decide, make_case, make_item, outcome_body, undo


def _standing(**which):
    return Label.objects.filter(retired_at__isnull=True, **which)


def test_a_drawn_review_becomes_a_label_with_the_propensity_of_its_draw(cast):
    decision = decide(make_case(cast.model, "p-1", propensity=0.25), "fraud")
    assert labels.pull() == 1
    label = Label.objects.get()
    assert (label.value, label.source, label.selection, label.propensity) == ("fraud", "review", "draw", 0.25)
    assert (label.decision, label.observed_at, label.definition) == (decision, decision.decided_at, decision.definition)


def test_a_review_outside_the_draw_becomes_a_label_without_propensity(cast):
    prediction = make_case(cast.model, "p-1", review="none")
    make_item(prediction, kind="manual")
    decide(prediction, "fraud")
    labels.pull()
    assert (Label.objects.get().selection, Label.objects.get().propensity) == ("manual", None)


def test_pulling_again_changes_nothing(cast):
    decide(make_case(cast.model, "p-1"), "fraud")
    assert [labels.pull(), labels.pull(), labels.pull_all()] == [1, 0, 0]


def test_an_abstention_and_an_open_item_give_no_label(cast):
    decide(make_case(cast.model, "p-1"), None)
    make_case(cast.model, "p-2")
    assert labels.pull() == 0


def test_an_undone_decision_retires_its_label_and_the_next_one_makes_another(cast):
    prediction = make_case(cast.model, "p-1")
    undo(decide(prediction, "fraud"))
    assert labels.pull() == 0
    second = decide(prediction, "ok")
    labels.pull()
    assert _standing().get().decision == second
    undo(second)
    assert labels.pull() == 1
    assert not _standing().exists()
    third = decide(prediction, "fraud")
    labels.pull()
    assert _standing().get().decision == third
    assert Label.objects.count() == 2


def test_of_two_decisions_about_one_prediction_the_newest_is_its_label(cast):
    prediction = make_case(cast.model, "p-1")
    make_item(prediction, kind="manual", slot=2)
    decide(prediction, "fraud")
    newest = decide(prediction, "ok", slot=2, reviewer="r-bob")
    labels.pull()
    assert _standing().get().decision == newest
    assert Label.objects.count() == 1


def test_a_limit_leaves_the_rest_for_the_next_pull(cast):
    for number in range(5):
        decide(make_case(cast.model, f"p-{number}"), "ok")
    assert [labels.pull(limit=2) for _ in range(4)] == [2, 2, 1, 0]


def test_an_explicit_outcome_becomes_a_label_and_an_implicit_one_does_not(cast):
    for name in ("p-1", "p-2"):
        make_case(cast.model, name, review="none")
    bodies = [outcome_body("p-1"), outcome_body("p-2", kind="implicit")]
    outcomes.record(bodies=bodies, actor="test")
    labels.pull()
    label = Label.objects.get()
    assert (label.source, label.selection, label.propensity) == ("outcome", "outcome", None)
    assert label.prediction.external_id == "p-1"


def test_the_final_outcome_counts_before_a_provisional_one_and_the_latest_among_equals(cast):
    make_case(cast.model, "p-1", review="none")
    later = "2026-04-01T00:00:00Z"
    sent = [
        (outcome_body("p-1", "ok", final=False, observed_at=later), "ok"),
        (outcome_body("p-1", "fraud", observed_at="2026-03-20T00:00:00Z"), "fraud"),
        (outcome_body("p-1", "ok", observed_at=later), "ok"),
        (outcome_body("p-1", "fraud", observed_at="2026-03-10T00:00:00Z"), "ok"),
    ]
    for body, standing in sent:
        outcomes.record(bodies=[body], actor="test")
        labels.pull()
        assert _standing().get().value == standing
    assert labels.pull() == 0


def test_a_review_and_an_outcome_of_one_prediction_both_stand(cast):
    decide(make_case(cast.model, "p-1"), "ok")
    outcomes.record(bodies=[outcome_body("p-1", "fraud")], actor="test")
    labels.pull()
    assert {(label.source, label.value) for label in _standing()} == {("review", "ok"), ("outcome", "fraud")}


def test_the_label_keeps_the_definition_that_the_decision_was_made_under(cast):
    decide(make_case(cast.model, "p-1"), "ok")
    LabelDefinition.objects.create(model=cast.model, number=2, classes=["ok", "fraud"], created_by="test")
    labels.pull()
    assert Label.objects.get().definition.number == 1


@pytest.mark.django_db(transaction=True)
def test_two_pullers_at_once_give_each_decision_one_label_with_ids_in_commit_order(cast):
    for number in range(60):
        decide(make_case(cast.model, f"p-{number}"), "ok", decided_at=NOON + timedelta(minutes=number))
    start, seen, failures = threading.Barrier(3), [], []

    def work(job):
        try:
            start.wait(timeout=10)
            job()
        except Exception as error:
            failures.append(error)
        finally:
            close_old_connections()
            connection.close()

    def pull():
        while labels.pull(limit=7):
            pass

    def follow():
        # A reader of id > cursor, as the labels endpoint is one.
        cursor = 0
        while len(seen) < 60:
            found = list(Label.objects.filter(id__gt=cursor).order_by("id").values_list("id", flat=True))
            seen.extend(found)
            cursor = found[-1] if found else cursor

    threads = [threading.Thread(target=work, args=(job,), daemon=True) for job in (pull, pull, follow)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)
    assert not failures
    assert Label.objects.count() == 60
    assert sorted(Label.objects.values_list("id", flat=True)) == seen
