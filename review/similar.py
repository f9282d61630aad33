"""Decided cases that look like another one: found by the worker that explains, looked up again when they are shown.

Never the case itself, none that is still open, none that measures reviewers or that an app above keeps out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet

from models_registry.models import ReferenceProfile, RegisteredModel
from review.likeness import Known, nearest
from review.models import Prediction, QueueItem, ReviewDecision

# The newest decided cases of a model that are compared with.
NEWEST = 2000
# The newest decisions of all models among which they are looked for.
AMONG = 20_000
# More are stored than are shown: one may be undone or withdrawn until then.
STORED, SHOWN = 6, 3

_kept_out: list[Q] = []


def keep_out(condition: Q) -> None:
    """Predictions for which it holds are never shown beside another; said once, when an app above starts."""
    _kept_out.append(condition)


def find(predictions: Iterable[Prediction]) -> dict[int, list[dict[str, Any]]]:
    """Per prediction the decided cases of its model most like it, nearest first: ``[{"prediction", "distance"}]``.

    Distances are those of `review.likeness`, in [0, 1]. Predictions need their version with its contract and their
    payload. A few queries per model and version, however many predictions.
    """
    of_version: dict[int, list[Prediction]] = {}
    for prediction in predictions:
        of_version.setdefault(prediction.version_id, []).append(prediction)
    decided: dict[int, tuple[list[int], list[dict[str, Any]]]] = {}
    found: dict[int, list[dict[str, Any]]] = {}
    for version_id, asked in of_version.items():
        model = asked[0].model
        if model.pk not in decided:
            decided[model.pk] = _decided(model)
        ids, cases = decided[model.pk]
        if not ids:
            continue
        profile = ReferenceProfile.objects.filter(version_id=version_id).first()
        known = Known(asked[0].version.contract.document, profile.document["features"] if profile else {}, cases)
        for prediction in asked:
            distances = known.distances(prediction.payload.features)
            places = [place for place in nearest(distances, STORED + 1) if ids[place] != prediction.pk]
            found[prediction.pk] = [
                {"prediction": ids[place], "distance": round(float(distances[place]), 6)} for place in places[:STORED]
            ]
    return found


def standing(stored: Sequence[dict[str, Any]], model_id: int) -> list[tuple[Prediction, ReviewDecision]]:
    """Of stored ones those that may still be shown, nearest first, each with the decision that stands."""
    ids = [one["prediction"] for one in stored]
    if not ids:
        return []
    rows = _settled().filter(pk__in=ids, model_id=model_id).select_related("payload").in_bulk()
    answers: dict[int, ReviewDecision] = {}
    for decision in _answers().filter(prediction__in=rows).order_by("id"):
        answers[decision.prediction_id] = decision
    return [(rows[pk], answers[pk]) for pk in ids if pk in rows and pk in answers][:SHOWN]


def _decided(model: RegisteredModel) -> tuple[list[int], list[dict[str, Any]]]:
    last = ReviewDecision.objects.order_by("-id").values_list("id", flat=True).first() or 0
    answers = _answers().filter(id__gt=last - AMONG, model=model).order_by("-id")
    ids = list(dict.fromkeys(answers.values_list("prediction", flat=True)[: 2 * NEWEST]))[:NEWEST]
    features = dict(_settled().filter(pk__in=ids).values_list("pk", "payload__features"))
    kept = [pk for pk in ids if pk in features]
    return kept, [features[pk] for pk in kept]


def _answers() -> QuerySet[ReviewDecision]:
    """Answers that stand; what was said to gold is about its reviewer."""
    stands = ReviewDecision.objects.filter(kind="decision", abstained=False, superseded_by__isnull=True)
    return stands.exclude(item__kind=QueueItem.Kind.GOLD)


def _settled() -> QuerySet[Prediction]:
    busy = QueueItem.objects.filter(Q(state=QueueItem.State.OPEN) | Q(kind=QueueItem.Kind.GOLD))
    rows = Prediction.objects.filter(~Exists(busy.filter(prediction=OuterRef("pk"))), status=Prediction.Status.DECIDED)
    for condition in _kept_out:
        rows = rows.exclude(condition)
    return rows
