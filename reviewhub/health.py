"""Probes: alive, ready, and figures for a scraper, read from the rows at the moment of asking."""

from __future__ import annotations

from typing import TYPE_CHECKING

import redis
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpResponse, JsonResponse
from redis.backoff import NoBackoff
from redis.retry import Retry

from models_registry import doorbells
from review.models import Prediction, QueueItem

if TYPE_CHECKING:
    from django.http import HttpRequest


@login_not_required
def live(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"status": "alive"})


@login_not_required
def ready(request: HttpRequest) -> JsonResponse:
    """200 when PostgreSQL answers and is migrated; without Redis the service degrades and stays ready."""
    try:
        executor = MigrationExecutor(connection)
        pending = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
    except DatabaseError:
        return JsonResponse({"status": "database_unavailable"}, status=503)
    if pending:
        return JsonResponse({"status": "migrations_pending", "pending": pending}, status=503)
    up = redis_answers()
    return JsonResponse({"status": "ready" if up else "degraded", "redis": up})


@login_not_required
def metrics(request: HttpRequest) -> HttpResponse:
    figures = {
        "reviewhub_predictions_received": Prediction.objects.filter(status=Prediction.Status.RECEIVED).count(),
        "reviewhub_items_open": QueueItem.objects.open().count(),
        "reviewhub_items_leased": QueueItem.objects.leased().count(),
        "reviewhub_redis_up": int(redis_answers()),
        # Of the process that answers.
        "reviewhub_doorbells_unsent": doorbells.unsent(),
    }
    lines = [f"# TYPE {name} gauge\n{name} {value}\n" for name, value in figures.items()]
    return HttpResponse("".join(lines), content_type="text/plain; version=0.0.4; charset=utf-8")


def redis_answers() -> bool:
    # Asked once: by itself the client tries again for seconds before it says no.
    once = Retry(NoBackoff(), 0)
    options = {"socket_timeout": 0.5, "socket_connect_timeout": 0.5, "retry": once}
    try:
        return bool(redis.Redis.from_url(settings.REDIS_URL, **options).ping())
    except redis.RedisError:
        return False
