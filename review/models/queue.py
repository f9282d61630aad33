"""Queues and the items in them: who may answer what, how many times, and how much of the model they see."""

from __future__ import annotations

from typing import Self

from django.db import models
from django.db.models import CheckConstraint, F, Q

from models_registry.models import DatabaseNow, RegisteredModel
from models_registry.models.registry import SLUG
from review.models.prediction import Prediction


class Mode(models.TextChoices):
    """When a reviewer sees what the model answered."""

    ASSISTED = "assisted", "shown from the start"
    BLIND_FIRST = "blind_first", "shown after a first answer, which may then be changed"
    BLIND = "blind", "not shown before the answer"
    ON_REQUEST = "on_request", "shown when the reviewer asks for it"


MOST_DECISIONS = 5


class ReviewQueue(models.Model):
    """A line of items that reviewers claim from."""

    slug = models.CharField(max_length=63, unique=True, validators=[SLUG])
    lease_seconds = models.PositiveIntegerField(default=600)
    # Of every item that the random blind share did not take.
    mode = models.CharField(max_length=11, choices=Mode, default=Mode.ASSISTED, db_default=Mode.ASSISTED)
    # How many people decide each prediction that is routed here.
    required_decisions = models.PositiveSmallIntegerField(default=1, db_default=1)
    # A label key selects and Enter commits, instead of committing at once.
    two_keys = models.BooleanField(default=False, db_default=False)
    paused_at = models.DateTimeField(null=True)
    paused_by = models.CharField(max_length=150, blank=True)
    paused_reason = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField(db_default=DatabaseNow())
    # Last, because from here on the class body's `models` is this field.
    models = models.ManyToManyField(RegisteredModel, related_name="queues")

    class Meta:
        ordering = ["slug"]
        constraints = [
            CheckConstraint(
                condition=Q(required_decisions__gte=1, required_decisions__lte=MOST_DECISIONS),
                name="queue_required_decisions",
            ),
            CheckConstraint(condition=Q(mode__in=Mode.values), name="queue_mode_known"),
        ]

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
        # The required decisions differ: somebody who gave none of them decides between them.
        ADJUDICATION = "adjudication"

    prediction = models.ForeignKey(Prediction, on_delete=models.PROTECT, related_name="items")
    slot = models.PositiveSmallIntegerField(default=1)
    model = models.ForeignKey(RegisteredModel, on_delete=models.PROTECT, related_name="+")
    queue = models.ForeignKey(ReviewQueue, on_delete=models.PROTECT, related_name="items")
    kind = models.CharField(max_length=12, choices=Kind)
    # How many slots the routing of the prediction made; gold, manual and adjudication items come beyond them.
    required = models.PositiveSmallIntegerField(default=1, db_default=1)
    # The random blind arm: the model is hidden where the item's own keyed draw is below the share of the policy.
    blind_share = models.FloatField(default=0.0, db_default=0.0)
    blind_draw = models.FloatField(null=True)
    # 0: any reviewer. 1: escalated, only who leads the model.
    tier = models.PositiveSmallIntegerField(default=0, db_default=0)
    # Handed over to that colleague alone until then.
    assigned_to = models.CharField(max_length=40, null=True)
    assigned_until = models.DateTimeField(null=True)
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
            models.CheckConstraint(
                condition=~Q(kind__in=["gate", "audit"]) | Q(slot__gte=1, slot__lte=F("required")),
                name="item_slots_as_required",
            ),
            models.CheckConstraint(
                condition=Q(blind_share__gte=0, blind_share__lte=1)
                & (Q(blind_draw__isnull=True) | Q(blind_draw__gte=0, blind_draw__lt=1)),
                name="item_blind_probabilities",
            ),
            models.CheckConstraint(condition=Q(tier__in=[0, 1]), name="item_tier_known"),
            models.CheckConstraint(condition=~Q(kind="adjudication") | Q(tier=1), name="item_adjudication_for_leads"),
            models.UniqueConstraint(
                fields=["prediction"],
                condition=Q(kind="adjudication") & ~Q(state="withdrawn"),
                name="item_adjudication_once",
            ),
            models.CheckConstraint(
                condition=Q(assigned_to__isnull=True, assigned_until__isnull=True)
                | Q(assigned_to__isnull=False, assigned_until__isnull=False),
                name="item_assignment_whole",
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
            # Audits have a share of the claims, and gold items among them, the one due first before the others.
            models.Index(
                fields=["queue", "due_at", "id"],
                condition=Q(state="open", kind__in=["audit", "gold"]),
                name="item_audits_due",
            ),
            models.Index(fields=["hold_until"], condition=Q(state="open", hold_until__isnull=False), name="item_holds"),
            models.Index(
                fields=["queue", "assigned_to", "id"],
                condition=Q(state="open", assigned_to__isnull=False),
                name="item_handed_over",
            ),
            models.Index(fields=["queue", "id"], condition=Q(state="open", tier=1), name="item_escalated"),
        ]

    @property
    def is_drawn_blind(self) -> bool:
        """Whether the random share took it for the blind arm."""
        return self.blind_draw is not None and self.blind_draw < self.blind_share

    @property
    def mode(self) -> str:
        """When its reviewer sees the model's answer: the draw decides before the queue does."""
        return Mode.BLIND if self.is_drawn_blind else self.queue.mode

    @property
    def shown_kind(self) -> str:
        """The kind as its reviewer sees it, who must not tell a gold item from an audit."""
        return self.Kind.AUDIT if self.kind == self.Kind.GOLD else self.kind
