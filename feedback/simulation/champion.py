"""The champion of a simulation: boosting on the first fifth of the rows, its scores calibrated on folds of the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from feedback.simulation.table import Table, Unreadable

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

FIRST = 0.2
FOLDS = 5
# Isotonic steps need rows; below this a sigmoid has less to go wrong.
ISOTONIC_ROWS = 2_000
LEAST_SCORE = 0.01
# What boosting takes as a category; rarer values share one.
MOST_CATEGORIES = 250
SEED = 0


def train(table: Table) -> Floats:
    """Scores (M, K) of all rows after the first fifth, in class order.

    Calibrated on out-of-fold scores of the first fifth, clipped to [0.01, 0.99] before they are scaled to
    sum to 1. Raises Unreadable where the first fifth holds a single class.
    """
    start = round(len(table.labels) * FIRST)
    labels = table.labels[:start]
    counts = np.bincount(labels, minlength=len(table.classes))
    # A class that is all but absent from the rows to learn from cannot be learnt; its score stays the least.
    known = np.flatnonzero(counts >= 2)
    if len(known) < 2:
        raise Unreadable(
            f"the first {start} rows, which the champion learns from, hold one class only; shuffle the rows of the file"
        )
    learnt = np.isin(labels, known)
    inputs = encoded(table.features, start)
    if not len(inputs.columns):
        raise Unreadable(f"no column has a value in the first {start} rows, which the champion learns from")
    with one_thread():
        model = calibrated(inputs[:start][learnt], labels[learnt], int(counts[known].min()))
    scores = np.full((len(table.labels) - start, len(table.classes)), LEAST_SCORE)
    scores[:, model.classes_] = np.clip(model.predict_proba(inputs[start:]), LEAST_SCORE, 1 - LEAST_SCORE)
    return np.asarray(scores / scores.sum(axis=1, keepdims=True))


def encoded(features: pd.DataFrame, start: int) -> pd.DataFrame:
    """Numbers as they are, texts as categories; values that the first ``start`` rows lack are missing."""
    import pandas as pd

    columns: dict[str, Any] = {}
    for name in features.columns:
        column = features[name]
        # A column that the rows to learn from do not fill cannot be learnt from.
        if not (column[:start].notna() & (column[:start] != "")).any():
            continue
        if column.dtype == np.float64:
            columns[name] = column
        else:
            frequent = column[:start].value_counts().index[:MOST_CATEGORIES]
            columns[name] = pd.Categorical(column, categories=sorted(map(str, frequent)))
    return pd.DataFrame(columns)


def one_thread() -> Any:
    """A context in which fits keep to one thread: on small tables threads wait for each other more than they work.

    Only libraries that are loaded already can be limited.
    """
    import sklearn.ensemble  # noqa: F401

    return threadpool_limits(1)


def boosting(rows: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(
        max_iter=80,
        learning_rate=0.08,
        max_leaf_nodes=15,
        min_samples_leaf=min(30, max(5, rows // 40)),
        categorical_features="from_dtype",
        random_state=SEED,
    )


def calibrated(inputs: pd.DataFrame, labels: NDArray[np.int64], fewest: int) -> Any:
    """The model fitted on all rows, its scores mapped by what out-of-fold scores of the same rows turned out to be."""
    from sklearn.calibration import CalibratedClassifierCV

    method = "isotonic" if len(labels) >= ISOTONIC_ROWS else "sigmoid"
    learner = boosting(len(labels))
    return CalibratedClassifierCV(learner, method=method, cv=min(FOLDS, fewest), ensemble=False).fit(inputs, labels)
