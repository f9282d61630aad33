"""Webhooks: endpoints, announcements in the transaction of what they tell, and their delivery.

Delivery is at least once, signed as Standard Webhooks say, and for one endpoint and ordering key in
the order of the announcements: the next message waits until the one before was sent or is dead.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import random
import secrets
import time
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import msgspec
from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q

from models_registry import outbound
from models_registry.errors import Fault, Invalid
from models_registry.ledger import record
from models_registry.models import DatabaseNow, RegisteredModel, WebhookDelivery, WebhookEndpoint

EVENTS = ("prediction.resolved", "review.corrected", "model.promoted")
SECRET_PREFIX = "whsec_"  # noqa: S105
SECRET_BYTES = 32
# While a claim lasts no other worker sends the message; a worker that died frees it after this long.
CLAIM = timedelta(seconds=60)
AT_ONCE = 8
BUDGET_SECONDS = 10.0
FIRST_RETRY_SECONDS = 5.0
RETRY_FACTOR = 3.0
LONGEST_RETRY_SECONDS = 6 * 3600.0
# A receiver that does not answer at all gets a pause for everything, so that it cannot fill every round.
SILENCE = timedelta(seconds=15)


@dataclass(frozen=True)
class Announcement:
    """One event to tell: ``payload`` is JSON; messages of one ordering key keep their order."""

    model: RegisteredModel
    event: str
    ordering_key: str
    payload: dict[str, Any]


def create_endpoint(*, url: str, events: Sequence[str], model: RegisteredModel | None, actor: str) -> WebhookEndpoint:
    """Register a receiver for events of a model, or of all models. Its ``secret`` is for the receiver, once.

    Raises Invalid for an unknown event and for a URL that must not be sent to.
    """
    faults = [] if events else [Fault("/events", "length", "name at least one event")]
    faults += [
        Fault(f"/events/{place}", "not_allowed", f"known events: {', '.join(EVENTS)}")
        for place, event in enumerate(events)
        if event not in EVENTS
    ]
    faults += _url_faults(url)
    if faults:
        raise Invalid(errors=faults)
    secret = SECRET_PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()
    with transaction.atomic():
        endpoint = WebhookEndpoint.objects.create(
            model=model, url=url, events=sorted(set(events)), secret=secret, created_by=actor
        )
        detail = {"url": url, "events": endpoint.events}
        record(actor=actor, action="webhook.created", subject=str(endpoint.pk), model=model, detail=detail)
    return endpoint


def delete_endpoint(*, endpoint: WebhookEndpoint, actor: str) -> None:
    """Stop telling a receiver anything; what still waits for it is dead. Safe to repeat.

    The row stays, because announcements that are being written this moment may name it.
    """
    with transaction.atomic():
        live = WebhookEndpoint.objects.filter(pk=endpoint.pk, disabled_at__isnull=True)
        if live.update(disabled_at=DatabaseNow()):
            waiting = endpoint.deliveries.filter(state=WebhookDelivery.State.PENDING)
            waiting.update(state=WebhookDelivery.State.DEAD, last_error="the endpoint was deleted")
            subject, detail = str(endpoint.pk), {"url": endpoint.url}
            record(actor=actor, action="webhook.deleted", subject=subject, model=endpoint.model, detail=detail)


def announce(*, model: RegisteredModel, event: str, ordering_key: str, payload: dict[str, Any]) -> None:
    """Write one message per endpoint that listens. Call it inside the transaction of what it tells."""
    announce_many([Announcement(model=model, event=event, ordering_key=ordering_key, payload=payload)])


def announce_many(announcements: Sequence[Announcement]) -> None:
    """`announce` for many events at once, in their order, with two queries."""
    models = {announcement.model.pk for announcement in announcements}
    listening = list(
        WebhookEndpoint.objects.filter(Q(model__in=models) | Q(model__isnull=True), disabled_at__isnull=True)
        if models
        else ()
    )
    WebhookDelivery.objects.bulk_create(
        WebhookDelivery(
            endpoint=endpoint,
            message_id=uuid.uuid4(),
            event=announcement.event,
            ordering_key=announcement.ordering_key,
            payload=announcement.payload,
        )
        for announcement in announcements
        for endpoint in listening
        if endpoint.model_id in (None, announcement.model.pk) and announcement.event in endpoint.events
    )


def deliver(*, limit: int = 100) -> int:
    """Send what is due, at most ``limit`` messages and for about ten seconds; returns how many arrived."""
    arrived, started = 0, time.monotonic()
    while limit > 0 and time.monotonic() - started < BUDGET_SECONDS:
        claimed = _claim(min(limit, AT_ONCE))
        if not claimed:
            break
        limit -= len(claimed)
        # Threads only send; every row is touched by this thread alone.
        with ThreadPoolExecutor(max_workers=len(claimed)) as pool:
            verdicts = list(pool.map(_send, claimed))
        for delivery, (error, silent) in zip(claimed, verdicts, strict=True):
            _settle(delivery, error, silent=silent)
            arrived += not error
    return arrived


def sign(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """The ``webhook-signature`` of a message: HMAC-SHA256 over id, seconds and body (Standard Webhooks 1.0).

    >>> secret, message_id = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek"
    >>> sign(secret, message_id, 1614265330, b'{"test": 2432232314}')
    'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE='
    """
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    digest = hmac.new(key, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


def retry_after(attempts: int) -> float:
    """Seconds until the next attempt after so many failed ones: tripled each time, spread by a quarter."""
    delay = min(FIRST_RETRY_SECONDS * RETRY_FACTOR ** (attempts - 1), LONGEST_RETRY_SECONDS)
    return delay * random.uniform(0.75, 1.25)  # noqa: S311 - spreads retries, guards nothing


def _url_faults(url: str) -> list[Fault]:
    try:
        outbound.address(outbound.target(url, allowed_hosts=settings.REVIEWHUB["WEBHOOK_ALLOWED_HOSTS"]))
    except ValueError as error:
        return [Fault("/url", "refused_url", str(error))]
    except OSError:
        # The name may come into being later; each delivery checks again.
        return []
    return []


def _claim(count: int) -> list[WebhookDelivery]:
    earlier = WebhookDelivery.objects.filter(
        endpoint=OuterRef("endpoint"),
        ordering_key=OuterRef("ordering_key"),
        id__lt=OuterRef("id"),
        state=WebhookDelivery.State.PENDING,
    )
    due = WebhookDelivery.objects.filter(
        ~Exists(earlier),
        state=WebhookDelivery.State.PENDING,
        next_attempt_at__lte=DatabaseNow(),
        endpoint__disabled_at__isnull=True,
    )
    with transaction.atomic():
        locked = due.select_related("endpoint").select_for_update(skip_locked=True, of=("self",))
        claimed = list(locked.order_by("next_attempt_at", "id")[:count])
        WebhookDelivery.objects.filter(pk__in=[delivery.pk for delivery in claimed]).update(
            attempts=F("attempts") + 1, next_attempt_at=DatabaseNow() + CLAIM
        )
    for delivery in claimed:
        delivery.attempts += 1
    return claimed


def _send(delivery: WebhookDelivery) -> tuple[str, bool]:
    """Why the message did not arrive, empty when it did; and whether there was no answer at all."""
    message_id, now = str(delivery.message_id), int(time.time())
    body = msgspec.json.encode(
        {"type": delivery.event, "timestamp": delivery.created_at.isoformat(), "data": delivery.payload}
    )
    headers = {
        "Content-Type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": str(now),
        "webhook-signature": sign(delivery.endpoint.secret, message_id, now, body),
    }
    allowed = settings.REVIEWHUB["WEBHOOK_ALLOWED_HOSTS"]
    try:
        status = outbound.post(delivery.endpoint.url, body=body, headers=headers, allowed_hosts=allowed)
    except outbound.UndeliverableError as error:
        return str(error)[:300] or "no answer", True
    return ("" if 200 <= status < 300 else f"the receiver answered {status}"), False


def _settle(delivery: WebhookDelivery, error: str, *, silent: bool) -> None:
    # The number of attempts fences: a worker that lost its claim writes nothing.
    mine = WebhookDelivery.objects.filter(
        pk=delivery.pk, attempts=delivery.attempts, state=WebhookDelivery.State.PENDING
    )
    if not error:
        mine.update(state=WebhookDelivery.State.SENT, sent_at=DatabaseNow(), last_error="")
    elif delivery.attempts >= settings.REVIEWHUB["WEBHOOK_ATTEMPTS"]:
        mine.update(state=WebhookDelivery.State.DEAD, last_error=error)
    else:
        wait = timedelta(seconds=retry_after(delivery.attempts))
        mine.update(next_attempt_at=DatabaseNow() + wait, last_error=error)
    if silent:
        WebhookDelivery.objects.filter(
            endpoint=delivery.endpoint_id, state=WebhookDelivery.State.PENDING, next_attempt_at__lte=DatabaseNow()
        ).update(next_attempt_at=DatabaseNow() + SILENCE)
