"""The newest routed predictions of a model in columns, read as numbers: no row of them becomes an object.

PostgreSQL's binary COPY of columns of eight bytes has rows of one length, which numpy reads as they are.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from django.db import connection
from django.utils import timezone
from numpy.typing import NDArray

from feedback.arrivals import last_learned, seen_probability
from feedback.delays import AGREE, LEAST, OVERRIDE
from feedback.delays import UNKNOWN as NO_VERDICT
from feedback.estimators.linear import Evidence
from feedback.estimators.rows import UNKNOWN
from feedback.whatif.fields import MOST_WHOLE, asks_for_whole, columns_of
from models_registry.models import RegisteredModel
from review import policies, policy_facts, samplers
from review.policies import Floats, Integers

DAY = 86_400.0
# A shorter stretch of time says nothing about a day.
SHORTEST = 3_600.0
# Rows times classes: each table of a replay holds so many numbers, and there are several.
MOST_CELLS = 4_000_000
# Reference rows are known by bin; so many rows stand for them.
MOST_REFERENCE = 10_000
REVIEWS = np.array(["none", "audit", "gate"])

_INTEGERS = ("id", "version", "predicted", "review", "label")
_FLOATS = ("occurred", "received", "draw", "p_gate", "propensity", "confidence", "value")
_SIGNATURE, _TRAILER = 19, 2
_COPY = """
    COPY (
        SELECT p.id, p.version_id::int8, (coalesce(array_position(%(classes)s::text[], p.predicted), 1) - 1)::int8,
            (CASE r.review WHEN 'gate' THEN 2 WHEN 'audit' THEN 1 ELSE 0 END)::int8,
            (coalesce(array_position(%(classes)s::text[], l.value), 0) - 1)::int8,
            extract(epoch FROM p.occurred_at)::float8, extract(epoch FROM p.received_at)::float8,
            r.draw, r.p_gate, r.propensity, p.confidence, coalesce(p.value, 'NaN'), {scores}
        FROM review_prediction p JOIN review_routingdecision r ON r.prediction_id = p.id
        LEFT JOIN feedback_label l ON l.prediction_id = p.id AND l.source = 'review' AND l.selection = 'draw'
            AND l.retired_at IS NULL
        WHERE p.model_id = %(model)s AND p.status <> 'withdrawn'
          AND (%(before)s::timestamptz IS NULL OR (p.received_at < %(before)s AND p.occurred_at < %(before)s))
        ORDER BY p.id DESC LIMIT %(last)s
    ) TO STDOUT (FORMAT binary)
"""


@dataclass(frozen=True)
class Past:
    """N rows to try a policy on, newest first; ``ids`` and ``draws`` (N,), ``evidence`` as the estimators read it.

    ``source``: ``predictions``, or ``reference`` for the champion's reference rows, of which nothing but the
    confidence is known. ``per_day``: predictions a day, None where the rows do not tell. ``right`` (N,): 1 or
    0 where a label is known, nan elsewhere.
    """

    source: str
    batch: policies.Batch
    ids: Integers
    draws: Floats
    occurred: Floats
    evidence: Evidence

    def __len__(self) -> int:
        return len(self.batch)

    @property
    def right(self) -> Floats:
        known, labels = self.evidence.known, self.evidence.labels
        return np.where(known, (labels == self.batch.predicted).astype(np.float64), np.nan)

    @property
    def per_day(self) -> float | None:
        return rate(self.occurred)


def load(
    model: RegisteredModel, asking: Sequence[policies.Policy], *, last: int, before: datetime | None = None
) -> Past:
    """The ``last`` routed predictions (``before`` a time) with what these policies ask for; the reference rows if none.

    At most MOST_CELLS of scores, and of predictions whose payload must be read whole at most MOST_WHOLE.
    """
    last = min(last, MOST_CELLS // len(model.classes), MOST_WHOLE if asks_for_whole(asking) else last)
    table = _table(model, last, before)
    if not table.size:
        return _reference(model)
    columns: dict[str, Any] = {name: table[name].astype(np.float64) for name in _FLOATS}
    columns |= {name: table[name].astype(np.int64) for name in _INTEGERS}
    scores = np.stack([table[f"s{place}"].astype(np.float64) for place in range(len(model.classes))], axis=1)
    labels, seen = _seen(model, columns)
    ids = columns["id"]
    batch = policies.Batch(
        setting=policy_facts.setting_of(model),
        scores=scores,
        predicted=columns["predicted"],
        confidence=columns["confidence"],
        guess=columns["confidence"],
        value=columns["value"],
        columns=columns_of(model, asking, ids, columns["version"], columns["received"]),
    )
    evidence = Evidence(beliefs(scores), labels, seen)
    return Past("predictions", batch, ids, columns["draw"], columns["occurred"], evidence)


def rate(occurred: Floats) -> float | None:
    """Events a day, by the middle 98 % of their times in seconds; None for less than an hour of them.

    >>> round(rate(np.arange(1000) * 864.0))
    100
    >>> rate(np.arange(10.0)) is None
    True
    """
    if occurred.size < 2:
        return None
    first, last = np.quantile(occurred, (0.01, 0.99))
    return None if last - first < SHORTEST else float(0.98 * (occurred.size - 1) / (last - first) * DAY)


def beliefs(scores: Floats) -> Floats:
    """(K, N): the scores (N, K) of each row as probabilities that sum to 1."""
    columns = np.ascontiguousarray(scores.T)
    return np.asarray(columns / np.maximum(columns.sum(axis=0), 1e-18))


def _table(model: RegisteredModel, last: int, before: datetime | None) -> NDArray[Any]:
    classes = len(model.classes)
    # A null would make its row shorter than the others.
    scores = ", ".join(f"coalesce(p.scores[{place + 1}], 0)" for place in range(classes))
    found = io.BytesIO()
    with connection.cursor() as cursor:
        parameters = {"classes": model.classes, "model": model.pk, "last": last, "before": before}
        cursor.copy_expert(cursor.mogrify(_COPY.format(scores=scores), parameters), found)
    types = dict.fromkeys(_INTEGERS, ">i8") | dict.fromkeys((*_FLOATS, *(f"s{k}" for k in range(classes))), ">f8")
    # Each cell is its length, 4 bytes, and 8 bytes of its value; each row begins with the number of cells.
    row = [("cells", ">i2")]
    for name, kind in types.items():
        row += [(f"length {name}", ">i4"), (name, kind)]
    return np.frombuffer(found.getbuffer()[_SIGNATURE:-_TRAILER], dtype=np.dtype(row))


def _seen(model: RegisteredModel, columns: dict[str, Any]) -> tuple[Integers, Floats]:
    """Labels, -1 where unknown, and the probability that each is known by now.

    A label that had hardly a chance to be here would weigh too much to say anything, and does not count.
    """
    now = timezone.now()
    labels, kind = columns["label"], REVIEWS[columns["review"]]
    agrees = np.where(labels == columns["predicted"], AGREE, OVERRIDE)
    seen = seen_probability(
        last_learned(model, now=now).model,
        kind=kind,
        p_gate=columns["p_gate"],
        propensity=columns["propensity"],
        verdict=np.where(labels == UNKNOWN, NO_VERDICT, agrees),
        age=np.maximum(now.timestamp() - columns["received"], 0.0),
    )
    known = (labels != UNKNOWN) & (seen >= LEAST * columns["propensity"])
    return np.where(known, labels, UNKNOWN), np.where(seen > 0, seen, columns["propensity"])


def _reference(model: RegisteredModel) -> Past:
    """The champion's reference rows as their confidences; what is asked of anything else is not known."""
    middles, counts = samplers.reference_confidence(model)
    total = float(counts.sum())
    wanted = counts * min(1.0, MOST_REFERENCE / total) if total else counts
    confidence = np.repeat(middles, np.maximum(np.round(wanted), 1).astype(np.int64))
    batch = policies.batch_on_confidence(policy_facts.setting_of(model), confidence)
    n = confidence.size
    evidence = Evidence(beliefs(batch.scores), np.full(n, UNKNOWN), np.ones(n))
    return Past("reference" if n else "none", batch, np.zeros(n, dtype=np.int64), np.zeros(n), np.zeros(n), evidence)
