"""One prediction's timeline, from its POST to the training run that learned from it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from feedback import labels
from feedback.models import DatasetSnapshot, Label, TrainingRun
from feedback.timelines import timeline
from models_registry import access
from review import decisions, queue
from review.models import Prediction
from tests.review.items import make_item


@pytest.fixture
def told(cast):
    """A prediction that Alice decided, took back and decided again; its label is pulled."""
    item = make_item(cast.model)
    alice = access.principal_of_user(cast.alice)
    line = cast.model.queues.get()
    for label in ("fraud", "ok"):
        held = queue.claim(queue=line, models=[cast.model], holder=alice.pseudonym, item=item.pk)[0]
        made = decisions.decide(token=held.lease_token, principal=alice, label=label, rationale=f"looks {label}")
        if label == "fraud":
            decisions.undo(decision=made, principal=alice)
    labels.pull_all()
    return item.prediction


def events(prediction):
    return timeline(Prediction.objects.get(pk=prediction.pk))


def test_every_step_is_told_in_its_order(told):
    kinds = [event.kind for event in events(told)]
    past = [kind for kind in kinds if kind not in ("resolved",)]
    assert past == ["occurred", "received", "routed", "claimed", "decided", "undone", "claimed", "decided", "label"]
    times = [event.at for event in events(told)]
    assert times == sorted(times)


def test_decisions_say_which_of_them_stands(told):
    titles = [event.title for event in events(told) if event.kind == "decided"]
    assert titles == ["Decided: fraud (no longer stands)", "Decided: ok"]


def test_routing_tells_policy_propensity_and_draw(told):
    routed = next(event for event in events(told) if event.kind == "routed")
    assert dict(routed.facts) == {
        "policy": "none active",
        "disposition": "hold",
        "reasons": "low confidence",
        "propensity": "1 (gate 1)",
        "draw": "0.1000, below the propensity",
    }


def test_gaps_are_the_time_since_the_event_before(told):
    found = events(told)
    assert found[0].gap == ""
    assert all(event.gap == "at once" or event.gap.endswith(" later") for event in found[1:])


def run_of(model, at):
    """A run on a snapshot of the labels written by then."""
    taken = Label.objects.filter(model=model, created_at__lte=at).order_by("id").last()
    query = {"last_label_id": taken.pk if taken else 0, "as_of": at.isoformat()}
    snapshot = DatasetSnapshot.objects.create(
        model=model, status="ready", sha256="a" * 64, row_count=9, query=query, created_by="erin", ready_at=at
    )
    return TrainingRun.objects.create(
        model=model, snapshot=snapshot, reason="weekly", requested_by="erin", status="succeeded", finished_at=at
    )


def test_a_training_run_that_read_the_label_closes_the_timeline(told, cast):
    run = run_of(cast.model, timezone.now() + timedelta(seconds=5))
    last = events(told)[-2:]
    assert [event.kind for event in last] == ["snapshot", "trained"]
    assert last[1].title == f"In training run {run.pk}"


def test_a_snapshot_from_before_the_label_is_not_part_of_it(told, cast):
    run_of(cast.model, timezone.now() - timedelta(days=1))
    assert "trained" not in [event.kind for event in events(told)]


def test_a_snapshot_of_another_model_is_not_part_of_it(told, cast):
    run_of(cast.other_model, timezone.now() + timedelta(seconds=5))
    assert "trained" not in [event.kind for event in events(told)]
