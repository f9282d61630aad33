"""Alerts about a model: opened by nightly checks, counted up while their cause lasts, looked at by people."""

from __future__ import annotations

from collections.abc import Set
from typing import TYPE_CHECKING, Any

import msgspec
from django.db import transaction

from feedback.models import Alert
from models_registry import sql
from models_registry.errors import Conflict
from models_registry.ledger import record
from models_registry.models import DatabaseNow, RegisteredModel

if TYPE_CHECKING:
    from django.db.models import QuerySet

# About one reviewer: for those who lead, and for the reviewer on a page of their own.
FOLLOWING = "follows_the_model"

_RAISE = """
    INSERT INTO feedback_alert (model_id, kind, subject, severity, title, detail, state)
    VALUES (%(model)s, %(kind)s, %(subject)s, %(severity)s, %(title)s, %(detail)s, 'open')
    ON CONFLICT (model_id, kind, subject) WHERE resolved_at IS NULL DO UPDATE
    SET severity = excluded.severity, title = excluded.title, detail = excluded.detail,
        last_seen_at = clock_timestamp(), times_seen = feedback_alert.times_seen + 1
    RETURNING id
"""


def raise_alert(
    *,
    model: RegisteredModel,
    kind: str,
    title: str,
    subject: str = "",
    detail: dict[str, Any] | None = None,
    severity: str = Alert.Severity.WARNING,
) -> Alert:
    """Open an alert, or refresh the one that this cause has already: newest evidence, one more time seen.

    An acknowledged one stays acknowledged. One statement, so two checks at once make one row.
    """
    named: dict[str, Any] = {"model": model.pk, "kind": kind}
    named |= {"subject": subject[:200], "severity": severity, "title": title[:300]}
    [(alert_id,)] = sql.rows(_RAISE, {**named, "detail": msgspec.json.encode(detail or {}).decode()})
    return Alert.objects.get(pk=alert_id)


def resolve(*, model: RegisteredModel, kind: str, subject: str = "") -> bool:
    """Close the alert of a cause that is gone; whether there was one. Seen again, it is a new alert."""
    lasting = Alert.objects.filter(model=model, kind=kind, subject=subject[:200], resolved_at=None)
    return bool(lasting.update(state=Alert.State.RESOLVED, resolved_at=DatabaseNow()))


def open_count(model: RegisteredModel, abilities: Set[str]) -> int:
    """How many alerts they may see that last."""
    return visible(model, abilities).filter(resolved_at=None).count()


def visible(model: RegisteredModel, abilities: Set[str]) -> QuerySet[Alert]:
    """The alerts that somebody with these abilities on the model may see: what is about one reviewer is for leads."""
    found = model.alerts.all()
    return found if "preview" in abilities else found.exclude(kind=FOLLOWING)


def acknowledge(*, alert: Alert, actor: str) -> Alert:
    """Note that somebody has seen it. Safe to repeat; the first one's name stays. Conflict once it is resolved."""
    with transaction.atomic():
        seen = Alert.objects.filter(pk=alert.pk, state=Alert.State.OPEN).update(
            state=Alert.State.ACKNOWLEDGED, acknowledged_at=DatabaseNow(), acknowledged_by=actor
        )
        if seen:
            detail = {"kind": alert.kind, "subject": alert.subject}
            record(
                actor=actor, action="alert.acknowledged", subject=f"alert {alert.pk}", model=alert.model, detail=detail
            )
    alert.refresh_from_db()
    if alert.state == Alert.State.RESOLVED:
        raise Conflict("this alert is resolved already: its cause is gone")
    return alert
