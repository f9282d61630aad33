"""Delays are counted by day, and days add up to what all rows say, exactly."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from django.db import connection

from feedback import labels, monitoring, outcomes
from feedback.delays import EDGES, Histogram, empirical, kaplan_meier, life_table, quantiles, together
from feedback.models import DaySums
from feedback.monitoring import days, reading
from feedback.monitoring.ledger import waits
from feedback.monitoring.waits import from_bytes, waits_of
from review.withdrawal import withdraw
from tests.conftest import make_model
from tests.feedback.cases import decide, make_case, outcome_body, undo
from tests.feedback.live_world import BEGIN, world

NOW = BEGIN + timedelta(days=12, hours=5)
# A cell's upper end over its lower one.
STEP = 10 ** (1 / 20)


def some_delays(seed, n=4000):
    rng = np.random.default_rng(seed)
    return rng.lognormal(rng.uniform(-3, 9), rng.uniform(0.1, 3), n)


@pytest.mark.parametrize("seed", range(5))
def test_histograms_of_parts_add_up_to_that_of_the_whole_exactly(seed):
    delays = np.append(some_delays(seed), [-3.0, 0.0, 1e-3, 5e9, EDGES[40]])
    whole = Histogram.of(delays)
    parts = together(Histogram.of(part) for part in np.array_split(np.random.default_rng(seed).permutation(delays), 7))
    assert np.array_equal(whole.counts, parts.counts)
    assert (whole.least, whole.most) == (parts.least, parts.most) == (-3.0, 5e9)
    assert quantiles(whole) == quantiles(parts)


@pytest.mark.parametrize("seed", range(5))
def test_a_percentile_is_off_by_no_more_than_its_cell(seed):
    delays = some_delays(seed)
    found = quantiles(Histogram.of(delays))
    for name, share in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99)):
        assert np.quantile(delays, share) / STEP <= found[name] <= np.quantile(delays, share) * STEP
    assert found["max"] == delays.max()


@pytest.mark.parametrize("seed", range(5))
def test_the_curve_of_counts_is_kaplan_and_meiers_up_to_the_cells(seed):
    rng = np.random.default_rng(seed)
    delays, ages = rng.exponential(3600.0, 5000), rng.uniform(0, 7200.0, 5000)
    ended = delays <= ages
    exact = kaplan_meier(np.minimum(delays, ages), ended)
    found = life_table(Histogram.of(delays[ended]), ages[~ended])
    assert (found.n, found.ended) == (5000, ended.sum())
    for seconds, share in zip(found.curve.seconds[:-1], found.curve.share[:-1], strict=True):
        assert share == pytest.approx(exact.at(seconds), abs=0.01)
    assert found.p50 == pytest.approx(3600 * np.log(2), rel=0.08)
    # Without what waits the same delays look much shorter.
    assert quantiles(Histogram.of(delays[ended]))["p50"] < 0.8 * found.p50


def test_where_nothing_waits_the_curve_is_the_empirical_one():
    delays = Histogram.of(some_delays(1))
    assert life_table(delays, []).curve.share == pytest.approx(empirical(delays).share, abs=1e-12)


def both(model):
    """The document from stored counts, held to the one from rows alone; how many days were stored."""
    found = monitoring.delays(model=model, now=NOW)
    assert found == monitoring.delays(model=model, now=NOW, from_rows=True)
    stored = days.stored(model, days.Shape(model), -np.inf, np.inf, column="waits")
    return found, sum(counts is not None for _, counts in stored)


@pytest.mark.parametrize("complete", ["proceeded", "all", "none"])
def test_counts_of_days_and_rows_agree_after_everything_that_changes_a_day(db, complete):
    model, _ = make_model("payments", outcomes_complete_for=complete)
    made = world(model, n=400, days=12)
    made.decide(BEGIN + timedelta(days=8))
    assert days.refresh(model, now=NOW)
    before, used = both(model)
    assert used >= 11
    assert made.decide(NOW) > 10
    undo(next(iter(made.decided.values())))
    bodies = [outcome_body(f"w-{i}", "ok", observed_at="2026-03-14T00:00:00Z") for i in range(0, 300, 2)]
    outcomes.record(bodies=bodies, actor="test")
    labels.pull_all()
    withdraw(prediction=made.rows[33], reason="gone", actor="test")
    stale, _ = both(model)
    assert stale["hops"]["decided_to_label"]["n"] > before["hops"]["decided_to_label"]["n"]
    assert days.refresh(model, now=NOW)
    fresh, used = both(model)
    assert used >= 11
    assert fresh == stale
    assert fresh["outcomes"]["observed"] == 150
    assert bool(fresh["outcomes"]["cohorts"]) == (complete != "none")


def test_reviews_are_counted_by_the_week_of_their_routing(cast):
    made = world(cast.model, n=300, days=12)
    made.decide(NOW)
    days.refresh(cast.model, now=NOW)
    found = monitoring.delays(model=cast.model, now=NOW)["reviews"]["audit"]
    assert found["drawn"] == (made.kinds == "audit").sum() == sum(week["n"] for week in found["cohorts"])
    assert [week["week"] for week in found["cohorts"]] == ["2026-02-23", "2026-03-02", "2026-03-09"]
    ended = np.array([i in made.decided for i in range(300)]) & (made.kinds == "audit")
    assert found["decided"] == ended.sum() == sum(week["ended"] for week in found["cohorts"])


def marked_by_decision(model):
    """Whether a decision is in the counts before it is a label, days having been counted without it."""
    case = make_case(model, "p-1", occurred_at=BEGIN)
    days.refresh(model, now=NOW)
    decide(case, "ok")
    found = waits(model, now=NOW, from_rows=True).hops()
    assert found["claimed_to_decided"]["n"] == 1
    return waits(model, now=NOW).hops() == found


def test_a_decision_marks_its_day_before_it_is_a_label(cast):
    assert marked_by_decision(cast.model)


def test_without_its_trigger_a_decision_would_be_missing(cast):
    with connection.cursor() as cursor:
        cursor.execute("DROP TRIGGER feedback_decided ON review_reviewdecision")
    assert not marked_by_decision(cast.model)


def test_counts_are_stored_as_they_are(cast):
    world(cast.model, n=80, days=2).decide(NOW)
    for counts in waits_of(cast.model, [(-np.inf, np.inf)]).values():
        again = from_bytes(counts.to_bytes())
        assert again.ended.keys() == counts.ended.keys()
        for key, one in again.ended.items():
            assert np.array_equal(one.counts, counts.ended[key].counts)
            assert (one.least, one.most) == (counts.ended[key].least, counts.ended[key].most)
        assert {name: rows.tolist() for name, rows in again.open.items()} == {
            name: rows.tolist() for name, rows in counts.open.items()
        }


def test_a_model_with_too_many_classes_for_sums_has_its_delays_counted(db, monkeypatch):
    model, _ = make_model("many", classes=[f"c{i}" for i in range(9)], task="multiclass", positive_class=None)
    world(model, n=60, days=3).decide(NOW)
    assert days.refresh(model, now=NOW)
    assert DaySums.objects.filter(model=model, sums=b"").count() == 3
    assert both(model)[1] == 3
    found = monitoring.quality(model=model, now=NOW)
    assert (found["population"]["predictions"], found["window"]["cut"]) == (60, None)
    # The bound is shared by the classes, and what cut the window is what is told.
    monkeypatch.setattr(reading, "NEWEST", 180)
    found = monitoring.quality(model=model, now=NOW)
    assert (found["population"]["predictions"], found["window"]["cut"]) == (20, 20)
    assert found["window"]["from"] > BEGIN.isoformat()
