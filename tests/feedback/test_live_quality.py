"""GET …/quality/: weighted figures that tell the truth, or say that they cannot."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import numpy as np
import pytest

from feedback import labels, monitoring, outcomes
from feedback.estimators import METRICS
from feedback.models import Label, OutcomeEvent, SimulatedTruth
from models_registry.models import LabelDefinition
from review.models import Lease, Prediction, QueueItem, Resolution, ReviewDecision, RoutingDecision
from tests.conftest import make_model
from tests.feedback.cases import NOON, decide, make_case, make_cases, outcome_body

URL = "/api/v1/models/payments/quality/"


def _stream(model, n=1500, seed=5, arrived=1.0, truth_known=False):
    """Traffic whose unsure cases are always reviewed and whose sure ones rarely; returns the true classes."""
    rng = np.random.default_rng(seed)
    k = len(model.classes)
    scores = rng.dirichlet(np.full(k, 0.5), n)
    truth = (scores.cumsum(axis=1) < rng.random((n, 1))).sum(axis=1)
    sure = scores.max(axis=1)
    gate, propensity = sure < 0.75, np.where(sure < 0.75, 1.0, 0.2)
    draw = rng.random(n)
    review = np.where(gate, "gate", np.where(draw < propensity, "audit", "none"))
    predictions = Prediction.objects.bulk_create(
        Prediction(
            model=model, version=model.champion, external_id=f"s-{i}", fingerprint="0" * 64, status="routed",
            scores=scores[i].tolist(), predicted=model.classes[scores[i].argmax()], confidence=sure[i],
            occurred_at=NOON + timedelta(minutes=i), groups={"segment": "vip" if i % 3 == 0 else "rest"},
        ) for i in range(n)
    )  # fmt: skip
    RoutingDecision.objects.bulk_create(
        RoutingDecision(
            prediction=row, model=model, draw=draw[i], p_gate=float(gate[i]), propensity=propensity[i], reasons=[],
            review=review[i], disposition="hold" if gate[i] else "proceed", model_guess=sure[i], oversight_always=False,
        ) for i, row in enumerate(predictions)
    )  # fmt: skip
    queue, definition = model.queues.get(), LabelDefinition.objects.get(model=model)
    drawn = [i for i in range(n) if review[i] != "none" and rng.random() < arrived]
    items = QueueItem.objects.bulk_create(
        QueueItem(prediction=predictions[i], model=model, queue=queue, kind=review[i], state="open") for i in drawn
    )

    leases = Lease.objects.bulk_create(Lease(token=uuid4(), item=item, holder="r", expires_at=NOON) for item in items)
    decisions = ReviewDecision.objects.bulk_create(
        ReviewDecision(item=item, prediction=item.prediction, model=model, lease=lease, reviewer="r",
                       definition=definition, label=model.classes[truth[i]])
        for i, item, lease in zip(drawn, items, leases, strict=True)
    )  # fmt: skip
    assert decisions
    labels.pull_all()
    if truth_known:
        SimulatedTruth.objects.bulk_create(
            SimulatedTruth(prediction=row, value=model.classes[truth[i]]) for i, row in enumerate(predictions)
        )
    return scores, truth


@pytest.fixture
def read(cast, client_with):
    return client_with("read")


def _figures(response):
    assert response.status_code == 200, response.content
    return response.json()


def test_the_weighted_figure_covers_the_truth_where_the_naive_one_is_far_off(read, cast):
    cast.model.simulated = True
    cast.model.save()
    scores, truth = _stream(cast.model, truth_known=True)
    document = _figures(read.get(URL))
    accuracy = document["metrics"]["accuracy"]
    real = float(np.mean(scores.argmax(axis=1) == truth))
    assert accuracy["truth"] == pytest.approx(real)
    assert accuracy["state"] == "ok"
    assert accuracy["low"] <= real <= accuracy["high"]
    assert accuracy["sequence"]["low"] <= accuracy["low"]
    assert accuracy["naive"] < real - 0.04
    assert accuracy["naive_high"] < real
    assert set(document["metrics"]) == {*METRICS, "auto_accepted_error"}
    assert document["population"]["predictions"] == 1500
    assert document["maturity"]["share"] == 1.0
    assert document["simulated"] is True


def test_reviews_that_are_still_open_do_not_move_the_figure_off_the_truth(read, cast):
    scores, truth = _stream(cast.model, arrived=0.6)
    document = _figures(read.get(URL))
    real = float(np.mean(scores.argmax(axis=1) == truth))
    assert document["metrics"]["accuracy"]["low"] <= real <= document["metrics"]["accuracy"]["high"]


def test_the_share_of_decided_reviews_is_told_per_kind(read, cast):
    for number in range(4):
        prediction = make_case(cast.model, f"p-{number}")
        if number:
            decide(prediction, "ok")
    make_case(cast.model, "gate", review="gate", propensity=1.0)
    labels.pull()
    maturity = _figures(read.get(URL))["maturity"]
    assert (maturity["drawn"], maturity["decided"], maturity["share"]) == (5, 3, 0.6)
    assert maturity["review"]["gate"] == {"drawn": 1, "decided": 0, "share": 0.0}


def test_hardly_any_review_decided_is_insufficient_and_not_a_guess(read, cast):
    make_case(cast.model, "p-1")
    accuracy = _figures(read.get(URL))["metrics"]["accuracy"]
    assert (accuracy["state"], accuracy["estimate"], accuracy["low"]) == ("insufficient_data", None, None)
    assert _figures(read.get(f"{URL}?from=2030-01-01"))["metrics"]["accuracy"]["state"] == "insufficient_data"


def test_a_prediction_that_could_not_be_reviewed_makes_the_figure_unsupported(read, cast):
    _stream(cast.model, n=300)
    make_case(cast.model, "p-0", review="none", propensity=0.0)
    document = _figures(read.get(URL))
    assert document["metrics"]["accuracy"]["state"] == "unsupported"
    assert document["metrics"]["accuracy"]["estimate"] is None
    assert document["population"]["unsupported"] == 1


def test_the_window_the_version_the_group_and_the_metric_choose_what_is_measured(read, cast):
    _stream(cast.model, n=600)
    hours = {"from": "2026-03-01T14:00:00Z", "to": "2026-03-01T16:00:00+00:00"}
    day = _figures(read.get(URL, {**hours, "metric": "recall"}))
    assert (day["population"]["predictions"], list(day["metrics"])) == (120, ["recall"])
    assert day["window"]["from"] == "2026-03-01T14:00:00+00:00"
    vip = _figures(read.get(f"{URL}?group=segment:vip"))
    assert vip["population"]["predictions"] == 200
    groups = _figures(read.get(f"{URL}?group=segment&metric=accuracy"))["groups"]
    assert {name: found["predictions"] for name, found in groups.items()} == {"vip": 200, "rest": 400}
    assert groups["vip"]["metrics"]["accuracy"] == vip["metrics"]["accuracy"]
    assert _figures(read.get(f"{URL}?version=1"))["population"]["predictions"] == 600
    assert read.get(f"{URL}?version=7").status_code == 404


def test_several_classes_are_measured_as_a_whole_and_each_against_the_rest(client_with, db):
    model, _ = make_model("animals", classes=["cat", "dog", "cow"], task="multiclass", positive_class=None)
    scores, truth = _stream(model)
    document = _figures(client_with("read").get("/api/v1/models/animals/quality/"))
    predicted = scores.argmax(axis=1)
    recalls = [np.mean(predicted[truth == k] == k) for k in range(3)]
    assert document["metrics"]["recall"]["low"] <= np.mean(recalls) <= document["metrics"]["recall"]["high"]
    dog = document["classes"]["dog"]["recall"]
    assert dog["low"] <= recalls[1] <= dog["high"]


def test_outcomes_are_a_population_of_their_own(read, cast):
    cast.model.outcomes_complete_for, cast.model.outcomes_horizon_days = "proceeded", 10
    cast.model.save()
    make_cases(cast.model, {f"p-{number}": {"review": "none", "propensity": 0.05} for number in range(60)})
    make_case(cast.model, "refused", review="none", propensity=0.05, disposition="refuse")
    bodies = [outcome_body(f"p-{number}", "ok" if number % 4 else "fraud") for number in range(60)]
    outcomes.record(bodies=bodies, actor="test")
    labels.pull_all()
    document = _figures(read.get(URL))
    seen = document["outcomes"]
    counts = {name: seen[name] for name in ("population", "predictions", "unsupported", "mature", "observed")}
    assert counts == {"population": "proceeded", "predictions": 60, "unsupported": 1, "mature": 60, "observed": 60}
    assert seen["metrics"]["accuracy"]["estimate"] == pytest.approx(0.75)
    # They say nothing in the figure of reviews.
    assert document["metrics"]["accuracy"]["labels"] == 0


def test_the_series_of_a_chart_adds_up_to_the_window(cast):
    _stream(cast.model, n=600)
    series = monitoring.quality_series(model=cast.model, slices=4)
    assert [point["predictions"] for point in series] == [150, 150, 150, 150]
    assert series[0]["to"] == series[1]["from"]
    assert monitoring.quality_series(model=cast.other_model) == []


@pytest.mark.parametrize(("query", "pointer"), [
    ("?from=2026-01-02T00:00:00", "/from"), ("?to=soon", "/to"), ("?metric=auc", "/metric"), ("?metric=", "/metric"),
    ("?from=2026-01-02&to=2026-01-01", "/from"), ("?group=", "/group"), ("?group=%00", "/group"), ("?days=1", "/days"),
])  # fmt: skip
def test_a_query_that_means_nothing_is_refused(read, query, pointer):
    response = read.get(URL + query)
    assert (response.status_code, response.json()["errors"][0]["pointer"]) == (400, pointer)


def test_delays_are_told_hop_by_hop_and_pending_reviews_count_as_waiting(read, cast):
    decide(make_case(cast.model, "p-1"), "ok")
    make_case(cast.model, "p-2")
    early = outcome_body("p-2", observed_at="2026-02-01T00:00:00Z")
    outcomes.record(bodies=[outcome_body("p-1"), early], actor="test")
    labels.pull()
    assert (Label.objects.count(), OutcomeEvent.objects.count(), Resolution.objects.count()) == (3, 2, 2)
    document = _figures(read.get("/api/v1/models/payments/delays/"))
    hops = document["hops"]
    assert hops["claimed_to_decided"]["p50"] == 3600
    assert hops["routed_to_claimed"]["p50"] == 3599
    assert hops["occurred_to_outcome"] == {"n": 1} | dict.fromkeys(("p50", "p90", "p99", "max"), 18.5 * 86400)
    assert (hops["occurred_to_received"]["n"], hops["decided_to_label"]["n"]) == (2, 1)
    audit = document["reviews"]["audit"]
    assert (audit["drawn"], audit["decided"], audit["curve"]) == (2, 1, [{"seconds": 7199.0, "share": 0.5}])
