"""Sixteen callers over HTTP who claim, answer, give back and walk away; and what must hold of the leases after."""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any

from django.db.models import F

from models_registry import access
from models_registry.models import RegisteredModel
from review.models import (
    Lease,
    Prediction,
    PredictionPayload,
    QueueItem,
    Resolution,
    ReviewQueue,
    RoutingDecision,
)
from tests.running import Web
from tests.threads import in_threads

CLIENTS = 16
PREFETCH = 5
BACK_AFTER_SECONDS = 30


@dataclass
class Caller:
    """One service with a key of its own; a server that is away is tried again, as a service would."""

    server: Web
    key: str
    _connected: http.client.HTTPConnection | None = None

    def post(self, path: str, body: dict[str, Any]) -> tuple[int, Any]:
        deadline = time.monotonic() + BACK_AFTER_SECONDS
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        while True:
            try:
                if self._connected is None:
                    self._connected = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=30)
                self._connected.request("POST", "/api/v1" + path, json.dumps(body), headers)
                answer = self._connected.getresponse()
                raw = answer.read()
                return answer.status, json.loads(raw) if raw else answer.headers["Reason"]
            except (OSError, http.client.HTTPException):
                self.close()
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def close(self) -> None:
        if self._connected is not None:
            self._connected.close()
        self._connected = None


@dataclass
class Crowd:
    """Callers at work on one queue, each with its own draws of what it does with a case."""

    server: Web
    model: RegisteredModel
    answers: float = 0.35
    gives_back: float = 0.15
    handed: list[tuple[str, str]] = field(default_factory=list)
    refused: list[Any] = field(default_factory=list)
    claims: int = 0
    _keys: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    # Set once so many leases are out; a test may then do something to the server.
    halfway: threading.Event = field(default_factory=threading.Event)
    halfway_at: int = 0

    def __post_init__(self) -> None:
        for number in range(CLIENTS):
            _, secret = access.create_service_key(
                name=f"caller {number}", scopes=["review"], model=self.model, created_by="test"
            )
            self._keys.append(secret)

    def work(self, *, answers: float | None = None) -> None:
        """All of them at once, until each was told that there is nothing for it."""
        share = self.answers if answers is None else answers
        in_threads(CLIENTS, lambda number: self._one(number, share))

    def _one(self, number: int, share: float) -> None:
        draw = Random(number)
        with contextlib.closing(Caller(self.server, self._keys[number])) as caller:
            self._until_there_is_nothing(caller, draw, share)

    def _until_there_is_nothing(self, caller: Caller, draw: Random, share: float) -> None:
        while True:
            path = f"/queues/{self.model.slug}/claim/"
            status, body = caller.post(path, {"prefetch": 1 + draw.randrange(PREFETCH)})
            if status == 204:
                return
            assert status == 200, body
            with self._lock:
                self.claims += 1
                self.handed += [(item["lease"]["token"], item["id"]) for item in body["items"]]
                if self.halfway_at and len(self.handed) >= self.halfway_at:
                    self.halfway.set()
            for item in body["items"]:
                self._act(caller, item["lease"]["token"], draw.random(), share)

    def _act(self, caller: Caller, token: str, drawn: float, share: float) -> None:
        if drawn < share:
            status, body = caller.post(f"/leases/{token}/decide/", {"label": "ok"})
        elif drawn < share + self.gives_back:
            status, body = caller.post(f"/leases/{token}/release/", {"reason": "not mine"})
        else:
            return
        if status not in (200, 201):
            with self._lock:
                self.refused.append((status, body["code"]))


def waiting(model: RegisteredModel, single: int, double: int) -> int:
    """Predictions that wait, ``double`` of them for two people each; returns how many places there are."""
    line = ReviewQueue.objects.get(slug=model.slug)
    shared: dict[str, Any] = {"model": model, "version": model.champion, "scores": [0.6, 0.4], "predicted": "ok"}
    shared |= {"confidence": 0.6, "status": "routed", "fingerprint": "0" * 64, "occurred_at": "2026-01-01T00:00:00Z"}
    rows = Prediction.objects.bulk_create(
        [Prediction(external_id=f"m-{number}", **shared) for number in range(single + double)], batch_size=1000
    )
    PredictionPayload.objects.bulk_create([PredictionPayload(prediction=row, features={}) for row in rows])
    RoutingDecision.objects.bulk_create(
        [
            RoutingDecision(
                prediction=row, model=model, draw=0.1, p_gate=0.0, propensity=0.3, review="audit",
                disposition="proceed", reasons=["sampling"], model_guess=0.6, oversight_always=False,
            )
            for row in rows
        ],
        batch_size=1000,
    )  # fmt: skip
    Resolution.objects.bulk_create(
        [Resolution(prediction=row, model=model, label="ok", disposition="proceed", by="model") for row in rows],
        batch_size=1000,
    )
    items = [
        QueueItem(prediction=row, model=model, queue=line, kind="audit", slot=slot, required=required)
        for place, row in enumerate(rows)
        for required in [2 if place < double else 1]
        for slot in range(1, required + 1)
    ]
    return len(QueueItem.objects.bulk_create(items, batch_size=1000))


def let_time_pass() -> None:
    """Every lease that is out runs out, as an hour would make it."""
    hour = timedelta(hours=1)
    tokens = QueueItem.objects.filter(lease_token__isnull=False).values_list("lease_token", flat=True)
    Lease.objects.filter(token__in=list(tokens)).update(
        claimed_at=F("claimed_at") - hour, expires_at=F("expires_at") - hour
    )
    QueueItem.objects.filter(lease_token__isnull=False).update(lease_expires_at=F("lease_expires_at") - hour)


@dataclass(frozen=True)
class Held:
    """One lease: of which prediction, from when to when, and whether it ended in an answer that stands."""

    prediction: int
    holder: str
    start: datetime
    end: datetime
    answered: bool


def leases() -> list[Held]:
    rows = Lease.objects.values_list("item__prediction", "holder", "claimed_at", "ended_at", "expires_at", "ending")
    return [Held(row[0], row[1], row[2], row[3] or row[4], row[5] == "decided") for row in rows]


def beyond_overlap(held: Iterable[Held], required: dict[int, int]) -> list[int]:
    """Predictions that were, at some moment, with more people or answers than they need, or with one person twice."""
    by_prediction: dict[int, list[Held]] = defaultdict(list)
    for one in held:
        by_prediction[one.prediction].append(one)
    return sorted(pk for pk, rows in by_prediction.items() if _most_at_once(rows) > required[pk] or _twice(rows))


def _most_at_once(rows: list[Held]) -> int:
    # An answer keeps its place for good. At one instant an end comes before a start.
    events = [(one.start, 1) for one in rows] + [(one.end, -1) for one in rows if not one.answered]
    most = at_once = 0
    for _, change in sorted(events):
        at_once += change
        most = max(most, at_once)
    return most


def _twice(rows: list[Held]) -> bool:
    """Whether one person answered it twice, or held two places of it at a time."""
    by_holder: dict[str, list[Held]] = defaultdict(list)
    for one in rows:
        by_holder[one.holder].append(one)
    return any(_most_at_once(own) > 1 for own in by_holder.values())
