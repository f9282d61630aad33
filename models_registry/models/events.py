from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from models_registry.models.clock import DatabaseNow
from models_registry.models.registry import RegisteredModel


class AuditEvent(models.Model):
    """Who changed what. Written in the transaction of the change; never updated or deleted."""

    model = models.ForeignKey(RegisteredModel, null=True, on_delete=models.PROTECT, related_name="audit_events")
    actor = models.CharField(max_length=150)
    action = models.CharField(max_length=60)
    subject = models.CharField(max_length=200)
    detail = models.JSONField(default=dict)
    at = models.DateTimeField(db_default=DatabaseNow())

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["model", "-id"], name="audit_by_model")]


class WebhookEndpoint(models.Model):
    """Where a calling service wants to be told. The secret signs; it is shown once."""

    model = models.ForeignKey(RegisteredModel, null=True, on_delete=models.CASCADE, related_name="webhooks")
    url = models.URLField(max_length=500)
    events = ArrayField(models.CharField(max_length=40))
    secret = models.CharField(max_length=100)
    created_by = models.CharField(max_length=150)
    created_at = models.DateTimeField(db_default=DatabaseNow())
    disabled_at = models.DateTimeField(null=True)


class WebhookDelivery(models.Model):
    """One message to one endpoint, born in the transaction of what it tells."""

    class State(models.TextChoices):
        PENDING = "pending"
        SENT = "sent"
        DEAD = "dead"

    endpoint = models.ForeignKey(WebhookEndpoint, on_delete=models.CASCADE, related_name="deliveries")
    message_id = models.UUIDField(unique=True)
    event = models.CharField(max_length=40)
    # Messages with the same key reach an endpoint in the order they were written.
    ordering_key = models.CharField(max_length=100)
    payload = models.JSONField()
    state = models.CharField(max_length=7, choices=State, default=State.PENDING)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.DateTimeField(db_default=DatabaseNow())
    last_error = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(db_default=DatabaseNow())
    sent_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["next_attempt_at"], condition=Q(state="pending"), name="webhook_due"),
            models.Index(fields=["endpoint", "ordering_key", "id"], name="webhook_order"),
        ]


class IdempotencyKey(models.Model):
    """The stored answer to a request that carried an Idempotency-Key, per credential and route."""

    scope = models.CharField(max_length=64)
    key = models.CharField(max_length=128)
    fingerprint = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(null=True)
    content_type = models.CharField(max_length=100, blank=True)
    body = models.BinaryField(null=True)
    created_at = models.DateTimeField(db_default=DatabaseNow())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["scope", "key"], name="idempotency_key_once")]
        indexes = [models.Index(fields=["created_at"], name="idempotency_by_age")]
