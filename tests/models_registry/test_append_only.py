from __future__ import annotations

import pytest
from django.db import IntegrityError, transaction

from models_registry.ledger import record
from models_registry.models import AuditEvent, Evaluation, GateResult


@pytest.mark.django_db
def test_an_audit_event_can_be_neither_changed_nor_removed():
    event = record(actor="erin", action="test", subject="x")
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        AuditEvent.objects.filter(pk=event.pk).update(actor="mallory")
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        event.delete()
    assert AuditEvent.objects.get(pk=event.pk).actor == "erin"


def test_what_decided_a_promotion_can_be_neither_changed_nor_removed(cast):
    verdict = GateResult.objects.create(version=cast.version, gate="log_loss", verdict="failed", reason="worse")
    evaluation = Evaluation.objects.create(version=cast.version, snapshot_sha256="0" * 64, metrics={"rows": 1})
    for rows, change in (
        (GateResult.objects.filter(pk=verdict.pk), {"verdict": "passed"}),
        (Evaluation.objects.filter(pk=evaluation.pk), {"metrics": {}}),
    ):
        with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
            rows.update(**change)
        with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
            rows.delete()


def test_the_cast_stands(cast):
    assert cast.model.champion == cast.version
