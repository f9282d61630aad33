"""How long each step took of the predictions of a day, counted so that days add up to any span.

Hops are of routed predictions, withdrawn ones included; reviews and outcomes, of which some still wait, are without
them. What waits is counted by the ten minutes in which that began, so that its age can be told at any time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from feedback.delays import EDGES, Cohort, Histogram, Waiting, cohorts, life_table, quantiles, together
from feedback.delays.cohorts import MONDAY, WEEK
from feedback.delays.histogram import CELLS
from feedback.monitoring.population import Floats, Integers, Span, rows_within
from models_registry.models import RegisteredModel

HOPS = (
    "occurred_to_received", "received_to_routed", "routed_to_claimed", "claimed_to_decided", "decided_to_label",
    "occurred_to_outcome", "outcome_observed_to_received",
)  # fmt: skip
REVIEW, WITHDRAWN = "review/", "withdrawn/"
# Outcomes by the prediction that waits for them, as routing disposed of it.
PROCEED, OTHER = "outcome/proceed", "outcome/other"
# The time in which rows that wait are told apart, in seconds.
APART = 600

# Of each: the prediction's time, a name, when its waiting began, where that matters, and how long it took; null where
# it still waits.
_STEPS = """
    SELECT p.occurred_at, v.name, NULL::timestamptz, v.ended - v.began FROM routed p
    CROSS JOIN LATERAL (VALUES ('occurred_to_received', p.occurred_at, p.received_at),
                               ('received_to_routed', p.received_at, p.routed_at)) v(name, began, ended)
    UNION ALL
    SELECT p.occurred_at, v.name, NULL, v.ended - v.began FROM routed p
    JOIN review_reviewdecision d ON d.prediction_id = p.id AND d.kind = 'decision' AND NOT d.abstained
    JOIN review_queueitem i ON i.id = d.item_id
    CROSS JOIN LATERAL (VALUES ('routed_to_claimed', p.routed_at, d.claimed_at),
                               ('claimed_to_decided', d.claimed_at, d.decided_at)) v(name, began, ended)
    WHERE i.kind <> 'gold' OR v.name = 'claimed_to_decided'
    UNION ALL
    SELECT p.occurred_at, 'decided_to_label', NULL, l.created_at - d.decided_at FROM routed p
    JOIN feedback_label l ON l.prediction_id = p.id JOIN review_reviewdecision d ON d.id = l.decision_id
    UNION ALL
    SELECT p.occurred_at, v.name, NULL, v.ended - v.began FROM routed p
    JOIN feedback_outcomeevent o ON o.prediction_id = p.id AND NOT o.before_prediction
    CROSS JOIN LATERAL (VALUES ('occurred_to_outcome', p.occurred_at, o.observed_at),
                               ('outcome_observed_to_received', o.observed_at, o.received_at)) v(name, began, ended)
    UNION ALL
    SELECT p.occurred_at, 'review/' || p.review, p.routed_at,
           CASE WHEN l.id IS NOT NULL THEN greatest(l.observed_at - p.routed_at, interval '0') END
    FROM routed p LEFT JOIN feedback_label l ON l.prediction_id = p.id AND l.source = 'review' AND l.selection = 'draw'
        AND l.retired_at IS NULL
    WHERE p.review <> 'none' AND p.status <> 'withdrawn'
    UNION ALL
    SELECT p.occurred_at, CASE p.disposition WHEN 'proceed' THEN 'outcome/proceed' ELSE 'outcome/other' END,
           p.occurred_at, CASE WHEN l.id IS NOT NULL THEN greatest(l.observed_at - p.occurred_at, interval '0') END
    FROM routed p LEFT JOIN feedback_label l ON l.prediction_id = p.id AND l.source = 'outcome' AND l.retired_at IS NULL
    WHERE p.status <> 'withdrawn'
    UNION ALL
    SELECT p.occurred_at, 'withdrawn/' || p.review, NULL, interval '0' FROM routed p
    WHERE p.review <> 'none' AND p.status = 'withdrawn'
"""
_COUNTED = f"""
    WITH routed AS MATERIALIZED (
        SELECT p.id, p.occurred_at, p.received_at, p.status, r.routed_at, r.review, r.disposition
        FROM review_prediction p JOIN review_routingdecision r ON r.prediction_id = p.id WHERE {{of}}
    )
    SELECT floor(date_part('epoch', at) / 86400)::int, name,
           coalesce(floor((date_part('epoch', began) - {MONDAY}) / {WEEK})::int, 0), took IS NOT NULL,
           CASE WHEN took IS NULL THEN floor(date_part('epoch', began) / {APART})::int
                ELSE width_bucket(date_part('epoch', took), %(edges)s::float8[]) END,
           count(*), min(date_part('epoch', took)), max(date_part('epoch', took))
    FROM ({_STEPS}) steps (at, name, began, took) WHERE took IS NOT NULL OR began IS NOT NULL
    GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5
"""  # noqa: S608


@dataclass(frozen=True)
class Waits:
    """``ended``: delays by name and number of the week, 0 for hops; ``open`` (2, M) by name: moment and rows.

    Moments are counted from 1970 on, `APART` seconds each.
    """

    ended: dict[tuple[str, int], Histogram]
    open: dict[str, Integers]

    def hop(self, name: str) -> Histogram:
        """The delays of one hop, or of one kind of review or outcome over all weeks."""
        return together(one for key, one in self.ended.items() if key[0] == name)

    def hops(self) -> dict[str, dict[str, float | int | None]]:
        return {name: quantiles(self.hop(name)) for name in HOPS}

    def waiting(self, names: Sequence[str], now: float) -> Waiting:
        """The rows of these names as a whole."""
        return life_table(together(self.hop(name) for name in names), now - self._began(names))

    def weeks(self, names: Sequence[str], now: float) -> list[Cohort]:
        """The same by the week in which the waiting began, oldest first."""
        ended = {
            week: together(one for key, one in self.ended.items() if key[0] in names and key[1] == week)
            for week in sorted({week for name, week in self.ended if name in names})
        }
        began = self._began(names)
        return cohorts(ended, began, np.maximum(now - began, 0.0))

    def _began(self, names: Sequence[str]) -> Floats:
        parts = [np.repeat(*self.open[name]) for name in names if name in self.open]
        return (np.concatenate([np.zeros(0), *parts]) + 0.5) * APART

    def to_bytes(self) -> bytes:
        ended = []
        for (name, week), one in self.ended.items():
            cells = np.flatnonzero(one.counts)
            ended.append([name, week, one.least, one.most, cells.tolist(), one.counts[cells].tolist()])
        open_rows = [[name, rows.astype("<i8").tobytes()] for name, rows in self.open.items()]
        return msgspec.msgpack.encode([ended, open_rows])


NOTHING = Waits({}, {})


def from_bytes(stored: bytes) -> Waits:
    found, ended = msgspec.msgpack.decode(stored), {}
    for name, week, least, most, cells, counts in found[0]:
        whole = np.zeros(CELLS, dtype=np.int64)
        whole[cells] = counts
        ended[name, week] = Histogram(whole, least, most)
    return Waits(ended, {name: np.frombuffer(rows, dtype="<i8").reshape(2, -1) for name, rows in found[1]})


def added(parts: Iterable[Waits]) -> Waits:
    """What several days, or parts of one, come to."""
    ended: dict[tuple[str, int], list[Histogram]] = {}
    open_rows: dict[str, list[Integers]] = {}
    for part in parts:
        for key, one in part.ended.items():
            ended.setdefault(key, []).append(one)
        for name, rows in part.open.items():
            open_rows.setdefault(name, []).append(rows)
    return Waits(
        {key: together(found) for key, found in ended.items()},
        {name: np.hstack(found) for name, found in open_rows.items()},
    )


def waits_of(model: RegisteredModel, spans: Sequence[Span]) -> dict[int, Waits]:
    """The delays of the predictions of these spans of time, by day (since 1970), counted from their rows."""
    rows = rows_within(_COUNTED, model, spans, edges=EDGES.tolist())
    found: dict[int, list[tuple[Any, ...]]] = {}
    for day, *row in rows:
        found.setdefault(day, []).append(tuple(row))
    return {day: _of_rows(mine) for day, mine in found.items()}


def _of_rows(rows: list[tuple[Any, ...]]) -> Waits:
    cells: dict[tuple[str, int], list[tuple[Any, ...]]] = {}
    moments: dict[str, list[tuple[int, int]]] = {}
    for name, week, ended, cell, count, least, most in rows:
        if ended:
            cells.setdefault((name, week), []).append((cell, count, least, most))
        else:
            moments.setdefault(name, []).append((cell, count))
    return Waits(
        {key: _histogram(mine) for key, mine in cells.items()},
        {name: np.array(mine, dtype=np.int64).T for name, mine in moments.items()},
    )


def _histogram(rows: list[tuple[Any, ...]]) -> Histogram:
    cell, count, least, most = zip(*rows, strict=True)
    counts = np.zeros(CELLS, dtype=np.int64)
    counts[list(cell)] = count
    return Histogram(counts, float(min(least)), float(max(most)))
