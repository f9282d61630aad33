"""Live figures against a truth that is known: delays that depend on the verdict, no support, rare classes, drift."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from django.utils import timezone

from feedback import labels, monitoring, watching
from feedback.estimators import measure
from feedback.estimators.questions import HEADLINES
from feedback.models import Alert
from feedback.monitoring import days
from feedback.monitoring.population import UNKNOWN
from feedback.monitoring.reading import read
from review import policy_versions
from review.models import PolicyVersion, RoutingControl
from tests.conftest import POLICY, make_model
from tests.feedback.cases import make_case, make_cases, undo
from tests.feedback.live_world import BEGIN, world
from tests.feedback.simulated_traffic import label_free
from tests.kept import kept

NOW = BEGIN + timedelta(days=30, hours=5)


def truth_between(made, first, last):
    when = np.array([(row.occurred_at - BEGIN) / timedelta(days=1) for row in made.rows])
    kept = (when >= first) & (when < last)
    return float(made.right[kept].mean())


@pytest.fixture(scope="module")
def written(django_db_setup, django_db_blocker):
    with kept(django_db_blocker):
        made = world(make_model("slow")[0], n=4000, slower=4.0, mean=0.6)
        made.decide(NOW)
        yield made


@pytest.fixture
def slow(written, db):
    """Overrides take four times as long."""
    return written


def test_figures_cover_although_errors_take_longer_and_the_naive_one_does_not(slow):
    days.refresh(slow.model, now=NOW)
    found = monitoring.quality(model=slow.model, start=BEGIN + timedelta(days=10), now=NOW)
    accuracy = found["metrics"]["accuracy"]
    held = (NOW - timedelta(seconds=found["arrival"]["holds_from_seconds"]) - BEGIN) / timedelta(days=1)
    real = truth_between(slow, 10, held)
    assert accuracy["state"] == "ok"
    assert accuracy["low"] <= real <= accuracy["high"]
    assert accuracy["estimate"] == pytest.approx(real, abs=0.03)
    # Reviews prefer the unsure rows, so the plain mean is low by points, and its interval does not know.
    assert accuracy["naive"] < real - 0.04
    assert accuracy["naive_high"] < real
    assert found["maturity"]["share"] < 0.95


def test_a_share_of_arrived_labels_in_place_of_arrival_by_verdict_is_off_on_the_same_rows(slow):
    """What the arrival model is for: one share for all labels of a kind leaves the late overrides out."""
    window = read(slow.model, now=NOW, start=BEGIN + timedelta(days=25), end=BEGIN + timedelta(days=30), from_rows=True)
    rows = window.rows
    share = (rows.label != UNKNOWN).sum() / rows.drawn.sum()
    plain = measure("accuracy", rows.outputs(slow.model), rows.label, rows.propensity * share)
    real = truth_between(slow, 25, 30)
    assert plain.point > real + 0.03
    assert plain.low > real
    good = monitoring.quality(model=slow.model, start=BEGIN + timedelta(days=25), now=NOW)["metrics"]["accuracy"]
    assert good["low"] <= real <= good["high"]


def test_a_propensity_of_zero_gives_bounds_and_no_point(cast):
    made = world(cast.model, n=600, days=10)
    made.decide(NOW)
    never = {"review": "none", "propensity": 0.0, "occurred_at": BEGIN + timedelta(days=2)}
    make_cases(cast.model, {f"never-{number}": never for number in range(60)})
    days.refresh(cast.model, now=NOW)
    accuracy = monitoring.quality(model=cast.model, now=NOW)["metrics"]["accuracy"]
    assert (accuracy["state"], accuracy["estimate"], accuracy["departs"]) == ("unsupported", None, False)
    assert accuracy["unsupported_share"] == pytest.approx(60 / 660)
    real = made.right.sum() / 660
    assert accuracy["bounds"]["low"] <= real <= real + 60 / 660 <= accuracy["bounds"]["high"]
    assert accuracy["label_free"] is not None


def test_a_model_that_never_finds_the_rare_class_is_no_better_than_a_constant(cast):
    scores, truth = np.tile([0.98, 0.02], (1000, 1)), np.zeros(1000, dtype=int)
    truth[500] = 1
    made = world(cast.model, n=1000, days=3, scores=scores, truth=truth, propensity=np.ones(1000))
    made.decide(NOW)
    days.refresh(cast.model, now=NOW)
    found = monitoring.quality(model=cast.model, now=NOW)
    accuracy, baseline = found["metrics"]["accuracy"], found["baseline"]
    assert accuracy["estimate"] == pytest.approx(0.999)
    assert accuracy["constant"] == pytest.approx(0.999, abs=1e-4)
    assert baseline["constant_class"] == "ok"
    assert baseline["no_better_than_constant"] is True
    assert baseline["accuracy_may_lead"] is False
    assert baseline["prevalence"]["fraud"]["estimate"] == pytest.approx(0.001)
    assert found["metrics"]["recall"]["constant"] == 0.0
    assert found["confusion"]["counts"] == [[999, 1], [0, 0]]
    assert np.array(found["confusion"]["weighted"]).sum() == pytest.approx(1000)


def test_drawn_rows_that_nobody_answers_widen_to_the_worst_and_best_case(cast):
    made = world(cast.model, n=900, days=20, mean=0.2)
    made.latency[np.flatnonzero(made.drawn)[::5]] = 1e6
    made.decide(NOW)
    days.refresh(cast.model, now=NOW)
    accuracy = monitoring.quality(model=cast.model, now=NOW)["metrics"]["accuracy"]
    assert accuracy["nonresponse"]["low"] < accuracy["low"] - 0.03
    assert accuracy["nonresponse"]["high"] > accuracy["high"]
    assert accuracy["nonresponse"]["low"] <= made.right.mean() <= accuracy["nonresponse"]["high"]


def test_a_late_label_restates_its_day_and_says_so(cast):
    made = world(cast.model, n=300, days=10, mean=0.2)
    made.decide(NOW - timedelta(days=5))
    days.refresh(cast.model, now=NOW)
    before = monitoring.quality_series(model=cast.model, by="day", now=NOW)
    assert sum(point["restated"] for point in before) == 0
    late = next(iter(made.decided.values()))
    undo(late)
    labels.pull_all()
    type(late.feedback_label).objects.filter(retired_at__isnull=False).update(retired_at=NOW - timedelta(hours=1))
    found = monitoring.quality(model=cast.model, now=NOW)
    day = late.prediction.occurred_at.date().isoformat()
    assert found["restated"] == [{"day": day, "reviews": 0, "outcomes": 0, "retired": 1}]
    after = monitoring.quality_series(model=cast.model, by="day", now=NOW)
    changed = [new for old, new in zip(before, after, strict=True) if old["labels"] != new["labels"]]
    assert [point["from"][:10] for point in changed] == [day]
    assert changed[0]["restated"] == 1
    assert monitoring.quality(model=cast.model, now=NOW, end=BEGIN)["restated"] == []


def test_predictions_too_young_for_a_figure_are_told(cast):
    now = BEGIN + timedelta(days=29, hours=12)
    made = world(cast.model, n=700, days=30)
    made.decide(now)
    found = monitoring.quality(model=cast.model, now=now)
    assert found["arrival"]["holds_from_seconds"] > 3600
    assert found["window"]["holds_until"] < found["window"]["to"]
    young = [row for row in made.rows if row.occurred_at.isoformat() >= found["window"]["holds_until"]]
    assert found["population"]["too_young"] == len(young) > 0


def test_scores_that_promise_what_labels_do_not_hold_raise_an_alert_until_they_do(cast):
    made = world(cast.model, n=900, days=20, mean=0.2)
    # The concept turns: a quarter of the right answers is wrong.
    flipped = np.flatnonzero(made.right)[::3]
    made.truth[flipped] = 1 - made.truth[flipped]
    made.decide(NOW)
    watching.watch(cast.model, now=NOW)
    [alert] = Alert.objects.filter(model=cast.model, kind="concept_drift_suspected")
    assert alert.detail["label_free"] > alert.detail["high"]
    later = world(cast.model, n=900, days=20, mean=0.2, begin=BEGIN + timedelta(days=100), prefix="later")
    later.decide(NOW + timedelta(days=100))
    watching.watch(cast.model, now=NOW + timedelta(days=100))
    alert.refresh_from_db()
    assert alert.state == "resolved"


def test_labels_that_come_much_later_than_before_raise_an_alert_and_the_figure_is_of_mature_cohorts(cast):
    made = world(cast.model, n=1800, mean=1.0)
    when = np.array([(row.occurred_at - BEGIN) / timedelta(days=1) for row in made.rows])
    made.latency[when > 24] *= 3
    made.decide(NOW)
    watching.watch(cast.model, now=NOW)
    assert Alert.objects.get(model=cast.model, kind="latency_shift").detail["ratio"] < 1
    found = monitoring.quality(model=cast.model, now=NOW)
    assert found["arrival"]["shifted"] is True
    mature = max(found["arrival"]["mature_seconds"].values())
    assert found["window"]["holds_until"] == (NOW - timedelta(seconds=mature)).isoformat()
    assert found["population"]["too_young"] > 0


def test_more_required_reviews_than_a_day_has_raise_an_alert_until_there_is_room(db):
    model, _ = make_model("busy", policy={**POLICY, "capacity": {"per_day": 2}})
    watching.watch_capacity(model)
    assert not Alert.objects.exists()
    for number in range(3):
        make_case(model, f"b-{number}", review="gate", propensity=1.0, occurred_at=timezone.now())
    watching.watch_capacity(model)
    [alert] = Alert.objects.filter(model=model, kind="capacity_exceeded")
    assert alert.detail["used"] == 3
    roomy = PolicyVersion.objects.create(model=model, number=2, document=POLICY, created_by="test")
    RoutingControl.objects.filter(model=model).update(active=roomy)
    watching.watch_capacity(model)
    alert.refresh_from_db()
    assert alert.state == "resolved"


def test_every_figure_is_what_its_rows_say_one_by_one(cast):
    cast.model.costs = {"ok": {"fraud": 5.0}, "fraud": {"ok": 1.0}}
    cast.model.save()
    made = world(cast.model, n=800, days=15)
    made.decide(NOW)
    days.refresh(cast.model, now=NOW)
    found = monitoring.quality(model=cast.model, now=NOW)
    window = read(cast.model, now=NOW, from_rows=True)
    rows, outputs = window.rows, window.rows.outputs(cast.model)
    q = rows.propensity * window.came
    for name in HEADLINES:
        alone = measure(name, outputs, rows.label, rows.propensity, window.came, window.comes, rows.drawn)
        figure = found["metrics"][name]
        assert (figure["estimate"], figure["low"]) == (pytest.approx(alone.point), pytest.approx(alone.low))
        guess = label_free(name, outputs, rows.drawn)
        assert figure["label_free"] == pytest.approx(guess)
    weighted = np.zeros((2, 2))
    for answer, label, chance in zip(rows.predicted, rows.label, q, strict=True):
        if label != UNKNOWN:
            weighted[answer, label] += 1 / chance
    np.testing.assert_allclose(found["confusion"]["weighted"], weighted * len(rows) / weighted.sum())
    assert np.sum(found["confusion"]["counts"]) == (rows.label != UNKNOWN).sum() == found["population"]["labelled"]
    score, total = rows.scores[:, 1], 0
    for one in found["calibration"]["bins"]:
        inside = (score >= one["low"]) & (score < one["high"])
        total += inside.sum()
        assert one["n"] == inside.sum()
        known = inside & (rows.label != UNKNOWN)
        gap = np.average((rows.label == 1)[known] - score[known], weights=1 / q[known])
        assert one["share"] == pytest.approx(np.clip(score[inside].mean() + gap, 0, 1))
    assert total == len(rows)
    shares = found["baseline"]["prevalence"]
    assert sum(share["estimate"] for share in shares.values()) == pytest.approx(1, abs=0.02)
    assert found["metrics"]["brier"]["constant"] == pytest.approx(
        shares["ok"]["estimate"] * shares["fraud"]["estimate"], abs=0.01
    )
    assert found["metrics"]["auto_accepted_error"]["constant"] is None


def test_a_series_and_what_changed_meanwhile_over_the_api(cast, client_with):
    world(cast.model, n=200, days=5).decide(NOW)
    policy = PolicyVersion.objects.create(model=cast.model, number=2, document=POLICY, created_by="test")
    policy_versions.activate(policy=policy, actor="test")
    read_it = client_with("read")
    found = read_it.get("/api/v1/models/payments/quality/?series=day&metric=recall,cost").json()
    assert [point["from"] for point in found["series"]] == [
        (BEGIN + timedelta(days=day)).isoformat() for day in range(5)
    ]
    assert sum(point["predictions"] for point in found["series"]) == 200
    assert [change["kind"] for change in found["changes"]] == ["policy"]
    weeks = read_it.get("/api/v1/models/payments/quality/?series=week").json()["series"]
    assert [point["from"][:10] for point in weeks] == ["2026-02-23", "2026-03-02"]
    for query in ("series=month", "series=day&group=segment", "series="):
        refused = read_it.get(f"/api/v1/models/payments/quality/?{query}")
        assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (400, "/series")
