from __future__ import annotations

from typing import Self

from django.db import models
from django.db.models import F, Q

from models_registry.models import DatabaseNow, RegisteredModel
from review.models.policy import RoutingDecision
from review.models.prediction import Prediction


class OverrideQuerySet(models.QuerySet["Override"]):
    def in_force(self) -> Self:
        """Those that nobody ended and that have not expired, by the database's clock."""
        return self.filter(ended_at__isnull=True).exclude(expires_at__lte=DatabaseNow())


class Override(models.Model):
    """A person put their word before the model's: on one case, on a segment from now on, or on the whole model.

    A segment is a condition of the policy's language, obeyed by routing like a first rule while it is in force.
    The model scope is the kill switch, told here too so that every override stands in one place.
    """

    class Scope(models.TextChoices):
        CASE = "case"
        SEGMENT = "segment"
        MODEL = "model"

    model = models.ForeignKey(RegisteredModel, on_delete=models.PROTECT, related_name="overrides")
    scope = models.CharField(max_length=7, choices=Scope)
    prediction = models.ForeignKey(Prediction, null=True, on_delete=models.PROTECT, related_name="overrides")
    when = models.JSONField(null=True)
    label = models.CharField(max_length=100, null=True)
    disposition = models.CharField(max_length=7, choices=RoutingDecision.Disposition)
    reason = models.CharField(max_length=500)
    created_by = models.CharField(max_length=150)
    created_at = models.DateTimeField(db_default=DatabaseNow())
    expires_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    ended_by = models.CharField(max_length=150, blank=True, db_default="")

    objects = OverrideQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(scope="case", prediction__isnull=False, when__isnull=True)
                | Q(scope="segment", prediction__isnull=True, when__isnull=False, label__isnull=True)
                | Q(scope="model", prediction__isnull=True, when__isnull=True, label__isnull=True),
                name="override_scope_whole",
            ),
            # What a caller was told of a case stands until it is told something else.
            models.CheckConstraint(
                condition=~Q(scope="case") | Q(expires_at__isnull=True, disposition__in=["proceed", "refuse"]),
                name="override_case_is_final",
            ),
            models.CheckConstraint(condition=~Q(scope="model") | Q(disposition="hold"), name="override_model_holds"),
            models.UniqueConstraint(
                fields=["prediction"], condition=Q(scope="case", ended_at__isnull=True), name="override_case_once"
            ),
            models.UniqueConstraint(
                fields=["model"], condition=Q(scope="model", ended_at__isnull=True), name="override_model_once"
            ),
            models.CheckConstraint(
                condition=Q(expires_at__isnull=True) | Q(expires_at__gt=F("created_at")), name="override_expires_later"
            ),
        ]
        indexes = [models.Index(fields=["model", "-id"], condition=Q(ended_at__isnull=True), name="override_not_ended")]
