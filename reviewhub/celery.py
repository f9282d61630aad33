"""The Celery app: messages are doorbells, rows are the work. docs/decisions/celery.md explains each setting."""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from celery import Celery
from django.conf import settings
from kombu import Queue  # type: ignore[attr-defined]

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "reviewhub.settings")

QUEUES = ("routing", "explain", "outbox", "training")
product: dict[str, Any] = settings.REVIEWHUB


def broker_url(redis_url: str) -> str:
    """The same Redis as kombu writes it: Unix sockets have a scheme and a name for the database of their own.

    >>> broker_url("unix:///run/redis.sock?db=2")
    'redis+socket:///run/redis.sock?virtual_host=2'
    >>> broker_url("redis://cache:6379/0")
    'redis://cache:6379/0'
    """
    parts = urlsplit(redis_url)
    if parts.scheme != "unix":
        return redis_url
    query = urlencode([("virtual_host" if name == "db" else name, value) for name, value in parse_qsl(parts.query)])
    return f"redis+socket://{parts.netloc}{parts.path}" + (f"?{query}" if query else "")


def every(seconds: float, task: str) -> dict[str, Any]:
    """A beat entry whose message is worthless once the next one is due, so that an outage leaves no pile."""
    return {"task": task, "schedule": seconds, "options": {"expires": max(seconds, 10)}}


app = Celery("reviewhub")
app.conf.update(
    broker_url=broker_url(settings.REDIS_URL),
    result_backend=None,
    task_ignore_result=True,
    task_serializer="json",
    accept_content=["json"],
    task_acks_late=True,
    task_acks_on_failure=True,
    task_acks_on_timeout=True,
    task_reject_on_worker_lost=True,
    task_retry_on_worker_lost=True,
    # The pause before such a retry is the task's default one, which is 180 s where nothing is said.
    task_annotations={"*": {"max_retries": 3, "default_retry_delay": 5}},
    task_soft_time_limit=20,
    task_time_limit=30,
    task_publish_retry=True,
    task_publish_retry_policy={"max_retries": 1, "interval_start": 0, "interval_step": 0.1, "interval_max": 0.2},
    broker_transport_options={
        "visibility_timeout": 7200,
        "unacked_restore_interval": 10,
        "unacked_restore_throttle": 1,
        "socket_connect_timeout": 1,
        "socket_timeout": 5,
        "socket_keepalive": True,
        "health_check_interval": 25,
    },
    broker_connection_timeout=1,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    worker_consumer="reviewhub.consumer:SteadyConsumer",
    worker_prefetch_multiplier=1,
    worker_eta_task_limit=1000,
    worker_soft_shutdown_timeout=20,
    worker_enable_soft_shutdown_on_idle=False,
    worker_cancel_long_running_tasks_on_connection_loss=False,
    worker_max_tasks_per_child=500,
    worker_hijack_root_logger=False,
    timezone="UTC",
    task_default_queue="routing",
    task_queues=[Queue(name) for name in QUEUES],  # type: ignore[no-untyped-call]
    task_routes={
        "review.tasks.explain_pending": {"queue": "explain"},
        "models_registry.tasks.deliver_webhooks": {"queue": "outbox"},
        "review.tasks.send_digests": {"queue": "outbox"},
        "feedback.tasks.pull_labels": {"queue": "outbox"},
        "feedback.tasks.fit_samplers": {"queue": "outbox"},
        "feedback.tasks.audit_propensities": {"queue": "outbox"},
        "feedback.tasks.refresh_sums": {"queue": "outbox"},
        "feedback.tasks.count_frequencies": {"queue": "outbox"},
        "feedback.tasks.watch_models": {"queue": "outbox"},
        "feedback.tasks.watch_reviewers": {"queue": "outbox"},
        "feedback.tasks.watch_capacity": {"queue": "outbox"},
        "feedback.tasks.plant_gold": {"queue": "outbox"},
        "reviewhub.tasks.forget_answers": {"queue": "outbox"},
        "models_registry.tasks.check_version": {"queue": "training"},
        "models_registry.tasks.check_versions": {"queue": "training"},
        "feedback.tasks.build_snapshot": {"queue": "training"},
        "feedback.tasks.run_training": {"queue": "training"},
        "feedback.tasks.resume_training": {"queue": "training"},
    },
    beat_schedule={
        "sweep-received": every(product["SWEEP_SECONDS"], "review.tasks.sweep_received"),
        "resolve-overdue-holds": every(5, "review.tasks.resolve_overdue_holds"),
        "explain-pending": every(product["SWEEP_SECONDS"], "review.tasks.explain_pending"),
        "send-digests": every(300, "review.tasks.send_digests"),
        "pull-labels": every(product["LABEL_PULL_SECONDS"], "feedback.tasks.pull_labels"),
        "plant-gold": every(product["SWEEP_SECONDS"], "feedback.tasks.plant_gold"),
        "fit-samplers": every(600, "feedback.tasks.fit_samplers"),
        "deliver-webhooks": every(5, "models_registry.tasks.deliver_webhooks"),
        "check-versions": every(product["SWEEP_SECONDS"], "models_registry.tasks.check_versions"),
        "build-snapshots": every(product["SWEEP_SECONDS"], "feedback.tasks.build_snapshot"),
        "audit-propensities": every(24 * 3600, "feedback.tasks.audit_propensities"),
        "refresh-sums": every(60, "feedback.tasks.refresh_sums"),
        "count-frequencies": every(300, "feedback.tasks.count_frequencies"),
        "watch-models": every(24 * 3600, "feedback.tasks.watch_models"),
        "watch-reviewers": every(900, "feedback.tasks.watch_reviewers"),
        "watch-capacity": every(300, "feedback.tasks.watch_capacity"),
        "forget-answers": every(600, "reviewhub.tasks.forget_answers"),
        "resume-training": every(product["SWEEP_SECONDS"], "feedback.tasks.resume_training"),
    },
    beat_schedule_filename=str(settings.HOME / "beat-schedule"),
)
app.autodiscover_tasks()
