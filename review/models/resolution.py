from __future__ import annotations

from django.db import models
from django.db.models import Q

from models_registry.models import DatabaseNow, RegisteredModel
from review.models.decisions import ReviewDecision
from review.models.prediction import Prediction


class Resolution(models.Model):
    """What the caller should do now, final until corrected by a later row.

    Writers hold one advisory lock while they insert, so ids grow in commit order and a feed that
    reads ``id > cursor`` misses nothing.
    """

    class By(models.TextChoices):
        MODEL = "model"
        RULE = "rule"
        PERSON = "person"
        FALLBACK = "fallback"

    prediction = models.ForeignKey(Prediction, on_delete=models.PROTECT, related_name="resolutions")
    model = models.ForeignKey(RegisteredModel, on_delete=models.PROTECT, related_name="+")
    label = models.CharField(max_length=100, null=True)
    disposition = models.CharField(max_length=7)
    by = models.CharField(max_length=8, choices=By)
    decision = models.ForeignKey(ReviewDecision, null=True, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField(db_default=DatabaseNow())

    class Meta:
        ordering = ["id"]
        indexes = [
            models.Index(fields=["model", "id"], name="resolution_feed"),
            models.Index(fields=["prediction", "-id"], name="resolution_newest"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(disposition__in=["proceed", "hold", "refuse"]), name="resolution_disposition_known"
            ),
            models.CheckConstraint(
                condition=~Q(disposition="hold") | Q(by="fallback"), name="resolution_holds_only_by_fallback"
            ),
        ]
