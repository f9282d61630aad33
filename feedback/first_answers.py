"""The first answer to each item that came to people, with the arm it was drawn into and what is known to be true.

The first, undone or not: an undo comes after the reviewer may have learned what the model said.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from django.conf import settings
from django.utils import timezone
from numpy.typing import NDArray

from feedback.known_tables import count_unknown
from models_registry import sql
from models_registry.models import RegisteredModel

DAYS = 90
# Of the newest items, so that the cost does not grow with history.
NEWEST = 50_000

_ANSWERS = """
    WITH newest AS MATERIALIZED (
        SELECT id, prediction_id, queue_id, kind, blind_share, blind_draw FROM review_queueitem
        WHERE model_id = %(model)s AND kind IN ('gate', 'audit', 'gold')
          AND enqueued_at >= %(start)s AND enqueued_at < %(end)s
        ORDER BY id DESC LIMIT %(newest)s
    )
    SELECT n.kind, q.slug, coalesce(r.policy_id, 0), n.blind_share, n.blind_draw,
           said.reviewer, said.label, said.first_answer, said.model_shown_at IS NOT NULL, said.mode,
           coalesce(EXTRACT(EPOCH FROM said.claimed_at), 0), p.predicted,
           coalesce(seen.value, known.value, between.label),
           CASE WHEN seen.value IS NOT NULL THEN 'outcome' WHEN known.value IS NOT NULL THEN 'gold'
                WHEN between.label IS NOT NULL THEN 'adjudication' ELSE '' END, known.value
    FROM newest n
    JOIN review_reviewqueue q ON q.id = n.queue_id
    JOIN review_prediction p ON p.id = n.prediction_id
    LEFT JOIN review_routingdecision r ON r.prediction_id = n.prediction_id
    LEFT JOIN LATERAL (
        SELECT d.reviewer, d.label, d.first_answer, d.claimed_at, d.user_id,
               coalesce(d.model_shown_at, e.model_shown_at) AS model_shown_at, e.mode
        FROM review_reviewdecision d JOIN review_lease e ON e.token = d.lease_id
        WHERE d.item_id = n.id AND d.kind = 'decision' AND NOT d.abstained AND d.decided_at <= %(final)s
        ORDER BY d.id LIMIT 1
    ) said ON true
    LEFT JOIN LATERAL (
        SELECT value FROM feedback_label l
        WHERE l.prediction_id = n.prediction_id AND l.source = 'outcome' AND l.retired_at IS NULL LIMIT 1
    ) seen ON true
    LEFT JOIN LATERAL (
        SELECT g.value FROM feedback_goldtruth g
        WHERE g.prediction_id = n.prediction_id
          AND NOT EXISTS (SELECT FROM auth_user u WHERE u.id = said.user_id AND u.username = g.set_by)
    ) known ON true
    LEFT JOIN LATERAL (
        SELECT d.label FROM review_queueitem a JOIN review_reviewdecision d ON d.item_id = a.id
        WHERE a.prediction_id = n.prediction_id AND a.kind = 'adjudication' AND d.kind = 'decision'
          AND NOT d.abstained AND NOT EXISTS (SELECT FROM review_reviewdecision u WHERE u.supersedes_id = d.id)
        ORDER BY d.id DESC LIMIT 1
    ) between ON true
    ORDER BY n.id
"""

Column = NDArray[Any]


@dataclass(frozen=True)
class Answers:
    """A row per item in the order in which they came; ``label`` is None where nobody has answered.

    ``mode`` is the one under which it was claimed; ``truth`` is None where it is not known, ``gold`` where nobody
    set it. ``share`` and ``draw`` are the item's own.
    """

    kind: Column
    queue: Column
    policy: Column
    share: Column
    draw: Column
    reviewer: Column
    label: Column
    first: Column
    saw: Column
    mode: Column
    claimed: Column
    predicted: Column
    truth: Column
    source: Column
    gold: Column

    def where(self, keep: Column) -> Answers:
        return Answers(*(getattr(self, field.name)[keep] for field in fields(self)))

    @property
    def hidden(self) -> Column:
        """The arm as drawn."""
        return np.asarray(self.draw < self.share)

    @property
    def agree(self) -> Column:
        return np.asarray(self.label == self.predicted, dtype=bool)

    @property
    def drawn(self) -> Column:
        """Whether there was a draw that could have gone either way."""
        return np.asarray((self.share > 0) & (self.share < 1) & np.isfinite(self.draw))

    @property
    def answered(self) -> Column:
        return np.asarray([label is not None for label in self.label], dtype=bool)

    def strata(self, modes: Column) -> Column:
        """What has one chance of the arms and one way of showing the model."""
        rows = zip(self.queue, self.policy, self.share, modes, strict=True)
        return np.array([f"{queue}\0{policy}\0{share!r}\0{mode}" for queue, policy, share, mode in rows], dtype=object)


def answers_of(
    model: RegisteredModel, *, start: datetime | None = None, end: datetime | None = None, newest: int = NEWEST
) -> Answers:
    """The newest items that came to people in [start, end), 90 days by default, each with its first answer."""
    end = end or timezone.now() + timedelta(seconds=1)
    values: dict[str, Any] = {
        "model": model.pk,
        "start": start or end - timedelta(days=DAYS),
        "end": end,
        "newest": newest,
        # A count that moves with an answer tells whether it was gold: those that can be undone are not counted yet.
        "final": timezone.now() - timedelta(seconds=settings.REVIEWHUB["UNDO_SECONDS"]),
    }
    count_unknown()
    rows = sql.rows(_ANSWERS, values)
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(fields(Answers))
    numbers = {"share": np.float64, "draw": np.float64, "saw": np.bool_, "claimed": np.float64}
    return Answers(*(_column(cells, numbers.get(f.name)) for f, cells in zip(fields(Answers), columns, strict=True)))


def _column(cells: Sequence[Any], kind: Any) -> Column:
    if kind is np.float64:
        return np.array([np.nan if cell is None else float(cell) for cell in cells], dtype=np.float64)
    if kind is np.bool_:
        return np.array([bool(cell) for cell in cells], dtype=np.bool_)
    found = np.empty(len(cells), dtype=object)
    found[:] = cells
    return found
