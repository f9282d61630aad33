"""What workers do for feedback. Messages carry nothing; every task looks for its rows itself."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from celery import shared_task
from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.utils import timezone

from feedback import (
    behaviour,
    datasets,
    frequencies,
    labels,
    planting,
    propensity_audit,
    retraining,
    rubber_stamps,
    sampler_evidence,
    surges,
    watching,
)
from feedback.arrivals import KEEPS, arrivals_of
from feedback.monitoring.days import refresh
from models_registry.doorbells import Doorbell
from models_registry.models import RegisteredModel

logger = logging.getLogger("reviewhub.nightly")

# Well inside the soft time limit; what is left over is rung for again.
BUDGET_SECONDS = 10.0
_SNAPSHOT_SECONDS = settings.REVIEWHUB["TRAINING_SECONDS"]
_AUDIT_SECONDS = 900
# The fit has its own clock in the child; before it a snapshot may be built, after it the candidate is checked.
_TRAINING_SECONDS = settings.REVIEWHUB["TRAINING_SECONDS"] + settings.REVIEWHUB["CHECK_SECONDS"] + 600


@shared_task  # type: ignore[untyped-decorator]
def pull_labels() -> None:
    """Turn accepted decisions and outcomes into labels, until nothing is left."""
    _labels.answered()
    deadline = time.monotonic() + BUDGET_SECONDS
    while labels.pull():
        if time.monotonic() > deadline:
            ring_labels()
            return


@shared_task(soft_time_limit=_AUDIT_SECONDS, time_limit=_AUDIT_SECONDS + 60)  # type: ignore[untyped-decorator]
def audit_propensities() -> None:
    """Ask of every model whether its reviews match their stored propensities, and tell by an alert."""
    _of_every_model(propensity_audit.audit)


@shared_task  # type: ignore[untyped-decorator]
def refresh_sums() -> None:
    """Sum the past days that have changed and learn arrivals anew, so that no page has to; the rest next time."""
    deadline = time.monotonic() + BUDGET_SECONDS

    def refreshed(model: RegisteredModel) -> None:
        left = deadline - time.monotonic()
        if left > 0 and refresh(model, seconds=left):
            arrivals_of(model, now=timezone.now(), newer_than=KEEPS / 2)

    _of_every_model(refreshed)


@shared_task(soft_time_limit=_AUDIT_SECONDS, time_limit=_AUDIT_SECONDS + 60)  # type: ignore[untyped-decorator]
def watch_models() -> None:
    """Ask of every model whether its concept drifts, its labels come later or its behaviour moves; tell by an alert."""
    _of_every_model(watching.watch)
    _of_every_model(behaviour.watch)


@shared_task  # type: ignore[untyped-decorator]
def watch_capacity() -> None:
    """Ask of every model whether its reviews exceed what a day has, or will be late, and tell by an alert."""
    _of_every_model(watching.watch_capacity)
    _of_every_model(surges.watch_workload)


@shared_task(soft_time_limit=_AUDIT_SECONDS, time_limit=_AUDIT_SECONDS + 60)  # type: ignore[untyped-decorator]
def watch_reviewers() -> None:
    """Ask of every model whether somebody may be following it instead of looking, and tell its leads."""
    _of_every_model(rubber_stamps.watch)


@shared_task(soft_time_limit=_SNAPSHOT_SECONDS, time_limit=_SNAPSHOT_SECONDS + 60)  # type: ignore[untyped-decorator]
def build_snapshot() -> None:
    """Build the snapshots that wait, and those whose worker died."""
    _snapshots.answered()
    for snapshot_id in datasets.unfinished():
        datasets.build(snapshot_id=snapshot_id, wait=False)


@shared_task(soft_time_limit=_TRAINING_SECONDS, time_limit=_TRAINING_SECONDS + 60)  # type: ignore[untyped-decorator]
def run_training() -> None:
    """Carry out the training run that has waited longest; ring again for the next."""
    _training.answered()
    waiting = retraining.waiting()
    if waiting:
        retraining.run(run_id=waiting[0])
    if len(waiting) > 1:
        ring_training()


@shared_task  # type: ignore[untyped-decorator]
def resume_training() -> None:
    """Put runs whose worker died back in the queue, and ring for those that no doorbell was heard for."""
    if retraining.resume_stale():
        ring_training()


@shared_task  # type: ignore[untyped-decorator]
def fit_samplers() -> None:
    """Solve the live samplers that are due: each night, and while a model's first traffic doubles."""
    sampler_evidence.fit_due()


@shared_task  # type: ignore[untyped-decorator]
def plant_gold() -> None:
    """Let known cases follow the routings that call for one, and take back those that nobody answered."""
    deadline = time.monotonic() + BUDGET_SECONDS
    while planting.plant(limit=50) and time.monotonic() < deadline:
        pass
    planting.expire()


@shared_task(soft_time_limit=_AUDIT_SECONDS, time_limit=_AUDIT_SECONDS + 60)  # type: ignore[untyped-decorator]
def count_frequencies() -> None:
    """Count how often answers came true, for models whose labels have changed; once a day for all."""
    _of_every_model(frequencies.count_due)


def _of_every_model(act: Callable[[RegisteredModel], object]) -> None:
    """Do it for each model; one that fails is logged and ends nothing for the others."""
    for model in RegisteredModel.objects.order_by("id"):
        try:
            act(model)
        except SoftTimeLimitExceeded:
            raise
        except Exception:
            logger.exception("%s failed for model %s; the others go on", act.__name__, model.slug)


def ring_labels() -> None:
    """Wake the label puller after the present transaction."""
    _labels.ring()


def ring_snapshots() -> None:
    """Wake the snapshot builder after the present transaction."""
    _snapshots.ring()


def ring_training() -> None:
    """Wake training after the present transaction."""
    _training.ring()


_labels = Doorbell(pull_labels)
_snapshots = Doorbell(build_snapshot)
_training = Doorbell(run_training)
