"""What a model looks like after some weeks: predictions routed and reviewed, labels, snapshots, candidates."""

from __future__ import annotations

import hashlib
import uuid
from datetime import timedelta
from typing import Any

import numpy as np
from django.contrib.auth import get_user_model
from django.utils import timezone

from feedback import alerts, labels
from feedback.models import DatasetSnapshot, OutcomeEvent, SimulatedTruth, SnapshotPart, TrainingRun
from models_registry import access, gates
from models_registry.models import (
    Artifact,
    Evaluation,
    GateResult,
    ModelVersion,
    Promotion,
    RegisteredModel,
)
from review.models import (
    Lease,
    PolicyVersion,
    Prediction,
    PredictionPayload,
    QueueItem,
    Resolution,
    ReviewDecision,
    RoutingControl,
    RoutingDecision,
)
from tests.browser import world as makers

ROWS = 900
CANDIDATES = (("retrained-1", -0.031, True), ("retrained-2", 0.012, False))


def live(model: RegisteredModel, version: ModelVersion) -> None:
    RegisteredModel.objects.filter(pk=model.pk).update(simulated=True)
    stream(model, version)
    activated(model, version)
    for place, (name, difference, better) in enumerate(CANDIDATES):
        candidate(model, version, name, difference, better=better, at=timezone.now() - timedelta(days=2 - place))
    more_policies(model)
    seen = alerts.raise_alert(model=model, kind="latency", title="Decisions take longer than last week")
    alerts.acknowledge(alert=seen, actor="erin")
    unseen = "Reviews do not match the probabilities that were stored with them: estimates cannot be trusted"
    alerts.raise_alert(model=model, kind="propensity_audit", title=unseen, severity="critical")
    for name, scopes in (("checkout-scoring", ["ingest"]), ("notebooks", ["read"])):
        access.create_service_key(name=name, scopes=scopes, model=model, created_by="erin")
    access.invite(model=model, role="reviewer", note="Frida, night shift", actor="erin", days=7)


def activated(model: RegisteredModel, version: ModelVersion) -> None:
    before = timezone.now() - timedelta(days=30)
    Promotion.objects.create(model=model, version=version, kind="activation", actor="erin", at=before)


def stream(model: RegisteredModel, version: ModelVersion) -> None:
    """Predictions whose hard cases are reviewed always and easy ones one time in five."""
    draw = np.random.default_rng(5)
    confidence = 0.5 + 0.5 * draw.beta(4, 1.2, size=ROWS)
    right = draw.random(ROWS) < 0.55 + 0.44 * (confidence - 0.5) / 0.5
    gate = confidence < 0.75
    propensity = np.where(gate, 1.0, 0.2)
    u = draw.random(ROWS)
    reviewed = u < propensity
    begin = timezone.now() - timedelta(days=24)
    columns = makers.measurements(ROWS, seed=9)
    predictions = Prediction.objects.bulk_create(
        _prediction(model, version, i, float(confidence[i]), begin + timedelta(minutes=24 * i)) for i in range(ROWS)
    )
    PredictionPayload.objects.bulk_create(
        PredictionPayload(prediction=p, features={name: round(float(v[i]), 4) for name, v in columns.items()})
        for i, p in enumerate(predictions)
    )
    policy = RoutingControl.objects.get(model=model).active
    RoutingDecision.objects.bulk_create(
        RoutingDecision(
            prediction=p,
            model=model,
            policy=policy,
            draw=float(u[i]),
            p_gate=float(gate[i]),
            propensity=float(propensity[i]),
            disposition="hold" if gate[i] else model.disposition_for(p.predicted),
            oversight_always=False,
            review="gate" if gate[i] else "audit" if reviewed[i] else "none",
            reasons=["low_confidence"] if gate[i] else ["audit_floor"] if reviewed[i] else [],
            model_guess=p.confidence,
            routed_at=p.received_at + timedelta(seconds=0.4),
        )
        for i, p in enumerate(predictions)
    )
    truth = [p.predicted if right[i] else _other(model, p.predicted) for i, p in enumerate(predictions)]
    SimulatedTruth.objects.bulk_create(SimulatedTruth(prediction=p, value=truth[i]) for i, p in enumerate(predictions))
    Resolution.objects.bulk_create(
        Resolution(
            prediction=p,
            model=model,
            label=p.predicted,
            disposition=model.disposition_for(p.predicted),
            by="model",
            at=p.received_at + timedelta(seconds=0.4),
        )
        for i, p in enumerate(predictions)
        if not gate[i]
    )
    decided = [(p, truth[i], bool(gate[i])) for i, p in enumerate(predictions) if reviewed[i]]
    decide(model, decided)
    outcomes = [(p, truth[i]) for i, p in enumerate(predictions) if i % 6 == 0 and not gate[i]]
    OutcomeEvent.objects.bulk_create(
        OutcomeEvent(
            model=model,
            prediction=p,
            value=value,
            source="pathology",
            kind="explicit",
            definition=model.definitions.get(),
            observed_at=p.occurred_at + timedelta(days=2.5),
            received_at=p.occurred_at + timedelta(days=2.6),
        )
        for p, value in outcomes
    )
    labels.pull_all()


def decide(model: RegisteredModel, decided: list[tuple[Prediction, str, bool]]) -> None:
    queue, definition = model.queues.get(), model.definitions.get()
    alice = access.person_of(get_user_model().objects.get(username="alice"))
    items = QueueItem.objects.bulk_create(
        QueueItem(
            prediction=p,
            model=model,
            queue=queue,
            kind="gate" if gate else "audit",
            state="decided",
            enqueued_at=p.received_at + timedelta(seconds=0.4),
            closed_at=p.received_at + timedelta(minutes=31),
        )
        for p, _, gate in decided
    )
    leases = Lease.objects.bulk_create(
        Lease(
            token=uuid.uuid4(),
            item=item,
            holder=alice.pseudonym,
            ending="decided",
            claimed_at=item.enqueued_at + timedelta(minutes=30 + item.pk % 50),
            expires_at=item.enqueued_at + timedelta(hours=2),
            ended_at=item.enqueued_at + timedelta(minutes=31 + item.pk % 50),
        )
        for item in items
    )
    decisions = ReviewDecision.objects.bulk_create(
        ReviewDecision(
            item=item,
            prediction=p,
            model=model,
            lease=lease,
            reviewer=alice.pseudonym,
            user=alice.user,
            definition=definition,
            label=label,
            claimed_at=lease.claimed_at,
            decided_at=lease.claimed_at + timedelta(seconds=6 + item.pk % 9),
            seconds_active=5.5,
            explanation_shown=True,
            reason_codes=["irregular_nuclei"] if label == "malignant" else [],
            rationale="Borders are irregular all around." if item.pk % 9 == 0 else "",
        )
        for item, lease, (p, label, _) in zip(items, leases, decided, strict=True)
    )
    Resolution.objects.bulk_create(
        Resolution(
            prediction=p,
            model=model,
            label=label,
            disposition=model.disposition_for(label),
            by="person",
            decision=decision,
            at=decision.decided_at,
        )
        for decision, (p, label, gate) in zip(decisions, decided, strict=True)
        if gate
    )
    Prediction.objects.filter(pk__in=[p.pk for p, _, _ in decided]).update(status="decided")
    for prediction, _, _ in decided[:5]:
        makers.explanation(prediction, "ready", prediction.received_at)


def candidate(
    model: RegisteredModel, champion: ModelVersion, name: str, difference: float, *, better: bool, at: Any
) -> ModelVersion:
    sha = hashlib.sha256(name.encode()).hexdigest()
    snapshot = DatasetSnapshot.objects.create(
        model=model,
        status="ready",
        sha256=sha,
        row_count=604,
        created_by="dana",
        created_at=at,
        ready_at=at + timedelta(seconds=3),
    )
    part = Artifact.objects.create(sha256=sha[::-1], kind="snapshot", size=184_320)
    SnapshotPart.objects.create(snapshot=snapshot, number=0, artifact=part, row_count=604)
    made = ModelVersion.objects.create(
        model=model,
        version=name,
        contract=champion.contract,
        state="ready",
        origin="retrained",
        parent=champion,
        snapshot_sha256=sha,
        created_by="erin",
        created_at=at,
    )
    before = {"accuracy": 0.871, "log_loss": 0.338, "brier": 0.101, "cost": 0.913}
    after = {key: round(value + difference * (-1 if key == "accuracy" else 1), 4) for key, value in before.items()}
    spread = {"effective_n": 212.4, "estimate": difference, "low": difference - 0.019, "high": difference + 0.019}
    evidence: dict[str, Any] = {
        "rows": 311,
        "effective_n": 212.4,
        "champion": before,
        "candidate": after,
        "differences": {
            "champion": {"log_loss": spread, "cost": {**spread, "low": -0.2, "high": 0.06 if better else 0.31}},
            "constant": {"log_loss": {**spread, "estimate": -0.3, "low": -0.35, "high": -0.25}},
        },
    }
    Evaluation.objects.create(
        version=made, compared_with=champion, snapshot_sha256=sha, metrics={**after, "rows": 311, "effective_n": 212.4}
    )
    GateResult.objects.bulk_create(
        GateResult(
            version=made,
            compared_with=champion,
            gate=v.gate,
            verdict=v.verdict,
            blocking=v.blocking,
            reason=v.reason,
            evidence=v.evidence,
        )
        for v in gates.judge(evidence)
    )
    TrainingRun.objects.create(
        model=model,
        snapshot=snapshot,
        reason="labels of the new scanner" if better else "would a simpler model do?",
        status="succeeded",
        champion=champion,
        candidate=made,
        metrics=evidence,
        requested_by="erin",
        requested_at=at,
        started_at=at,
        finished_at=at + timedelta(seconds=41),
        weights={"ess": 431.2, "cap": 12.0, "gamma": 0.8},
    )
    return made


def more_policies(model: RegisteredModel) -> None:
    control = RoutingControl.objects.get(model=model)
    document = {**makers.POLICY, "audit_floor": 0.25}
    control.active = PolicyVersion.objects.create(
        model=model, number=2, document=document, note="more audits while the scanner is new", created_by="erin"
    )
    control.save()


def _prediction(model: RegisteredModel, version: ModelVersion, i: int, confidence: float, at: Any) -> Prediction:
    malignant = confidence if i % 3 == 0 else 1 - confidence
    return Prediction(
        model=model,
        version=version,
        external_id=f"S-{10_000 + i}",
        entity_id=f"patient-{i % 400}",
        fingerprint=f"{i:064x}",
        scores=[1 - malignant, malignant],
        predicted=model.classes[int(malignant > 0.5)],
        confidence=confidence,
        status="routed",
        occurred_at=at,
        received_at=at + timedelta(seconds=1.5),
    )


def _other(model: RegisteredModel, label: str) -> str:
    return next(name for name in model.classes if name != label)
