"""Where outcomes are complete each prediction counts once: an audit that finds an error adds none."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import numpy as np
import pytest

from feedback import datasets, labels, monitoring
from feedback.models import OutcomeEvent
from models_registry import artifacts
from models_registry.training.rows import split_snapshot
from review.models import (
    Lease,
    Prediction,
    PredictionPayload,
    QueueItem,
    Resolution,
    ReviewDecision,
    RoutingDecision,
)
from tests.feedback.cases import FEATURES, NOON

FLOOR = 0.2


@pytest.fixture
def model(cast):
    cast.model.outcomes_complete_for, cast.model.outcomes_horizon_days = "proceeded", 10
    cast.model.save()
    return cast.model


def _traffic(model, *, gate=0.0, told=lambda i: True, rows=1000):
    """Every fifth row is fraud; one in five is audited, and a person who finds fraud refuses the case."""
    draws = np.random.default_rng(8).permutation((np.arange(rows) + 0.5) / rows)
    truth = ["fraud" if i % 5 == 0 else "ok" for i in range(rows)]
    kinds = ["gate" if u < gate else "audit" if u < FLOOR else "none" for u in draws]
    cases = Prediction.objects.bulk_create(
        Prediction(
            model=model, version=model.champion, external_id=f"p-{i}", fingerprint="0" * 64, status="routed",
            scores=[0.8, 0.2], predicted="ok", confidence=0.8, occurred_at=NOON + timedelta(seconds=i),
        ) for i in range(rows)
    )  # fmt: skip
    PredictionPayload.objects.bulk_create(PredictionPayload(prediction=case, features=FEATURES) for case in cases)
    RoutingDecision.objects.bulk_create(
        RoutingDecision(
            prediction=case, model=model, draw=u, p_gate=gate, propensity=FLOOR, review=kind, reasons=[],
            disposition="hold" if kind == "gate" else "proceed", model_guess=0.8, oversight_always=False,
        ) for case, u, kind in zip(cases, draws, kinds, strict=True)
    )  # fmt: skip
    Resolution.objects.bulk_create(
        Resolution(prediction=case, model=model, disposition="proceed", by="model")
        for case, kind in zip(cases, kinds, strict=True)
        if kind != "gate"
    )
    seen = [i for i in range(rows) if kinds[i] != "none"]
    items = QueueItem.objects.bulk_create(
        QueueItem(prediction=cases[i], model=model, queue=model.queues.get(), kind=kinds[i]) for i in seen
    )
    leases = Lease.objects.bulk_create(Lease(token=uuid4(), item=item, holder="r", expires_at=NOON) for item in items)
    definition = model.definitions.get()
    ReviewDecision.objects.bulk_create(
        ReviewDecision(
            item=item, prediction=cases[i], model=model, lease=lease, reviewer="r", definition=definition,
            label=truth[i],
        ) for i, item, lease in zip(seen, items, leases, strict=True)
    )  # fmt: skip
    Resolution.objects.bulk_create(
        Resolution(prediction=cases[i], model=model, by="person", label="fraud", disposition="refuse")
        for i in seen
        if truth[i] == "fraud"
    )
    OutcomeEvent.objects.bulk_create(
        OutcomeEvent(
            model=model, prediction=cases[i], value=truth[i], source="ledger", kind="explicit",
            definition=definition, observed_at=NOON + timedelta(days=5),
        ) for i in range(rows) if kinds[i] != "gate" and told(i)
    )  # fmt: skip
    labels.pull_all()


def _weights(model):
    """The sum of training weights by class, both sides of the split together."""
    snapshot = datasets.build(snapshot_id=datasets.request_snapshot(model=model, actor="test").pk)
    assert snapshot.status == "ready", snapshot.failure
    parts = [artifacts.path_of(part.artifact_id).read_bytes() for part in snapshot.parts.all()]
    split = split_snapshot(parts, contract=model.champion.contract.document, classes=model.classes)
    found = np.zeros(len(model.classes))
    for side in (split.train, split.held_out):
        found += np.bincount(side.labels, weights=side.weight, minlength=len(found))
    return dict(zip(model.classes, found.tolist(), strict=True))


def test_an_audit_that_finds_fraud_leaves_it_counted_once(model):
    _traffic(model)
    assert _weights(model) == {"ok": pytest.approx(800), "fraud": pytest.approx(200)}


def test_an_audited_row_whose_outcome_never_came_counts_once_too(model):
    _traffic(model, told=lambda i: i >= 500)
    weights = _weights(model)
    audited = RoutingDecision.objects.filter(review="audit", prediction__external_id__in=[f"p-{i}" for i in range(500)])
    assert sum(weights.values()) == pytest.approx(500 + audited.count())


def test_rows_held_at_random_and_those_let_through_make_up_the_traffic_together(model):
    _traffic(model, gate=0.1)
    assert _weights(model) == {"ok": pytest.approx(800), "fraud": pytest.approx(200)}


def test_the_outcome_figure_keeps_what_a_person_refused_afterwards(model):
    _traffic(model)
    outcomes = monitoring.quality(model=model, metrics=("accuracy",))["outcomes"]
    assert (outcomes["predictions"], outcomes["unsupported"], outcomes["observed"]) == (1000, 0, 1000)
    assert outcomes["metrics"]["accuracy"]["estimate"] == pytest.approx(0.8)
    assert outcomes["metrics"]["accuracy"]["naive"] == pytest.approx(0.8)


def test_exported_weights_stay_those_of_the_draw(model):
    _traffic(model, rows=100)
    rows = list(datasets.rows_of(model, upto=10**9, now=NOON + timedelta(days=40)))
    found = {(row["label_source"], row["weight"]) for row in rows}
    assert found == {("review", 1 / FLOOR), ("outcome", 1.0)}
    assert "training_weight" not in rows[0]
