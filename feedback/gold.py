"""Gold items: predictions whose answer is known, put to reviewers like any other, and what that tells of reviewers.

They are not traffic: an answer settles no prediction, tells no caller anything and is no label that stands.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet, Value
from django.db.models.functions import Concat
from django.utils import timezone

from feedback.models import GoldTruth, PracticeAnswer
from feedback.raters import Confusion, confusion, screens
from models_registry import sql
from models_registry.errors import Fault, Invalid, Unprocessable
from models_registry.ledger import record
from models_registry.models import RegisteredModel
from review.models import Prediction, QueueItem, ReviewDecision

# The item before its lease, as claim, renew and release lock them. A lease that had run out ended as it did.
_CLOSE = """
    WITH closing AS MATERIALIZED (
        SELECT id, lease_token, lease_expires_at FROM review_queueitem
        WHERE kind = 'gold' AND state = 'open' AND prediction_id = %(prediction)s ORDER BY id FOR UPDATE
    ), closed AS (
        UPDATE review_queueitem i SET state = 'withdrawn', closed_at = clock_timestamp(), lease_token = NULL,
            lease_holder = NULL, lease_expires_at = NULL
        FROM closing WHERE i.id = closing.id
    )
    UPDATE review_lease l SET ended_at = least(clock_timestamp(), closing.lease_expires_at),
        ending = CASE WHEN closing.lease_expires_at > clock_timestamp() THEN 'withdrawn' ELSE 'expired' END
    FROM closing WHERE l.token = closing.lease_token AND l.ending IS NULL
"""


@dataclass(frozen=True)
class Said:
    """What is said to be true of a prediction; ``value`` None takes back what was said, ``practice`` None keeps it."""

    value: str | None
    external_id: str | None = None
    prediction: int | None = None
    practice: bool | None = None


@dataclass(frozen=True)
class Asked:
    """How often a known case was put to a reviewer, how many answers count, how many of these were right."""

    asked: int = 0
    answered: int = 0
    right: int = 0


@dataclass(frozen=True)
class Told:
    """What is told of an answer to a known case: what is true, and whether the answer was that (None: no answer)."""

    known: str
    right: bool | None


def set_gold(*, prediction: Prediction, value: str, actor: str, practice: bool | None = None) -> GoldTruth:
    """Say what is true of the prediction; said again it is corrected, for answers of the past too.

    ``practice`` keeps it for the practice queue alone, and takes back what waits among real cases. Raises Invalid for
    what is no class of its model. Answers of the actor are not counted.
    """
    if fault := _no_class(prediction.model, value, "/value"):
        raise Invalid("this cannot be true of the prediction", errors=[fault])
    with transaction.atomic():
        truth, made = GoldTruth.objects.select_for_update().get_or_create(
            prediction=prediction, defaults={"value": value, "set_by": actor, "practice": bool(practice)}
        )
        kept = truth.practice if practice is None else practice
        if made or truth.value != value or truth.practice != kept:
            before = None if made else truth.value
            # Who only moves it between practice and real cases does not say what is true.
            if before != value:
                truth.value, truth.set_by = value, actor
            truth.practice = kept
            truth.save(update_fields=["value", "set_by", "practice"])
            detail: dict[str, Any] = {"value": value, "before": before}
            detail |= {"practice": True} if kept else {}
            record(actor=actor, action="gold.set", subject=str(prediction.pk), model=prediction.model, detail=detail)
        if truth.practice:
            _close_open(prediction.pk)
    truth.refresh_from_db()
    return truth


def unset_gold(*, prediction: Prediction, actor: str) -> bool:
    """What was said to be true is not known any more: nothing is asked, and no answer counts. Safe to repeat."""
    with transaction.atomic():
        removed, _ = GoldTruth.objects.filter(prediction=prediction).delete()
        if removed:
            _close_open(prediction.pk)
            record(actor=actor, action="gold.unset", subject=str(prediction.pk), model=prediction.model)
    return bool(removed)


def set_many(*, model: RegisteredModel, said: Sequence[Said], actor: str, places: Sequence[str]) -> list[Prediction]:
    """Say it of several predictions, of all or of none; the predictions in the order given.

    ``places`` says of each where in what was sent it stands. Raises Unprocessable with every fault.
    """
    found = _predictions(model, said)
    faults, seen = [], set[int]()
    for one, prediction, place in zip(said, found, places, strict=True):
        if prediction is None:
            name, named = ("external_id", one.external_id) if one.prediction is None else ("prediction", one.prediction)
            message = f"model {model.slug!r} has no prediction {named!r}"
            faults.append(Fault(f"{place}/{name}", "unknown_prediction", message))
        elif prediction.pk in seen:
            faults.append(Fault(place, "duplicate", f"prediction {prediction.external_id!r} stands here twice"))
        else:
            seen.add(prediction.pk)
        if one.value is not None and (fault := _no_class(model, one.value, f"{place}/value")):
            faults.append(fault)
    if faults:
        raise Unprocessable("nothing of this was stored", code="invalid_gold", errors=faults)
    known = [prediction for prediction in found if prediction is not None]
    with transaction.atomic():
        # One order for all, so that two who say it at once never wait for each other.
        for one, prediction in sorted(zip(said, known, strict=True), key=lambda pair: pair[1].pk):
            if one.value is None:
                unset_gold(prediction=prediction, actor=actor)
            else:
                set_gold(prediction=prediction, value=one.value, actor=actor, practice=one.practice)
    return known


def answers(model: RegisteredModel, now: datetime | None = None) -> QuerySet[ReviewDecision]:
    """The gold answers up to ``now`` that count: they stand, and who gave them did not know what is true."""
    practised = PracticeAnswer.objects.filter(
        prediction=OuterRef("prediction"), reviewer=OuterRef("reviewer"), at__lte=OuterRef("decided_at")
    )
    by_key = Q(service_key__isnull=False, prediction__gold__set_by=Concat(Value("key:"), F("service_key__prefix")))
    return ReviewDecision.objects.filter(
        ~Exists(practised), model=model, item__kind=QueueItem.Kind.GOLD, kind=ReviewDecision.Kind.DECISION,
        abstained=False, superseded_by__isnull=True, decided_at__lte=now or timezone.now(),
        prediction__gold__isnull=False,
    ).exclude(Q(user__isnull=False) & Q(user__username=F("prediction__gold__set_by"))).exclude(by_key)  # fmt: skip


def asked(model: RegisteredModel, predictions: Iterable[int]) -> dict[int, Asked]:
    """By prediction how it was asked and answered, for all of those given."""
    wanted = list(predictions)
    gone = QueueItem.State.WITHDRAWN
    items = QueueItem.objects.filter(prediction__in=wanted, kind=QueueItem.Kind.GOLD).exclude(state=gone)
    put = Counter(items.values_list("prediction", flat=True))
    columns = ("prediction", "label", "prediction__gold__value")
    rows = list(answers(model).filter(prediction__in=wanted).values_list(*columns))
    given, right = Counter(pk for pk, _, _ in rows), Counter(pk for pk, label, known in rows if label == known)
    return {pk: Asked(put[pk], given[pk], right[pk]) for pk in wanted}


def confusion_of(model: RegisteredModel, now: datetime | None = None) -> Confusion:
    """The gold answers that count up to ``now``, by `raters.screens` (2 K of them), the truth, the answer."""
    place, k = {label: index for index, label in enumerate(model.classes)}, len(model.classes)
    columns = ("prediction__predicted", "prediction__gold__value", "label", "model_shown_at")
    rows = answers(model, now).values_list(*columns)
    found = [([place.get(str(cell), -1) for cell in row[:3]], row[3] is None) for row in rows]
    cells = np.array([row for row, _ in found], dtype=np.int64).reshape(-1, 3)
    hidden = np.array([own for _, own in found], dtype=bool)
    known = (cells >= 0).all(axis=1)
    cells, hidden = cells[known], hidden[known]
    return confusion(screens(cells[:, 0], hidden, k), cells[:, 1], cells[:, 2], k, 2 * k)


def told(decisions: Iterable[ReviewDecision]) -> dict[int, Told]:
    """By decision, for its reviewer: that it answered a known case, and what is true of it.

    Only once it cannot be undone any more: who is told may not answer again.
    """
    wanted = [one.pk for one in decisions]
    over = timezone.now() - timedelta(seconds=settings.REVIEWHUB["UNDO_SECONDS"])
    rows = ReviewDecision.objects.filter(
        pk__in=wanted, item__kind=QueueItem.Kind.GOLD, kind=ReviewDecision.Kind.DECISION,
        superseded_by__isnull=True, decided_at__lte=over, prediction__gold__isnull=False,
    ).values_list("pk", "prediction__gold__value", "label")  # fmt: skip
    return {pk: Told(known, None if label is None else label == known) for pk, known, label in rows}


def _no_class(model: RegisteredModel, value: str, pointer: str) -> Fault | None:
    if value in model.classes:
        return None
    return Fault(pointer, "unknown_class", f"{value!r} is not one of the classes {', '.join(model.classes)}")


def _predictions(model: RegisteredModel, said: Sequence[Said]) -> list[Prediction | None]:
    """The prediction that each names, by id or external id."""
    rows = Prediction.objects.filter(model=model).select_related("model")
    by_id = rows.in_bulk([one.prediction for one in said if one.prediction is not None and one.prediction < 2**63])
    # NUL cannot be stored, so no prediction is named with it.
    names = {one.external_id for one in said if one.external_id is not None and "\0" not in one.external_id}
    by_name = {row.external_id: row for row in rows.filter(external_id__in=names)}
    return [
        by_id.get(one.prediction) if one.prediction is not None else by_name.get(one.external_id or "") for one in said
    ]


def _close_open(prediction: int) -> None:
    sql.change(_CLOSE, {"prediction": prediction})
