"""What the world later said about predictions: reported by callers, kept as reported."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from feedback.models import OutcomeEvent
from models_registry.errors import Fault, NotFound, Unprocessable
from models_registry.ledger import record as record_event
from models_registry.models import LabelDefinition, RegisteredModel
from models_registry.schemas import instant, pointer
from review.models import Prediction

# Clocks differ; what was observed further ahead than this was not observed.
FUTURE = timedelta(minutes=5)
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Recorded:
    """An outcome as it is stored; ``replayed`` when the same report had come before."""

    event: OutcomeEvent
    replayed: bool


def record(
    *, bodies: list[dict[str, Any]], actor: str, prefix: str = "", now: datetime | None = None
) -> list[Recorded]:
    """Store a batch of outcomes, all or none; the same report again is the event it made before.

    ``bodies`` are valid by ``serializers.OUTCOME``; ``prefix`` stands before the pointers of faults, each
    followed by its place in the batch unless there is no prefix. Raises NotFound for an unknown model,
    Unprocessable naming every prediction, class, definition or time that cannot be accepted.
    """
    slugs = {body["model"] for body in bodies}
    models = {model.slug: model for model in RegisteredModel.objects.filter(slug__in=slugs)}
    if unknown := slugs - set(models):
        raise NotFound(f"there is no model {min(unknown)!r}")
    predictions = _predictions(models, bodies)
    definitions = _definitions(models)
    faults: list[Fault] = []
    rows: list[OutcomeEvent] = []
    latest = (now or timezone.now()) + FUTURE
    for place, body in enumerate(bodies):
        at = f"{prefix}{pointer(place)}" if prefix else ""
        found, event = _event(body, models[body["model"]], predictions, definitions, latest, at)
        faults += found
        if event is not None:
            rows.append(event)
    if faults:
        raise Unprocessable("nothing of this was stored", code="invalid_outcome", errors=faults)
    with transaction.atomic():
        stored = _store(rows)
        _audit(stored, actor)
    return stored


def _event(
    body: dict[str, Any],
    model: RegisteredModel,
    predictions: dict[tuple[int, str], Prediction],
    definitions: dict[tuple[int, int | None], LabelDefinition],
    latest: datetime,
    at: str,
) -> tuple[list[Fault], OutcomeEvent | None]:
    faults = []
    prediction = predictions.get((model.pk, body["external_id"]))
    if prediction is None:
        message = f"model {model.slug!r} has no prediction {body['external_id']!r}"
        faults.append(Fault(f"{at}/external_id", "unknown_prediction", message))
    definition = definitions.get((model.pk, body.get("definition")))
    if definition is None:
        faults.append(Fault(f"{at}/definition", "unknown_definition", "this model has no such label definition"))
    if body["value"] not in model.classes and not _mapped(body, definition):
        known = ", ".join(model.classes)
        faults.append(Fault(f"{at}/value", "unknown_class", f"{body['value']!r} is not one of the classes {known}"))
    observed_at = _time(body["observed_at"])
    if observed_at is None:
        faults.append(Fault(f"{at}/observed_at", "format", "this is no time since 1970"))
    elif observed_at > latest:
        faults.append(Fault(f"{at}/observed_at", "in_future", "this lies more than 5 minutes in the future"))
    if faults or prediction is None or definition is None or observed_at is None:
        return faults, None
    return [], OutcomeEvent(
        model=model,
        prediction=prediction,
        value=body["value"],
        source=body["source"],
        kind=body["kind"],
        definition=definition,
        final=body.get("final", True),
        observed_at=observed_at,
        before_prediction=observed_at < prediction.occurred_at,
    )


def _mapped(body: dict[str, Any], definition: LabelDefinition | None) -> bool:
    """Whether this is implicit feedback whose value the definition says the meaning of."""
    return (
        body["kind"] == OutcomeEvent.Kind.IMPLICIT
        and definition is not None
        and body["value"] in definition.implicit.get(body["source"], {})
    )


def _time(text: str) -> datetime | None:
    """The instant in UTC; None for a leap second and for years before any service ran."""
    try:
        found = instant(text).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return found if found >= EARLIEST else None


def _predictions(models: dict[str, RegisteredModel], bodies: list[dict[str, Any]]) -> dict[tuple[int, str], Prediction]:
    found: dict[tuple[int, str], Prediction] = {}
    for slug, model in models.items():
        names = [body["external_id"] for body in bodies if body["model"] == slug]
        rows = Prediction.objects.filter(model=model, external_id__in=names)
        rows = rows.only("model_id", "external_id", "occurred_at")
        found |= {(model.pk, row.external_id): row for row in rows}
    return found


def _definitions(models: dict[str, RegisteredModel]) -> dict[tuple[int, int | None], LabelDefinition]:
    """By model and number; the number None is the current one."""
    found: dict[tuple[int, int | None], LabelDefinition] = {}
    for row in LabelDefinition.objects.filter(model__in=models.values()).order_by("number"):
        found[row.model_id, row.number] = found[row.model_id, None] = row
    return found


def _key(event: OutcomeEvent) -> tuple[Any, ...]:
    return (event.prediction_id, event.source, event.kind, event.value, event.observed_at, event.final)


def _store(rows: list[OutcomeEvent]) -> list[Recorded]:
    """Insert what is new, in an order that keeps two batches with the same rows from blocking each other."""
    mine = {row.prediction_id for row in rows}
    before = {event.pk for event in OutcomeEvent.objects.filter(prediction__in=mine).only("pk")}
    OutcomeEvent.objects.bulk_create(sorted(rows, key=_key), ignore_conflicts=True)
    stored = {_key(event): event for event in OutcomeEvent.objects.filter(prediction__in=mine)}
    seen: set[int] = set()
    answers = []
    for row in rows:
        event = stored[_key(row)]
        answers.append(Recorded(event, event.pk in before or event.pk in seen))
        seen.add(event.pk)
    return answers


def _audit(stored: list[Recorded], actor: str) -> None:
    new = Counter(answer.event.model_id for answer in stored if not answer.replayed)
    for model in RegisteredModel.objects.filter(pk__in=new):
        detail = {"outcomes": new[model.pk]}
        record_event(actor=actor, action="outcomes.recorded", subject=model.slug, model=model, detail=detail)
