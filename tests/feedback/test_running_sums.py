"""Running sums answer what a full recomputation answers, whatever happened in between, and never when stale."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from feedback import labels, monitoring, outcomes
from feedback.models import DayChange, DaySums, Label
from feedback.monitoring import days, reading
from feedback.monitoring.sums import Shape
from models_registry.models import ModelVersion
from review.models import Prediction
from review.withdrawal import withdraw
from tests.conftest import make_model
from tests.feedback.cases import outcome_body, undo
from tests.feedback.live_world import BEGIN, world

NOW = BEGIN + timedelta(days=12, hours=5)


def same(left, right, where=""):
    """Equal but for rounding, leaf by leaf."""
    if isinstance(left, dict):
        assert left.keys() == right.keys(), where
        for name in left:
            same(left[name], right[name], f"{where}/{name}")
    elif isinstance(left, list):
        assert len(left) == len(right), where
        for place, (one, other) in enumerate(zip(left, right, strict=True)):
            same(one, other, f"{where}/{place}")
    elif isinstance(left, float) and right is not None:
        assert left == pytest.approx(right, rel=1e-9, abs=1e-9), where
    else:
        assert left == right, where


def both(model, **window):
    """The document from stored sums, held to the one from rows alone; the days that were read from sums."""
    window = {"now": NOW, **window}
    found = monitoring.quality(model=model, **window)
    same(found, monitoring.quality(model=model, **window, from_rows=True) | {"window": found["window"]})
    used = reading.read(model, **window).days
    return found, len(used)


@pytest.mark.parametrize("classes", [["ok", "fraud"], ["cat", "dog", "cow"]])
def test_sums_and_rows_agree_after_everything_that_changes_a_day(db, classes):
    binary = len(classes) == 2
    model, _ = make_model("payments", classes=classes, task="binary" if binary else "multiclass",
                          positive_class=classes[1] if binary else None, outcomes_complete_for="proceeded",
                          outcomes_horizon_days=4.5, costs={classes[0]: {classes[1]: 5.0}})  # fmt: skip
    made = world(model, n=320, days=12)
    made.decide(BEGIN + timedelta(days=8))
    assert days.refresh(model, now=NOW)
    _, used = both(model)
    assert used >= 8
    # Late labels, an undo, a withdrawal, outcomes, a late prediction, another version.
    assert made.decide(NOW) > 10
    undo(next(iter(made.decided.values())))
    bodies = [outcome_body(f"w-{i}", classes[made.truth[i] if i % 9 else 0], observed_at="2026-03-12T00:00:00Z")
              for i in range(0, 300, 2)]  # fmt: skip
    outcomes.record(bodies=bodies, actor="test")
    labels.pull_all()
    withdraw(prediction=made.rows[233], reason="gone", actor="test")
    model.champion = ModelVersion.objects.create(
        model=model, version="2", contract=model.champion.contract, state="ready", created_by="test"
    )
    world(model, n=90, days=12, seed=8, prefix="late")
    stale, _ = both(model)
    assert days.refresh(model, now=NOW)
    fresh, used = both(model)
    assert used >= 8
    same(stale | {"arrival": None}, fresh | {"arrival": None})
    both(model, start=BEGIN + timedelta(days=3, hours=7), end=BEGIN + timedelta(days=9, minutes=1))
    both(model, version=model.champion)
    for by in ("day", "week"):
        points = monitoring.quality_series(model=model, by=by, now=NOW)
        same(points, monitoring.quality_series(model=model, by=by, now=NOW, from_rows=True))
        assert sum(point["predictions"] for point in points) == fresh["population"]["predictions"]


def test_a_change_of_costs_makes_sums_stale(cast):
    made = world(cast.model, n=200, days=12)
    made.decide(NOW)
    days.refresh(cast.model, now=NOW)
    before, _ = both(cast.model)
    cast.model.costs = {"ok": {"fraud": 7.0}}
    cast.model.save()
    after, _ = both(cast.model)
    assert after["metrics"]["cost"]["naive"] > before["metrics"]["cost"]["naive"]
    DayChange.objects.all().delete()
    assert days.refresh(cast.model, now=NOW)
    assert both(cast.model)[1] > 8


@pytest.mark.parametrize("change", ["label", "undo", "withdraw", "route", "move"])
def test_whatever_changes_a_day_marks_it_in_its_own_transaction(cast, change):
    made = world(cast.model, n=100, days=5)
    made.decide(BEGIN + timedelta(days=3))
    days.refresh(cast.model, now=NOW)
    assert not DayChange.objects.exists()
    if change == "label":
        made.decide(NOW)
    elif change == "undo":
        undo(next(iter(made.decided.values())))
        labels.pull()
    elif change == "withdraw":
        withdraw(prediction=made.rows[50], reason="x", actor="test")
    elif change == "route":
        world(cast.model, n=1, days=5, prefix="late")
    else:
        Prediction.objects.filter(pk=made.rows[50].pk).update(occurred_at=BEGIN)
    assert DayChange.objects.exists()
    # A decision that leaves no trace in the sums leaves no mark either.
    days.refresh(cast.model, now=NOW)
    Prediction.objects.filter(pk=made.rows[51].pk).update(status="decided")
    assert not DayChange.objects.exists()


def _marked(model):
    """A day with a mark, and the store of its sums by somebody who saw that mark alone."""
    shape, [mark] = Shape(model), DayChange.objects.filter(model=model).order_by("day")[:1]
    values = {"model": model.pk, "day": mark.day, "basis": shape.basis}
    return values, list(DayChange.objects.filter(model=model, day=mark.day).values_list("id", flat=True))


def _store(values, marks, sums, statement=days._STORE):
    with connection.cursor() as cursor:
        cursor.execute(statement, {**values, "marks": marks, "sums": sums, "waits": sums})
        return bool(cursor.rowcount)


def test_of_two_who_sum_a_day_at_once_the_one_that_saw_less_stores_nothing(cast):
    world(cast.model, n=100)
    values, marks = _marked(cast.model)
    later = DayChange.objects.create(model=cast.model, day=values["day"]).pk
    assert _store(values, [*marks, later], b"new")
    assert not _store(values, marks, b"old")
    assert bytes(DaySums.objects.get(day=values["day"]).sums) == b"new"
    # The other way round: the first leaves the later mark, and the second finds its own marks incomplete.
    other = {**values, "day": values["day"] + timedelta(days=1)}
    early, late = (DayChange.objects.create(model=cast.model, day=other["day"]).pk for _ in range(2))
    assert _store(other, [early], b"old")
    assert not _store(other, [early, late], b"new")
    assert DayChange.objects.filter(pk=late).exists()


def test_a_store_that_does_not_ask_for_its_marks_would_overwrite_newer_sums(cast):
    """What the condition is for: without it the same two stores leave the older sums, and no mark."""
    world(cast.model, n=100)
    values, marks = _marked(cast.model)
    broken = days._STORE.replace("WHERE ours", "").replace("all_held.ours AND", "")
    later = DayChange.objects.create(model=cast.model, day=values["day"]).pk
    assert _store(values, [*marks, later], b"new", broken)
    assert _store(values, marks, b"old", broken)
    assert bytes(DaySums.objects.get(day=values["day"]).sums) == b"old"
    assert not DayChange.objects.filter(day=values["day"]).exists()


def test_a_change_during_the_summing_leaves_the_day_stale(cast, monkeypatch):
    made = world(cast.model, n=100, days=1)
    seen = days.load

    def and_then_a_label_comes(*args, **kwargs):
        found = seen(*args, **kwargs)
        made.decide(NOW)
        return found

    monkeypatch.setattr(days, "load", and_then_a_label_comes)
    day = int(BEGIN.timestamp() // days.DAY)
    shape = Shape(cast.model)
    days.sum_days(cast.model, shape, [day])
    assert Label.objects.exists()
    assert [sums for _, sums in days.stored(cast.model, shape, -np.inf, np.inf, [])] == [None]


def test_the_number_of_queries_does_not_grow_with_history(cast):
    def queries():
        days.refresh(cast.model, now=NOW)
        monitoring.quality(model=cast.model, now=NOW)
        with CaptureQueriesContext(connection) as caught:
            monitoring.quality(model=cast.model, now=NOW)
        return len(caught)

    world(cast.model, n=60, days=3).decide(NOW)
    few = queries()
    world(cast.model, n=300, days=11, prefix="more").decide(NOW)
    assert queries() <= few <= 12
