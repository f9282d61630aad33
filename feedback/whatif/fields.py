"""What policies ask of past predictions beyond their scores: features, groups, staleness and novelty, as columns."""

from __future__ import annotations

from collections.abc import Sequence, Set
from datetime import UTC, datetime
from typing import Any

import msgspec
import numpy as np

from models_registry import sql
from models_registry.models import ModelVersion, RegisteredModel
from review import policies, policy_facts, rules
from review.policies import Floats, Integers

# What only the payload of each row, read whole, can tell; it is read for so many rows at most.
WHOLE, MOST_WHOLE = ("stale", "novelty"), 20_000

# Aggregates of one query take its rows in one order.
_CELLS = """
    SELECT array_agg(p.id), {cells} FROM review_prediction p {join} WHERE p.model_id = %s AND p.id BETWEEN %s AND %s
"""
_PAYLOAD = "LEFT JOIN review_predictionpayload f ON f.prediction_id = p.id"
# Where the values of a field's kind are, and the join that reaches them.
_PLACES = {"feature": ("f.features -> %s", _PAYLOAD), "group": ("p.groups -> %s", "")}


def asks_for_whole(asking: Sequence[policies.Policy]) -> bool:
    """Whether a condition needs more of each row than single cells."""
    return any(policy.asks(kind) for policy in asking for kind in WHOLE)


def columns_of(
    model: RegisteredModel, asking: Sequence[policies.Policy], ids: Integers, versions: Integers, received: Floats
) -> dict[str, rules.Column]:
    """Every field that these policies ask of the rows and that is not a score, by name, in the order of ``ids``.

    ``versions`` (N,) are ids too, ``received`` (N,) seconds since 1970.
    """
    asked: Set[str] = set().union(*(policy.fields for policy in asking))
    found: dict[str, rules.Column] = {}
    for kind, (place, join) in _PLACES.items():
        names = sorted(name for name in asked if name.startswith(f"{kind}."))
        keys = [name.partition(".")[2] for name in names]
        cells = _read(model, ids, [place] * len(names), join, keys)
        found |= {name: rules.column_of(values) for name, values in zip(names, cells, strict=True)}
    if "novelty" in asked:
        (records,) = _read(model, ids, ["f.features"], _PAYLOAD)
        found["novelty"], _ = policy_facts.novelty_of(versions.tolist(), records)
    groups = sorted(name for name in asked if name.startswith("stale."))
    if groups:
        stale = _stale(model, ids, versions, received)
        found |= {name: rules.column_of([row.get(name.partition(".")[2]) for row in stale]) for name in groups}
    return found


def _stale(model: RegisteredModel, ids: Integers, versions: Integers, received: Floats) -> list[dict[str, bool]]:
    """Per row which groups of features were too old on arrival."""
    contracts = {
        pk: version.contract.document
        for pk, version in ModelVersion.objects.select_related("contract").in_bulk(set(versions.tolist())).items()
    }
    sent = zip(*_read(model, ids, ["f.as_of", "f.feature_sets"], _PAYLOAD), strict=True)
    return [
        policies.stale_groups(contracts[version], as_of, sets, datetime.fromtimestamp(moment, UTC))
        for version, moment, (as_of, sets) in zip(versions.tolist(), received.tolist(), sent, strict=True)
    ]


def _read(
    model: RegisteredModel, ids: Integers, cells: Sequence[str], join: str, keys: Sequence[str] = ()
) -> list[list[Any]]:
    """The values of each of these JSON cells, in the order of the ids; ``keys`` fill the cells' placeholders."""
    if not cells:
        return []
    query = _CELLS.format(cells=", ".join(f"json_agg({cell})::text" for cell in cells), join=join)
    [(known, *texts)] = sql.rows(query, [*keys, model.pk, int(ids.min()), int(ids.max())])
    order = np.argsort(known)
    rows = order[np.searchsorted(np.array(known, dtype=np.int64), ids, sorter=order)].tolist()
    decoded: list[list[Any]] = [msgspec.json.decode(text) for text in texts]
    return [[values[row] for row in rows] for values in decoded]
