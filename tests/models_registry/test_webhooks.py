from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction

from models_registry import outbound, webhooks
from models_registry.models import DatabaseNow, WebhookDelivery, WebhookEndpoint
from tests.conftest import Cast, make_model
from tests.models_registry.receiver import Receiver, receiving


@pytest.fixture(autouse=True)
def _local_receivers_are_allowed(settings: Any) -> None:
    settings.REVIEWHUB = {**settings.REVIEWHUB, "WEBHOOK_ALLOWED_HOSTS": ["127.0.0.1"], "WEBHOOK_ATTEMPTS": 3}


def listen(receiver: Receiver, model: Any = None, events: tuple[str, ...] = webhooks.EVENTS) -> WebhookEndpoint:
    return webhooks.create_endpoint(url=receiver.url, events=events, model=model, actor="test")


def tell(model: Any, number: int = 1, key: str = "p-1", event: str = "prediction.resolved") -> None:
    webhooks.announce(model=model, event=event, ordering_key=key, payload={"number": number})


def make_due() -> None:
    WebhookDelivery.objects.update(next_attempt_at=DatabaseNow())


def numbers(receiver: Receiver) -> list[int]:
    return [json.loads(body)["data"]["number"] for _, body in receiver.received]


def verify(secret: str, headers: dict[str, str], body: bytes) -> None:
    """Standard Webhooks as a receiver reads it, written without a look at the sender."""
    version, signature = headers["webhook-signature"].split(",")
    signed = b".".join([headers["webhook-id"].encode(), headers["webhook-timestamp"].encode(), body])
    key = base64.b64decode(secret.split("_", 1)[1])
    assert version == "v1"
    assert hmac.compare_digest(base64.b64decode(signature), hmac.digest(key, signed, hashlib.sha256))
    assert abs(int(headers["webhook-timestamp"]) - time.time()) < 300


def test_a_message_arrives_once_and_its_signature_verifies(cast: Cast):
    with receiving() as receiver:
        endpoint = listen(receiver)
        tell(cast.model, 7)
        assert webhooks.deliver() == 1
        assert webhooks.deliver() == 0
    headers, body = receiver.received[0]
    verify(endpoint.secret, headers, body)
    assert headers["host"] == f"127.0.0.1:{receiver.port}"
    assert json.loads(body)["type"] == "prediction.resolved"
    delivery = WebhookDelivery.objects.get()
    assert (delivery.state, headers["webhook-id"]) == ("sent", str(delivery.message_id))


def test_an_altered_body_does_not_verify(cast: Cast):
    with receiving() as receiver:
        endpoint = listen(receiver)
        tell(cast.model)
        webhooks.deliver()
    headers, body = receiver.received[0]
    with pytest.raises(AssertionError):
        verify(endpoint.secret, headers, body.replace(b"1", b"2"))


def test_an_announcement_is_rolled_back_with_what_it_tells(cast: Cast):
    with receiving() as receiver:
        listen(receiver)
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            tell(cast.model)
            raise ZeroDivisionError
        assert webhooks.deliver() == 0
    assert receiver.received == []


def test_endpoints_hear_their_own_model_and_events_only(cast: Cast):
    with receiving() as everything, receiving() as own, receiving() as foreign, receiving() as promotions:
        listen(everything)
        listen(own, cast.model)
        listen(foreign, cast.other_model)
        listen(promotions, cast.model, ("model.promoted",))
        tell(cast.model)
        webhooks.deliver()
    assert [len(r.received) for r in (everything, own, foreign, promotions)] == [1, 1, 0, 0]


def test_messages_of_one_key_keep_their_order_through_failures(cast: Cast):
    answers = iter([500, 204, 204, 204])
    with receiving(answer=lambda handler, body: next(answers)) as receiver:
        listen(receiver)
        webhooks.announce_many(
            [webhooks.Announcement(cast.model, "prediction.resolved", "p-1", {"number": number}) for number in (1, 2)]
        )
        assert webhooks.deliver() == 0
        tell(cast.model, 3, key="p-2")
        assert webhooks.deliver() == 1
        make_due()
        assert webhooks.deliver() == 2
    assert numbers(receiver) == [1, 3, 1, 2]


@pytest.mark.parametrize("status", [301, 400, 404, 500])
def test_a_failed_delivery_is_tried_again_later_then_given_up(cast: Cast, status: int):
    with receiving(answer=lambda handler, body: status) as receiver:
        listen(receiver)
        tell(cast.model)
        for attempt in (1, 2, 3):
            make_due()
            assert webhooks.deliver() == 0
            assert webhooks.deliver() == 0
            assert len(receiver.received) == attempt
    delivery = WebhookDelivery.objects.get()
    assert (delivery.state, delivery.attempts, delivery.last_error) == ("dead", 3, f"the receiver answered {status}")


def test_a_dead_message_lets_the_next_one_through(cast: Cast):
    with receiving() as receiver:
        listen(receiver)
        tell(cast.model, 1)
        tell(cast.model, 2)
        WebhookDelivery.objects.filter(payload__number=1).update(state="dead")
        webhooks.deliver()
    assert numbers(receiver) == [2]


def test_retries_wait_longer_each_time_within_bounds():
    for attempts in range(1, 12):
        plain = min(5.0 * 3.0 ** (attempts - 1), 6 * 3600.0)
        waits = {webhooks.retry_after(attempts) for _ in range(20)}
        assert len(waits) > 1
        assert all(0.75 * plain <= wait <= 1.25 * plain for wait in waits)


def test_a_retry_is_due_after_its_wait(cast: Cast):
    with receiving(answer=lambda handler, body: 500) as receiver:
        listen(receiver)
        tell(cast.model)
        webhooks.deliver()
    soon = WebhookDelivery.objects.filter(next_attempt_at__gt=DatabaseNow() + timedelta(seconds=1))
    assert soon.filter(next_attempt_at__lt=DatabaseNow() + timedelta(seconds=7)).count() == 1


def test_a_receiver_that_is_gone_gets_a_pause_for_everything(cast: Cast):
    with receiving() as receiver:
        listen(receiver)
    for number in range(20):
        tell(cast.model, number, key=f"p-{number}")
    assert webhooks.deliver() == 0
    assert WebhookDelivery.objects.filter(attempts=0).count() == 20 - webhooks.AT_ONCE
    assert not WebhookDelivery.objects.filter(next_attempt_at__lte=DatabaseNow()).exists()


def test_redirects_are_not_followed(cast: Cast):
    with receiving() as private, receiving() as receiver:

        def redirect(handler: Any, body: bytes) -> None:
            handler.send_response(307)
            handler.send_header("Location", private.url)
            handler.send_header("Content-Length", "0")
            handler.end_headers()

        receiver.answer = redirect
        listen(receiver)
        tell(cast.model)
        assert webhooks.deliver() == 0
        assert private.received == []


def test_a_receiver_that_drips_is_cut_off(cast: Cast, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(outbound, "TIMEOUT_SECONDS", 0.5)

    def drip(handler: Any, body: bytes) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000000")
        handler.end_headers()
        handler.connection.settimeout(0.02)
        while True:
            try:
                handler.wfile.write(b"x")
                if not handler.connection.recv(1):
                    return
            except TimeoutError:
                continue
            except OSError:
                return

    with receiving(answer=drip) as receiver:
        listen(receiver)
        tell(cast.model)
        started = time.monotonic()
        webhooks.deliver()
        assert time.monotonic() - started < 4


def test_an_endless_answer_is_not_read_to_its_end(cast: Cast):
    written: list[int] = []

    def flood(handler: Any, body: bytes) -> None:
        handler.send_response(200)
        handler.end_headers()
        with contextlib.suppress(OSError):
            written.extend(handler.wfile.write(b"x" * 10_000) for _ in range(10_000))

    with receiving(answer=flood) as receiver:
        listen(receiver)
        tell(cast.model)
        assert webhooks.deliver() == 1
    assert sum(written) < 50_000_000


def test_a_deleted_endpoint_is_told_nothing_more(cast: Cast):
    with receiving() as receiver:
        endpoint = listen(receiver)
        tell(cast.model, 1)
        webhooks.delete_endpoint(endpoint=endpoint, actor="test")
        tell(cast.model, 2)
        assert webhooks.deliver() == 0
    assert receiver.received == []
    assert WebhookDelivery.objects.get().state == "dead"


@pytest.mark.django_db(transaction=True)
def test_parallel_workers_send_each_message_once_and_in_order():
    model, _ = make_model("payments")
    with receiving() as receiver:
        listen(receiver)
        for number in range(30):
            tell(model, number, key=f"p-{number % 3}")

        def work(_: int) -> int:
            try:
                return sum(webhooks.deliver() for _ in range(12))
            finally:
                connection.close()

        with ThreadPoolExecutor(4) as pool:
            arrived = sum(pool.map(work, range(4)))
        while more := webhooks.deliver():
            arrived += more
    assert arrived == 30
    assert sorted(numbers(receiver)) == list(range(30))
    for rest in range(3):
        own = [number for number in numbers(receiver) if number % 3 == rest]
        assert own == sorted(own)
