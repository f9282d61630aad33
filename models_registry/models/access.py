from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from models_registry.models.clock import DatabaseNow
from models_registry.models.registry import RegisteredModel

if TYPE_CHECKING:
    from datetime import datetime


class Person(models.Model):
    """What ReviewHub adds to a Django user: the pseudonym under which their decisions are exported."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="person")
    pseudonym = models.CharField(max_length=40, unique=True)
    preferences = models.JSONField(default=dict)


class Membership(models.Model):
    """One role of one person on one model; a person may hold several."""

    class Role(models.TextChoices):
        REVIEWER = "reviewer"
        LEAD = "lead"
        ANALYST = "analyst"
        OWNER = "owner"

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships")
    model = models.ForeignKey(RegisteredModel, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=8, choices=Role)
    created_by = models.CharField(max_length=150)
    created_at = models.DateTimeField(db_default=DatabaseNow())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "model", "role"], name="membership_once"),
            models.CheckConstraint(
                condition=Q(role__in=["reviewer", "lead", "analyst", "owner"]), name="membership_role_known"
            ),
        ]


class Invitation(models.Model):
    """A link that turns whoever holds it into a member, once. Only the token's SHA-256 is kept."""

    model = models.ForeignKey(RegisteredModel, on_delete=models.CASCADE, related_name="invitations")
    role = models.CharField(max_length=8, choices=Membership.Role)
    note = models.CharField(max_length=200, blank=True)
    token_sha256 = models.CharField(max_length=64, unique=True)
    created_by = models.CharField(max_length=150)
    created_at = models.DateTimeField(db_default=DatabaseNow())
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)
    accepted_at = models.DateTimeField(null=True)
    accepted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="accepted_invitations"
    )


class ServiceKey(models.Model):
    """A credential of a calling service: 256 random bits, of which only the SHA-256 is stored."""

    class Scope(models.TextChoices):
        INGEST = "ingest"
        READ = "read"
        REVIEW = "review"
        ADMIN = "admin"

    name = models.CharField(max_length=100)
    prefix = models.CharField(max_length=16, unique=True)
    secret_sha256 = models.CharField(max_length=64, unique=True)
    scopes = ArrayField(models.CharField(max_length=10, choices=Scope))
    # No model: all present and future ones.
    model = models.ForeignKey(RegisteredModel, null=True, on_delete=models.CASCADE, related_name="service_keys")
    created_by = models.CharField(max_length=150)
    created_at = models.DateTimeField(db_default=DatabaseNow())
    expires_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)
    last_used_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(condition=Q(scopes__len__gt=0), name="service_key_has_scope"),
            models.CheckConstraint(
                condition=Q(expires_at__isnull=True) | Q(expires_at__gt=F("created_at")),
                name="service_key_expires_later",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix})"

    def usable(self, now: datetime) -> bool:
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > now)
