"""Taking in predictions: checked whole, stored whole, and the same one twice is the same one.

A batch is one INSERT for predictions and payloads together, which leaves out what is there already;
only when something was, a second statement reads those rows to tell a repeat from a conflict.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from functools import lru_cache
from typing import Any

import msgspec
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from models_registry import contracts, sql
from models_registry.errors import Conflict, ContractViolation, Fault, Invalid, ReviewHubError, Unprocessable
from models_registry.models import ModelVersion, RegisteredModel
from models_registry.schemas import instant, pointer
from review import context
from review.models import Prediction

logger = logging.getLogger("reviewhub.ingest")

SCORES_SUM_WITHIN = 1e-3
FUTURE_ALLOWED = timedelta(minutes=5)
# Before it no calendar of a running service lies, and far before it the database's and Python's differ.
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)

_encode = msgspec.json.Encoder(order="sorted").encode
_COLUMNS = [field.attname for field in Prediction._meta.concrete_fields]
_KEPT = {"features", "raw", "context", "attributions", "base_value", "as_of", "feature_sets", "latency_ms", "counters"}

# One statement, so that a prediction never stands without its payload. Rows are inserted in the order of
# their external ids: two batches that share some cannot wait for each other in a circle.
_INSERT = """
WITH sent AS MATERIALIZED (
    SELECT * FROM json_to_recordset(%s::json) AS row(
        model_id bigint, version_id bigint, external_id text, entity_id text, fingerprint text, scores float8[],
        predicted text, confidence float8, value float8, groups jsonb, occurred_at timestamptz,
        features jsonb, raw jsonb, context jsonb, attributions jsonb, base_value float8, as_of jsonb,
        feature_sets jsonb, latency_ms float8, counters jsonb)
), stored AS (
    INSERT INTO review_prediction (model_id, version_id, external_id, entity_id, fingerprint, scores, predicted,
        confidence, value, groups, status, occurred_at, received_at)
    SELECT model_id, version_id, external_id, entity_id, fingerprint, scores, predicted, confidence, value, groups,
        'received', coalesce(occurred_at, now.at), now.at
    FROM sent, (SELECT clock_timestamp() AS at) AS now
    ORDER BY model_id, external_id
    ON CONFLICT (model_id, external_id) DO NOTHING
    RETURNING id, model_id, external_id, occurred_at, received_at
), payloads AS (
    INSERT INTO review_predictionpayload (prediction_id, features, raw, context, attributions, base_value, as_of,
        feature_sets, latency_ms, counters)
    SELECT stored.id, features, raw, context, attributions, base_value, as_of, feature_sets, latency_ms, counters
    FROM stored JOIN sent USING (model_id, external_id)
)
SELECT model_id, external_id, id, occurred_at, received_at FROM stored
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """One body of a request: whose model it is for, and where in the request it stands."""

    model: RegisteredModel
    body: dict[str, Any]
    pointer: str = ""

    @property
    def key(self) -> tuple[int, str]:
        return self.model.pk, self.body["external_id"]


@dataclass(slots=True)
class Accepted:
    """One stored prediction; ``replayed`` when an equal body had been stored before."""

    id: int
    external_id: str
    version: str
    status: str
    replayed: bool
    columns: dict[str, Any]

    @property
    def prediction(self) -> Prediction:
        """The row, without asking the database again."""
        prediction = Prediction(id=self.id, **self.columns)
        prediction._state.adding = False
        return prediction


class _Kind(IntEnum):
    """What a fault says about the request; the smallest number present chooses the answer."""

    MALFORMED = 0
    STATE = 1
    CONTRACT = 2
    CLOCK = 3


@dataclass(frozen=True, slots=True)
class _Found:
    entry: Entry
    kind: _Kind
    fault: Fault


@dataclass(frozen=True, slots=True)
class _Terms:
    """What a version asks of its predictions. A ready version never changes, so this is kept."""

    version: ModelVersion
    features: frozenset[str]
    check: Callable[[Any, str], list[Fault]]


def accept(*, model: RegisteredModel, bodies: Sequence[dict[str, Any]], actor: str) -> list[Accepted]:
    """Store predictions of one model, all of them or none; the answers are in the order given.

    Bodies satisfy the PREDICTION schema. Raises Invalid, ContractViolation or Unprocessable with every
    fault of every body, and Conflict where there is no version to check against or an external id
    stands for another body.
    """
    several = len(bodies) > 1
    entries = [Entry(model, body, f"/predictions/{place}" if several else "") for place, body in enumerate(bodies)]
    return accept_entries(entries=entries, actor=actor)


def accept_entries(*, entries: Sequence[Entry], actor: str) -> list[Accepted]:
    """``accept`` for a request whose predictions may be of several models."""
    now = timezone.now()
    found: list[_Found] = []
    rows: list[dict[str, Any] | None] = [_row(entry, now, found) for entry in entries]
    prints = [hashlib.sha256(_encode(entry.body)).hexdigest() for entry in entries]
    if found and (faults := _but_repeats(entries, prints, found)):
        raise _refusal(faults)
    # A single row is a single statement, which needs no transaction around it.
    with transaction.atomic() if len(entries) > 1 else nullcontext():
        accepted = _store(entries, prints, rows)
    logger.debug("%s sent %d predictions", actor, len(accepted))
    return accepted


def _row(entry: Entry, now: datetime, found: list[_Found]) -> dict[str, Any] | None:
    """The columns of a body, or None and what is wrong with it in ``found``."""
    try:
        terms = _terms_of(entry)
    except ReviewHubError as error:
        kind = _Kind.STATE if error.status == Conflict.status else _Kind.MALFORMED
        found.append(_Found(entry, kind, Fault(entry.pointer + "/version", error.code, error.detail)))
        return None
    before = len(found)
    body, classes = entry.body, entry.model.classes
    found += [_Found(entry, _Kind.MALFORMED, fault) for fault in _score_faults(body["scores"], classes, entry.pointer)]
    violations = terms.check(body["features"], entry.pointer + "/features")
    if (attributions := body.get("attributions")) and not attributions.keys() <= terms.features:
        unknown = sorted(attributions.keys() - terms.features)
        place = entry.pointer + "/attributions"
        violations += [Fault(place + pointer(name), "unknown_feature", "not in the contract") for name in unknown]
    if seen := body.get("context"):
        place, most = entry.pointer + "/context", settings.REVIEWHUB["MAX_CONTEXT_IMAGE_BYTES"]
        faults = context.faults(seen, at=place, image_bytes=most)
        found += [_Found(entry, _Kind.MALFORMED, fault) for fault in faults]
        violations += context.unknown_features(seen, terms.features, at=place)
    found += [_Found(entry, _Kind.CONTRACT, fault) for fault in violations]
    occurred_at = _occurred_at(entry, now, found)
    if len(found) > before:
        return None
    scores = [body["scores"][name] for name in classes]
    confidence = max(scores)
    return {
        "model_id": entry.model.pk,
        "version_id": terms.version.pk,
        "external_id": body["external_id"],
        "entity_id": body.get("entity_id"),
        "scores": scores,
        "predicted": classes[scores.index(confidence)],
        "confidence": confidence,
        "value": body.get("value"),
        "groups": body.get("groups"),
        "occurred_at": occurred_at,
        **{name: body[name] for name in body.keys() & _KEPT},
    }


def _terms_of(entry: Entry) -> _Terms:
    name = entry.body.get("version")
    if name is not None:
        return _terms_by_name(entry.model.pk, name)
    if entry.model.champion_id is None:
        raise Conflict("the model has no active version yet; activate one or name a version", code="no_active_version")
    return _terms(entry.model.champion_id)


@lru_cache(maxsize=1024)
def _terms_by_name(model_id: int, name: str) -> _Terms:
    version_id = ModelVersion.objects.filter(model=model_id, version=name).values_list("pk", flat=True).first()
    if version_id is None:
        raise Invalid("the model has no such version", code="unknown_version")
    return _terms(version_id)


@lru_cache(maxsize=1024)
def _terms(version_id: int) -> _Terms:
    version = ModelVersion.objects.select_related("contract").get(pk=version_id)
    if version.state != ModelVersion.State.READY:
        raise Conflict(f"version {version.version} is {version.state}", code="version_not_ready")
    document = version.contract.document
    names = frozenset(feature["name"] for feature in document["features"])
    return _Terms(version, names, contracts.checker(document))


def _score_faults(scores: dict[str, float], classes: list[str], at: str) -> list[Fault]:
    known = set(classes)
    if scores.keys() == known and abs(sum(scores.values()) - 1) <= SCORES_SUM_WITHIN:
        return []
    place = at + "/scores"
    faults = [
        Fault(place + pointer(name), "unknown_label", "the model has no such class") for name in scores.keys() - known
    ]
    faults += [Fault(place + pointer(name), "required", "this class has no score") for name in known - scores.keys()]
    if not faults:
        reason = f"the scores add up to {sum(scores.values()):.6g}, not to 1 within {SCORES_SUM_WITHIN}"
        faults = [Fault(place, "scores_sum", reason)]
    return sorted(faults, key=lambda fault: fault.pointer)


def _occurred_at(entry: Entry, now: datetime, found: list[_Found]) -> datetime | None:
    text = entry.body.get("occurred_at")
    if text is None:
        return None
    place = entry.pointer + "/occurred_at"
    try:
        at = instant(text.upper())
    except ValueError as error:
        found.append(_Found(entry, _Kind.MALFORMED, Fault(place, "format", str(error))))
        return None
    if at < EARLIEST:
        found.append(_Found(entry, _Kind.MALFORMED, Fault(place, "out_of_range", "before 1970")))
    if at > now + FUTURE_ALLOWED:
        found.append(_Found(entry, _Kind.CLOCK, Fault(place, "in_future", "more than 5 minutes in the future")))
    return at


def _but_repeats(entries: Sequence[Entry], prints: Sequence[str], found: list[_Found]) -> list[_Found]:
    """The faults of bodies that are new. A repeat was accepted once, under whatever held then."""
    faulty = {item.entry.key for item in found}
    print_of = dict(zip([entry.key for entry in entries], prints, strict=True))
    stored = _stored(faulty)
    repeats = {key for key in faulty if key in stored and stored[key].columns["fingerprint"] == print_of[key]}
    return [item for item in found if item.entry.key not in repeats]


def _refusal(found: list[_Found]) -> ReviewHubError:
    faults = [item.fault for item in found]
    match min(item.kind for item in found):
        case _Kind.MALFORMED:
            return Invalid(errors=faults)
        case _Kind.STATE:
            return Conflict(faults[0].message, code=faults[0].code, errors=faults)
        case _Kind.CONTRACT:
            return ContractViolation("the record breaks the data contract of its model version", errors=faults)
        case _:
            return Unprocessable("a time lies in the future", code="in_future", errors=faults)


def _store(entries: Sequence[Entry], prints: Sequence[str], rows: Sequence[dict[str, Any] | None]) -> list[Accepted]:
    firsts: dict[tuple[int, str], int] = {}
    for place, entry in enumerate(entries):
        firsts.setdefault(entry.key, place)
    fresh = _insert([{**row, "fingerprint": prints[place]} for place in firsts.values() if (row := rows[place])])
    known = {} if len(fresh) == len(firsts) else _stored(firsts.keys() - fresh.keys())
    accepted, conflicts = [], []
    for place, entry in enumerate(entries):
        one = fresh.get(entry.key) or known[entry.key]
        if one.columns["fingerprint"] != prints[place]:
            reason = f"{one.external_id!r} stands for another body"
            conflicts.append(Fault(entry.pointer + "/external_id", "external_id_reused", reason))
        accepted.append(one if firsts[entry.key] == place else replace(one, replayed=True))
    if conflicts:
        reason = "an external id was sent before with another body"
        raise Conflict(reason, code="external_id_reused", errors=conflicts)
    return accepted


def _insert(rows: list[dict[str, Any]]) -> dict[tuple[int, str], Accepted]:
    """Store the rows that are new; returns them by model and external id."""
    if not rows:
        return {}
    by_key = {(row["model_id"], row["external_id"]): row for row in rows}
    fresh = {}
    for model_id, external_id, pk, occurred_at, received_at in sql.rows(_INSERT, [_encode(rows).decode()]):
        row = by_key[model_id, external_id]
        columns = {name: row[name] for name in row.keys() - _KEPT}
        columns |= {"status": "received", "occurred_at": occurred_at, "received_at": received_at}
        version = _terms(row["version_id"]).version.version
        fresh[model_id, external_id] = Accepted(pk, external_id, version, "received", False, columns)
    return fresh


def _stored(keys: Iterable[tuple[int, str]]) -> dict[tuple[int, str], Accepted]:
    """What was stored before under those models and external ids."""
    by_model: dict[int, list[str]] = {}
    for model_id, external_id in keys:
        by_model.setdefault(model_id, []).append(external_id)
    found = {}
    for model_id, external_ids in by_model.items():
        rows = Prediction.objects.filter(model=model_id, external_id__in=external_ids)
        for columns in rows.values(*_COLUMNS, "version__version"):
            pk, version = columns.pop("id"), columns.pop("version__version")
            one = Accepted(pk, columns["external_id"], version, columns["status"], True, columns)
            found[model_id, one.external_id] = one
    return found
