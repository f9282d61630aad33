"""How soon a model's drawn reviews get their labels, learned from its own rows: one reading for exports and figures."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from feedback.delays import AGREE, OVERRIDE, UNKNOWN, ArrivalModel, Reviews, Shift, Strata, bands, fit, shift
from feedback.known_tables import count_unknown
from feedback.models import Label, LearnedArrival
from models_registry import sql
from models_registry.models import RegisteredModel

# The newest drawn rows that are looked at, so that the cost does not grow with history.
NEWEST = 100_000
# Learning takes longer than a page may: what was learned is kept so long,
KEEPS = timedelta(minutes=10)
# or until there are so many more labels than there were.
GROWTH = 0.05

Floats = NDArray[np.float64]

# Slot 1 is the item that the draw made; its queue and priority decide how soon somebody comes by. Its own first answer
# is there before others have settled the case with theirs; where one person decides, that is the label.
_DRAWN = """
    SELECT r.review, i.queue_id, i.priority, r.model_guess,
           CASE WHEN l.id IS NOT NULL THEN l.value = p.predicted END,
           EXTRACT(EPOCH FROM %(now)s - r.routed_at), EXTRACT(EPOCH FROM l.observed_at - r.routed_at),
           coalesce(i.required > 1, false), own.label = p.predicted,
           EXTRACT(EPOCH FROM own.decided_at - r.routed_at)
    FROM review_routingdecision r
    JOIN review_prediction p ON p.id = r.prediction_id AND p.status <> 'withdrawn'
    LEFT JOIN review_queueitem i ON i.prediction_id = r.prediction_id AND i.slot = 1
    LEFT JOIN feedback_label l ON l.prediction_id = r.prediction_id AND l.source = 'review'
        AND l.selection = 'draw' AND l.retired_at IS NULL
    LEFT JOIN LATERAL (
        SELECT d.label, d.decided_at FROM review_reviewdecision d
        WHERE d.item_id = i.id AND i.required > 1 AND d.kind = 'decision' AND NOT d.abstained
        ORDER BY d.id LIMIT 1
    ) own ON true
    WHERE r.model_id = %(model)s AND r.review <> 'none' AND r.routed_at <= %(now)s
    ORDER BY r.prediction_id DESC LIMIT %(newest)s
"""


@dataclass(frozen=True)
class Arrivals:
    """What was learned at one moment, and whether the recent cohorts still go by it.

    ``answers``: how soon the drawn item's own first answer is there, None where no case takes more than that one.
    """

    model: ArrivalModel
    shift: Shift
    drawn: dict[str, int]
    labelled: dict[str, int]
    answers: ArrivalModel | None = None

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


def learn(model: RegisteredModel, *, now: datetime, newest: int = NEWEST) -> Arrivals:
    """Learn arrival from the ``newest`` drawn rows of the model as they stand, aged up to ``now``."""
    rows = _rows(model, now, newest)
    reviews = _settled(rows)
    learned = fit(reviews)
    kinds = {kind: np.asarray(reviews.strata.kind == kind, dtype=bool) for kind in learned.mature}
    return Arrivals(
        model=learned,
        shift=shift(learned, reviews),
        drawn={kind: int(rows.sum()) for kind, rows in kinds.items()},
        labelled={kind: int(reviews.arrived[rows].sum()) for kind, rows in kinds.items()},
        answers=fit(_answered(rows)) if any(row[7] for row in rows) else None,
    )


def arrivals_of(model: RegisteredModel, *, now: datetime, newer_than: timedelta = KEEPS) -> Arrivals:
    """What is known about the model's arrivals: as last learned, or learned now where that is old."""
    row = LearnedArrival.objects.filter(model=model).first()
    if row is not None and abs(now - row.learned_at) < newer_than:
        known = row.document["labelled"]
        most = int(GROWTH * sum(known.values()))
        if Label.objects.filter(model=model, id__gt=row.last_label).order_by("id")[: most + 1].count() <= most:
            return _read(row.document)
    # The label first: what comes meanwhile is taken for news, not for known.
    newest = Label.objects.filter(model=model).order_by("-id").values_list("id", flat=True).first()
    found = learn(model, now=now)
    values = {"document": _document(found), "last_label": newest or 0, "learned_at": now}
    LearnedArrival.objects.update_or_create(model=model, defaults=values)
    return found


def last_learned(model: RegisteredModel, *, now: datetime) -> Arrivals:
    """What was learned last, however old; where nothing was, what can be learned now. Writes nothing."""
    row = LearnedArrival.objects.filter(model=model).first()
    return learn(model, now=now) if row is None else _read(row.document)


def seen_probability(
    model: ArrivalModel,
    *,
    kind: NDArray[Any],
    p_gate: Floats,
    propensity: Floats,
    verdict: NDArray[np.int64],
    age: Floats,
) -> Floats:
    """q (N,): the probability that each row's label is known by now, draw times arrival, by review kind alone.

    ``kind`` (N,) is none, gate or audit, ``verdict`` (N,) of the label, UNKNOWN without one, ``age`` (N,) seconds
    since routing. A row without a label might have become either kind.
    """

    def chance(review: str, said: int) -> Floats:
        cell = model.cell((review,), said)
        return np.ones(age.size) if cell is None else model.share_labelled((review,)) * cell.at(age)

    gate, audit = (chance(review, UNKNOWN) for review in ("gate", "audit"))
    found = p_gate * gate + (propensity - p_gate) * audit
    for review in ("gate", "audit"):
        for said in (AGREE, OVERRIDE):
            rows = (kind == review) & (verdict == said)
            if rows.any():
                found[rows] = (propensity * chance(review, said))[rows]
    return np.asarray(found, dtype=np.float64)


def _rows(model: RegisteredModel, now: datetime, newest: int) -> list[tuple[Any, ...]]:
    count_unknown()
    return sql.rows(_DRAWN, {"model": model.pk, "now": now, "newest": newest})


def _settled(rows: list[tuple[Any, ...]]) -> Reviews:
    return _reviews(rows, [(row[4], row[6]) for row in rows])


def _answered(rows: list[tuple[Any, ...]]) -> Reviews:
    """The same rows by the drawn item's own first answer, which others may have settled later or otherwise."""
    return _reviews(rows, [(row[8], row[9]) if row[7] else (row[4], row[6]) for row in rows])


def _reviews(rows: list[tuple[Any, ...]], told: list[tuple[bool | None, Any]]) -> Reviews:
    latency = np.array([np.nan if took is None else max(float(took), 0.0) for _, took in told], dtype=np.float64)
    return Reviews(
        strata=strata_of((review, queue, priority, guess) for review, queue, priority, guess, *_ in rows),
        verdict=np.array([verdict(agrees) for agrees, _ in told], dtype=np.int64),
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


def _document(found: Arrivals) -> dict[str, object]:
    counts = {"drawn": found.drawn, "labelled": found.labelled}
    answers = None if found.answers is None else found.answers.document()
    return {"model": found.model.document(), "shift": asdict(found.shift), **counts, "answers": answers}


def _read(document: dict[str, dict[str, object]]) -> Arrivals:
    answers = document.get("answers")
    return Arrivals(
        model=ArrivalModel.from_document(document["model"]),
        shift=Shift(**document["shift"]),  # type: ignore[arg-type]
        drawn=document["drawn"],  # type: ignore[arg-type]
        labelled=document["labelled"],  # type: ignore[arg-type]
        answers=None if answers is None else ArrivalModel.from_document(answers),
    )
