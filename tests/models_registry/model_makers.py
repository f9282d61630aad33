"""Fitted models as `.skops` bytes, their contract and reference rows, and ways to spoil them."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np

CONTRACT: dict[str, Any] = {
    "features": [
        {"name": "amount", "dtype": "float", "min": 0, "max": 1000},
        {"name": "age", "dtype": "int", "min": 0, "max": 130, "nullable": True},
        {"name": "country", "dtype": "category", "values": ["DE", "FR", "NL"]},
        {"name": "member", "dtype": "bool"},
    ]
}
NUMBERS: dict[str, Any] = {"features": [CONTRACT["features"][0], {"name": "age", "dtype": "int", "min": 0, "max": 130}]}
CLASSES = ["ok", "fraud"]


def rows(count: int = 200, *, seed: int = 0) -> Any:
    """A DataFrame with the contract's columns and ``label``."""
    import pandas

    rng = np.random.default_rng(seed)
    amount = rng.gamma(2, 100, count).round(2)
    table = pandas.DataFrame(
        {
            "amount": amount,
            "age": rng.integers(18, 90, count),
            "country": rng.choice(["DE", "FR", "NL"], count),
            "member": rng.random(count) < 0.5,
        }
    )
    noise = rng.normal(0, 60, count)
    return table.assign(label=np.where(amount + noise > 200, "fraud", "ok"))


def pipeline() -> Any:
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    columns = [
        ("numbers", numbers, ["amount", "age"]),
        ("country", OneHotEncoder(handle_unknown="ignore"), ["country"]),
    ]
    return make_pipeline(ColumnTransformer(columns, remainder="passthrough"), LogisticRegression(max_iter=500))


def fitted(estimator: Any, table: Any, columns: list[str] | None = None) -> Any:
    return estimator.fit(table[columns or ["amount", "age", "country", "member"]], table["label"])


def as_skops(estimator: Any) -> bytes:
    import skops.io

    content: bytes = skops.io.dumps(estimator)
    return content


def forest() -> bytes:
    from sklearn.ensemble import RandomForestClassifier

    return as_skops(fitted(RandomForestClassifier(3, max_depth=3, random_state=0), rows(), ["amount", "age"]))


def boosting() -> bytes:
    from sklearn.ensemble import HistGradientBoostingClassifier

    return as_skops(fitted(HistGradientBoostingClassifier(max_iter=5, random_state=0), rows(), ["amount", "age"]))


def members(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(parts: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def with_schema(content: bytes, change: Callable[[dict[str, Any]], Any]) -> bytes:
    """The archive with its schema changed in place."""
    parts = members(content)
    schema = json.loads(parts["schema.json"])
    change(schema)
    return zipped({**parts, "schema.json": json.dumps(schema).encode()})


def with_nodes(content: bytes, field: str, change: Callable[[Any], Any]) -> bytes:
    """The archive with one column of the first array of tree nodes changed."""
    parts = members(content)
    for name, part in parts.items():
        if not name.endswith(".npy"):
            continue
        array = np.load(io.BytesIO(part), allow_pickle=False)
        if array.dtype.names and field in array.dtype.names and len(array) > 3:
            array[field] = change(array[field].copy())
            buffer = io.BytesIO()
            np.save(buffer, array, allow_pickle=False)
            return zipped({**parts, name: buffer.getvalue()})
    raise LookupError(field)
