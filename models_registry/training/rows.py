"""From snapshot parts to the rows that can be learnt from: one label per prediction, each with its weight."""

from __future__ import annotations

import json
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np

from models_registry.errors import Unprocessable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

# Where a prediction has both, what the world said stands over what a person thought: an outcome carries a
# weight only where the model declares outcomes complete for the population the prediction was routed into.
SOURCE_ORDER = ("outcome", "review")
TRAIN, HOLDOUT = "train", "holdout"


@dataclass(frozen=True)
class LabelledRows:
    """n labelled rows: features as sent, label as class index (n,), weight (n,), who they are about, what was posted.

    ``scores`` is (n, k) as posted with the prediction, by the version named in ``versions``.
    """

    records: list[dict[str, Any]]
    labels: NDArray[np.int64]
    weight: NDArray[np.float64]
    entities: list[str]
    versions: list[str]
    scores: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.records)

    def take(self, keep: Sequence[int]) -> LabelledRows:
        """The rows at these positions."""
        positions = np.asarray(keep, dtype=np.int64)
        return LabelledRows(
            records=[self.records[i] for i in positions],
            labels=self.labels[positions],
            weight=self.weight[positions],
            entities=[self.entities[i] for i in positions],
            versions=[self.versions[i] for i in positions],
            scores=self.scores[positions],
        )


@dataclass(frozen=True)
class Split:
    """The usable rows of a snapshot on either side, and what was left out and why."""

    train: LabelledRows
    held_out: LabelledRows
    counts: dict[str, int]


def split_snapshot(parts: Iterable[bytes], *, contract: dict[str, Any], classes: Sequence[str]) -> Split:
    """Read Parquet parts in order and keep one weighted label per prediction.

    Rows count by ``training_weight``: a mature prediction of a population with complete outcomes counts once,
    whichever label stands, every other one as 1/(propensity x arrival). Rows without
    one (selected outside the draw, or outcomes of a population that is not declared complete) have an unknown
    chance of being here, so they are counted and left out. Raises Unprocessable (``invalid_snapshot``) when a
    column is missing.
    """
    rows = [row for part in parts for row in _table_rows(part, contract, classes)]
    counts = {"rows": len(rows), "without_weight": 0, "other_class": 0, "second_source": 0}
    known = set(classes)
    chosen: dict[str, dict[str, Any]] = {}
    for row in sorted(rows, key=lambda row: SOURCE_ORDER.index(row["label_source"])):
        if row["label"] not in known:
            counts["other_class"] += 1
        elif not row["weight"] or not np.isfinite(row["weight"]):
            counts["without_weight"] += 1
        elif row["prediction_id"] in chosen:
            counts["second_source"] += 1
        else:
            chosen[row["prediction_id"]] = row
    # In the snapshot's own order, so that the same snapshot always trains the same model.
    kept = [row for row in rows if chosen.get(row["prediction_id"]) is row]
    train = _labelled([row for row in kept if row["split"] == TRAIN], classes)
    held_out = _labelled([row for row in kept if row["split"] == HOLDOUT], classes)
    return Split(train, held_out, {**counts, "train": len(train), "held_out": len(held_out)})


def _table_rows(part: bytes, contract: dict[str, Any], classes: Sequence[str]) -> list[dict[str, Any]]:
    """The rows of a part, each with its features under ``features``."""
    import pyarrow.parquet as parquet

    table = parquet.read_table(BytesIO(part))
    if "training_weight" in table.column_names:
        table = table.set_column(table.column_names.index("weight"), "weight", table.column("training_weight"))
    # A feature whose name another column has stands under a prefix.
    names = [feature["name"] for feature in contract["features"]]
    held = {name: f"feature.{name}" if f"feature.{name}" in table.column_names else name for name in names}
    needed = ["prediction_id", "entity_id", "version", "label", "label_source", "weight", "split"]
    needed += [f"score.{label}" for label in classes]
    missing = [name for name in [*needed, *held.values()] if name not in table.column_names]
    if missing:
        raise Unprocessable(f"the snapshot lacks the columns {', '.join(missing)}", code="invalid_snapshot")
    rows: list[dict[str, Any]] = table.select(needed).to_pylist()
    for feature in contract["features"]:
        values = table.column(held[feature["name"]]).to_pylist()
        for row, value in zip(rows, values, strict=True):
            row.setdefault("features", {})[feature["name"]] = _as_sent(value, feature["dtype"])
    return rows


def _as_sent(value: Any, dtype: str) -> Any:
    """A cell in the contract's type: where versions disagree on it, the snapshot holds the value as JSON text."""
    if not isinstance(value, str) or dtype in ("category", "text", "timestamp"):
        return value
    try:
        decoded = json.loads(value)
    except ValueError:
        return None
    return decoded if isinstance(decoded, int | float) else None


def to_parquet(columns: dict[str, list[Any]]) -> bytes:
    """Plain columns as one Parquet file; times as text, NaN as null."""
    import pyarrow
    import pyarrow.parquet as parquet

    table = pyarrow.table({name: pyarrow.array([_plain(v) for v in values]) for name, values in columns.items()})
    out = BytesIO()
    parquet.write_table(table, out)
    return out.getvalue()


def _plain(value: Any) -> Any:
    if isinstance(value, float) and value != value:
        return None
    return value.isoformat() if hasattr(value, "isoformat") else value


def _labelled(rows: list[dict[str, Any]], classes: Sequence[str]) -> LabelledRows:
    number = {label: index for index, label in enumerate(classes)}
    scores = [[_score(row[f"score.{label}"]) for label in classes] for row in rows]
    return LabelledRows(
        records=[row["features"] for row in rows],
        labels=np.array([number[row["label"]] for row in rows], dtype=np.int64),
        weight=np.array([row["weight"] for row in rows], dtype=np.float64),
        entities=[_entity(row) for row in rows],
        versions=[str(row["version"]) for row in rows],
        scores=np.array(scores, dtype=np.float64).reshape(len(rows), len(classes)),
    )


def _score(value: Any) -> float:
    return float("nan") if value is None else float(value)


def _entity(row: dict[str, Any]) -> str:
    # The two are kept apart, so that an entity named like a prediction's id is not taken for it.
    entity = row["entity_id"]
    return f"entity:{entity}" if entity else f"prediction:{row['prediction_id']}"
