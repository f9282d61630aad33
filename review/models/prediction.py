from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import Q

from models_registry.models import DatabaseNow, ModelVersion, RegisteredModel


class Prediction(models.Model):
    """One prediction of one model version. Narrow on purpose: features live in the payload.

    A row in state ``received`` is the outbox of routing; the Celery message is only a doorbell.
    """

    class Status(models.TextChoices):
        RECEIVED = "received"
        ROUTED = "routed"
        DECIDED = "decided"
        WITHDRAWN = "withdrawn"

    # No indexes of their own: those below begin with the model, and every index costs ingest.
    model = models.ForeignKey(RegisteredModel, on_delete=models.PROTECT, related_name="predictions", db_index=False)
    version = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="predictions", db_index=False)
    external_id = models.CharField(max_length=200)
    entity_id = models.CharField(max_length=200, null=True)
    # SHA-256 of the canonical body: the same (model, external_id) with another body is a conflict.
    fingerprint = models.CharField(max_length=64)
    # Scores in the order of the model's classes; predicted and confidence are their argmax and max.
    scores = ArrayField(models.FloatField())
    predicted = models.CharField(max_length=100)
    confidence = models.FloatField()
    value = models.FloatField(null=True)
    groups = models.JSONField(null=True)
    status = models.CharField(max_length=9, choices=Status, default=Status.RECEIVED)
    occurred_at = models.DateTimeField()
    received_at = models.DateTimeField(db_default=DatabaseNow())
    routing_attempts = models.PositiveSmallIntegerField(db_default=0)
    withdrawn_reason = models.CharField(max_length=500, blank=True, db_default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["model", "external_id"], name="prediction_once"),
            models.CheckConstraint(
                condition=Q(status__in=["received", "routed", "decided", "withdrawn"]), name="prediction_status_known"
            ),
        ]
        indexes = [
            models.Index(fields=["id"], condition=Q(status="received"), name="prediction_received"),
            models.Index(fields=["model", "-id"], name="prediction_by_model"),
            models.Index(
                fields=["model", "entity_id"], condition=Q(entity_id__isnull=False), name="prediction_by_entity"
            ),
            # Rows come nearly in this order, so an index of block ranges finds a day and costs ingest next to nothing.
            BrinIndex(fields=["occurred_at"], name="prediction_by_day", pages_per_range=32, autosummarize=True),
        ]

    def __str__(self) -> str:
        return self.external_id

    def score_of(self, label: str) -> float:
        return float(self.scores[self.model.classes.index(label)])


class PredictionPayload(models.Model):
    """What a person and a trainer need of a prediction and queues do not."""

    prediction = models.OneToOneField(Prediction, primary_key=True, on_delete=models.PROTECT, related_name="payload")
    features = models.JSONField()
    raw = models.JSONField(null=True)
    context = models.JSONField(null=True)
    attributions = models.JSONField(null=True)
    base_value = models.FloatField(null=True)
    as_of = models.JSONField(null=True)
    feature_sets = models.JSONField(null=True)
    latency_ms = models.FloatField(null=True)
    counters = models.JSONField(null=True)


class Explanation(models.Model):
    """Attributions over contract features for the predicted class, largest first.

    ``contributions`` is ``[{"feature", "value", "contribution"}]``; with ``base_value`` they sum to the
    artifact's output in ``space``. Missing or failed never blocks a review.
    """

    class Status(models.TextChoices):
        PENDING = "pending"
        READY = "ready"
        FAILED = "failed"

    prediction = models.OneToOneField(
        Prediction, primary_key=True, on_delete=models.PROTECT, related_name="explanation"
    )
    status = models.CharField(max_length=7, choices=Status, default=Status.PENDING)
    explained_class = models.CharField(max_length=100, blank=True)
    origin = models.CharField(max_length=8, blank=True)
    space = models.CharField(max_length=11, blank=True)
    explainer = models.CharField(max_length=20, blank=True)
    base_value = models.FloatField(null=True)
    output = models.FloatField(null=True)
    contributions = models.JSONField(default=list)
    mismatch = models.BooleanField(default=False)
    # Why the predicted class rather than the runner-up: {"against": class, "base_value", "output", "contributions"},
    # the output of one less that of the other; null where it cannot be had.
    contrast = models.JSONField(null=True)
    # Changes of one feature that turn the answer, smallest first,
    # [{"feature", "value", "label", "score", "distance"}]; null where unsought.
    flips = models.JSONField(null=True)
    # Decided cases that look most like it, nearest first: [{"prediction", "distance"}].
    similar = models.JSONField(default=list, db_default=[])
    reason = models.CharField(max_length=500, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    # Taken by a worker until then; a worker that dies leaves it to the next after that.
    claimed_until = models.DateTimeField(null=True)
    requested_at = models.DateTimeField(db_default=DatabaseNow())
    computed_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["requested_at"], condition=Q(status="pending"), name="explanation_pending")]
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=["pending", "ready", "failed"]), name="explanation_status_known"
            )
        ]
