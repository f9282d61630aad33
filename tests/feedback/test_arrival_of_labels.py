"""Arrival learned from the rows of a model: the same for exports and figures."""

from __future__ import annotations

import json
from datetime import timedelta
from uuid import uuid4

import numpy as np
import pytest
from django.utils import timezone

from feedback import arrivals, datasets, labels
from feedback.delays import AGREE, OVERRIDE, UNKNOWN, ArrivalModel
from feedback.delays.arrival import Cell
from models_registry.models import LabelDefinition
from review.models import Lease, Prediction, QueueItem, ReviewDecision, RoutingDecision
from tests.feedback.cases import decide, make_case

HOUR = timedelta(hours=1)


def reviewed(model, n=900, seed=0, days=20):
    """Audits over many days; an override takes up to six days, an agreement hours. Returns which answers are wrong."""
    rng = np.random.default_rng(seed)
    now = timezone.now()
    routed = [now - timedelta(days=float(age)) for age in np.sort(rng.uniform(0, days, n))]
    wrong = rng.random(n) < 0.3
    wait = [timedelta(days=float(t)) for t in np.where(wrong, rng.uniform(0.2, 6, n), rng.uniform(0.05, 0.3, n))]
    predictions = Prediction.objects.bulk_create(
        Prediction(model=model, version=model.champion, external_id=f"a-{i}", fingerprint="0" * 64, status="routed",
                   scores=[0.8, 0.2], predicted="ok", confidence=0.8, occurred_at=routed[i]) for i in range(n)
    )  # fmt: skip
    RoutingDecision.objects.bulk_create(
        RoutingDecision(prediction=row, model=model, draw=0.1, p_gate=0.0, propensity=0.5, review="audit", reasons=[],
                        disposition="proceed", model_guess=0.8, oversight_always=False, routed_at=routed[i])
        for i, row in enumerate(predictions)
    )  # fmt: skip
    queue, definition = model.queues.get(), LabelDefinition.objects.get(model=model)
    items = QueueItem.objects.bulk_create(
        QueueItem(prediction=row, model=model, queue=queue, kind="audit") for row in predictions
    )
    done = [i for i in range(n) if routed[i] + wait[i] <= now]
    leases = Lease.objects.bulk_create(Lease(token=uuid4(), item=items[i], holder="r", expires_at=now) for i in done)
    ReviewDecision.objects.bulk_create(
        ReviewDecision(item=items[i], prediction=predictions[i], model=model, lease=lease, reviewer="r",
                       definition=definition, label="fraud" if wrong[i] else "ok", decided_at=routed[i] + wait[i])
        for i, lease in zip(done, leases, strict=True)
    )  # fmt: skip
    labels.pull_all()
    return wrong


def exported(model, now):
    return list(datasets.rows_of(model, upto=datasets.last_label_id(model), now=now))


def test_the_weights_of_an_export_make_up_for_overrides_that_are_still_out(cast):
    wrong = reviewed(cast.model)
    rows = exported(cast.model, timezone.now())
    shares = {}
    for name in ("weight", "propensity"):
        weights = np.array([row["weight"] if name == "weight" else 1 / row["propensity"] for row in rows])
        shares[name] = float(np.sum(weights * [row["label"] == "fraud" for row in rows]) / weights.sum())
    assert shares["weight"] == pytest.approx(wrong.mean(), abs=0.012)
    assert shares["propensity"] < wrong.mean() - 0.02


def test_a_young_agreement_has_arrived_for_certain_and_a_young_override_has_not(cast):
    reviewed(cast.model)
    now = timezone.now()
    learned = arrivals.learn(cast.model, now=now)
    line = f"{cast.model.queues.get().pk}/0"
    [agree, override] = (
        learned.model.cell(("audit", line, "2"), verdict).at(3 * 86_400) for verdict in (AGREE, OVERRIDE)
    )
    assert float(agree) == 1.0
    assert 0.3 < float(override) < 0.7
    summary = json.loads(json.dumps(learned.summary()))
    assert summary["drawn"] == {"audit": 900}
    assert summary["shifted"] is False
    assert 3 * 86_400 < summary["mature_seconds"]["audit"] < 7 * 86_400


def test_a_label_that_could_hardly_be_here_has_no_weight(cast, monkeypatch):
    reviewed(cast.model, n=60)
    monkeypatch.setattr("feedback.datasets.rows.LEAST", 1.1)
    assert {row["weight"] for row in exported(cast.model, timezone.now())} == {None}


def test_only_the_newest_drawn_rows_are_read(cast):
    decide(make_case(cast.model, "old"), "ok")
    make_case(cast.model, "new")
    labels.pull()
    found = arrivals.learn(cast.model, now=timezone.now(), newest=1)
    assert (found.drawn, found.labelled) == ({"audit": 1}, {"audit": 0})


def test_a_snapshot_says_how_arrival_was_learned(cast):
    decide(make_case(cast.model, "p-1"), "ok")
    snapshot = datasets.build(snapshot_id=datasets.request_snapshot(model=cast.model, actor="test").pk)
    assert snapshot.query["arrival"]["labelled"] == {"audit": 1}
    assert snapshot.query["arrival"]["shifted"] is False


def test_a_row_without_a_label_might_have_become_either_kind_and_one_with_it_knows_its_verdict():
    cells = {
        (("gate",), UNKNOWN): Cell(20, np.array([10.0]), np.array([1.0])),
        (("audit",), UNKNOWN): Cell(20, np.array([100.0]), np.array([1.0])),
        (("audit",), AGREE): Cell(20, np.array([40.0]), np.array([1.0])),
        (("audit",), OVERRIDE): Cell(20, np.array([400.0]), np.array([1.0])),
    }
    model = ArrivalModel({"gate": 10.0, "audit": 100.0}, {("audit",): 0.9}, cells)
    found = arrivals.seen_probability(
        model,
        kind=np.array(["none", "audit", "audit", "audit"]),
        p_gate=np.array([0.2, 0.0, 0.0, 0.0]),
        propensity=np.full(4, 0.5),
        verdict=np.array([UNKNOWN, UNKNOWN, AGREE, OVERRIDE]),
        age=np.full(4, 20.0),
    )
    expected = [0.2 * 1.0 + 0.3 * 0.9 * 0.2, 0.5 * 0.9 * 0.2, 0.5 * 0.9 * 0.5, 0.5 * 0.9 * 0.05]
    assert found == pytest.approx(expected)
