"""How soon a model's drawn reviews get their labels, learned from its own rows: one reading for exports and figures."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from django.db import connection

from feedback.delays import AGREE, OVERRIDE, UNKNOWN, ArrivalModel, Reviews, Shift, Strata, bands, fit, shift
from models_registry.models import RegisteredModel

# The newest drawn rows that are looked at, so that the cost does not grow with history.
NEWEST = 100_000

# Slot 1 is the item that the draw made; its queue and priority decide how soon somebody comes by.
_DRAWN = """
    SELECT r.review, i.queue_id, i.priority, r.model_guess,
           CASE WHEN l.id IS NOT NULL THEN l.value = p.predicted END,
           EXTRACT(EPOCH FROM %(now)s - r.routed_at), EXTRACT(EPOCH FROM l.observed_at - r.routed_at)
    FROM review_routingdecision r
    JOIN review_prediction p ON p.id = r.prediction_id AND p.status <> 'withdrawn'
    LEFT JOIN review_queueitem i ON i.prediction_id = r.prediction_id AND i.slot = 1
    LEFT JOIN feedback_label l ON l.prediction_id = r.prediction_id AND l.source = 'review'
        AND l.selection = 'draw' AND l.retired_at IS NULL
    WHERE r.model_id = %(model)s AND r.review <> 'none' AND r.routed_at <= %(now)s
    ORDER BY r.prediction_id DESC LIMIT %(newest)s
"""


@dataclass(frozen=True)
class Arrivals:
    """What was learned at one moment, and whether the recent cohorts still go by it."""

    model: ArrivalModel
    shift: Shift
    drawn: dict[str, int]
    labelled: dict[str, int]

    def summary(self) -> dict[str, Any]:
        """What a reader needs beside the figures: counts, the age of mature cohorts, the test of the assumption."""
        return {
            "drawn": self.drawn,
            "labelled": self.labelled,
            "mature_seconds": dict(self.model.mature),
            "holds_from_seconds": self.model.holds_from(),
            "shifted": self.shift.shifted,
            "shift_p_value": self.shift.p_value,
            "shift_ratio": self.shift.ratio,
        }


def learn(model: RegisteredModel, *, now: datetime, newest: int = NEWEST, reviews: Reviews | None = None) -> Arrivals:
    """Learn arrival from the ``newest`` drawn rows of the model as they stand, aged up to ``now``.

    ``reviews`` are these rows where they have been read already.
    """
    reviews = drawn_reviews(model, now=now, newest=newest) if reviews is None else reviews
    learned = fit(reviews)
    kinds = {kind: np.asarray(reviews.strata.kind == kind, dtype=bool) for kind in learned.mature}
    return Arrivals(
        model=learned,
        shift=shift(learned, reviews),
        drawn={kind: int(rows.sum()) for kind, rows in kinds.items()},
        labelled={kind: int(reviews.arrived[rows].sum()) for kind, rows in kinds.items()},
    )


def drawn_reviews(model: RegisteredModel, *, now: datetime, newest: int = NEWEST) -> Reviews:
    """The newest drawn rows with age, latency and verdict; predictions that were withdrawn are not among them."""
    with connection.cursor() as cursor:
        cursor.execute(_DRAWN, {"model": model.pk, "now": now, "newest": newest})
        rows = cursor.fetchall()
    latency = np.array([np.nan if row[6] is None else max(float(row[6]), 0.0) for row in rows], dtype=np.float64)
    return Reviews(
        strata=strata_of((review, queue, priority, guess) for review, queue, priority, guess, *_ in rows),
        verdict=np.array([verdict(row[4]) for row in rows], dtype=np.int64),
        age=np.array([float(row[5]) for row in rows], dtype=np.float64),
        latency=latency,
    )


def strata_of(rows: Iterable[tuple[str, int | None, int | None, float | None]]) -> Strata:
    """The strata of rows of (review kind, queue id, priority, the model's confidence); None where not known."""
    kinds, lines, guesses = [], [], []
    for kind, queue, priority, guess in rows:
        kinds.append(kind)
        lines.append("" if queue is None else f"{queue}/{priority}")
        guesses.append(0.0 if guess is None else guess)
    return Strata(_words(kinds), _words(lines), bands(guesses))


def verdict(agrees: bool | None) -> int:
    """What a label says about the model's answer; None where there is no label.

    >>> verdict(True), verdict(False), verdict(None)
    (1, 0, -1)
    """
    return UNKNOWN if agrees is None else (AGREE if agrees else OVERRIDE)


def _words(cells: list[Any]) -> np.ndarray[Any, np.dtype[np.object_]]:
    found = np.empty(len(cells), dtype=object)
    found[:] = cells
    return found
