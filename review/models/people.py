"""What people see and write beside their answers, and how they like to work."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from models_registry.models import DatabaseNow
from review.models.prediction import Prediction


class CaseView(models.Model):
    """Somebody saw something of a prediction outside a lease, or asked for a hidden value. Append-only.

    What is seen under a lease is told by the lease.
    """

    class What(models.TextChoices):
        CASE = "case"
        MODEL = "model"
        COLLEAGUES = "colleagues"
        SENSITIVE = "sensitive"

    class Where(models.TextChoices):
        PAGE = "page"
        API = "api"
        REVIEW = "review"
        EXPORT = "export"

    prediction = models.ForeignKey(Prediction, on_delete=models.PROTECT, related_name="views")
    viewer = models.CharField(max_length=40)
    what = models.CharField(max_length=10, choices=What)
    where = models.CharField(max_length=6, choices=Where)
    # The feature that was revealed.
    detail = models.CharField(max_length=200, blank=True, db_default="")
    at = models.DateTimeField(db_default=DatabaseNow())

    class Meta:
        indexes = [models.Index(fields=["prediction", "viewer"], name="case_view_by_viewer")]


class Comment(models.Model):
    """What a person wrote about a prediction beside any answer. Append-only."""

    class Kind(models.TextChoices):
        COMMENT = "comment"
        ESCALATION = "escalation"
        HANDOVER = "handover"
        FLAG = "flag"
        UNFLAG = "unflag"

    prediction = models.ForeignKey(Prediction, on_delete=models.PROTECT, related_name="comments")
    kind = models.CharField(max_length=10, choices=Kind, default=Kind.COMMENT)
    author = models.CharField(max_length=40)
    # The colleague that the case was handed over to.
    addressee = models.CharField(max_length=40, blank=True, db_default="")
    text = models.TextField(blank=True)
    at = models.DateTimeField(db_default=DatabaseNow())

    class Meta:
        indexes = [models.Index(fields=["prediction", "id"], name="comment_by_prediction")]


class ReviewerSettings(models.Model):
    """How a person wants to work; kept here, so that it travels with them."""

    class Digest(models.TextChoices):
        NONE = "none"
        HOURLY = "hourly"
        DAILY = "daily"

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, primary_key=True, on_delete=models.CASCADE, related_name="reviewer_settings"
    )
    keys_on = models.BooleanField(default=True)
    # {action: key} where it differs from the usual one.
    bindings = models.JSONField(default=dict)
    # How many cases the screen claims ahead.
    ahead = models.PositiveSmallIntegerField(default=2)
    # Leases last three times as long.
    long_lease = models.BooleanField(default=False)
    why_folded = models.BooleanField(default=False)
    digest = models.CharField(max_length=6, choices=Digest, default=Digest.NONE)
    digest_sent_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(ahead__gte=1, ahead__lte=5), name="settings_ahead"),
            models.CheckConstraint(condition=Q(digest__in=["none", "hourly", "daily"]), name="settings_digest_known"),
        ]
