"""What workers do for the registry. A message is only a doorbell: the rows say what is to be done."""

from __future__ import annotations

from datetime import timedelta

from celery import shared_task
from django.conf import settings

from models_registry import checking, webhooks
from models_registry.doorbells import Doorbell
from models_registry.models import DatabaseNow, ModelVersion

# The child process has its own clock; the task's limits only catch what hangs around it.
_CHECK_MARGIN = 30
_SWEPT_AT_ONCE = 20
_SECONDS = settings.REVIEWHUB["CHECK_SECONDS"] + _CHECK_MARGIN


def ring_check(version_id: int) -> None:
    """Have the version checked once this transaction is committed, rather than by the next sweep."""
    Doorbell(check_version, version_id).ring()


def ring_webhooks() -> None:
    """Have announcements delivered once this transaction is committed, rather than by the next sweep."""
    Doorbell(deliver_webhooks).ring()


@shared_task  # type: ignore[untyped-decorator]
def deliver_webhooks() -> None:
    """Send the announcements that are due."""
    Doorbell(deliver_webhooks).answered()
    webhooks.deliver(limit=1000)


@shared_task(soft_time_limit=_SECONDS, time_limit=_SECONDS + 10)  # type: ignore[untyped-decorator]
def check_version(version_id: int) -> None:
    """Check one version's artifact and reference rows."""
    Doorbell(check_version, version_id).answered()
    checking.check_version(version_id=version_id)


@shared_task  # type: ignore[untyped-decorator]
def check_versions() -> None:
    """Ring again for the versions whose doorbell was lost or whose worker died."""
    waiting = ModelVersion.objects.filter(
        state=ModelVersion.State.CHECKING,
        created_at__lt=DatabaseNow() - timedelta(seconds=settings.REVIEWHUB["SWEEP_SECONDS"]),
    )
    for version_id in list(waiting.order_by("id").values_list("id", flat=True)[:_SWEPT_AT_ONCE]):
        Doorbell(check_version, version_id).ring()
