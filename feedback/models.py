"""What we learned afterwards: labels, outcomes, snapshots of both, and training runs."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from models_registry.models import (
    Artifact,
    DatabaseNow,
    LabelDefinition,
    ModelVersion,
    RegisteredModel,
)
from review.models import Prediction, QueueItem, ReviewDecision, RoutingDecision


class OutcomeEvent(models.Model):
    """What the world later said about a prediction, as reported. Append-only."""

    class Kind(models.TextChoices):
        EXPLICIT = "explicit"
        IMPLICIT = "implicit"

    model = models.ForeignKey(RegisteredModel, on_delete=models.PROTECT, related_name="+")
    prediction = models.ForeignKey(Prediction, on_delete=models.PROTECT, related_name="outcomes")
    value = models.CharField(max_length=100)
    source = models.CharField(max_length=100)
    kind = models.CharField(max_length=8, choices=Kind)
    definition = models.ForeignKey(LabelDefinition, on_delete=models.PROTECT, related_name="+")
    final = models.BooleanField(default=True)
    observed_at = models.DateTimeField()
    received_at = models.DateTimeField(db_default=DatabaseNow())
    # Observed before its prediction: kept and shown, but out of delay curves.
    before_prediction = models.BooleanField(default=False)

    class Meta:
        constraints = [
            # The same report sent twice is one event.
            models.UniqueConstraint(
                fields=["prediction", "source", "kind", "value", "observed_at", "final"], name="outcome_once"
            ),
        ]
        indexes = [models.Index(fields=["model", "id"], name="outcome_by_model")]


class Label(models.Model):
    """What we hold to be true about a prediction, from one source, and how we came to know it.

    ``selection`` names the mechanism by which the label became observable and ``propensity`` is that
    mechanism's logged probability; without one a label has no weight. A correction retires the old
    row and adds a new one: at most one label per (prediction, source) stands.
    """

    class Source(models.TextChoices):
        REVIEW = "review"
        OUTCOME = "outcome"

    class Selection(models.TextChoices):
        DRAW = "draw"
        OUTCOME = "outcome"
        MANUAL = "manual"
        APPEAL = "appeal"
        GOLD = "gold"

    prediction = models.ForeignKey(Prediction, on_delete=models.PROTECT, related_name="labels")
    model = models.ForeignKey(RegisteredModel, on_delete=models.PROTECT, related_name="labels")
    source = models.CharField(max_length=7, choices=Source)
    value = models.CharField(max_length=100)
    definition = models.ForeignKey(LabelDefinition, on_delete=models.PROTECT, related_name="+")
    selection = models.CharField(max_length=7, choices=Selection)
    propensity = models.FloatField(null=True)
    decision = models.OneToOneField(ReviewDecision, null=True, on_delete=models.PROTECT, related_name="feedback_label")
    outcome = models.OneToOneField(OutcomeEvent, null=True, on_delete=models.PROTECT, related_name="feedback_label")
    observed_at = models.DateTimeField()
    created_at = models.DateTimeField(db_default=DatabaseNow())
    retired_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["prediction", "source"],
                condition=Q(retired_at__isnull=True),
                name="label_one_standing_per_source",
            ),
            models.CheckConstraint(
                condition=Q(source="review", decision__isnull=False, outcome__isnull=True)
                | Q(source="outcome", decision__isnull=True, outcome__isnull=False, selection="outcome"),
                name="label_has_its_source",
            ),
            models.CheckConstraint(
                condition=Q(selection="draw", propensity__gt=0, propensity__lte=1)
                | (~Q(selection="draw") & Q(propensity__isnull=True)),
                name="label_propensity_only_if_drawn",
            ),
        ]
        indexes = [
            models.Index(fields=["model", "id"], name="label_feed"),
            models.Index(fields=["model", "created_at"], name="label_by_time"),
            models.Index(fields=["model", "retired_at"], condition=Q(retired_at__isnull=False), name="label_retired"),
        ]


class GoldTruth(models.Model):
    """What is known to be true of a prediction, and not by one reviewer's word; its gold answers are held to it."""

    prediction = models.OneToOneField(Prediction, primary_key=True, on_delete=models.PROTECT, related_name="gold")
    value = models.CharField(max_length=100)
    set_by = models.CharField(max_length=150)
    set_at = models.DateTimeField(db_default=DatabaseNow())
    # For the practice queue alone: who has practised on it knows its answer, so it is never put among real cases.
    practice = models.BooleanField(default=False, db_default=False)


class PracticeAnswer(models.Model):
    """What a person answered to a known case while practising. No decision and no label. Append-only."""

    prediction = models.ForeignKey(Prediction, on_delete=models.PROTECT, related_name="+")
    model = models.ForeignKey(RegisteredModel, on_delete=models.PROTECT, related_name="+")
    reviewer = models.CharField(max_length=40)
    label = models.CharField(max_length=100, null=True)
    truth = models.CharField(max_length=100)
    at = models.DateTimeField(db_default=DatabaseNow())

    class Meta:
        indexes = [models.Index(fields=["model", "reviewer", "id"], name="practice_by_reviewer")]


class GoldPlanting(models.Model):
    """What followed a routing whose draw called for a gold item: that item, or none where no known case fitted."""

    routing = models.OneToOneField(
        RoutingDecision, primary_key=True, on_delete=models.PROTECT, related_name="gold_planting"
    )
    item = models.OneToOneField(QueueItem, null=True, on_delete=models.PROTECT, related_name="gold_planting")
    at = models.DateTimeField(db_default=DatabaseNow())


class DatasetSnapshot(models.Model):
    """Labelled rows of a model at one moment, as Parquet parts, named by the hash of their content."""

    class Status(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        READY = "ready"
        FAILED = "failed"

    model = models.ForeignKey(RegisteredModel, on_delete=models.PROTECT, related_name="snapshots")
    status = models.CharField(max_length=7, choices=Status, default=Status.QUEUED)
    sha256 = models.CharField(max_length=64, null=True)
    row_count = models.PositiveBigIntegerField(null=True)
    schema = models.JSONField(null=True)
    query = models.JSONField(default=dict)
    failure = models.TextField(blank=True)
    created_by = models.CharField(max_length=150)
    created_at = models.DateTimeField(db_default=DatabaseNow())
    ready_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]

    def ended(self) -> bool:
        """Whether it is written or given up by now, as the database knows it."""
        over = (DatasetSnapshot.Status.READY, DatasetSnapshot.Status.FAILED)
        return DatasetSnapshot.objects.filter(pk=self.pk, status__in=over).exists()


class SnapshotPart(models.Model):
    snapshot = models.ForeignKey(DatasetSnapshot, on_delete=models.CASCADE, related_name="parts")
    number = models.PositiveIntegerField()
    artifact = models.ForeignKey(Artifact, on_delete=models.PROTECT, related_name="+")
    row_count = models.PositiveIntegerField()

    class Meta:
        ordering = ["number"]
        constraints = [models.UniqueConstraint(fields=["snapshot", "number"], name="snapshot_part_once")]


class TrainingRun(models.Model):
    """One retraining, from the request to the gated candidate. Joins a snapshot and a version."""

    class Status(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        SUCCEEDED = "succeeded"
        FAILED = "failed"
        CANCELLED = "cancelled"

    model = models.ForeignKey(RegisteredModel, on_delete=models.PROTECT, related_name="training_runs")
    snapshot = models.ForeignKey(DatasetSnapshot, null=True, on_delete=models.PROTECT, related_name="training_runs")
    estimator = models.CharField(max_length=60, blank=True)
    reason = models.CharField(max_length=500)
    status = models.CharField(max_length=9, choices=Status, default=Status.QUEUED)
    champion = models.ForeignKey(ModelVersion, null=True, on_delete=models.PROTECT, related_name="+")
    candidate = models.OneToOneField(ModelVersion, null=True, on_delete=models.PROTECT, related_name="training_run")
    weights = models.JSONField(null=True)
    metrics = models.JSONField(null=True)
    # Counts claims by workers; writes name the attempt they belong to.
    attempts = models.PositiveSmallIntegerField(db_default=0)
    progress = models.CharField(max_length=200, blank=True)
    failure = models.TextField(blank=True)
    requested_by = models.CharField(max_length=150)
    requested_at = models.DateTimeField(db_default=DatabaseNow())
    started_at = models.DateTimeField(null=True)
    heartbeat_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]

    def ended(self) -> bool:
        """Whether the run is over by now, as the database knows it."""
        return TrainingRun.objects.filter(pk=self.pk, finished_at__isnull=False).exists()


class DaySums(models.Model):
    """The sums of one model's predictions of one day (UTC), from which its figures and delays follow.

    They hold as long as there is no `DayChange` of the day and ``basis`` is what the model's facts say now.
    """

    model = models.ForeignKey(RegisteredModel, on_delete=models.PROTECT, related_name="+", db_index=False)
    day = models.DateField()
    basis = models.TextField()
    sums = models.BinaryField()
    # How long each step took, counted.
    waits = models.BinaryField(default=bytes)
    computed_at = models.DateTimeField(db_default=DatabaseNow())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["model", "day"], name="day_sums_once")]


class DayChange(models.Model):
    """Something about the predictions of a day has changed. Written by triggers, in the transaction of the change;
    whoever sums the day anew removes what it has seen."""

    model = models.ForeignKey(
        RegisteredModel, on_delete=models.PROTECT, related_name="+", db_index=False, db_constraint=False
    )
    day = models.DateField()

    class Meta:
        indexes = [models.Index(fields=["model", "day"], name="day_changes")]


class LearnedArrival(models.Model):
    """How soon labels arrive, as last learned from a model's drawn rows. Always safe to learn again.

    ``last_label`` is the newest label that was there.
    """

    model = models.OneToOneField(RegisteredModel, primary_key=True, on_delete=models.PROTECT, related_name="+")
    document = models.JSONField()
    last_label = models.BigIntegerField()
    learned_at = models.DateTimeField()


class Alert(models.Model):
    """Something about a model that a person should look at, with its evidence.

    One cause is one row for as long as it lasts: seen again, it counts up. ``subject`` tells causes of
    one kind apart; it is empty where there is but one.
    """

    class Severity(models.TextChoices):
        WARNING = "warning"
        CRITICAL = "critical"

    class State(models.TextChoices):
        OPEN = "open"
        ACKNOWLEDGED = "acknowledged"
        RESOLVED = "resolved"

    model = models.ForeignKey(RegisteredModel, on_delete=models.PROTECT, related_name="alerts")
    kind = models.CharField(max_length=40)
    subject = models.CharField(max_length=200, blank=True)
    severity = models.CharField(max_length=8, choices=Severity, default=Severity.WARNING)
    title = models.CharField(max_length=300)
    detail = models.JSONField(default=dict)
    state = models.CharField(max_length=12, choices=State, default=State.OPEN)
    times_seen = models.PositiveIntegerField(db_default=1)
    opened_at = models.DateTimeField(db_default=DatabaseNow())
    last_seen_at = models.DateTimeField(db_default=DatabaseNow())
    acknowledged_at = models.DateTimeField(null=True)
    acknowledged_by = models.CharField(max_length=150, blank=True, db_default="")
    resolved_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            # Acknowledged is not over: while it lasts, the same cause must not open a second alert.
            models.UniqueConstraint(
                fields=["model", "kind", "subject"], condition=Q(resolved_at__isnull=True), name="alert_one_unresolved"
            ),
            models.CheckConstraint(
                condition=Q(state__in=["open", "acknowledged"], resolved_at__isnull=True)
                | Q(state="resolved", resolved_at__isnull=False),
                name="alert_resolved_has_its_time",
            ),
            models.CheckConstraint(
                condition=Q(acknowledged_at__isnull=True, acknowledged_by="") & ~Q(state="acknowledged")
                | Q(acknowledged_at__isnull=False) & ~Q(acknowledged_by="") & ~Q(state="open"),
                name="alert_acknowledged_by_somebody",
            ),
            models.CheckConstraint(condition=Q(severity__in=["warning", "critical"]), name="alert_severity_known"),
        ]
        indexes = [models.Index(fields=["model", "-id"], name="alert_by_model")]


class SimulatedTruth(models.Model):
    """The true class of a generated prediction. Exists for simulated models only, for comparison."""

    prediction = models.OneToOneField(Prediction, primary_key=True, on_delete=models.CASCADE, related_name="truth")
    value = models.CharField(max_length=100)
