"""The quality page's document with long history: from running sums, against the same from rows in the same run.

`python -m benchmarks.quality --predictions 1000000` makes a database of its own, fills ninety days with that many
predictions, a tenth of them reviewed, sums the days, and prints one JSON line per figure: milliseconds, the limit
and the ratio to it.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from benchmarks import apart

DAYS = 90
LIMIT_MS = 300.0
ROUNDS = 7
# Beyond this the recomputation from rows says nothing new and takes all memory.
MOST_ROWS = 200_000
_FILL = """
    INSERT INTO review_prediction (model_id, version_id, external_id, fingerprint, scores, predicted, confidence,
                                   status, occurred_at, received_at)
    SELECT %(model)s, %(version)s, 'p-' || n, repeat('0', 64),
           CASE WHEN fraud THEN ARRAY[1 - s, s] ELSE ARRAY[s, 1 - s] END, CASE WHEN fraud THEN 'fraud' ELSE 'ok' END,
           s, 'routed', at, at
    FROM (SELECT n, 0.5 + 0.5 * sqrt(random()) AS s, random() < 0.2 AS fraud,
                 now() - (%(count)s - n) * interval '90 days' / %(count)s AS at
          FROM generate_series(1, %(count)s) n) rows;
    INSERT INTO review_routingdecision (prediction_id, model_id, draw, p_gate, propensity, disposition, review, reasons,
                                        model_guess, oversight_always, routed_at)
    SELECT id, model_id, draw, 0, pi, 'proceed', CASE WHEN draw < pi THEN 'audit' ELSE 'none' END, '[]', confidence,
           false, occurred_at + interval '1 second'
    FROM (SELECT *, random() AS draw, least(0.03 + 0.42 * (1 - confidence), 1) AS pi FROM review_prediction) p;
    INSERT INTO review_queueitem (prediction_id, slot, model_id, queue_id, kind, state, priority, enqueued_at,
                                  hold_fallback)
    SELECT prediction_id, 1, model_id, %(queue)s, 'audit', 'decided', 0, routed_at, ''
    FROM review_routingdecision WHERE review <> 'none';
    INSERT INTO review_lease (token, item_id, queue_id, audit, holder, claimed_at, expires_at, explanation_shown,
                              renewals)
    SELECT gen_random_uuid(), id, queue_id, true, 'r', enqueued_at, enqueued_at, false, 0 FROM review_queueitem;
"""


def main() -> None:
    apart.run(__doc__, "predictions", 100_000, measure)


def measure(count: int) -> Iterator[dict[str, Any]]:
    from django.utils import timezone

    from feedback import monitoring
    from models_registry.models import RegisteredModel

    began = time.monotonic()
    labels = fill(count)
    print(f"filled in {time.monotonic() - began:.0f} s", file=sys.stderr)
    model, began = RegisteredModel.objects.get(), time.monotonic()
    monitoring.refresh(model, seconds=3600)
    took = time.monotonic() - began
    size = {"predictions": count, "labels": labels}
    yield {"benchmark": "sum all days", **size, "seconds": round(took, 2), "per_day_ms": round(took / DAYS * 1000, 1)}
    month, cut = monitoring.midnight(timezone.now(), days=30), timezone.now() - timedelta(days=30)
    works: dict[str, Callable[[], Any]] = {
        "quality, all time": lambda: monitoring.quality(model=model),
        "quality, 30 days": lambda: monitoring.quality(model=model, start=month),
        "quality, 30 days that cut one": lambda: monitoring.quality(model=model, start=cut),
        "series by day": lambda: monitoring.quality_series(model=model, by="day"),
        "delays": lambda: monitoring.delays(model=model),
    }
    for name, work in works.items():
        yield {"benchmark": name, **size, **timed(work)}
    if count <= MOST_ROWS:
        yield {
            "benchmark": "quality from rows",
            **size,
            **timed(lambda: monitoring.quality(model=model, from_rows=True), 1),
        }


def timed(work: Callable[[], Any], rounds: int = ROUNDS) -> dict[str, float]:
    """The median of some rounds after one that warms up."""
    times = []
    for _ in range(rounds + 1):
        begun = time.monotonic()
        work()
        times.append((time.monotonic() - begun) * 1000)
    found = statistics.median(times[1:])
    return {"ms": round(found, 1), "limit_ms": LIMIT_MS, "ratio": round(found / LIMIT_MS, 3)}


def fill(count: int) -> int:
    """Ninety days of predictions, by plain SQL, and decisions on those that were drawn; how many there are."""
    from django.db import connection

    from feedback import labels
    from models_registry.models import DataContract, LabelDefinition, ModelVersion, RegisteredModel
    from review.models import ReviewQueue

    model = RegisteredModel.objects.create(
        slug="bench", name="bench", task="binary", classes=["ok", "fraud"], positive_class="fraud"
    )
    contract = DataContract.objects.create(model=model, number=1, document={"features": []}, sha256="0" * 64)
    version = ModelVersion.objects.create(
        model=model, version="1", contract=contract, state="ready", created_by="bench"
    )
    definition = LabelDefinition.objects.create(model=model, number=1, classes=model.classes, created_by="bench")
    queue = ReviewQueue.objects.create(slug="bench", lease_seconds=3600)
    queue.models.add(model)
    with connection.cursor() as cursor:
        cursor.execute("SELECT setseed(0.5)")
        cursor.execute(_FILL, {"model": model.pk, "version": version.pk, "queue": queue.pk, "count": count})
        columns = {
            "item_id": "i.id", "prediction_id": "i.prediction_id", "model_id": "i.model_id", "lease_id": "l.token",
            "definition_id": str(definition.pk), "reviewer": "'r'", "kind": "'decision'", "abstained": "false",
            "reason_codes": "'[]'", "rationale": "''", "mode": "'assisted'", "explanation_shown": "false",
            "label": "CASE WHEN random() < p.confidence THEN p.predicted WHEN p.predicted = 'ok' THEN 'fraud'"
                     " ELSE 'ok' END",
            "decided_at": "i.enqueued_at - ln(1 - random()) * interval '8 hours'",
        }  # fmt: skip
        names, values = ", ".join(columns), ", ".join(columns.values())
        cursor.execute(
            f"INSERT INTO review_reviewdecision ({names}) SELECT {values} FROM review_queueitem i"  # noqa: S608
            " JOIN review_lease l ON l.item_id = i.id JOIN review_prediction p ON p.id = i.prediction_id ORDER BY i.id"
        )
        cursor.execute("ANALYZE")
    while labels.pull(limit=20_000):
        pass
    with connection.cursor() as cursor:
        # Labels come when decisions are made; what lies in the future has not come yet.
        cursor.execute("UPDATE feedback_label SET created_at = observed_at")
        cursor.execute("UPDATE feedback_label SET retired_at = now() WHERE observed_at > now()")
        cursor.execute("VACUUM ANALYZE")
        cursor.execute("SELECT count(*) FROM feedback_label WHERE retired_at IS NULL")
        [found] = cursor.fetchone()
    return int(found)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    main()
