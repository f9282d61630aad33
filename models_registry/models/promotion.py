from __future__ import annotations

from django.db import models
from django.db.models import Q

from models_registry.models.clock import DatabaseNow
from models_registry.models.registry import ModelVersion, RegisteredModel


class Evaluation(models.Model):
    """How a version did on held-out labelled rows; the rows are named by their content hash."""

    version = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="evaluations")
    compared_with = models.ForeignKey(ModelVersion, null=True, on_delete=models.PROTECT, related_name="+")
    snapshot_sha256 = models.CharField(max_length=64)
    metrics = models.JSONField()
    created_at = models.DateTimeField(db_default=DatabaseNow())

    class Meta:
        ordering = ["-id"]


class GateResult(models.Model):
    """A gate's verdict on a version with the evidence it was given. The newest per gate counts."""

    class Verdict(models.TextChoices):
        PASSED = "passed"
        FAILED = "failed"
        INSUFFICIENT = "insufficient_data"

    version = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="gate_results")
    # The champion it was judged against; the verdict says nothing about any other.
    compared_with = models.ForeignKey(ModelVersion, null=True, on_delete=models.PROTECT, related_name="+")
    gate = models.CharField(max_length=40)
    verdict = models.CharField(max_length=17, choices=Verdict)
    blocking = models.BooleanField(default=True)
    reason = models.TextField()
    evidence = models.JSONField(default=dict)
    created_at = models.DateTimeField(db_default=DatabaseNow())

    class Meta:
        ordering = ["-id"]


class Promotion(models.Model):
    """A change of champion: first activation, promotion or rollback. Append-only history."""

    class Kind(models.TextChoices):
        ACTIVATION = "activation"
        PROMOTION = "promotion"
        ROLLBACK = "rollback"

    model = models.ForeignKey(RegisteredModel, on_delete=models.PROTECT, related_name="promotions")
    version = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="promotions")
    previous = models.ForeignKey(ModelVersion, null=True, on_delete=models.PROTECT, related_name="+")
    kind = models.CharField(max_length=10, choices=Kind)
    actor = models.CharField(max_length=150)
    reason = models.TextField(blank=True)
    at = models.DateTimeField(db_default=DatabaseNow())

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(previous__isnull=True) | ~Q(previous=models.F("version")), name="promotion_changes"
            ),
        ]
