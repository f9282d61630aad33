"""A case whose model and whose colleague have left marks that stand nowhere else, and every way to look for them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from django.db import connection, transaction
from django.db.models import QuerySet
from django.test import Client
from django.test.client import MULTIPART_CONTENT
from django.utils import timezone

from feedback import labels
from feedback.models import OutcomeEvent
from models_registry import access
from models_registry.models import DatabaseNow
from review import decisions, queue
from review.models import (
    Explanation,
    Prediction,
    PredictionPayload,
    QueueItem,
    Resolution,
    ReviewQueue,
    RoutingDecision,
)
from tests.conftest import Cast
from tests.review.items import make_prediction
from tests.routes import routes

SCORE = 0.8713579
AROUND = 12
# As numbers in a body, and as pages round them.
MODEL_MARKS = (
    "0.8713579", "0.128642", "0.871", "0.87<", "0.4531977", "0.453", "reason_of_mark", "reason of mark",
    "RAW-MARK",
    "0.7317311",
)  # fmt: skip
COLLEAGUE_MARKS = ("RATIONALE-MARK", "OUTCOME-MARK")
# Ways that only change something, or that need an object which the world does not have.
NOT_LOOKED_AT = ("sign-out/", "static", "models/<slug:slug>/versions/<str:version>/promote/")

# Ways that may end the lease.
ENDS = ("release/", "escalate/", "hand-over/", "skip/", "give-back/")


@dataclass
class World:
    item: QueueItem
    bob: access.Principal
    alice: access.Principal
    client: Client


def make(cast: Cast, mode: str, kind: str = "gate") -> World:
    """Alice is yet to answer a case that Bob has answered; around it are others that he answered alone."""
    bob, alice = access.principal_of_user(cast.bob), access.principal_of_user(cast.alice)
    for number in range(AROUND):
        around = _case(cast, f"around-{number}", 0.851 + 0.001 * number, kind, "another")
        _answer(around, bob, "")
        _told(around.prediction, cast, "elsewhere")
    ReviewQueue.objects.filter(slug="payments").update(mode=mode, required_decisions=2)
    item = _case(cast, "the-case", SCORE, kind, "reason_of_mark", required=2)
    found = item.prediction
    # The only one of its time, so that figures of a short window are the case alone.
    found.occurred_at = timezone.now() - timedelta(hours=30)
    type(found).objects.filter(pk=found.pk).update(
        entity_id="entity-1", occurred_at=found.occurred_at, groups={"segment": "rare"}
    )
    PredictionPayload.objects.filter(prediction=found).update(raw={"said": "RAW-MARK"})
    Explanation.objects.create(
        prediction=found, status="ready", explained_class="fraud", origin="posted", space="probability",
        base_value=0.5, output=SCORE, computed_at=DatabaseNow(),
        contributions=[{"feature": "amount", "value": 12.5, "contribution": 0.4531977}],
    )  # fmt: skip
    second = QueueItem.objects.create(
        prediction=found, model=cast.model, queue=item.queue, kind=kind, slot=2, required=2
    )
    _answer(item, bob, "RATIONALE-MARK")
    _told(found, cast, "OUTCOME-MARK")
    labels.pull(limit=10 * AROUND)
    client = Client()
    client.force_login(cast.alice)
    return World(second, bob, alice, client)


def _case(cast: Cast, name: str, score: float, kind: str, reason: str, required: int = 1) -> QueueItem:
    shown = {"scores": [1 - score, score], "predicted": "fraud", "confidence": score}
    found = make_prediction(cast.model, name, **shown)
    drawn = 0.7317311 if name == "the-case" else 0.6
    values = {"draw": 0.05, "p_gate": float(kind == "gate"), "propensity": 1.0 if kind == "gate" else drawn}
    RoutingDecision.objects.create(
        prediction=found, model=cast.model, review=kind, disposition="hold" if kind == "gate" else "refuse",
        reasons=[reason], model_guess=score, oversight_always=False, **values,
    )  # fmt: skip
    if kind == "audit":
        Resolution.objects.create(prediction=found, model=cast.model, label="fraud", disposition="refuse", by="model")
    line = ReviewQueue.objects.get(slug="payments")
    return QueueItem.objects.create(prediction=found, model=cast.model, queue=line, kind=kind, required=required)


def age(rows: QuerySet[Any], **times: Any) -> None:
    """Let append-only rows be old, as no clock in a test can make them."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        rows.update(**times)
        cursor.execute("SET LOCAL session_replication_role = origin")


def _answer(item: QueueItem, person: access.Principal, rationale: str) -> None:
    [held] = queue.claim(queue=item.queue, models=[item.model], holder=person.pseudonym, item=item.pk)
    decisions.decide(token=held.lease_token, principal=person, label="ok", rationale=rationale)


def _told(prediction: Prediction, cast: Cast, source: str) -> None:
    OutcomeEvent.objects.create(
        prediction=prediction, model=cast.model, value="ok", source=source, kind="explicit",
        definition=cast.model.definitions.get(), observed_at=DatabaseNow(),
    )  # fmt: skip


def answers(world: World, token: Any = None) -> dict[str, str]:
    """Everything that Alice can get, by its address, as text."""
    found: dict[str, str] = {}
    for route, _ in routes():
        if route.startswith(NOT_LOOKED_AT):
            continue
        for address in _addresses(route, world, token):
            for accept in ("text/csv", "application/x-ndjson") if "/labels/" in address else ("*/*",):
                answer = world.client.get(address, headers={"Accept": accept})
                body = b"".join(answer) if answer.streaming else answer.content
                found[f"GET {address} as {accept} {answer.status_code}"] = body.decode(errors="replace")
    return found


def posted(world: World, token: Any) -> dict[str, str]:
    """What Alice is told when she posts nothing but her lease wherever something can be posted, the ends of it last."""
    found: dict[str, str] = {}
    ways = [(route, address) for route, _ in routes() for address in _addresses(route, world, token)]
    for route, address in sorted(ways, key=lambda way: way[0].endswith(ENDS)):
        if route.startswith(NOT_LOOKED_AT):
            continue
        api = route.startswith("api/")
        body, kind = ({}, "application/json") if api else ({"token": str(token)}, MULTIPART_CONTENT)
        answer = world.client.post(address, body, kind, follow=not api)
        text = b"".join(answer) if answer.streaming else answer.content
        found[f"POST {address} {answer.status_code}"] = text.decode(errors="replace")
    return found


def _addresses(route: str, world: World, token: Any) -> list[str]:
    values = {
        "<slug:slug>": "payments", "<slug:model>": "payments", "<str:version>": "1", "<int:number>": "1",
        "<int:place>": "0", "<uuid:token>": str(token), "<str:token>": str(token), "<str:sha256>": "0" * 64,
        "<int:pk>": str(world.item.prediction_id), "<str:pk>": str(world.item.prediction_id),
    }  # fmt: skip
    filled = route
    for name, value in values.items():
        filled = filled.replace(name, value)
    if "<" in filled or "(?P" in filled:
        return []
    found = [f"/{filled}"]
    if filled.endswith("predictions/") and "models/" not in filled:
        found += [
            "/predictions/?q=entity-1",
            "/api/v1/predictions/?external_id=the-case",
            "/predictions/?status=routed",
        ]
    if filled.endswith("/quality/") and filled.startswith("api/"):
        at = world.item.prediction.occurred_at
        window = urlencode({"from": at.isoformat(), "to": (at + timedelta(milliseconds=1)).isoformat()})
        found += [f"/{filled}?{window}{more}" for more in ("", "&version=1", "&series=day", "&group=segment")]
    if filled.endswith("review/"):
        found.append(f"/{filled}?plain")
    return found


def leaks(found: dict[str, str], marks: tuple[str, ...]) -> set[tuple[str, str]]:
    """Which mark stands where."""
    return {(address, mark) for address, text in found.items() for mark in marks if mark in text}
