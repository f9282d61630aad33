"""Behaviour by day: counts that are those of the rows, trends that are told, and pages that say the same."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from django.test import Client
from django.utils import timezone

from feedback import behaviour as step
from feedback.behaviour import behaviour, watch
from feedback.estimators import wilson
from feedback.models import Alert
from models_registry.wording import share
from review.models import Lease, Override, Prediction, PredictionPayload, QueueItem, Resolution, RoutingDecision
from tests.conftest import Cast
from tests.feedback.cases import decide, decide_all, make_case, make_cases, undo
from tests.feedback.test_quality_page import rows_of, words

URL = "/api/v1/models/payments/behaviour/"


def today() -> Any:
    return timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)


def counted(cast: Cast, means: list[float], *, runs: int = 12, seed: int = 1, name: str = "loops") -> None:
    """Runs of every day up to yesterday with a counter around the mean of its day, made as rows."""
    rng = np.random.default_rng(seed)
    begin = today() - timedelta(days=len(means))
    made = Prediction.objects.bulk_create(
        Prediction(
            model=cast.model, version=cast.version, external_id=f"{name}-{day}-{run}", fingerprint="0" * 64,
            scores=[0.8, 0.2], predicted="ok", confidence=0.8, status="routed",
            occurred_at=begin + timedelta(days=day, hours=run),
        ) for day in range(len(means)) for run in range(runs)
    )  # fmt: skip
    PredictionPayload.objects.bulk_create(
        PredictionPayload(prediction=row, features={}, counters={name: float(1 + rng.poisson(20 * (mean - 1)) / 20)})
        for row, mean in zip(made, np.repeat(means, runs), strict=True)
    )
    RoutingDecision.objects.bulk_create(
        RoutingDecision(
            prediction=row, model=cast.model, draw=0.9, p_gate=0, propensity=0.3, disposition="proceed", review="none",
            reasons=[], model_guess=0.8, oversight_always=False, routed_at=row.occurred_at,
        ) for row in made
    )  # fmt: skip


def test_a_loop_counter_that_rises_from_1_1_to_1_6_raises_an_alert_before_the_rise_ends(cast: Cast) -> None:
    rise = np.linspace(1.1, 1.6, 28).tolist()
    counted(cast, [1.1] * 28 + rise)
    began = today() - timedelta(days=28)
    watch(cast.model, now=began)
    assert not Alert.objects.exists()
    told = None
    for night in range(29):
        watch(cast.model, now=began + timedelta(days=night))
        if told is None and Alert.objects.exists():
            told = night
    assert told is not None
    assert told <= 28
    [alert] = Alert.objects.all()
    assert (alert.kind, alert.subject) == ("behaviour_trend", "counter loops")
    assert "rises" in alert.title
    assert alert.detail["begin"] < alert.detail["end"]


def test_a_counter_that_stays_raises_none_and_a_rise_that_is_over_is_resolved(cast: Cast) -> None:
    counted(cast, [1.1] * 56)
    watch(cast.model)
    assert not Alert.objects.exists()
    Alert.objects.create(model=cast.model, kind="behaviour_trend", subject="counter loops", title="It rose")
    watch(cast.model)
    assert Alert.objects.get().state == "resolved"


def test_days_of_which_nothing_is_known_leave_an_alert_as_it_is(cast: Cast) -> None:
    Alert.objects.create(model=cast.model, kind="behaviour_trend", subject="counter loops", title="It rose")
    watch(cast.model)
    assert Alert.objects.get().state == "open"


def test_the_mean_of_a_day_is_that_of_its_runs(cast: Cast) -> None:
    counted(cast, [1.2, 1.4, 1.3], runs=5)
    [found] = behaviour(model=cast.model)["counters"]
    for day in found["days"]:
        rows = PredictionPayload.objects.filter(prediction__occurred_at__date=day["day"]).values_list("counters")
        assert day["n"] == 5
        assert day["mean"] == pytest.approx(np.mean([counters["loops"] for (counters,) in rows]))
    assert found["trend"] is None


def test_counters_of_busy_hours_are_read_by_sample_and_every_day_is_kept(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted(cast, [1.1] * 20, runs=24)
    monkeypatch.setattr(step, "NEWEST_COUNTED", 10)
    monkeypatch.setattr(step, "PER_HOUR", 1)
    [found] = behaviour(model=cast.model)["counters"]
    assert [day["n"] for day in found["days"]] == [24] * 20


@pytest.mark.parametrize("counters", [{"loops": 10**400}, {"n\u00e4me": 1.5, "x" * 300: 2}, {}])
def test_counters_that_are_odd_break_nothing(cast: Cast, client: Client, counters: dict[str, Any]) -> None:
    made = make_case(cast.model, "odd", occurred_at=timezone.now() - timedelta(days=1))
    PredictionPayload.objects.filter(prediction=made).update(counters=counters)
    watch(cast.model)
    client.force_login(cast.dana)
    assert client.get("/models/payments/behaviour/").status_code == 200


@pytest.fixture
def lived(cast: Cast) -> dict[str, Any]:
    """A day of everything, yesterday: four audits and a gate, and what people did."""
    at = today() - timedelta(hours=10)
    cases = [make_case(cast.model, f"p-{n}", propensity=0.25, occurred_at=at, scores=[0.8, 0.2]) for n in range(4)] + [
        make_case(cast.model, "gate", review="gate", propensity=1.0, occurred_at=at)
    ]
    said = [
        decide(case, label, decided_at=at + timedelta(minutes=5), claimed_at=at + timedelta(minutes=4))
        for case, label in zip(cases, ("ok", "fraud", None, "fraud", "ok"), strict=True)
    ]
    undo(said[3])
    item = QueueItem.objects.select_related("queue").first()
    for ending, reserved in (("escalated", False), ("released", False), ("released", True)):
        Lease.objects.create(
            token=uuid4(), item=item, queue=item.queue, holder="r-bob",
            expires_at=at, claimed_at=at, ended_at=at, ending=ending, reserved=reserved,
        )  # fmt: skip
    Resolution.objects.create(prediction=cases[4], model=cast.model, disposition="proceed", by="fallback", at=at)
    Override.objects.create(
        model=cast.model, scope="case", prediction=cases[0], disposition="refuse", reason="seen", created_by="erin",
        created_at=at,
    )  # fmt: skip
    return {"day": at.date().isoformat()}


def test_a_day_counts_what_happened_on_it(cast: Cast, lived: dict[str, Any]) -> None:
    found = behaviour(model=cast.model)
    [day] = [row for row in found["days"] if row["day"] == lived["day"]]
    names = ("predictions", "passed", "held", "refused", "audited", "decisions", "abstained")
    assert [day[name] for name in names] == [5, 4, 1, 0, 4, 5, 1]
    names = ("escalated", "skipped", "handed_over", "fallbacks", "overrides")
    assert [day[name] for name in names] == [1, 1, 0, 1, 1]
    # Standing answers are ok, fraud and the gate's ok; the one that was undone counts for nothing.
    assert (day["override"]["n"], day["override"]["k"]) == (3, 1)
    assert (day["override"]["low"], day["override"]["high"]) == pytest.approx(wilson(1 / 3, 3))
    assert day["override_weighted"]["rate"] == pytest.approx(4 / (4 + 4 + 1))
    assert day["override_weighted"]["effective_n"] == pytest.approx(81 / 33, abs=0.05)
    assert day["seconds"] == 60
    [queue] = found["queues"]
    assert (queue["queue"], queue["decisions"], queue["undone"]) == ("payments", 5, 1)


def test_page_api_and_csv_say_the_same(cast: Cast, lived: dict[str, Any], client: Client, client_with: Any) -> None:
    counted(cast, [1.1, 1.2, 1.3])
    found = client_with("read").get(URL).json()
    client.force_login(cast.dana)
    html = words(client.get("/models/payments/behaviour/").content.decode())
    [day] = [row for row in found["days"] if row["day"] == lived["day"]]
    assert share(day["override"]["rate"], 1) in html
    assert "loops" in html
    rows = rows_of(client.get("/models/payments/behaviour/?format=csv&table=days"))
    assert [float(row["decisions"]) for row in rows] == [row["decisions"] for row in found["days"]]
    assert len(rows_of(client.get("/models/payments/behaviour/?format=csv&table=counters"))) == 3
    assert client.get("/models/payments/behaviour/?format=csv&table=x").status_code == 404
    assert client_with("read").get(f"{URL}?days=3").status_code == 400
    client.force_login(cast.mallory)
    assert client.get("/models/payments/behaviour/").status_code == client.get(URL).status_code == 404


def test_an_override_rate_that_rises_is_told(cast: Cast) -> None:
    days = [(day, today() - timedelta(days=28 - day) + timedelta(hours=2)) for day in range(28)]
    cases = make_cases(cast.model, {f"o-{day}-{n}": {"occurred_at": at} for day, at in days for n in range(12)})
    said = [("fraud" if n < 1 + day / 4 else "ok", at) for day, at in days for n in range(12)]
    decide_all([
        (case, label, {"decided_at": at, "claimed_at": at}) for case, (label, at) in zip(cases, said, strict=True)
    ])  # fmt: skip
    watch(cast.model)
    [alert] = Alert.objects.all()
    assert alert.subject == "override_rate"
    assert alert.title.startswith("The share that reviewers override rises")


def test_the_newest_rows_alone_are_read_and_said_to_be(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    counted(cast, [1.1] * 4, runs=5)
    monkeypatch.setattr(step, "NEWEST_ROUTED", 12)
    found = behaviour(model=cast.model)
    assert found["window"]["cut"] == 12
    # Of the day that was cut through nothing is said.
    assert [day["predictions"] for day in found["days"]] == [5, 5]


def test_a_page_without_anything_says_so(cast: Cast, client: Client) -> None:
    client.force_login(cast.dana)
    html = words(client.get("/models/payments/behaviour/").content.decode())
    assert "No prediction came with counters." in html
    assert "Nothing has happened in eight weeks." in html
    html = words(client.get("/models/payments/reliance/").content.decode())
    assert "too few answers in one of the arms" in html
