"""Leases of items and the answers given under them."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from models_registry.models import DatabaseNow, LabelDefinition, RegisteredModel, ServiceKey
from review.models.prediction import Prediction
from review.models.queue import Mode, QueueItem, ReviewQueue


class Lease(models.Model):
    """One claim of one item: who held it, from when to when, and how it ended."""

    class Ending(models.TextChoices):
        DECIDED = "decided"
        RELEASED = "released"
        EXPIRED = "expired"
        WITHDRAWN = "withdrawn"
        ESCALATED = "escalated"
        HANDED_OVER = "handed_over"

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
    ending = models.CharField(max_length=11, choices=Ending, null=True)
    reason = models.CharField(max_length=500, blank=True, db_default="")
    # The holder was given a ready explanation under this lease; the server's word, never the client's.
    explanation_shown = models.BooleanField(db_default=False)
    # The item's at the claim: the mode under which this holder answers, whatever the queue is set to later.
    mode = models.CharField(max_length=11, choices=Mode, db_default=Mode.ASSISTED)
    # Claimed ahead: the case has not been on the holder's screen yet, and the lease is short.
    reserved = models.BooleanField(db_default=False)
    opened_at = models.DateTimeField(null=True)
    # When the model's answer first went out to the holder under this lease; null while it is hidden.
    model_shown_at = models.DateTimeField(null=True)
    # What the holder said before the model was shown.
    first_answer = models.CharField(max_length=100, null=True)
    first_answer_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["item", "claimed_at"], name="lease_by_item"),
            models.Index(fields=["queue", "-claimed_at"], include=["audit"], name="lease_latest_of_queue"),
            models.Index(fields=["holder", "item"], condition=Q(ending="released"), name="lease_skips"),
        ]


class ReviewDecision(models.Model):
    """What a person did about an item. Append-only: an undo or a correction supersedes the row before.

    The rows of an item are one chain (one root, each superseded at most once); its tail stands. Of one reviewer at
    most one answer to a prediction stands, whatever the item: a trigger refuses the second.
    """

    class Kind(models.TextChoices):
        DECISION = "decision"
        UNDO = "undo"

    class Input(models.TextChoices):
        KEY = "key"
        POINTER = "pointer"
        TOUCH = "touch"

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
    mode = models.CharField(max_length=11, choices=Mode, default=Mode.ASSISTED)
    explanation_shown = models.BooleanField(default=False)
    # When the model's answer first went out to this reviewer, under this lease or before, whatever the mode; null for
    # an answer that is the reviewer's own.
    model_shown_at = models.DateTimeField(null=True)
    # The probability of the random blind arm, of items that had a draw for it.
    blind_share = models.FloatField(null=True)
    blind_draw = models.FloatField(null=True)
    # When the case came on screen and how it was answered, as the client told.
    opened_at = models.DateTimeField(null=True)
    seconds_to_first_input = models.FloatField(null=True)
    input_kind = models.CharField(max_length=7, choices=Input, blank=True, db_default="")
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
