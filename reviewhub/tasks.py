"""Housekeeping of the project as a whole."""

from __future__ import annotations

from datetime import timedelta

from celery import shared_task
from django.conf import settings

from models_registry.models import DatabaseNow, IdempotencyKey

FORGOTTEN_AT_ONCE = 5_000


@shared_task  # type: ignore[untyped-decorator]
def forget_answers() -> None:
    """Delete stored answers whose Idempotency-Key is older than it is kept; the next run takes what is left."""
    oldest = DatabaseNow() - timedelta(days=settings.REVIEWHUB["IDEMPOTENCY_DAYS"])
    old = IdempotencyKey.objects.filter(created_at__lt=oldest).order_by("created_at")
    IdempotencyKey.objects.filter(pk__in=list(old.values_list("pk", flat=True)[:FORGOTTEN_AT_ONCE])).delete()
