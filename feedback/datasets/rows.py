"""The labelled rows of a model, streamed in the order of their labels."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from django.conf import settings
from django.db.models import F, Max

from feedback import arrivals
from feedback.arrivals import Arrivals
from feedback.datasets.columns import Column, as_kind, columns_of
from feedback.delays import LEAST
from feedback.models import Label, OutcomeEvent
from feedback.weights import inverse_probability
from models_registry.models import RegisteredModel
from review.models import Prediction

CHUNK = 2_000
TRAIN, HOLDOUT = "train", "holdout"

_OWN = ("id", "prediction_id", "selection", "propensity", "observed_at")
_OF_PREDICTION = {
    "external_id": F("prediction__external_id"),
    "entity_id": F("prediction__entity_id"),
    "version": F("prediction__version__version"),
    "status": F("prediction__status"),
    "scores": F("prediction__scores"),
    "features": F("prediction__payload__features"),
    "review": F("prediction__routing__review"),
    # As routed: a later correction, which an audit may bring about, moves nobody in or out of a population.
    "disposition": F("prediction__routing__disposition"),
    "routed_at": F("prediction__routing__routed_at"),
    "model_guess": F("prediction__routing__model_guess"),
    "predicted": F("prediction__predicted"),
    "predicted_at": F("prediction__occurred_at"),
    "definition_number": F("definition__number"),
}
_OF_REVIEW = {
    "queue": F("decision__item__queue"),
    "priority": F("decision__item__priority"),
    "decided_at": F("decision__decided_at"),
    "reviewer": F("decision__reviewer"),
    "mode": F("decision__mode"),
    "reason_codes": F("decision__reason_codes"),
}
_IMPLICIT = {
    **dict.fromkeys((*_OF_REVIEW, "propensity")),
    "label_source": Label.Source.OUTCOME,
    "selection": Label.Selection.OUTCOME,
    "label_kind": OutcomeEvent.Kind.IMPLICIT,
}


def last_label_id(model: RegisteredModel) -> int:
    """The newest label id of the model; every id up to it is committed."""
    return int(Label.objects.filter(model=model).aggregate(last=Max("id"))["last"] or 0)


def last_of(model: RegisteredModel, *, after: int, limit: int) -> int:
    """The label id at which ``limit`` standing labels after ``after`` are complete, or the newest id of all."""
    standing = Label.objects.filter(model=model, retired_at__isnull=True, id__gt=after)
    cut = standing.order_by("id").values_list("id", flat=True)[limit - 1 : limit]
    newest = last_label_id(model)
    return next(iter(cut), newest)


def split_of(*, entity_id: str | None, prediction_id: int) -> str:
    """``train`` or ``holdout``, the same for ever and for all predictions about one entity.

    >>> split_of(entity_id="card-1", prediction_id=1) == split_of(entity_id="card-1", prediction_id=2)
    True
    """
    key = f"prediction:{prediction_id}" if entity_id is None else f"entity:{entity_id}"
    place = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") / 2**64
    return HOLDOUT if place < settings.REVIEWHUB["HOLDOUT_SHARE"] else TRAIN


def rows_of(
    model: RegisteredModel,
    *,
    after: int = 0,
    upto: int,
    now: datetime,
    columns: list[Column] | None = None,
    arrival: Arrivals | None = None,
) -> Iterator[dict[str, Any]]:
    """Standing labels with ``after < id <= upto`` as rows by column name, through a server-side cursor."""
    columns = columns_of(model) if columns is None else columns
    arrival = arrivals.learn(model, now=now) if arrival is None else arrival
    labels = (
        Label.objects.filter(model=model, retired_at__isnull=True, id__gt=after, id__lte=upto)
        .order_by("id")
        .values(*_OWN, **_OF_PREDICTION, **_OF_REVIEW, label=F("value"), label_source=F("source"))
    )
    rows = labels.iterator(chunk_size=CHUNK)
    while block := [dict(found) for found in islice(rows, CHUNK)]:
        for found, arrived in zip(block, _arrived(block, arrival, now), strict=True):
            yield _row(found, model, columns, arrived, now)


def implicit_rows(
    model: RegisteredModel, mapping: dict[str, dict[str, str]], *, columns: list[Column], now: datetime
) -> Iterator[dict[str, Any]]:
    """The last implicit event of each prediction and mapped source as the class it is mapped to; never a weight."""
    events = (
        OutcomeEvent.objects.filter(model=model, kind=OutcomeEvent.Kind.IMPLICIT, source__in=list(mapping))
        .order_by("prediction_id", "source", "-observed_at", "-id")
        .distinct("prediction_id", "source")
        .values("prediction_id", "observed_at", "source", "value", **_OF_PREDICTION)
    )
    for event in events.iterator(chunk_size=CHUNK):
        meaning = mapping[event["source"]].get(event["value"])
        if meaning is not None:
            yield _row({**_IMPLICIT, **event, "label": meaning}, model, columns, 0.0, now)


def _arrived(block: list[dict[str, Any]], arrival: Arrivals, now: datetime) -> list[float]:
    """The chance of each review to have its label by ``now``, given what the label says."""
    strata = arrivals.strata_of((row["review"], row["queue"], row["priority"], row["model_guess"]) for row in block)
    verdicts = [arrivals.verdict(row["label"] == row["predicted"]) for row in block]
    ages = [(now - (row["routed_at"] or row["predicted_at"])).total_seconds() for row in block]
    return [float(share) for share in arrival.model.arrival(strata, verdicts, ages)]


def _row(
    found: dict[str, Any], model: RegisteredModel, columns: list[Column], share: float, now: datetime
) -> dict[str, Any]:
    arrived = _arrival_probability(found, model, share, now)
    # An outcome is seen whatever the draw was: its weight never holds the review's propensity.
    weight = None
    if arrived is not None and arrived >= LEAST:
        weight = float(inverse_probability(found["propensity"] or 1.0, arrived))
    delay = (found["observed_at"] - found["predicted_at"]).total_seconds()
    features, scores = found["features"] or {}, dict(zip(model.classes, found["scores"], strict=True))
    known = {
        **found,
        "prediction_id": str(found["prediction_id"]),
        "definition": found["definition_number"],
        "arrival_probability": arrived,
        "weight": weight,
        "label_kind": found.get("label_kind", OutcomeEvent.Kind.EXPLICIT),
        "training_weight": _training_weight(found, model, arrived, weight, now),
        "split": split_of(entity_id=found["entity_id"], prediction_id=found["prediction_id"]),
        "delay_seconds": delay if delay >= 0 else None,
    }
    row = {}
    for column in columns:
        if column.feature:
            row[column.name] = as_kind(features.get(column.feature), column.kind)
        elif column.score:
            row[column.name] = float(scores[column.score])
        else:
            row[column.name] = known[column.name]
    return row


def _arrival_probability(found: dict[str, Any], model: RegisteredModel, share: float, now: datetime) -> float | None:
    """The chance that this label would have been here by now; None where the mechanism is unknown."""
    # What a click means is anybody's guess, and so is how it comes to be there.
    if found["status"] == Prediction.Status.WITHDRAWN or found.get("label_kind") == OutcomeEvent.Kind.IMPLICIT:
        return None
    if found["selection"] == Label.Selection.DRAW:
        return share
    if found["selection"] != Label.Selection.OUTCOME or not _complete(model, found["disposition"]):
        return None
    return 1.0 if _mature(found, model, now) else None


def _training_weight(
    found: dict[str, Any], model: RegisteredModel, arrived: float | None, weight: float | None, now: datetime
) -> float | None:
    """What the row counts for when each prediction gives one label, whichever of its labels that is.

    A mature prediction that was routed into the population of complete outcomes is known for certain, so it
    counts once; an audit of it adds nothing. One that a gate held is known too, by its review, and the
    ungated ones like it by their outcomes: its propensity is spent on neither, only arrival remains.
    """
    if found["status"] == Prediction.Status.WITHDRAWN or not _mature(found, model, now):
        return weight
    if _complete(model, found["disposition"]):
        return 1.0
    gated = found["selection"] == Label.Selection.DRAW and found["review"] == "gate"
    if gated and model.outcomes_complete_for == RegisteredModel.CompleteFor.PROCEEDED and arrived and weight:
        return float(inverse_probability(1.0, arrived))
    return weight


def _mature(found: dict[str, Any], model: RegisteredModel, now: datetime) -> bool:
    """Whether an outcome would be known by now; never without a horizon."""
    horizon = model.outcomes_horizon_days
    return horizon is not None and now - found["predicted_at"] >= timedelta(days=horizon)


def _complete(model: RegisteredModel, disposition: str | None) -> bool:
    """Whether the model declares that every prediction that was routed so shows its outcome."""
    if model.outcomes_complete_for == RegisteredModel.CompleteFor.ALL:
        return True
    return model.outcomes_complete_for == RegisteredModel.CompleteFor.PROCEEDED and disposition == "proceed"
