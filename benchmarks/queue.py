"""Claiming and deciding with many open items, against the bare UPDATE on the same rows in the same run.

`python -m benchmarks.queue --items 1000000` makes a database of its own, fills it, and prints one JSON
line per figure: rate, p50, p95 (milliseconds), and the ratio to the raw statement.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

from benchmarks import apart

CLIENTS = 8
SECONDS = 4.0
RAW = """
    UPDATE review_queueitem
    SET lease_token = %s, lease_holder = %s, lease_expires_at = clock_timestamp() + interval '1 h'
    WHERE id = (SELECT id FROM review_queueitem
                WHERE queue_id = %s AND state = 'open'
                  AND (lease_expires_at IS NULL OR lease_expires_at < clock_timestamp())
                ORDER BY queue_id, priority DESC, enqueued_at, id LIMIT 1 FOR UPDATE SKIP LOCKED)
    RETURNING id
"""


def main() -> None:
    apart.run(__doc__, "items", 200_000, measure)


def measure(items: int) -> Iterator[dict[str, Any]]:
    began = time.monotonic()
    fill(items)
    print(f"filled {items} items in {time.monotonic() - began:.0f} s", file=sys.stderr)
    yield {"benchmark": "claim plan", "items": items, "index": claim_plan()}
    raw = rate(raw_claims)
    yield {"benchmark": "raw claim", "items": items, **raw}
    works = {"claim statement": claim_statements, "claim with all to show": claims, "claim + decide": pairs}
    for name, work in works.items():
        give_back_all()
        found = rate(work)
        yield {"benchmark": name, "items": items, **found, "ratio": round(found["rate"] / raw["rate"], 3)}


def fill(items: int) -> None:
    """One model with that many open items, by plain SQL."""
    from django.db import connection

    from models_registry.models import DataContract, LabelDefinition, ModelVersion, RegisteredModel
    from review.models import ReviewQueue

    model = RegisteredModel.objects.create(slug="bench", name="bench", task="binary", classes=["ok", "fraud"])
    contract = DataContract.objects.create(model=model, number=1, document={"features": []}, sha256="0" * 64)
    version = ModelVersion.objects.create(
        model=model, version="1", contract=contract, state="ready", created_by="bench"
    )
    LabelDefinition.objects.create(model=model, number=1, classes=model.classes, created_by="bench")
    queue = ReviewQueue.objects.create(slug="bench", lease_seconds=3600)
    queue.models.add(model)
    rows = {"model": model.pk, "version": version.pk, "queue": queue.pk, "items": items}
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO review_prediction (model_id, version_id, external_id, fingerprint, scores, predicted,
                                           confidence, status, occurred_at)
            SELECT %(model)s, %(version)s, 'p-' || n, repeat('0', 64), '{0.6,0.4}', 'ok', 0.6, 'routed', now()
            FROM generate_series(1, %(items)s) n""",
            rows,
        )
        cursor.execute(
            "INSERT INTO review_predictionpayload (prediction_id, features) SELECT id, '{}' FROM review_prediction"
        )
        cursor.execute(
            """
            INSERT INTO review_routingdecision (prediction_id, model_id, draw, p_gate, propensity, disposition, review,
                                                reasons, model_guess, oversight_always)
            SELECT id, model_id, 0, 1, 1, 'hold', 'gate', '[]', 0.6, false FROM review_prediction""",
        )
        cursor.execute(
            """
            INSERT INTO review_queueitem (prediction_id, slot, model_id, queue_id, kind, state, priority, enqueued_at,
                                          hold_fallback)
            SELECT id, 1, model_id, %(queue)s, 'gate', 'open', (id %% 5)::int, clock_timestamp(), ''
            FROM review_prediction""",
            rows,
        )
        cursor.execute("ANALYZE")


def give_back_all() -> None:
    """Every item open and free again, as if the reviewers before had decided elsewhere."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM review_lease WHERE ending IS NULL")
        cursor.execute(
            "UPDATE review_queueitem SET lease_token = NULL, lease_holder = NULL, lease_expires_at = NULL"
            " WHERE lease_token IS NOT NULL"
        )
        cursor.execute("VACUUM review_queueitem")


def claim_plan() -> str:
    """The index that the claim's inner scan uses."""
    from django.db import connection

    from review import claims
    from review.models import ReviewQueue

    line = ReviewQueue.objects.get()
    models = list(line.models.values_list("pk", flat=True))
    values = {"queue": line.pk, "models": models, "holder": "plan", "count": 1, **claims.terms()}
    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN (FORMAT JSON) " + claims.FRESH, values)
        plan = json.dumps(cursor.fetchone()[0])
    return next((name for name in ("item_claim_order",) if name in plan), "none") + (
        " without sort" if '"Sort"' not in plan else " with a sort"
    )


def rate(work: Callable[[str], Callable[[], None]]) -> dict[str, Any]:
    """Calls per second of CLIENTS processes over SECONDS, with percentiles of one call."""
    from django.db import connections

    connections.close_all()
    context = multiprocessing.get_context("fork")
    start, results = context.Barrier(CLIENTS), context.Queue()
    clients = [context.Process(target=_client, args=(work, start, results)) for _ in range(CLIENTS)]
    for client in clients:
        client.start()
    times = sorted(one for _ in clients for one in results.get())
    for client in clients:
        client.join()
    figures = {f"p{share}_ms": round(times[int(len(times) * share / 100)] * 1000, 2) for share in (50, 95, 99)}
    return {"rate": round(len(times) / SECONDS, 1), **figures, "clients": CLIENTS}


def _client(work: Callable[[str], Callable[[], None]], start: Any, results: Any) -> None:
    call = work(f"r-{uuid4().hex[:8]}")
    call()
    times = []
    start.wait()
    end = time.monotonic() + SECONDS
    while (begun := time.monotonic()) < end:
        call()
        times.append(time.monotonic() - begun)
    results.put(times)
    results.close()
    results.join_thread()
    # The parent's clean-up of the services is not the client's.
    os._exit(0)


def raw_claims(holder: str) -> Callable[[], None]:
    from django.db import connection

    from review.models import ReviewQueue

    line = ReviewQueue.objects.get().pk
    raw = connection.connection

    def call() -> None:
        with raw.cursor() as cursor:
            cursor.execute(RAW, [str(uuid4()), holder, line])
            assert cursor.fetchone()

    return call


def claim_statements(holder: str) -> Callable[[], None]:
    from review import claims, queue
    from review.models import ReviewQueue

    line = ReviewQueue.objects.get()
    models = list(line.models.values_list("pk", flat=True))

    def call() -> None:
        values = {"queue": line.pk, "models": models, "holder": holder, "count": 1, **claims.terms()}
        assert queue._take(claims.FRESH, values)

    return call


def claims(holder: str) -> Callable[[], None]:
    from review import queue
    from review.models import ReviewQueue

    line = ReviewQueue.objects.get()
    models = list(line.models.all())

    def call() -> None:
        assert queue.claim(queue=line, models=models, holder=holder)

    return call


def pairs(holder: str) -> Callable[[], None]:
    from models_registry import access
    from review import decisions, queue
    from review.models import ReviewQueue

    line = ReviewQueue.objects.get()
    models = list(line.models.all())
    key, _ = access.create_service_key(name=holder, scopes=["review"], created_by="bench")
    principal = access.principal_of_key(key)

    def call() -> None:
        [item] = queue.claim(queue=line, models=models, holder=principal.pseudonym)
        decisions.decide(token=item.lease_token, principal=principal, label="ok")

    return call


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    main()
