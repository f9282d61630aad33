"""What comes, what gets done, and that a surge is told before anything is late."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pytest

from feedback import surges
from feedback.delays.backlog import forecast, unusual
from feedback.models import Alert
from feedback.monitoring.workload import workload
from review.models import QueueItem, ReviewQueue
from tests.feedback.cases import NOON, decide, make_case

HOUR = timedelta(hours=1)


def came(cast, at: datetime, n: int = 1, *, done_after: timedelta | None = None, kind: str = "audit") -> None:
    """So many items at one moment, due in a day."""
    queue = ReviewQueue.objects.get(slug=cast.model.slug)
    state = {"state": "open"} if done_after is None else {"state": "decided", "closed_at": at + done_after}
    for _ in range(n):
        case = make_case(cast.model, f"p-{QueueItem.objects.count()}", review="none", occurred_at=at)
        QueueItem.objects.create(
            prediction=case, model=cast.model, queue=queue, kind=kind, enqueued_at=at, due_at=at + 24 * HOUR, **state
        )


@pytest.fixture
def steady(cast):
    """Two items an hour for three days, each done an hour later."""
    for hours in range(2, 74):
        came(cast, NOON - hours * HOUR, 2, done_after=HOUR)
    return cast


def test_a_threefold_hour_is_told_before_anything_is_late(steady):
    before = workload(model=steady.model, now=NOON)
    assert not before["inflow"]["unusual"]
    assert before["forecast"]["breach"] is None
    came(steady, NOON - timedelta(minutes=20), 12)
    found = workload(model=steady.model, now=NOON)
    assert found["inflow"]["unusual"]
    assert found["inflow"]["ratio"] == pytest.approx(6, rel=0.05)
    assert found["open"]["overdue"] == 0
    assert found["forecast"]["of"] == "arrives"
    assert found["forecast"]["breach"] > 24 * 3600


def test_a_surge_opens_one_alert_before_anything_is_late_and_its_end_resolves_it(steady):
    surges.watch_workload(steady.model, now=NOON)
    assert not Alert.objects.exists()
    came(steady, NOON - timedelta(minutes=20), 12)
    for _ in range(2):
        surges.watch_workload(steady.model, now=NOON)
    [alert] = Alert.objects.all()
    assert (alert.kind, alert.times_seen, alert.detail["open"]["overdue"]) == ("workload", 2, 0)
    assert "12 reviews came in an hour, usual are 2" in alert.title
    QueueItem.objects.filter(state="open").update(state="decided", closed_at=NOON)
    surges.watch_workload(steady.model, now=NOON + HOUR)
    assert Alert.objects.get().state == "resolved"


def test_slices_add_up_and_the_backlog_is_what_is_open_at_their_end(cast):
    came(cast, NOON - 30 * HOUR, 3, done_after=26 * HOUR)
    came(cast, NOON - 5 * HOUR, 2, kind="gate")
    found = workload(model=cast.model, by="day", now=NOON)
    yesterday, today = found["slices"][-2:]
    assert (yesterday["arrived"], yesterday["done"], yesterday["backlog"]) == (3, 0, 3)
    assert (today["arrived"], today["done"], today["backlog"]) == (2, 3, 2)
    assert today["by_kind"] == {"gate": 2, "audit": 0, "manual": 0}
    assert today["partial"]
    assert not yesterday["partial"]
    hours = workload(model=cast.model, by="hour", now=NOON)["slices"]
    assert sum(row["arrived"] for row in hours) == 5
    assert len(hours) == 49


def test_a_gold_item_is_told_as_the_audit_that_its_reviewer_takes_it_for(cast):
    came(cast, NOON - 2 * HOUR, kind="gold")
    found = workload(model=cast.model, now=NOON)
    assert found["open"]["by_kind"] == {"gate": 0, "audit": 1, "manual": 0}
    assert found["slices"][-1]["by_kind"] == {"gate": 0, "audit": 1, "manual": 0}


def test_what_is_past_its_due_time_is_counted_with_its_age(cast):
    came(cast, NOON - 30 * HOUR)
    came(cast, NOON - 2 * HOUR, kind="gate")
    found = workload(model=cast.model, now=NOON)["open"]
    assert (found["total"], found["overdue"], found["overdue_audits"]) == (2, 1, 1)
    assert found["oldest_age_seconds"] == 30 * 3600


def test_time_spent_and_needed_are_told_in_hours(cast):
    for number in range(4):
        case = make_case(cast.model, f"d-{number}", occurred_at=NOON - 3 * HOUR)
        decide(case, "fraud", claimed_at=NOON - 2 * HOUR, decided_at=NOON - HOUR, seconds_active=1800.0)
    found = workload(model=cast.model, now=NOON)["capacity"]
    assert found["hours_per_day"] == pytest.approx(2.0)
    assert found["seconds"] == 1800.0
    assert found["per_day"] is None


def test_a_model_without_items_has_an_empty_workload(cast):
    found = workload(model=cast.model, now=NOON)
    assert found["open"]["total"] == 0
    assert found["forecast"] == {"breach": None, "of": "", "empty": None}
    assert found["capacity"]["needed_hours"] is None


def test_a_forecast_agrees_with_a_queue_that_is_played_through():
    """The brute force: serve one item every 1 / rate seconds in the order of due times, and see which is late first."""
    draw = np.random.default_rng(3)
    for _ in range(50):
        due = np.sort(draw.uniform(0, 4000, size=40))
        rate = draw.uniform(0.005, 0.03)
        late = [float(d) for place, d in enumerate(due) if (place + 1) / rate > d]
        assert forecast(due, inflow=0.0, rate=rate, allowed=None).breach == (min(late) if late else None)


def test_nobody_working_makes_the_next_due_time_the_breach():
    assert forecast([90.0, np.inf], inflow=0.0, rate=0.0, allowed=None).breach == 90.0
    assert forecast([], inflow=0.1, rate=0.0, allowed=60.0).breach == 60.0
    assert forecast([-5.0], inflow=0.0, rate=0.0, allowed=None).breach is None


def test_a_few_arrivals_in_a_quiet_queue_are_not_unusual():
    assert not unusual(2, 0.3)
    assert unusual(30, 10.0)
    assert not unusual(0, 10.0)
