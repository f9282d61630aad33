"""Gold items: predictions whose answer is known, put to reviewers like any other, and what that tells of reviewers.

They are not traffic: an answer settles no prediction, tells no caller anything and is no label that stands.
"""

from __future__ import annotations

from datetime import datetime

import numpy as np
from django.db import transaction
from django.db.models import F, Max, Q
from django.utils import timezone

from feedback.models import GoldTruth
from feedback.raters import Confusion, confusion
from models_registry.errors import Conflict, Fault, Invalid
from models_registry.ledger import record
from models_registry.models import RegisteredModel
from review.models import Prediction, QueueItem, ReviewDecision


def set_gold(*, prediction: Prediction, value: str, actor: str) -> GoldTruth:
    """Say what is true of the prediction; said again it is corrected, for answers of the past too.

    Raises Invalid for what is no class of its model. Answers of the actor are not counted.
    """
    if value not in prediction.model.classes:
        message = f"{value!r} is not one of the classes {', '.join(prediction.model.classes)}"
        raise Invalid("this cannot be true of the prediction", errors=[Fault("/value", "unknown_class", message)])
    with transaction.atomic():
        truth, made = GoldTruth.objects.select_for_update().get_or_create(
            prediction=prediction, defaults={"value": value, "set_by": actor}
        )
        if made or truth.value != value:
            before = None if made else truth.value
            truth.value, truth.set_by = value, actor
            truth.save(update_fields=["value", "set_by"])
            detail = {"value": value, "before": before}
            record(actor=actor, action="gold.set", subject=str(prediction.pk), model=prediction.model, detail=detail)
    truth.refresh_from_db()
    return truth


def ask(*, prediction: Prediction, actor: str) -> QueueItem:
    """Put the prediction to one more reviewer, in its own queue or else the first of its model.

    Raises Conflict where its truth is not known, where it is withdrawn, not routed, or
    has an open item: who answers gold may not answer the prediction, and must not take that from it.
    """
    with transaction.atomic():
        # The prediction before its items, as everywhere: routing, undo and withdrawal wait or have been.
        row = Prediction.objects.select_for_update(no_key=True).select_related("model").get(pk=prediction.pk)
        if not GoldTruth.objects.filter(prediction=row).exists():
            raise Conflict("it is not known what is true of this prediction", code="conflict")
        settled = row.status in (Prediction.Status.ROUTED, Prediction.Status.DECIDED)
        if not settled or row.items.open().exists():
            raise Conflict("this prediction still waits for a person, or was withdrawn", code="conflict")
        first = row.items.select_related("queue").order_by("slot").first()
        queue = row.model.queues.first() if first is None else first.queue
        if queue is None:
            raise Conflict("the model has no queue", code="conflict")
        slot = (row.items.aggregate(last=Max("slot"))["last"] or 0) + 1
        item = QueueItem.objects.create(
            prediction=row, model=row.model, queue=queue, kind=QueueItem.Kind.GOLD, slot=slot
        )
        detail = {"prediction": str(row.pk)}
        record(actor=actor, action="gold.asked", subject=str(item.pk), model=row.model, detail=detail)
    return item


def confusion_of(model: RegisteredModel, now: datetime | None = None) -> Confusion:
    """The standing gold answers up to ``now``, by the class the model answered and showed, the truth, the answer."""
    place = {label: index for index, label in enumerate(model.classes)}
    answers = (
        ReviewDecision.objects.filter(
            model=model, item__kind=QueueItem.Kind.GOLD, kind=ReviewDecision.Kind.DECISION, abstained=False,
            superseded_by__isnull=True, decided_at__lte=now or timezone.now(), prediction__gold__isnull=False,
        )
        .exclude(Q(user__isnull=False) & Q(user__username=F("prediction__gold__set_by")))
        .values_list("prediction__predicted", "prediction__gold__value", "label")
    )  # fmt: skip
    cells = np.array([[place.get(str(cell), -1) for cell in row] for row in answers], dtype=np.int64).reshape(-1, 3)
    cells = cells[(cells >= 0).all(axis=1)]
    return confusion(cells[:, 0], cells[:, 1], cells[:, 2], len(place))


def corrections(model: RegisteredModel, now: datetime | None = None) -> Confusion | None:
    """What `measure` takes as ``reviewers``: the gold answers, None where there is none and nothing is corrected.

    Too few of them, or answers that tell nothing, are not None: the corrected figure then says so by its state.
    """
    found = confusion_of(model, now)
    return found if found.counts.any() else None
