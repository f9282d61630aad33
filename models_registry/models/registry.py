from __future__ import annotations

from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q

from models_registry.models.clock import DatabaseNow

SLUG = RegexValidator(r"^[a-z0-9][a-z0-9-]{0,62}\Z", "Use lower-case letters, digits and hyphens, at most 63.")


class RegisteredModel(models.Model):
    """A model in production, with what its errors cost and who must look at it."""

    class Task(models.TextChoices):
        BINARY = "binary"
        MULTICLASS = "multiclass"

    class Oversight(models.TextChoices):
        POLICY = "policy"
        ALWAYS = "always"

    class CompleteFor(models.TextChoices):
        NONE = "none"
        PROCEEDED = "proceeded"
        ALL = "all"

    slug = models.CharField(max_length=63, unique=True, validators=[SLUG])
    name = models.CharField(max_length=200)
    task = models.CharField(max_length=10, choices=Task)
    classes = ArrayField(models.CharField(max_length=100))
    positive_class = models.CharField(max_length=100, null=True)
    oversight = models.CharField(max_length=6, choices=Oversight, default=Oversight.POLICY)
    costs = models.JSONField(null=True)
    review_cost = models.FloatField(null=True)
    disposition_of = models.JSONField(default=dict)
    outcomes_complete_for = models.CharField(max_length=9, choices=CompleteFor, default=CompleteFor.NONE)
    outcomes_horizon_days = models.FloatField(null=True)
    # The generated demo stream: pages say so, and the truth is known there.
    simulated = models.BooleanField(default=False)
    champion = models.ForeignKey("ModelVersion", null=True, on_delete=models.PROTECT, related_name="champion_of")
    created_at = models.DateTimeField(db_default=DatabaseNow())

    class Meta:
        ordering = ["slug"]
        constraints = [
            models.CheckConstraint(condition=Q(task__in=["binary", "multiclass"]), name="model_task_known"),
            models.CheckConstraint(condition=Q(oversight__in=["policy", "always"]), name="model_oversight_known"),
        ]

    def __str__(self) -> str:
        return self.slug

    def cost(self, predicted: str, actual: str) -> float:
        """Cost of acting on ``predicted`` when ``actual`` is true; 0/1 where none are declared."""
        if self.costs is None:
            return float(predicted != actual)
        return float(self.costs.get(predicted, {}).get(actual, 0.0))

    def disposition_for(self, label: str) -> str:
        return str(self.disposition_of.get(label, "proceed"))


class Artifact(models.Model):
    """Bytes kept under their SHA-256: a model file, reference rows, a snapshot part."""

    class Kind(models.TextChoices):
        MODEL = "model"
        REFERENCE = "reference"
        SNAPSHOT = "snapshot"

    sha256 = models.CharField(max_length=64, primary_key=True)
    kind = models.CharField(max_length=9, choices=Kind)
    size = models.BigIntegerField()
    created_at = models.DateTimeField(db_default=DatabaseNow())


class DataContract(models.Model):
    """What a model expects of a record. Never changed once stored."""

    model = models.ForeignKey(RegisteredModel, on_delete=models.PROTECT, related_name="contracts")
    number = models.PositiveIntegerField()
    document = models.JSONField()
    sha256 = models.CharField(max_length=64)
    created_at = models.DateTimeField(db_default=DatabaseNow())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["model", "number"], name="contract_number_once"),
            models.UniqueConstraint(fields=["model", "sha256"], name="contract_content_once"),
        ]


class ModelVersion(models.Model):
    """One trained model. It remembers its training data by content hash, never by foreign key."""

    class State(models.TextChoices):
        CHECKING = "checking"
        READY = "ready"
        REJECTED = "rejected"

    class Origin(models.TextChoices):
        REGISTERED = "registered"
        RETRAINED = "retrained"

    model = models.ForeignKey(RegisteredModel, on_delete=models.PROTECT, related_name="versions")
    version = models.CharField(max_length=100)
    contract = models.ForeignKey(DataContract, on_delete=models.PROTECT, related_name="versions")
    artifact = models.ForeignKey(Artifact, null=True, on_delete=models.PROTECT, related_name="+")
    # Rows as uploaded (features, label, score.<class>), CSV or Parquet, read only by workers.
    reference = models.ForeignKey(Artifact, null=True, on_delete=models.PROTECT, related_name="+")
    reference_held_out = models.BooleanField(default=False)
    snapshot_sha256 = models.CharField(max_length=64, null=True)
    parent = models.ForeignKey("self", null=True, on_delete=models.PROTECT, related_name="children")
    origin = models.CharField(max_length=10, choices=Origin, default=Origin.REGISTERED)
    state = models.CharField(max_length=8, choices=State, default=State.CHECKING)
    state_reason = models.TextField(blank=True)
    environment = models.JSONField(default=dict)
    created_by = models.CharField(max_length=150)
    created_at = models.DateTimeField(db_default=DatabaseNow())
    checked_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["model", "version"], name="version_name_once"),
            models.CheckConstraint(
                condition=Q(state__in=["checking", "ready", "rejected"]), name="version_state_known"
            ),
        ]

    def __str__(self) -> str:
        return self.version

    @property
    def is_champion(self) -> bool:
        return self.model.champion_id == self.pk


class ReferenceProfile(models.Model):
    """Bin edges, counts, quantiles and shares of the reference rows, built once at registration."""

    version = models.OneToOneField(ModelVersion, on_delete=models.PROTECT, related_name="profile")
    document = models.JSONField()
    rows = models.PositiveIntegerField()
    sha256 = models.CharField(max_length=64)
    created_at = models.DateTimeField(db_default=DatabaseNow())

    def feature(self, name: str) -> dict[str, Any] | None:
        found: dict[str, Any] | None = self.document.get("features", {}).get(name)
        return found


class Calibration(models.Model):
    """How often answers of a version at a score came true, counted from outcomes and from blind decisions alone.

    ``bins`` is ``[{"label", "low", "high", "n", "k", "share", "share_low", "share_high", "effective_n", "basis"}]``: of
    ``n`` cases answered ``label`` with a score in [low, high), ``k`` turned out so, which stands for a ``share`` of all
    such cases. ``basis`` is "drawn" where the probability of knowing each is known, else "reported". Replaced as a
    whole when it is counted anew.
    """

    version = models.OneToOneField(ModelVersion, primary_key=True, on_delete=models.PROTECT, related_name="calibration")
    bins = models.JSONField()
    rows = models.PositiveIntegerField()
    computed_at = models.DateTimeField(db_default=DatabaseNow())


class LabelDefinition(models.Model):
    """What the classes mean to a reviewer, from a moment on. A change is a new number."""

    model = models.ForeignKey(RegisteredModel, on_delete=models.PROTECT, related_name="definitions")
    number = models.PositiveIntegerField()
    classes = ArrayField(models.CharField(max_length=100))
    guidelines = models.TextField(blank=True)
    reason_codes = models.JSONField(default=dict)
    # What implicit feedback means, {source: {value: class}}; without it implicit and explicit are never read together.
    implicit = models.JSONField(default=dict)
    created_by = models.CharField(max_length=150)
    created_at = models.DateTimeField(db_default=DatabaseNow())

    class Meta:
        ordering = ["-number"]
        constraints = [models.UniqueConstraint(fields=["model", "number"], name="definition_number_once")]
