"""Rows as the steps leave them of people who err: everything drawn is answered, known cases too."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
from django.db import connection

from feedback import gold, labels
from feedback.models import Label
from models_registry.models import RegisteredModel
from review.models import Lease, QueueItem, ReviewDecision
from tests.feedback.cases import make_case
from tests.feedback.live_world import BEGIN, World
from tests.feedback.reviewed_by_people import answers


def give(made: World, *, share: float, copied: float, seed: int = 5, several: float = 0.0) -> np.ndarray:
    """Everything drawn is answered at once, a ``share`` of the items without seeing the model; (N,) the first answers.

    ``several``: the share of cases that two people decide, and a third where they differ, who sees the model.
    """
    rng, queue = np.random.default_rng(seed), made.model.queues.get()
    drawn = np.flatnonzero(made.drawn)
    predicted = np.array([made.model.classes.index(row.predicted) for row in made.rows])[drawn]

    def said(hidden: np.ndarray) -> np.ndarray:
        own = answers(rng, made.truth[drawn], predicted, 0.0)
        return np.where(hidden, own, answers(rng, made.truth[drawn], predicted, copied))

    def slot(number: int, rows: np.ndarray, given: np.ndarray, arm: np.ndarray | None) -> None:
        kinds = made.kinds[drawn]
        items = QueueItem.objects.bulk_create(
            QueueItem(
                prediction=made.rows[drawn[i]], model=made.model, queue=queue, state="decided",
                slot=number, kind="adjudication" if arm is None else kinds[i], tier=int(arm is None),
                required=1 + int(two[i]), blind_share=share if arm is not None else 0.0,
                blind_draw=None if arm is None else arm[i],
            ) for i in rows.tolist()
        )  # fmt: skip
        hidden = np.zeros(rows.size, dtype=bool) if arm is None else arm[rows] < share
        answer(items, given[rows].tolist(), hidden.tolist(), share if arm is not None else 0.0)

    arms = rng.random((2, drawn.size))
    two = np.zeros(drawn.size, dtype=bool) if not several else rng.random(drawn.size) < several
    first = said(arms[0] < share)
    slot(1, np.arange(drawn.size), first, arms[0])
    if several:
        second = said(arms[1] < share)
        slot(2, np.flatnonzero(two), second, arms[1])
        slot(3, np.flatnonzero(two & (first != second)), said(np.zeros(drawn.size, dtype=bool)), None)
    settle()
    Label.objects.update(created_at=BEGIN + timedelta(hours=1))
    found = np.full(len(made.rows), -1)
    found[drawn] = first
    return found


def settle() -> None:
    """Pull the labels, once the planner knows how many rows there are."""
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE review_queueitem, review_reviewdecision, review_prediction, review_routingdecision")
    labels.pull_all()


def answer(items: list[QueueItem], given: list[int], hidden: list[bool], share: float) -> None:
    """One answer to each item at the moment of its prediction."""
    definition = items[0].model.definitions.get()
    leases = Lease.objects.bulk_create(
        Lease(token=f"{item.pk:032x}", item=item, holder="r", expires_at=BEGIN) for item in items
    )
    ReviewDecision.objects.bulk_create(
        ReviewDecision(
            item=item, prediction=item.prediction, model=item.model, lease=lease, reviewer=f"r-{item.slot}",
            definition=definition, label=item.model.classes[label],
            decided_at=item.prediction.occurred_at, model_shown_at=None if own else item.prediction.occurred_at,
            blind_share=share or None, blind_draw=item.blind_draw,
        ) for item, lease, label, own in zip(items, leases, given, hidden, strict=True)
    )  # fmt: skip


def known(model: RegisteredModel, each: int, *, hidden: bool, copied: float, seed: int = 9) -> None:
    """``each`` gold answers per cell, on one prediction of long ago."""
    rng = np.random.default_rng(seed + hidden)
    rows, truth, shown = [], np.tile(np.repeat([0, 1], each), 2), np.repeat([0, 0, 1, 1], each)
    for says, true in ((0, 0), (0, 1), (1, 0), (1, 1)):
        scores = [0.8, 0.2] if says == 0 else [0.2, 0.8]
        at = BEGIN - timedelta(days=90)
        case = make_case(model, f"gold-{hidden}-{says}-{true}", review="none", scores=scores, occurred_at=at)
        gold.set_gold(prediction=case, value=model.classes[true], actor="erin")
        named = {"prediction": case, "model": model, "queue": model.queues.get(), "kind": "gold", "state": "decided"}
        rows += [QueueItem(**named, slot=slot) for slot in range(1, each + 1)]
    items = QueueItem.objects.bulk_create(rows)
    given: Any = answers(rng, truth, shown, 0.0 if hidden else copied)
    answer(items, given.tolist(), [hidden] * len(items), 0.0)
