"""The columns of a model's labelled rows, in order, with one type each."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from models_registry.models import DataContract, ModelVersion, RegisteredModel


class Kind(StrEnum):
    TEXT = "text"
    INTEGER = "int"
    NUMBER = "float"
    FLAG = "bool"
    TIME = "timestamp"
    TEXTS = "list<text>"


@dataclass(frozen=True)
class Column:
    name: str
    kind: Kind
    # The feature or class whose value stands in the column; empty for the columns every model has.
    feature: str = ""
    score: str = ""


BEFORE = (
    Column("prediction_id", Kind.TEXT),
    Column("external_id", Kind.TEXT),
    Column("entity_id", Kind.TEXT),
    Column("version", Kind.TEXT),
)
AFTER = (
    Column("label", Kind.TEXT),
    Column("label_source", Kind.TEXT),
    Column("selection", Kind.TEXT),
    Column("definition", Kind.INTEGER),
    Column("propensity", Kind.NUMBER),
    Column("arrival_probability", Kind.NUMBER),
    Column("weight", Kind.NUMBER),
    Column("split", Kind.TEXT),
    Column("predicted_at", Kind.TIME),
    Column("decided_at", Kind.TIME),
    Column("observed_at", Kind.TIME),
    Column("delay_seconds", Kind.NUMBER),
    Column("reviewer", Kind.TEXT),
    Column("mode", Kind.TEXT),
    Column("reason_codes", Kind.TEXTS),
)
# Snapshots alone have it: what a row counts for where each prediction gives one label to learn from.
TRAINING_WEIGHT = Column("training_weight", Kind.NUMBER)
# Exports that were asked for implicit feedback too have it, so that the two are never in one column unmarked.
LABEL_KIND = Column("label_kind", Kind.TEXT)
_TAKEN = frozenset(column.name for column in (*BEFORE, *AFTER, TRAINING_WEIGHT, LABEL_KIND))
# A timestamp feature stays the text that was sent.
_KINDS = {"int": Kind.INTEGER, "float": Kind.NUMBER, "bool": Kind.FLAG}


def feature_column(name: str) -> str:
    """The column of a feature: its own name, or with the prefix ``feature.`` where that name is taken.

    >>> feature_column("amount"), feature_column("weight"), feature_column("score.x")
    ('amount', 'feature.weight', 'feature.score.x')
    """
    taken = name in _TAKEN or name.startswith(("score.", "feature."))
    return f"feature.{name}" if taken else name


def columns_of(model: RegisteredModel) -> list[Column]:
    """All columns of the model's labelled rows; features of every usable version, those of the newest first."""
    usable = ModelVersion.objects.filter(model=model).exclude(state=ModelVersion.State.REJECTED)
    contracts = DataContract.objects.filter(pk__in=usable.values("contract")).order_by("-number")
    kinds: dict[str, Kind] = {}
    for contract in contracts:
        for feature in contract.document["features"]:
            kind = _KINDS.get(feature["dtype"], Kind.TEXT)
            kinds[feature["name"]] = _common(kinds.get(feature["name"], kind), kind)
    features = [Column(feature_column(name), kind, feature=name) for name, kind in kinds.items()]
    scores = [Column(f"score.{label}", Kind.NUMBER, score=label) for label in model.classes]
    return [*BEFORE, *features, *scores, *AFTER]


def snapshot_columns(model: RegisteredModel) -> list[Column]:
    """The columns of a snapshot: those of the labelled rows, then the weight to train with."""
    return [*columns_of(model), TRAINING_WEIGHT]


def as_kind(value: Any, kind: Kind) -> Any:
    """A feature's value as sent, in the type of its column.

    >>> as_kind(5, Kind.NUMBER), as_kind(5.0, Kind.INTEGER), as_kind(True, Kind.TEXT), as_kind(None, Kind.TEXT)
    (5.0, 5, 'true', None)
    """
    if value is None:
        return None
    if kind is Kind.NUMBER:
        return float(value)
    if kind is Kind.INTEGER:
        return int(value)
    return value if kind is not Kind.TEXT or isinstance(value, str) else json.dumps(value)


def _common(one: Kind, other: Kind) -> Kind:
    """A type that holds both, for a feature whose type changed between versions."""
    if one is other:
        return one
    return Kind.NUMBER if {one, other} == {Kind.INTEGER, Kind.NUMBER} else Kind.TEXT
