from __future__ import annotations

import pytest
from django.db import IntegrityError, transaction

from models_registry.ledger import record
from models_registry.models import AuditEvent


@pytest.mark.django_db
def test_an_audit_event_can_be_neither_changed_nor_removed():
    event = record(actor="erin", action="test", subject="x")
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        AuditEvent.objects.filter(pk=event.pk).update(actor="mallory")
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        event.delete()
    assert AuditEvent.objects.get(pk=event.pk).actor == "erin"


def test_the_cast_stands(cast):
    assert cast.model.champion == cast.version
