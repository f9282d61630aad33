"""The predictions of a window as arrays, each with how its label could have become known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from django.db.models import QuerySet
from django.utils import timezone
from numpy.typing import NDArray

from feedback.estimators import Outputs
from feedback.estimators.guess import with_confidence
from feedback.models import Label
from models_registry import sql
from models_registry.models import ModelVersion, RegisteredModel
from review.models import Prediction

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]
Words = NDArray[np.object_]
Span = tuple[float, float]

UNKNOWN = -1
DAY = 86_400.0
# Two to so many days are more than any history.
FARTHEST = 14

_ROWS = """
    SELECT p.scores, p.predicted, p.version_id, EXTRACT(EPOCH FROM p.occurred_at)::float8,
           EXTRACT(EPOCH FROM r.routed_at)::float8, r.propensity, r.p_gate, r.model_guess, r.review, r.disposition,
           CASE WHEN i.id IS NULL THEN '' ELSE i.queue_id || '/' || i.priority END, p.groups->>%(group)s,
           l.value, l.selection, o.value, t.value
    FROM review_prediction p
    JOIN review_routingdecision r ON r.prediction_id = p.id
    LEFT JOIN review_queueitem i ON i.prediction_id = p.id AND i.slot = 1 AND r.review <> 'none'
    LEFT JOIN feedback_label l ON l.prediction_id = p.id AND l.source = 'review' AND l.retired_at IS NULL
    LEFT JOIN feedback_label o ON o.prediction_id = p.id AND o.source = 'outcome' AND o.retired_at IS NULL
    LEFT JOIN feedback_simulatedtruth t ON t.prediction_id = p.id
    WHERE {of} AND p.status <> 'withdrawn'
    ORDER BY p.occurred_at, p.id
"""
# One answer of each drawn case, whatever settled it: the first to the item of the draw, undone or not.
# What was on screen stands with it; the arm stands with the item. Few predictions have one.
_ANSWERED = _ROWS.replace(
    "l.value, l.selection, o.value, t.value",
    """d.label, 'draw', o.value, t.value, (d.model_shown_at IS NULL)::int,
           CASE WHEN i.blind_draw IS NULL THEN 0.0 ELSE i.blind_share END,
           coalesce(i.blind_draw < i.blind_share, false)::int""",
).replace(
    """LEFT JOIN review_queueitem i ON i.prediction_id = p.id AND i.slot = 1 AND r.review <> 'none'
    LEFT JOIN feedback_label l ON l.prediction_id = p.id AND l.source = 'review' AND l.retired_at IS NULL
""",
    """JOIN review_queueitem i ON i.prediction_id = p.id AND i.slot = 1 AND i.kind = r.review
    JOIN LATERAL (
        SELECT a.label, a.model_shown_at FROM review_reviewdecision a
        WHERE a.item_id = i.id AND a.kind = 'decision' AND NOT a.abstained ORDER BY a.id LIMIT 1
    ) d ON true
""",
)
_WITHDRAWN = """
    SELECT p.version_id, EXTRACT(EPOCH FROM p.occurred_at)::float8,
           EXISTS (SELECT FROM feedback_label l WHERE l.prediction_id = p.id AND l.retired_at IS NULL)
    FROM review_prediction p
    WHERE {of} AND p.status = 'withdrawn'
"""


@dataclass(frozen=True)
class Population:
    """N routed predictions in time order; class indexes are -1 where the class is not known, times in seconds.

    ``guess`` is m, the probability that the answer is right as the sampler's fit read it from the scores.
    ``label`` comes from the standing review label of a drawn item, ``outcome`` from the standing outcome
    label, ``truth`` from the generator of simulated models. ``manual`` marks a review label that came
    without a draw; it enters no estimate. ``conflict`` is 1 where review and outcome differ, 0 where they agree,
    -1 where not both stand. ``disposition`` and ``line`` (queue and priority) are those of routing: what a person
    made of the case later depends on the draw and defines no population.
    """

    scores: Floats
    predicted: Integers
    version: Integers
    occurred: Floats
    routed: Floats
    propensity: Floats
    p_gate: Floats
    guess: Floats
    review: Words
    disposition: Words
    line: Words
    group: Words
    label: Integers
    manual: Flags
    outcome: Integers
    conflict: Integers
    truth: Integers

    def __len__(self) -> int:
        return int(self.label.size)

    @property
    def drawn(self) -> Flags:
        return np.asarray(self.review != "none", dtype=bool)

    def where(self, keep: Flags | slice) -> Population:
        return Population(**{field.name: getattr(self, field.name)[keep] for field in fields(self)})

    def outputs(self, model: RegisteredModel) -> Outputs:
        guess = with_confidence(self.scores, self.predicted, self.guess)
        return Outputs(self.scores, self.predicted, positive_of(model), costs_of(model), guess)


@dataclass(frozen=True)
class Answered:
    """Of N answered rows: whether the model was ``hidden`` from who answered, the ``share`` of the random blind arm
    that the item could have fallen into (0 where there was none), and whether it was ``drawn`` into that arm."""

    hidden: Flags
    share: Floats
    drawn: Flags

    def where(self, keep: Flags) -> Answered:
        return Answered(self.hidden[keep], self.share[keep], self.drawn[keep])


def positive_of(model: RegisteredModel) -> int | None:
    """The class that precision and recall are about; None for more than two classes."""
    binary = model.task == RegisteredModel.Task.BINARY
    return model.classes.index(model.positive_class) if binary and model.positive_class in model.classes else None


def costs_of(model: RegisteredModel) -> Floats:
    """(K, K): the cost of acting on a predicted class, by true class."""
    costs = [[model.cost(predicted, actual) for actual in model.classes] for predicted in model.classes]
    return np.array(costs, dtype=np.float64)


def within(
    model: RegisteredModel, start: datetime | None, end: datetime | None, version: ModelVersion | None
) -> QuerySet[Prediction]:
    """The model's predictions that occurred in [start, end)."""
    rows = Prediction.objects.filter(model=model)
    if version is not None:
        rows = rows.filter(version=version)
    if start is not None:
        rows = rows.filter(occurred_at__gte=start)
    return rows if end is None else rows.filter(occurred_at__lt=end)


def since(
    model: RegisteredModel, *, newest: int, start: datetime | None = None, end: datetime | None = None
) -> datetime | None:
    """``start``, or where [start, end) holds more, the time from which at most its ``newest`` ones are left.

    Looked for in spans that grow from the end: to sort all predictions would take longer the more there are.
    """
    if not Prediction.objects.filter(model=model).order_by("-id")[newest : newest + 1].count():
        return start
    for low in _farther(start, end or timezone.now()):
        times = within(model, low, end, None).order_by("-occurred_at").values_list("occurred_at", flat=True)
        if beyond := next(iter(times[newest : newest + 1]), None):
            return beyond + timedelta(microseconds=1)
    return start


def _farther(start: datetime | None, end: datetime) -> Iterator[datetime | None]:
    """A day before the end, two, four and so on, and at last the start."""
    for number in range(FARTHEST):
        low = end - timedelta(days=2**number)
        if start is not None and low <= start:
            break
        yield low
    yield start


def midnight(now: datetime, *, days: int) -> datetime:
    """The midnight (UTC) so many days before the one that ``now`` comes after: where a window of whole days begins.

    >>> midnight(datetime(2026, 3, 9, 5, tzinfo=UTC), days=7).isoformat()
    '2026-03-02T00:00:00+00:00'
    """
    return now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=days)


def load(
    model: RegisteredModel,
    spans: Sequence[Span],
    *,
    version: ModelVersion | None = None,
    group: str | None = None,
) -> Population:
    """Read these spans of time, in seconds. Withdrawn and not yet routed predictions are not part of them."""
    return _arrays(model, rows_within(_ROWS, model, spans, version, group=group or ""))


def load_answered(
    model: RegisteredModel, spans: Sequence[Span], *, version: ModelVersion | None = None, group: str | None = None
) -> tuple[Population, Answered]:
    """The rows of these spans whose drawn item was answered, and how; ``label`` is that answer, not what settled it."""
    rows = rows_within(_ANSWERED, model, spans, version, group=group or "")
    hidden, share, drawn = (np.array([row[at] for row in rows], dtype=np.float64) for at in (-3, -2, -1))
    return _arrays(model, [row[:-3] for row in rows]), Answered(hidden > 0, share, drawn > 0)


def withdrawn(model: RegisteredModel, spans: Sequence[Span], *, version: ModelVersion | None = None) -> Floats:
    """(M, 3): version, time and whether there is a label, of predictions that were taken back."""
    rows = rows_within(_WITHDRAWN, model, spans, version)
    return np.array(rows, dtype=np.float64).reshape(len(rows), 3)


def rows_within(
    query: str, model: RegisteredModel, spans: Sequence[Span], version: ModelVersion | None = None, **values: Any
) -> list[tuple[Any, ...]]:
    """The rows of a query about predictions p, where ``{of}`` stands for these spans of the model, or version."""
    if not spans:
        return []
    values |= {"model": model.pk, "version": version and version.pk}
    parts = []
    # Written out, so that the planner sees how little of the table it is.
    for place, (low, high) in enumerate(spans):
        parts.append(f"p.occurred_at >= %(low{place})s AND p.occurred_at < %(high{place})s")
        values |= {f"low{place}": _moment(low), f"high{place}": _moment(high)}
    only = "" if version is None else " AND p.version_id = %(version)s"
    return sql.rows(query.format(of=f"p.model_id = %(model)s{only} AND ({' OR '.join(parts)})"), values)


def _moment(seconds: float) -> str:
    if np.isinf(seconds):
        return "infinity" if seconds > 0 else "-infinity"
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def _arrays(model: RegisteredModel, rows: list[tuple[Any, ...]]) -> Population:
    place = {label: index for index, label in enumerate(model.classes)}
    columns = list(zip(*rows, strict=True)) if rows else [()] * 16
    (scores, predicted, version, occurred, routed, propensity, p_gate, guess, review, disposition, line, group,
     label, selection, outcome, truth) = columns  # fmt: skip
    drawn = np.array([cell == Label.Selection.DRAW for cell in selection], dtype=bool)
    given = np.array([cell is not None for cell in selection], dtype=bool)
    return Population(
        scores=np.array(scores, dtype=np.float64).reshape(len(scores), len(place)),
        predicted=np.array([place[cell] for cell in predicted], dtype=np.int64),
        version=np.array(version, dtype=np.int64),
        occurred=np.array(occurred, dtype=np.float64),
        routed=np.array(routed, dtype=np.float64),
        propensity=np.array(propensity, dtype=np.float64),
        p_gate=np.array(p_gate, dtype=np.float64),
        guess=np.array(guess, dtype=np.float64),
        review=_words(review),
        disposition=_words(disposition),
        line=_words(line),
        group=_words(group),
        label=np.where(drawn, _classes(label, place), UNKNOWN),
        manual=given & ~drawn,
        outcome=_classes(outcome, place),
        conflict=np.array(
            [UNKNOWN if a is None or b is None else int(a != b) for a, b in zip(label, outcome, strict=True)],
            dtype=np.int64,
        ),
        truth=_classes(truth, place),
    )


def _classes(cells: Sequence[Any], place: dict[str, int]) -> Integers:
    return np.array([place.get(cell, UNKNOWN) for cell in cells], dtype=np.int64)


def _words(cells: Sequence[Any]) -> Words:
    found = np.empty(len(cells), dtype=object)
    found[:] = cells
    return found
