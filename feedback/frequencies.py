"""How often each answer of a version came true at a score, for the reviewer's screen.

Only what nobody answered with the model before them counts: outcomes, and decisions made blind by the random draw or in
a blind queue. An assisted decision leans towards the model and would praise it. A row weighs the inverse of the
probability with which its truth became known:

- an outcome, where the model says for which predictions they come: 1, or where they come for those that proceeded
  1 / (1 - p_gate); only after the horizon, because what comes early is not like what comes late;
- a case whose drawn item was answered blind: 1 / (propensity x blind share), the share being 1 where the queue is
  always blind. It stands for the predictions that cannot have such an outcome. Where several people decide, true is
  what they settled, not what the first of them said: the draw of one's screen selects cases, not answers.

Where a model does not say for which predictions outcomes come, nobody knows that probability: its outcomes are counted
plainly and only where blind decisions do not suffice, and are marked as reported.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from django.db.models import Q
from django.utils import timezone

from feedback.estimators.frequencies import FEWEST, frequencies
from feedback.known_tables import count_unknown
from feedback.models import Label
from feedback.weights import effective_sample_size
from models_registry import sql
from models_registry.calibrations import set_calibration
from models_registry.models import Calibration, ModelVersion, RegisteredModel
from review.models import Mode, RoutingDecision

# The newest labels of a model that are looked at.
NEWEST = 50_000
# Counted anew after this though no label came: outcomes ripen by themselves.
KEEPS = timedelta(days=1)
CompleteFor = RegisteredModel.CompleteFor

# Slot 1 is the item that the draw made. Its standing answer tells how the case was looked at, the label what it is.
_ROWS = """
    SELECT p.version_id, p.predicted, p.confidence, r.p_gate, r.propensity, r.review, p.occurred_at, o.value,
           l.value, d.mode, d.model_shown_at IS NULL, i.queue_id, i.blind_share, i.blind_draw
    FROM review_prediction p
    JOIN review_routingdecision r ON r.prediction_id = p.id
    LEFT JOIN feedback_label o ON o.prediction_id = p.id AND o.source = 'outcome' AND o.retired_at IS NULL
    LEFT JOIN feedback_label l ON l.prediction_id = p.id AND l.source = 'review' AND l.selection = 'draw'
        AND l.retired_at IS NULL
    LEFT JOIN review_queueitem i ON i.prediction_id = p.id AND i.slot = 1 AND i.kind = r.review
    LEFT JOIN review_reviewdecision d ON d.item_id = i.id AND d.kind = 'decision' AND NOT d.abstained
        AND NOT EXISTS (SELECT FROM review_reviewdecision s WHERE s.supersedes_id = d.id)
    WHERE p.model_id = %(model)s AND p.status <> 'withdrawn' AND p.id IN (
        SELECT prediction_id FROM feedback_label WHERE model_id = %(model)s ORDER BY id DESC LIMIT %(newest)s)
    ORDER BY p.occurred_at, p.id
"""


@dataclass(frozen=True)
class Row:
    """A routed prediction of which something is known, in the order of `_ROWS`."""

    version: int
    predicted: str
    score: float
    p_gate: float
    propensity: float
    review: str
    occurred_at: datetime
    outcome: str | None
    answer: str | None
    mode: str | None
    unseen: bool | None
    queue: int | None
    blind_share: float | None
    blind_draw: float | None

    @property
    def drawn_blind(self) -> bool:
        return self.blind_draw is not None and self.blind_share is not None and self.blind_draw < self.blind_share

    @property
    def is_blind(self) -> bool:
        """Settled, and answered without the model's answer, not because this reviewer chose to."""
        return self.answer is not None and self.mode == Mode.BLIND and bool(self.unseen)


# Answered class, score, whether it came true, weight.
Counted = tuple[str, float, bool, float]


def count_due(model: RegisteredModel) -> bool:
    """Count anew where labels came or went since the last time, or that is a day ago; whether it was."""
    last = Calibration.objects.filter(version__model=model).order_by("-computed_at").first()
    labels = Label.objects.filter(model=model)
    if last is None:
        due = labels.exists()
    else:
        news = labels.filter(Q(created_at__gt=last.computed_at) | Q(retired_at__gt=last.computed_at))
        due = timezone.now() - last.computed_at > KEEPS or news.exists()
    if due:
        count(model, now=timezone.now())
    return due


def count(model: RegisteredModel, *, now: datetime) -> None:
    """Count every version of which something is known; the champion has its row even without."""
    rows = _read(model)
    always = _always_blind(rows)
    by_version: dict[int, list[Row]] = {}
    for row in rows:
        by_version.setdefault(row.version, []).append(row)
    kept = Calibration.objects.filter(version__model=model).values_list("version", flat=True)
    named = {*by_version, *kept, *([] if model.champion_id is None else [model.champion_id])}
    for version in ModelVersion.objects.filter(pk__in=named):
        bins, known = _bins(model, by_version.get(version.pk, []), always, now)
        set_calibration(version=version, bins=bins, rows=known)


def _bins(
    model: RegisteredModel, rows: list[Row], always: set[int | None], now: datetime
) -> tuple[list[dict[str, Any]], int]:
    """The bins of every class, and the known cases they were counted from."""
    weighted = _by_class(filter(None, (_weighted(model, row, always, now) for row in rows)))
    plain: dict[str, list[Counted]] = {}
    if model.outcomes_complete_for == CompleteFor.NONE:
        plain = _by_class((r.predicted, r.score, r.outcome == r.predicted, 1.0) for r in rows if r.outcome is not None)
    found: list[dict[str, Any]] = []
    known = 0
    for label in model.classes:
        counted, basis = weighted.get(label, []), "drawn"
        enough = effective_sample_size([weight for *_, weight in counted]) >= FEWEST
        if not enough and len(plain.get(label, [])) > len(counted):
            counted, basis = plain[label], "reported"
        known += len(counted)
        arrays = (np.array([row[place] for row in counted], dtype=np.float64) for place in (1, 2, 3))
        score, true, weight = arrays
        bins = frequencies(score, true.astype(np.int64), weight)
        found += [{"label": label, **asdict(one), "basis": basis} for one in bins]
    return found, known


def _weighted(model: RegisteredModel, row: Row, always: set[int | None], now: datetime) -> Counted | None:
    """The row with its weight; None where it does not count."""
    if _has_outcomes(model, row):
        if row.outcome is None or (row.review == RoutingDecision.Review.GATE and not _complete(model)):
            return None
        if now - row.occurred_at < timedelta(days=model.outcomes_horizon_days or 0.0):
            return None
        weight = 1.0 if _complete(model) else 1 / (1 - row.p_gate)
        return row.predicted, row.score, row.outcome == row.predicted, weight
    chance = _blind_chance(row, always)
    if not row.is_blind or not chance:
        return None
    return row.predicted, row.score, row.answer == row.predicted, 1 / (row.propensity * chance)


def _has_outcomes(model: RegisteredModel, row: Row) -> bool:
    """Whether such a prediction can have an outcome that the model says will come, however its draw falls."""
    if model.outcomes_complete_for == CompleteFor.PROCEEDED:
        return row.p_gate < 1 and model.disposition_for(row.predicted) == RoutingDecision.Disposition.PROCEED
    return _complete(model)


def _complete(model: RegisteredModel) -> bool:
    return model.outcomes_complete_for == CompleteFor.ALL


def _blind_chance(row: Row, always: set[int | None]) -> float:
    """The probability that its item was blind, 0 for a blind item that the drawn ones stand for already."""
    if row.queue in always:
        return 1.0
    if row.drawn_blind:
        return row.blind_share or 0.0
    # No draw: the queue was blind for a time, and that time says nothing about the case.
    return 0.0 if row.blind_share else 1.0


def _always_blind(rows: Iterable[Row]) -> set[int | None]:
    """Queues whose answers were blind without a draw as well."""
    undrawn: dict[int | None, bool] = {}
    for row in rows:
        if row.answer is not None and not row.drawn_blind:
            undrawn[row.queue] = undrawn.get(row.queue, True) and row.mode == Mode.BLIND
    return {queue for queue, blind in undrawn.items() if blind}


def _by_class(rows: Iterable[Counted]) -> dict[str, list[Counted]]:
    found: dict[str, list[Counted]] = {}
    for row in rows:
        found.setdefault(row[0], []).append(row)
    return found


def _read(model: RegisteredModel) -> list[Row]:
    count_unknown()
    return [Row(*values) for values in sql.rows(_ROWS, {"model": model.pk, "newest": NEWEST})]
