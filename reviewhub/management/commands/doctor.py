from __future__ import annotations

import json
import shutil
import smtplib
import sys
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.mail import get_connection
from django.core.management.base import BaseCommand, CommandParser
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from models_registry import sql
from review import digests
from review.models import Prediction
from reviewhub.celery import app
from reviewhub.health import redis_answers

if TYPE_CHECKING:
    from collections.abc import Callable

LEAST_FREE_BYTES = 1024**3
QUEUES = {"routing", "explain", "outbox", "training"}


class Command(BaseCommand):
    help = "Looks at database, migrations, Redis, workers, disk and waiting work; exit 1 when something is wrong."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", dest="as_json", help="print one JSON document")

    def handle(self, *, as_json: bool, **options: Any) -> None:
        checks: dict[str, Callable[[], str]] = {
            "database": _database,
            "migrations": _migrations,
            "redis": _redis,
            "workers": _workers,
            "disk": _disk,
            "routing": _routing,
            "mail": _mail,
        }
        faults = {name: _fault(check) for name, check in checks.items()}
        if as_json:
            rows = [{"check": name, "ok": not fault, "fault": fault or None} for name, fault in faults.items()]
            self.stdout.write(json.dumps({"checks": rows, "ok": not any(faults.values())}))
        else:
            for name, fault in faults.items():
                self.stdout.write(f"{name:11} {fault or 'ok'}")
        if any(faults.values()):
            sys.exit(1)


def _fault(check: Callable[[], str]) -> str:
    """What is wrong, or an empty text."""
    try:
        return check()
    except DatabaseError as error:
        return f"PostgreSQL does not answer: {' '.join(str(error).split())[:200]}"


def _database() -> str:
    [(number,)] = sql.rows("SHOW server_version_num")
    version = int(number)
    return "" if version >= 160000 else f"PostgreSQL {version // 10000} is too old, 16 or newer is needed"


def _migrations() -> str:
    executor = MigrationExecutor(connection)
    pending = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
    return f"{pending} migrations are missing: python manage.py migrate" if pending else ""


def _redis() -> str:
    return "" if redis_answers() else "does not answer; routing waits until it does, nothing is lost"


def _workers() -> str:
    if not redis_answers():
        return "cannot be asked without Redis"
    seen = app.control.inspect(timeout=2).active_queues() or {}
    missing = QUEUES - {queue["name"] for queues in seen.values() for queue in queues}
    return f"no worker listens on {', '.join(sorted(missing))}" if missing else ""


def _disk() -> str:
    free = shutil.disk_usage(settings.HOME).free
    return "" if free >= LEAST_FREE_BYTES else f"only {free // 1024**2} MiB free under {settings.HOME}"


def _routing() -> str:
    oldest = Prediction.objects.filter(status=Prediction.Status.RECEIVED).order_by("id").first()
    if oldest is None:
        return ""
    seconds = (timezone.now() - oldest.received_at).total_seconds()
    late = 2 * settings.REVIEWHUB["SWEEP_SECONDS"]
    return f"the oldest unrouted prediction has waited {seconds:.0f} s; are workers running?" if seconds > late else ""


def _mail() -> str:
    wanting = digests.wanted().count()
    if not digests.is_set_up():
        return f"EMAIL_URL is not set, and {wanting} wait for a mail digest" if wanting else ""
    try:
        connection = get_connection()
        connection.open()
        connection.close()
    except (OSError, smtplib.SMTPException) as error:
        return f"the mail server of EMAIL_URL cannot be reached: {' '.join(str(error).split())[:200]}"
    if wanting and not settings.REVIEWHUB["PUBLIC_URL"]:
        return "REVIEWHUB_PUBLIC_URL is not set, so digests carry no link"
    return ""
