"""The predictions of a window as arrays, each with how its label could have become known."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from django.db.models import Exists, FilteredRelation, OuterRef, Q, QuerySet
from django.db.models.fields.json import KeyTextTransform
from numpy.typing import NDArray

from feedback.estimators import Outputs
from feedback.models import Label
from models_registry.models import ModelVersion, RegisteredModel
from review.models import Prediction

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]
Words = NDArray[np.object_]

UNKNOWN = -1
CHUNK = 5_000
# Below this share of arrived labels a review kind carries weights too large to say anything.
LEAST_ARRIVED = 0.05
REVIEW_KINDS = ("gate", "audit")


@dataclass(frozen=True)
class Population:
    """N routed predictions in time order; class indexes are -1 where the class is not known.

    ``label`` comes from the standing review label of a drawn item, ``outcome`` from the standing outcome
    label, ``truth`` from the generator of simulated models. ``manual`` marks a review label that came
    without a draw; it enters no estimate. ``disposition`` is the one of routing: what a person made of
    the case later depends on the draw and defines no population.
    """

    scores: Floats
    predicted: Integers
    occurred: Floats
    propensity: Floats
    p_gate: Floats
    review: Words
    disposition: Words
    group: Words
    label: Integers
    manual: Flags
    outcome: Integers
    truth: Integers

    def __len__(self) -> int:
        return int(self.label.size)

    def where(self, keep: Flags) -> Population:
        return Population(**{field.name: getattr(self, field.name)[keep] for field in fields(self)})

    def outputs(self, model: RegisteredModel) -> Outputs:
        positive = model.classes.index(model.positive_class) if model.positive_class in model.classes else None
        costs = [[model.cost(predicted, actual) for actual in model.classes] for predicted in model.classes]
        binary = model.task == RegisteredModel.Task.BINARY
        return Outputs(self.scores, self.predicted, positive if binary else None, np.array(costs, dtype=np.float64))

    def arrivals(self) -> dict[str, dict[str, int]]:
        """Per review kind how many were drawn and how many of those are labelled by now."""
        found = {}
        for kind in REVIEW_KINDS:
            drawn = self.review == kind
            found[kind] = {"drawn": int(drawn.sum()), "decided": int((drawn & (self.label != UNKNOWN)).sum())}
        return found


def seen_probability(population: Population, arrivals: dict[str, dict[str, int]]) -> Floats | None:
    """The probability that each row's label is known by now: draw times arrival, per review kind.

    None while hardly any label of a kind has arrived. A row that was not drawn might have become either kind.
    """
    share = {}
    for kind, counts in arrivals.items():
        share[kind] = counts["decided"] / counts["drawn"] if counts["drawn"] else 1.0
        if share[kind] < LEAST_ARRIVED:
            return None
    gate, audit = population.p_gate, population.propensity - population.p_gate
    either = gate * share["gate"] + audit * share["audit"]
    arrived = np.where(population.review == "gate", share["gate"], share["audit"])
    return np.asarray(np.where(population.review == "none", either, population.propensity * arrived), dtype=np.float64)


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
    """``start``, or where [start, end) holds more, the time from which at most its ``newest`` ones are left."""
    times = within(model, start, end, None).order_by("-occurred_at").values_list("occurred_at", flat=True)
    beyond = next(iter(times[newest : newest + 1]), None)
    return start if beyond is None else beyond + timedelta(microseconds=1)


def load(
    model: RegisteredModel,
    *,
    start: datetime | None = None,
    end: datetime | None = None,
    version: ModelVersion | None = None,
    group: str | None = None,
) -> Population:
    """Read the window. Withdrawn and not yet routed predictions are not part of it."""
    standing = Q(labels__retired_at__isnull=True)
    review, outcome = standing & Q(labels__source="review"), standing & Q(labels__source="outcome")
    rows = (
        within(model, start, end, version)
        .exclude(status=Prediction.Status.WITHDRAWN)
        .filter(routing__isnull=False)
        .annotate(reviewed=FilteredRelation("labels", condition=review))
        .annotate(observed=FilteredRelation("labels", condition=outcome))
        .annotate(group=KeyTextTransform(group or "", "groups"))
        .order_by("occurred_at", "id")
        .values_list(
            "scores", "predicted", "occurred_at", "routing__propensity", "routing__p_gate", "routing__review",
            "routing__disposition", "group", "reviewed__value", "reviewed__selection", "observed__value",
            "truth__value",
        )
    )  # fmt: skip
    return _arrays(model, rows)


def excluded(
    model: RegisteredModel, start: datetime | None, end: datetime | None, version: ModelVersion | None
) -> dict[str, int]:
    """How many predictions of the window are not in the population, and why."""
    rows = within(model, start, end, version)
    labelled = Label.objects.filter(prediction=OuterRef("pk"), retired_at__isnull=True)
    withdrawn = rows.filter(status=Prediction.Status.WITHDRAWN)
    return {
        "unrouted": rows.filter(status=Prediction.Status.RECEIVED).count(),
        "withdrawn": withdrawn.count(),
        "withdrawn_labelled": withdrawn.filter(Exists(labelled)).count(),
    }


def _arrays(model: RegisteredModel, rows: QuerySet[Any, Any]) -> Population:
    place = {label: index for index, label in enumerate(model.classes)}
    columns: list[list[Any]] = [[] for _ in range(12)]
    for row in rows.iterator(chunk_size=CHUNK):
        for column, cell in zip(columns, row, strict=True):
            column.append(cell)
    scores, predicted, occurred, propensity, p_gate, review, disposition, group, label, selection, outcome, truth = (
        columns
    )
    drawn = np.array([cell == Label.Selection.DRAW for cell in selection], dtype=bool)
    given = np.array([cell is not None for cell in selection], dtype=bool)
    known = np.array([place.get(cell, UNKNOWN) for cell in label], dtype=np.int64)
    return Population(
        scores=np.array(scores, dtype=np.float64).reshape(len(scores), len(place)),
        predicted=np.array([place[cell] for cell in predicted], dtype=np.int64),
        occurred=np.array([cell.timestamp() for cell in occurred], dtype=np.float64),
        propensity=np.array(propensity, dtype=np.float64),
        p_gate=np.array(p_gate, dtype=np.float64),
        review=_words(review),
        disposition=_words(disposition),
        group=_words(group),
        label=np.where(drawn, known, UNKNOWN),
        manual=given & ~drawn,
        outcome=np.array([place.get(cell, UNKNOWN) for cell in outcome], dtype=np.int64),
        truth=np.array([place.get(cell, UNKNOWN) for cell in truth], dtype=np.int64),
    )


def _words(cells: list[Any]) -> Words:
    found = np.empty(len(cells), dtype=object)
    found[:] = cells
    return found
