"""Routing as it runs: a worker that is told by doorbells, a switch that stops it, draws that come out as stored."""

from __future__ import annotations

import json
import os
import time
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from django.db import transaction
from django.utils import timezone

from models_registry import access
from models_registry.models import AuditEvent
from review import policy_versions, tasks
from review.models import Prediction, RoutingDecision
from tests import running
from tests.acceptance.routing_frequency import DECILES, deciles
from tests.conftest import prediction_body
from tests.review.received import receive

pytestmark = pytest.mark.loop
# The acceptance experiment sends 100,000.
ROWS = int(os.environ.get("ROUTED_ROWS", "3000"))
POLICY: dict[str, Any] = {
    "review": [{"name": "low_confidence", "when": {"field": "confidence", "lt": 0.53}, "p": 1.0, "kind": "gate"}],
    "sampling": {"kind": "active", "budget": 0.25, "tau": 0.5},
    "audit_floor": 0.05,
}
# What the requirement allows.
KILL_SECONDS = 5.0


def send(port: int, key: str, path: str, body: Any) -> Any:
    content = json.dumps(body).encode()
    head = f"POST /api/v1{path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\n"
    head += f"Content-Type: application/json\r\nConnection: close\r\nContent-Length: {len(content)}\r\n\r\n"
    status, _, answer = running.answer(port, head.encode() + content)
    assert status in (200, 201, 202), answer
    return json.loads(answer)


def routed(external_id: str) -> RoutingDecision | None:
    return RoutingDecision.objects.filter(prediction__external_id=external_id).first()


def test_a_worker_reviews_predictions_as_often_as_their_stored_propensity_says(start_worker: Any, model: Any) -> None:
    policy = policy_versions.create(model=model, document=POLICY, actor="test")
    rng = np.random.default_rng(11)
    receive_many(model, rng.uniform(0.5, 1.0, 500), first=0)
    start_worker(sweeping=True)
    running.eventually(lambda: RoutingDecision.objects.count() == 500, "the past is routed")
    policy_versions.activate(policy=policy, actor="test")
    receive_many(model, rng.uniform(0.5, 1.0, ROWS), first=500)
    waiting = Prediction.objects.filter(status="received")
    running.eventually(lambda: not waiting.exists(), "everything is routed", seconds=60 + ROWS / 200)
    rows = RoutingDecision.objects.filter(policy=policy).values_list("propensity", "review", "sampler_fit")
    propensity, review, fits = (np.array(column) for column in zip(*rows, strict=True))
    assert len(propensity) == ROWS
    assert len(set(fits.tolist())) == 1
    found = deciles(propensity.astype(float), review != "none")
    assert len(found) == DECILES
    assert max(decile.sigmas for decile in found) < 3
    assert propensity.mean() == pytest.approx(0.25, abs=0.02)


def test_the_kill_switch_stops_a_running_worker_within_seconds_without_redis_too(
    start_web: Any, start_worker: Any, own_redis: Any, model: Any, key: str
) -> None:
    policy = policy_versions.create(model=model, document={"audit_floor": 0.01}, actor="test")
    policy_versions.activate(policy=policy, actor="test")
    owner = access.create_service_key(name="owner", scopes=["admin"], model=model, created_by="test")[1]
    port = start_web()
    start_worker(sweeping=True)
    send(port, key, "/predictions/", prediction_body("before"))
    running.eventually(lambda: routed("before") is not None, "the worker routes")

    own_redis.stop()
    stopped_at = time.monotonic()
    send(port, owner, "/models/payments/kill-switch/", {"on": True, "reason": "wrong prices"})
    send(port, key, "/predictions/", prediction_body("without-redis"))
    # What a worker does that was told, or a sweeper anywhere: it reads the switch from the database.
    tasks.sweep_received()
    held = routed("without-redis")
    assert held is not None
    assert (held.disposition, held.reasons) == ("hold", ["kill_switch"])
    assert time.monotonic() - stopped_at < KILL_SECONDS

    own_redis.start()
    send(port, key, "/predictions/", prediction_body("with-redis"))
    running.eventually(lambda: routed("with-redis") is not None, "the worker is back")
    assert routed("with-redis").disposition == "hold"
    soon = (timezone.now() + timedelta(seconds=1)).isoformat()
    send(port, owner, "/models/payments/kill-switch/", {"on": True, "reason": "a little longer", "expires_at": soon})
    ended = AuditEvent.objects.filter(action="kill_switch.expired")
    running.eventually(ended.exists, "the switch has expired")
    send(port, key, "/predictions/", prediction_body("after"))
    running.eventually(lambda: routed("after") is not None, "the worker routes again")
    assert routed("after").disposition == "proceed"


def receive_many(model: Any, confidences: Any, *, first: int) -> None:
    """Received predictions of each confidence, in bulk; no worker sees them half made."""
    with transaction.atomic():
        made = receive(model, len(confidences), first=first)
        for prediction, confidence in zip(made, confidences.tolist(), strict=True):
            prediction.scores, prediction.confidence = [confidence, 1 - confidence], confidence
        Prediction.objects.bulk_update(made, ["scores", "confidence"])
