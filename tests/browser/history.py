"""What a model looks like after some weeks: predictions routed and reviewed, labels, snapshots, candidates."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

from django.db import connection
from django.utils import timezone

from feedback import alerts, monitoring
from feedback.models import DatasetSnapshot, SnapshotPart, TrainingRun
from models_registry import access, gates
from models_registry.models import (
    Artifact,
    AuditEvent,
    Evaluation,
    GateResult,
    ModelVersion,
    Promotion,
    ReferenceProfile,
    RegisteredModel,
)
from review.models import (
    PolicyVersion,
    RoutingControl,
)
from tests.browser import traffic, used
from tests.browser import world as makers

SHARES = {"blind_share": traffic.HIDDEN, "gold_share": 0.05}
CANDIDATES = (("retrained-1", -0.031, True), ("retrained-2", 0.012, False))


def live(model: RegisteredModel, version: ModelVersion) -> None:
    told = {"simulated": True, "outcomes_complete_for": "proceeded", "outcomes_horizon_days": 16.0}
    RegisteredModel.objects.filter(pk=model.pk).update(**told)
    model.refresh_from_db()
    later = promoted(model, version)
    traffic.stream(model, version, later)
    for place, (name, difference, better) in enumerate(CANDIDATES):
        candidate(model, version, name, difference, better=better, at=timezone.now() - timedelta(days=2 - place))
    more_policies(model)
    used.used(model)
    settled(model)
    seen = alerts.raise_alert(model=model, kind="latency", title="Decisions take longer than last week")
    alerts.acknowledge(alert=seen, actor="erin")
    unseen = "The scores promise an accuracy of 0.882, labels say 0.804 to 0.864"
    alerts.raise_alert(model=model, kind="drift", title=unseen, severity="critical")
    for name, scopes in (("checkout-scoring", ["ingest"]), ("notebooks", ["read"])):
        access.create_service_key(name=name, scopes=scopes, model=model, created_by="erin")
    access.invite(model=model, role="reviewer", note="Frida, night shift", actor="erin", days=7)
    dated(model)


def dated(model: RegisteredModel) -> None:
    """What was made before the stream began, since when it would have been there."""
    then = timezone.now() - timedelta(days=44)
    model.memberships.update(created_by="erin", created_at=then)
    model.service_keys.update(created_at=then, last_used_at=timezone.now() - timedelta(minutes=25))
    model.versions.filter(version="1.0").update(created_at=then)
    model.versions.filter(version="1.1").update(created_at=timezone.now() - timedelta(days=13))


def promoted(model: RegisteredModel, version: ModelVersion) -> ModelVersion:
    """A second version that has served since 70 % of the stream."""
    activated(model, version)
    later = ModelVersion.objects.create(
        model=model, version="1.1", contract=version.contract, state="ready", created_by="erin", parent=version
    )
    trained = version.profile
    ReferenceProfile.objects.create(version=later, document=trained.document, rows=trained.rows, sha256=trained.sha256)
    at = timezone.now() - timedelta(days=12.6)
    Promotion.objects.create(model=model, version=later, previous=version, kind="promotion", actor="erin", at=at)
    model.champion = later
    model.save()
    return later


def settled(model: RegisteredModel) -> None:
    """What vacuum and the nightly task would have done by now."""
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    monitoring.refresh(model)


def activated(model: RegisteredModel, version: ModelVersion) -> None:
    before = timezone.now() - timedelta(days=44)
    Promotion.objects.create(model=model, version=version, kind="activation", actor="erin", at=before)


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
    document = {**makers.POLICY, "audit_floor": 0.25, "capacity": {"per_day": 16}, **SHARES}
    at = timezone.now() - timedelta(days=20)
    control.active = PolicyVersion.objects.create(
        model=model,
        number=2,
        document=document,
        note="more audits while the scanner is new",
        created_by="erin",
        created_at=at,
    )
    AuditEvent.objects.create(model=model, actor="erin", action="policy.activated", subject="2", at=at)
    control.save()
