"""Predictions as a policy sees them, in columns: scores, what being wrong would cost, the fields of conditions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from review.rules import Coded, Column

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Records = Sequence[Mapping[str, Any] | None]


@dataclass(frozen=True, slots=True)
class Setting:
    """What holds for all predictions of a model at one moment."""

    classes: Sequence[str]
    # Per predicted class the cost of acting on it, in the order of the classes that may be true.
    costs: Mapping[str, Sequence[float]]
    disposition_of: Mapping[str, str]
    queue: str
    oversight_always: bool = False
    kill_switch: bool = False
    # The live policy's document could not be read.
    policy_broken: bool = False
    # The part of sampling that the day's capacity has room for, from 1 down to 0; gates and floors go on.
    sampling_share: float = 1.0


@dataclass(frozen=True, slots=True)
class Batch:
    """N predictions of one model with K classes.

    ``scores`` (N, K) in the order of the model's classes, ``predicted`` (N,) the index of the model's
    answer, ``confidence`` and ``guess`` (m) (N,), ``value`` and ``novelty`` (N,) with nan for missing.
    ``features``, ``groups`` and ``stale`` hold a mapping per row, ``unusual`` the names of the features
    that make a row novel; None where nothing is known of any row. ``columns`` are fields by name that stand
    in columns already, and need no mapping.
    """

    setting: Setting
    scores: Floats
    predicted: Integers
    confidence: Floats
    guess: Floats
    value: Floats | None = None
    features: Records | None = None
    groups: Records | None = None
    stale: Records | None = None
    novelty: Floats | None = None
    unusual: Sequence[Sequence[str]] | None = None
    columns: Mapping[str, Column] | None = None

    def __len__(self) -> int:
        return int(self.predicted.size)

    def part(self, start: int, end: int) -> Batch:
        """The rows from ``start`` up to ``end``."""
        cells = {name: getattr(self, name) for name in self.__slots__ if name not in ("setting", "columns")}
        cut: dict[str, Any] = {name: None if cell is None else cell[start:end] for name, cell in cells.items()}
        columns = None if self.columns is None else {k: _part(c, start, end) for k, c in self.columns.items()}
        return Batch(setting=self.setting, columns=columns, **cut)

    def column(self, name: str) -> Column:
        """The values of a field. Raises ValueError for a class that the model has not."""
        if self.columns is not None and name in self.columns:
            return self.columns[name]
        kind, _, rest = name.partition(".")
        match kind:
            case "confidence":
                return self.confidence
            case "feature":
                return self._cells(self.features, rest)
            case "score":
                return self.scores[:, self.setting.classes.index(rest)]
            case "group":
                return self._cells(self.groups, rest)
            case "risk":
                return risk(self)
            case "predicted":
                return Coded(self.predicted, self.setting.classes)
            case "margin":
                return margin(self.scores)
            case "stale":
                return self._cells(self.stale, rest)
            case "novelty":
                return np.full(len(self), np.nan) if self.novelty is None else self.novelty
            case _:
                return [None] * len(self)

    def _cells(self, records: Records | None, name: str) -> list[Any]:
        if records is None:
            return [None] * len(self)
        return [record.get(name) if record else None for record in records]


def _part(column: Column, start: int, end: int) -> Column:
    return Coded(column.codes[start:end], column.values) if isinstance(column, Coded) else column[start:end]


def risk(batch: Batch) -> Floats:
    """Expected cost of acting on the model's answer: sum over y of cost[predicted][y] p(y), times the value."""
    costs = np.array([batch.setting.costs[name] for name in batch.setting.classes], dtype=np.float64)
    expected = (costs[batch.predicted] * batch.scores).sum(axis=1)
    if batch.value is None:
        return np.asarray(expected)
    return np.asarray(np.where(np.isnan(batch.value), expected, expected * batch.value))


def margin(scores: Floats) -> Floats:
    """How far the largest score of each row is above the second.

    >>> margin(np.array([[0.5, 0.125, 0.375], [0.25, 0.75, 0.0]])).tolist()
    [0.125, 0.5]
    """
    ranked = np.sort(scores, axis=1)
    return np.asarray(ranked[:, -1] - ranked[:, -2])
