from __future__ import annotations

from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from models_registry.models import DatabaseNow, LabelDefinition, RegisteredModel, ServiceKey
from models_registry.models.registry import SLUG
from review.models.prediction import Prediction


class ReviewQueue(models.Model):
    """A line of items that reviewers claim from."""

    slug = models.CharField(max_length=63, unique=True, validators=[SLUG])
    lease_seconds = models.PositiveIntegerField(default=600)
    paused_at = models.DateTimeField(null=True)
    paused_by = models.CharField(max_length=150, blank=True)
    paused_reason = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField(db_default=DatabaseNow())
    # Last, because from here on the class body's `models` is this field.
    models = models.ManyToManyField(RegisteredModel, related_name="queues")

    class Meta:
        ordering = ["slug"]

    def __str__(self) -> str:
        return self.slug


class QueueItemQuerySet(models.QuerySet["QueueItem"]):
    def open(self) -> Self:
        return self.filter(state=QueueItem.State.OPEN)

    def leased(self) -> Self:
        return self.open().filter(lease_expires_at__gt=DatabaseNow())

    def claimable(self) -> Self:
        return self.open().exclude(lease_expires_at__gt=DatabaseNow())


class QueueItem(models.Model):
    """One place for one person's decision on one prediction.

    Overlap is several items (slots) of one prediction. The current lease sits on the row, so that at
    most one can be live; every claim also leaves a Lease row as history.
    """

    class State(models.TextChoices):
        OPEN = "open"
        DECIDED = "decided"
        WITHDRAWN = "withdrawn"

    class Kind(models.TextChoices):
        GATE = "gate"
        AUDIT = "audit"
        MANUAL = "manual"
        # Its answer is known: it measures the reviewer and tells nobody what to do. See feedback.gold.
        GOLD = "gold"

    prediction = models.ForeignKey(Prediction, on_delete=models.PROTECT, related_name="items")
    slot = models.PositiveSmallIntegerField(default=1)
    model = models.ForeignKey(RegisteredModel, on_delete=models.PROTECT, related_name="+")
    queue = models.ForeignKey(ReviewQueue, on_delete=models.PROTECT, related_name="items")
    kind = models.CharField(max_length=6, choices=Kind)
    state = models.CharField(max_length=9, choices=State, default=State.OPEN)
    priority = models.SmallIntegerField(default=0)
    enqueued_at = models.DateTimeField(db_default=DatabaseNow())
    due_at = models.DateTimeField(null=True)
    # A hold that nobody decided by then resolves as the policy said; the item stays open.
    hold_until = models.DateTimeField(null=True)
    hold_fallback = models.CharField(max_length=7, blank=True)
    lease_token = models.UUIDField(null=True, unique=True)
    lease_holder = models.CharField(max_length=40, null=True)
    lease_expires_at = models.DateTimeField(null=True)
    closed_at = models.DateTimeField(null=True)

    objects = QueueItemQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["prediction", "slot"], name="item_slot_once"),
            models.CheckConstraint(condition=Q(state__in=["open", "decided", "withdrawn"]), name="item_state_known"),
            models.CheckConstraint(
                condition=Q(lease_token__isnull=True, lease_holder__isnull=True, lease_expires_at__isnull=True)
                | Q(
                    lease_token__isnull=False, lease_holder__isnull=False, lease_expires_at__isnull=False, state="open"
                ),
                name="lease_whole_and_only_on_open_items",
            ),
        ]
        indexes = [
            models.Index(
                F("queue"),
                F("priority").desc(),
                F("enqueued_at"),
                F("id"),
                condition=Q(state="open"),
                name="item_claim_order",
            ),
            # Audits have a share of the claims, the one due first before the others.
            models.Index(
                fields=["queue", "due_at", "id"], condition=Q(state="open", kind="audit"), name="item_audits_due"
            ),
            models.Index(fields=["hold_until"], condition=Q(state="open", hold_until__isnull=False), name="item_holds"),
        ]

    @property
    def shown_kind(self) -> str:
        """The kind as its reviewer sees it, who must not tell a gold item from an audit."""
        return self.Kind.AUDIT if self.kind == self.Kind.GOLD else self.kind


class Lease(models.Model):
    """One claim of one item: who held it, from when to when, and how it ended."""

    class Ending(models.TextChoices):
        DECIDED = "decided"
        RELEASED = "released"
        EXPIRED = "expired"
        WITHDRAWN = "withdrawn"

    token = models.UUIDField(primary_key=True)
    item = models.ForeignKey(QueueItem, on_delete=models.PROTECT, related_name="leases")
    # The item's, as the claim found them: what the queue handed out last is counted by every claim.
    queue = models.ForeignKey(ReviewQueue, null=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    audit = models.BooleanField(db_default=False)
    holder = models.CharField(max_length=40)
    claimed_at = models.DateTimeField(db_default=DatabaseNow())
    expires_at = models.DateTimeField()
    renewals = models.PositiveSmallIntegerField(db_default=0)
    ended_at = models.DateTimeField(null=True)
    ending = models.CharField(max_length=9, choices=Ending, null=True)
    reason = models.CharField(max_length=500, blank=True, db_default="")
    # The holder was given a ready explanation under this lease; the server's word, never the client's.
    explanation_shown = models.BooleanField(db_default=False)

    class Meta:
        indexes = [
            models.Index(fields=["item", "claimed_at"], name="lease_by_item"),
            models.Index(fields=["queue", "-claimed_at"], include=["audit"], name="lease_latest_of_queue"),
            models.Index(fields=["holder", "item"], condition=Q(ending="released"), name="lease_skips"),
        ]


class ReviewDecision(models.Model):
    """What a person did about an item. Append-only: an undo or a correction supersedes the row before.

    The rows of an item are one chain (one root, each superseded at most once); its tail stands.
    """

    class Kind(models.TextChoices):
        DECISION = "decision"
        UNDO = "undo"

    class Mode(models.TextChoices):
        ASSISTED = "assisted"

    item = models.ForeignKey(QueueItem, on_delete=models.PROTECT, related_name="decisions")
    prediction = models.ForeignKey(Prediction, on_delete=models.PROTECT, related_name="decisions")
    model = models.ForeignKey(RegisteredModel, on_delete=models.PROTECT, related_name="+")
    kind = models.CharField(max_length=8, choices=Kind, default=Kind.DECISION)
    supersedes = models.OneToOneField("self", null=True, on_delete=models.PROTECT, related_name="superseded_by")
    lease = models.OneToOneField(Lease, null=True, on_delete=models.PROTECT, related_name="decision")
    reviewer = models.CharField(max_length=40)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    service_key = models.ForeignKey(ServiceKey, null=True, on_delete=models.PROTECT, related_name="+")
    definition = models.ForeignKey(LabelDefinition, on_delete=models.PROTECT, related_name="+")
    label = models.CharField(max_length=100, null=True)
    abstained = models.BooleanField(default=False)
    reason_codes = models.JSONField(default=list)
    rationale = models.TextField(blank=True)
    confidence = models.FloatField(null=True)
    mode = models.CharField(max_length=10, choices=Mode, default=Mode.ASSISTED)
    explanation_shown = models.BooleanField(default=False)
    first_answer = models.CharField(max_length=100, null=True)
    seconds_active = models.FloatField(null=True)
    claimed_at = models.DateTimeField(null=True)
    decided_at = models.DateTimeField(db_default=DatabaseNow())

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["item"], condition=Q(supersedes__isnull=True), name="decision_chain_one_root"
            ),
            models.CheckConstraint(
                condition=Q(kind="undo", label__isnull=True, abstained=False, supersedes__isnull=False)
                | Q(kind="decision", label__isnull=True, abstained=True, lease__isnull=False)
                | Q(kind="decision", label__isnull=False, abstained=False, lease__isnull=False),
                name="decision_answers_or_undoes",
            ),
        ]
        indexes = [
            models.Index(fields=["prediction"], name="decision_by_prediction"),
            models.Index(fields=["reviewer", "-id"], name="decision_by_reviewer"),
            models.Index(fields=["reviewer", "decided_at"], name="decision_by_reviewer_and_time"),
        ]
