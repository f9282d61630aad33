"""The Celery app: messages are doorbells, rows are the work. docs/decisions explains each setting."""

from __future__ import annotations

import os
from typing import Any

from celery import Celery
from django.conf import settings
from kombu import Queue

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "reviewhub.settings")

product: dict[str, Any] = settings.REVIEWHUB
app = Celery("reviewhub")
app.conf.update(
    # kombu knows Unix sockets under a scheme of its own.
    broker_url=settings.REDIS_URL.replace("unix://", "redis+socket://"),
    result_backend=None,
    task_ignore_result=True,
    task_serializer="json",
    accept_content=["json"],
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_acks_on_failure_or_timeout=True,
    task_soft_time_limit=20,
    task_time_limit=30,
    task_publish_retry=True,
    task_publish_retry_policy={"max_retries": 1, "interval_start": 0, "interval_step": 0.1, "interval_max": 0.2},
    broker_transport_options={
        "visibility_timeout": 7200,
        "unacked_restore_interval": 10,
        "unacked_restore_throttle": 1,
        "socket_connect_timeout": 1,
        "socket_timeout": 30,
        "socket_keepalive": True,
        "health_check_interval": 25,
    },
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    worker_prefetch_multiplier=1,
    worker_soft_shutdown_timeout=20,
    worker_enable_soft_shutdown_on_idle=True,
    worker_cancel_long_running_tasks_on_connection_loss=False,
    worker_max_tasks_per_child=500,
    worker_hijack_root_logger=False,
    timezone="UTC",
    task_default_queue="routing",
    task_queues=[Queue(name) for name in ("routing", "explain", "outbox", "training")],
    task_routes={
        "review.tasks.explain_pending": {"queue": "explain"},
        "models_registry.tasks.deliver_webhooks": {"queue": "outbox"},
        "feedback.tasks.pull_labels": {"queue": "outbox"},
        "models_registry.tasks.check_version": {"queue": "training"},
        "models_registry.tasks.check_versions": {"queue": "training"},
        "feedback.tasks.build_snapshot": {"queue": "training"},
        "feedback.tasks.run_training": {"queue": "training"},
        "feedback.tasks.resume_training": {"queue": "training"},
    },
    beat_schedule={
        "sweep-received": {"task": "review.tasks.sweep_received", "schedule": product["SWEEP_SECONDS"]},
        "resolve-overdue-holds": {"task": "review.tasks.resolve_overdue_holds", "schedule": 5},
        "explain-pending": {"task": "review.tasks.explain_pending", "schedule": product["SWEEP_SECONDS"]},
        "pull-labels": {"task": "feedback.tasks.pull_labels", "schedule": product["LABEL_PULL_SECONDS"]},
        "deliver-webhooks": {"task": "models_registry.tasks.deliver_webhooks", "schedule": 5},
        "check-versions": {"task": "models_registry.tasks.check_versions", "schedule": product["SWEEP_SECONDS"]},
        "resume-training": {"task": "feedback.tasks.resume_training", "schedule": product["SWEEP_SECONDS"]},
    },
    beat_schedule_filename=str(settings.HOME / "beat-schedule"),
)
app.autodiscover_tasks()
