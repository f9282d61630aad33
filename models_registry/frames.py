"""From records to what a model is called with: one code path for scoring, explaining and training.

A frame has the contract's features as columns, in the contract's order, and one pandas type per dtype:
``int`` int64 (float64 where a value is null or longer), ``float`` float64, ``bool`` bool (object where a value is
null), ``category`` and ``text`` strings with nan for null, ``timestamp`` datetime64 in UTC. That is what
`pandas.read_csv` would give a modeller for the same columns. pandas is imported when first needed,
which is never in the web process.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from models_registry.errors import Invalid

_LARGEST_EXACT = 2**53
_LONGEST = 2**63


def frame(rows: Sequence[Mapping[str, Any]], contract: Mapping[str, Any]) -> Any:
    """A DataFrame of the records, columns as the contract orders them; an absent key is null.

    Values are JSON values that have passed the contract. Fields outside the contract are left out.
    """
    names = [feature["name"] for feature in contract["features"]]
    return from_columns({name: [row.get(name) for row in rows] for name in names}, contract)


def from_columns(columns: Mapping[str, Sequence[Any]], contract: Mapping[str, Any]) -> Any:
    """A DataFrame from one sequence of values per feature, all of one length."""
    import pandas

    series = {feature["name"]: column(columns[feature["name"]], feature["dtype"]) for feature in contract["features"]}
    return pandas.DataFrame(series, columns=list(series))


def column(values: Sequence[Any], dtype: str) -> Any:
    """One feature's values as a pandas Series of the type that stands for the contract's dtype."""
    import pandas

    clean: list[Any]
    missing = [value is None or (isinstance(value, float) and math.isnan(value)) for value in values]
    if dtype in ("category", "text"):
        clean = [None if absent else as_text(value) for value, absent in zip(values, missing, strict=True)]
        return pandas.Series(clean, dtype=pandas.StringDtype(na_value=np.nan))
    if dtype == "timestamp":
        return pandas.Series(pandas.to_datetime(pandas.Series(values, dtype=object), utc=True, format="ISO8601"))
    read = {"int": int, "float": float, "bool": bool}[dtype]
    clean = [math.nan if absent else read(value) for value, absent in zip(values, missing, strict=True)]
    if dtype == "bool":
        return pandas.Series(clean, dtype=object if any(missing) else bool)
    whole = dtype == "int" and not any(missing) and all(abs(value) < _LONGEST for value in clean)
    return pandas.Series(clean, dtype=np.int64 if whole else np.float64)


def as_text(value: Any) -> str:
    """A category as the contract writes it: a whole number without its fraction, a flag in lower case.

    >>> [as_text(value) for value in ("DE", 3, 3.0, True)]
    ['DE', '3', '3', 'true']
    """
    if isinstance(value, (bool, np.bool_)):
        return str(bool(value)).lower()
    if isinstance(value, (float, np.floating)) and float(value).is_integer() and abs(float(value)) < _LARGEST_EXACT:
        return str(int(value))
    return str(value)


def as_class(value: Any, classes: Iterable[str]) -> str | None:
    """The class that a label value means, or None; numbers and flags are matched by how they are written.

    >>> as_class(1, ["0", "1"]), as_class(1.0, ["0", "1"]), as_class(True, ["True", "False"]), as_class(2, ["0"])
    ('1', '1', 'True', None)
    """
    known = set(classes)
    return next((text for text in (str(value), as_text(value)) if text in known), None)


def as_matrix(table: Any) -> Any:
    """A frame's values as an array (rows, features): float64 where every feature is a number or flag, else object."""
    if all(kind.kind in "biuf" for kind in table.dtypes):
        return table.to_numpy(dtype=np.float64)
    return table.to_numpy(dtype=object)


def inputs(estimator: Any, rows: Sequence[Mapping[str, Any]], contract: Mapping[str, Any]) -> Any:
    """What this fitted estimator's ``predict_proba`` takes for the records; see `fitted_inputs`."""
    return fitted_inputs(estimator, frame(rows, contract))


def fitted_inputs(estimator: Any, table: Any) -> Any:
    """The frame with the columns the estimator was fitted with, or the bare matrix if it knows no names.

    Raises Invalid (``invalid_model``) where the estimator needs a column that the contract does not have,
    or as an unnamed matrix another number of columns.
    """
    names = getattr(estimator, "feature_names_in_", None)
    if names is not None:
        if absent := [str(name) for name in names if name not in table.columns]:
            message = f"the model was fitted with columns the contract does not have: {', '.join(absent[:10])}"
            raise Invalid(message, code="invalid_model")
        return table[list(names)]
    width = getattr(estimator, "n_features_in_", table.shape[1])
    if width != table.shape[1]:
        message = f"the model takes {width} columns, the contract has {table.shape[1]} features"
        raise Invalid(message, code="invalid_model")
    return as_matrix(table)
