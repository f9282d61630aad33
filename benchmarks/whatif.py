"""Previewing a policy on many past predictions, against reading the same columns alone in the same run.

`python -m benchmarks.whatif --predictions 100000` makes a database of its own, fills it, and prints one JSON
line per policy: seconds at best and at worst of several runs, and the ratio to the bare read.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from benchmarks import apart

RUNS = 5
GATE = {"name": "low_confidence", "when": {"field": "confidence", "lt": 0.75}, "p": 1.0, "kind": "gate"}
MINOR = {"name": "minor", "when": {"field": "feature.age", "lt": 18}, "disposition": "refuse"}
FLOORS = [{"when": {"field": "group.segment", "eq": "vip"}, "p": 0.35}]
POLICIES: dict[str, dict[str, Any]] = {
    "threshold": {"review": [GATE], "audit_floor": 0.05},
    "active": {"review": [GATE], "sampling": {"kind": "active", "budget": 0.4}, "audit_floor": 0.02},
    "features and groups": {
        "rules": [MINOR],
        "review": [GATE],
        "sampling": {"kind": "active", "budget": 0.4, "floors": FLOORS},
        "audit_floor": 0.02,
    },
}


def main() -> None:
    apart.run(__doc__, "predictions", 100_000, measure)


def measure(rows: int) -> Iterator[dict[str, Any]]:
    from rest_framework.test import APIClient

    from feedback import whatif
    from models_registry import access

    began = time.monotonic()
    model = fill(rows)
    print(f"filled {rows} predictions in {time.monotonic() - began:.0f} s", file=sys.stderr)
    raw = seconds(lambda: whatif.load(model, [], last=rows))
    yield {"benchmark": "what-if: read", "predictions": rows, **raw}
    _, secret = access.create_service_key(name="bench", scopes=["admin"], created_by="bench")
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")

    def preview(document: dict[str, Any]) -> None:
        path = f"/api/v1/models/{model.slug}/policies/preview/?last={rows}"
        answer = client.post(path, document, format="json", HTTP_HOST="localhost")
        assert (answer.status_code, answer.json()["predictions"]) == (200, rows), answer.content[:500]

    for name, document in POLICIES.items():
        found = seconds(lambda document=document: preview(document))
        ratio = round(found["best"] / raw["best"], 2)
        yield {"benchmark": f"what-if: {name}", "predictions": rows, **found, "ratio": ratio}


def seconds(work: Callable[[], object]) -> dict[str, float]:
    taken = []
    for _ in range(RUNS):
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return {"best": round(min(taken), 3), "worst": round(max(taken), 3)}


def fill(rows: int) -> Any:
    """One model with that many routed predictions, a third of them labelled, by plain SQL."""
    from django.db import connection

    from models_registry.models import DataContract, LabelDefinition, ModelVersion, RegisteredModel
    from review.models import PolicyVersion, ReviewQueue, RoutingControl

    contract = {"features": [{"name": "age", "dtype": "int"}, {"name": "note", "dtype": "text"}]}
    model = RegisteredModel.objects.create(
        slug="bench", name="bench", task="binary", classes=["ok", "fraud"], positive_class="fraud", review_cost=0.5,
        costs={"ok": {"fraud": 20}, "fraud": {"ok": 1}},
    )  # fmt: skip
    stored = DataContract.objects.create(model=model, number=1, document=contract, sha256="0" * 64)
    version = ModelVersion.objects.create(model=model, version="1", contract=stored, state="ready", created_by="bench")
    model.champion = version
    model.save()
    definition = LabelDefinition.objects.create(model=model, number=1, classes=model.classes, created_by="bench")
    queue = ReviewQueue.objects.create(slug="bench")
    queue.models.add(model)
    live = PolicyVersion.objects.create(model=model, number=1, document=POLICIES["threshold"], created_by="bench")
    RoutingControl.objects.create(model=model, active=live)
    names = {"model": model.pk, "version": version.pk, "queue": queue.pk, "rows": rows, "definition": definition.pk}
    with connection.cursor() as cursor:
        for statement in STATEMENTS:
            cursor.execute(statement, names)
    return RegisteredModel.objects.get(pk=model.pk)


STATEMENTS = (
    """INSERT INTO review_prediction (model_id, version_id, external_id, fingerprint, scores, predicted, confidence,
                                       groups, status, occurred_at)
       SELECT %(model)s, %(version)s, 'p-' || n, repeat('0', 64), ARRAY[p, 1 - p],
              CASE WHEN p >= 0.5 THEN 'ok' ELSE 'fraud' END, greatest(p, 1 - p),
              jsonb_build_object('segment', CASE WHEN n %% 8 = 0 THEN 'vip' ELSE 'plain' END), 'routed',
              now() - n * interval '20 s'
       FROM (SELECT n, random() AS p FROM generate_series(1, %(rows)s) n) drawn""",
    """INSERT INTO review_predictionpayload (prediction_id, features)
       SELECT id, jsonb_build_object('age', 15 + id %% 60, 'note', repeat('x', 200)) FROM review_prediction""",
    """INSERT INTO review_routingdecision (prediction_id, model_id, draw, p_gate, propensity, disposition, review,
                                            reasons, model_guess, oversight_always)
       SELECT id, %(model)s, u, gate, pi, CASE WHEN u < gate THEN 'hold' ELSE 'proceed' END,
              CASE WHEN u < gate THEN 'gate' WHEN u < pi THEN 'audit' ELSE 'none' END, '[]', confidence, false
       FROM (SELECT id, confidence, random() AS u, CASE WHEN confidence < 0.6 THEN 1 ELSE 0 END AS gate,
                    CASE WHEN confidence < 0.6 THEN 1 ELSE 0.15 END AS pi FROM review_prediction) drawn""",
    """INSERT INTO review_queueitem (prediction_id, slot, model_id, queue_id, kind, state, priority, enqueued_at,
                                      hold_fallback)
       SELECT prediction_id, 1, model_id, %(queue)s, review, 'decided', 0, routed_at, ''
       FROM review_routingdecision WHERE review <> 'none'""",
    """INSERT INTO review_lease (token, item_id, holder, expires_at)
       SELECT gen_random_uuid(), id, 'r-bench', now() FROM review_queueitem""",
    """INSERT INTO review_reviewdecision (item_id, prediction_id, model_id, kind, lease_id, reviewer, definition_id,
                                           label, abstained, reason_codes, rationale, mode, explanation_shown,
                                           seconds_active)
       SELECT i.id, i.prediction_id, i.model_id, 'decision', l.token, 'r-bench', %(definition)s,
              CASE WHEN random() < p.scores[1] THEN 'ok' ELSE 'fraud' END, false, '[]', '', 'assisted', true, 12
       FROM review_queueitem i JOIN review_lease l ON l.item_id = i.id
       JOIN review_prediction p ON p.id = i.prediction_id""",
    """INSERT INTO feedback_label (prediction_id, model_id, source, value, definition_id, selection, propensity,
                                    decision_id, observed_at)
       SELECT d.prediction_id, d.model_id, 'review', d.label, d.definition_id, 'draw', r.propensity, d.id, now()
       FROM review_reviewdecision d JOIN review_routingdecision r ON r.prediction_id = d.prediction_id""",
    "ANALYZE",
)


if __name__ == "__main__":
    main()
