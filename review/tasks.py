"""Background work of this app. Messages carry nothing; every task looks for its rows itself."""

from __future__ import annotations

import logging
import smtplib
import time
from collections.abc import Callable

from celery import shared_task
from django.conf import settings

from models_registry.doorbells import Doorbell
from models_registry.tasks import ring_webhooks
from review import digests, explanations, policy_versions, resolutions, routing

logger = logging.getLogger("reviewhub.digest")

# Well inside the soft time limit; what is left over is rung for again.
BUDGET_SECONDS = 10.0
HOLDS_AT_ONCE = 500


@shared_task  # type: ignore[untyped-decorator]
def route_received() -> None:
    """Route what has been received, until nothing is left."""
    _routing.answered()
    _route()


@shared_task  # type: ignore[untyped-decorator]
def sweep_received() -> None:
    """Route what no doorbell was heard for: Redis was away, or a worker died."""
    policy_versions.expire_kill_switches()
    _route()


# One batch may take a call's whole time beyond the budget, and the child's start belongs to it.
@shared_task(soft_time_limit=50, time_limit=60)  # type: ignore[untyped-decorator]
def explain_pending() -> None:
    """Compute the attributions that reviewers wait for, until none is left."""
    _explanations.answered()
    _, finished = _drain(explanations.explain_batch)
    if not finished:
        ring_explanations()


@shared_task  # type: ignore[untyped-decorator]
def resolve_overdue_holds() -> None:
    """Give the callers of holds that nobody decided in time the fallback their policy names."""
    resolved, _ = _drain(lambda: resolutions.resolve_overdue(limit=HOLDS_AT_ONCE))
    if resolved:
        ring_webhooks()


@shared_task  # type: ignore[untyped-decorator]
def send_digests() -> None:
    """Write to those who want to know what waits; the next run takes who is left when the time is over."""
    if not digests.is_set_up():
        return
    deadline = time.monotonic() + BUDGET_SECONDS
    after: int | None = 0
    while after is not None and time.monotonic() < deadline:
        try:
            after, _ = digests.send_next(after=after)
        except (OSError, smtplib.SMTPException) as error:
            logger.warning("the mail server cannot be reached: %s", type(error).__name__)
            return


def ring_routing() -> None:
    """Wake routing after the present transaction."""
    _routing.ring()


def ring_explanations() -> None:
    """Wake the explaining worker after the present transaction."""
    _explanations.ring()


_routing = Doorbell(route_received)
_explanations = Doorbell(explain_pending)


def _route() -> None:
    routed, finished = _drain(lambda: routing.route_batch(limit=settings.REVIEWHUB["ROUTING_BATCH"]))
    if routed:
        ring_explanations()
        ring_webhooks()
    if not finished:
        ring_routing()


def _drain(work: Callable[[], int]) -> tuple[int, bool]:
    """Repeat until there is nothing left or the time is over: how many were done, and whether all were."""
    deadline = time.monotonic() + BUDGET_SECONDS
    total = 0
    while done := work():
        total += done
        if time.monotonic() > deadline:
            return total, False
    return total, True
