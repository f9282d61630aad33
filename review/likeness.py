"""How alike two cases are: Gower's distance (1971) over the features of a contract, mixed types and gaps included.

A number counts by its difference in spreads of the training data (5th to 95th percentile), at most 1; a category or
flag by whether it differs; a value that one of the two lacks counts as 1. Sensitive features, texts and times say
nothing. Pure: features in, numbers out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Features = Mapping[str, Any]

TELLING = 0.1


class Known:
    """Cases to be compared with, held as columns."""

    def __init__(self, contract: Mapping[str, Any], profile: Mapping[str, Any], cases: Sequence[Features]) -> None:
        """``profile`` is a reference profile's ``features``; where it is silent the cases' own spread counts."""
        self.names = {kind: [f["name"] for f in usable(contract) if _kind(f) == kind] for kind in ("number", "word")}
        self.numbers = np.array([self._numbers(case) for case in cases], dtype=np.float64).reshape(len(cases), -1)
        self.words = np.array([self._words(case) for case in cases], dtype=object).reshape(len(cases), -1)
        own = [_spread_of(self.numbers[:, place]) for place in range(self.numbers.shape[1])]
        told = [spread(profile.get(name)) for name in self.names["number"]]
        self.spreads = np.array([ours if given is None else given for given, ours in zip(told, own, strict=True)])

    def distances(self, case: Features) -> Floats:
        """(N,) in [0, 1]: the mean over the features; all 1 where there is none to compare by.

        >>> contract = {"features": [{"name": "n", "dtype": "float"}, {"name": "c", "dtype": "category"}]}
        >>> profile = {"n": {"kind": "numeric", "min": 0.0, "max": 10.0, "quantiles": []}}
        >>> known = Known(contract, profile, [{"n": 1.0, "c": "a"}, {"n": 6.0, "c": "b"}, {"n": None, "c": "a"}])
        >>> known.distances({"n": 1.0, "c": "a"}).tolist()
        [0.0, 0.75, 0.5]
        """
        count = self.numbers.shape[1] + self.words.shape[1]
        if not count:
            return np.ones(len(self.numbers))
        given = np.array(self._numbers(case), dtype=np.float64)
        gaps = np.minimum(np.abs(self.numbers - given) / self.spreads, 1.0)
        gaps = np.where(np.isnan(gaps), (np.isnan(self.numbers) != np.isnan(given)).astype(float), gaps)
        differ = self.words != np.array(self._words(case), dtype=object)
        return np.asarray((gaps.sum(axis=1) + differ.sum(axis=1)) / count, dtype=np.float64)

    def _numbers(self, case: Features) -> list[float]:
        return [_number(case.get(name)) for name in self.names["number"]]

    def _words(self, case: Features) -> list[str]:
        # None becomes a word of its own, so that two gaps are alike.
        return [repr(case.get(name)) for name in self.names["word"]]


def nearest(distances: Floats, count: int) -> list[int]:
    """The places of the smallest, ties in their order."""
    return [int(place) for place in np.argsort(distances, kind="stable")[:count]]


def differing(
    contract: Mapping[str, Any], profile: Mapping[str, Any], one: Features, other: Features, most: int
) -> list[str]:
    """The features in which two cases differ most, most first; those that hardly differ are left out."""
    gaps: dict[str, float] = {}
    for feature in usable(contract):
        name = feature["name"]
        a, b = one.get(name), other.get(name)
        x, y = _number(a), _number(b)
        if _kind(feature) == "number" and not np.isnan(x) and not np.isnan(y):
            gaps[name] = abs(x - y) / (spread(profile.get(name)) or max(abs(x), abs(y), 1e-12))
        else:
            gaps[name] = float(a != b)
    told = [name for name in gaps if gaps[name] >= TELLING]
    return sorted(told, key=lambda name: -gaps[name])[:most]


def usable(contract: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [f for f in contract["features"] if not f.get("sensitive") and f["dtype"] not in ("text", "timestamp")]


def spread(entry: Mapping[str, Any] | None) -> float | None:
    """From the 5th to the 95th percentile, or from end to end where these are one; None where nothing is known."""
    if entry is None or entry.get("kind") != "numeric" or entry["min"] is None:
        return None
    inner = [value for _, value in entry["quantiles"]]
    wide = inner[-1] - inner[0] if inner else 0.0
    wide = wide if wide > 0 else entry["max"] - entry["min"]
    return float(wide) if wide > 0 else None


def _spread_of(values: Floats) -> float:
    known = values[np.isfinite(values)]
    if not known.size:
        return 1.0
    low, high = np.quantile(known, [0.05, 0.95])
    wide = float(high - low) or float(known.max() - known.min())
    return wide or 1.0


def _kind(feature: Mapping[str, Any]) -> str:
    return "number" if feature["dtype"] in ("int", "float") else "word"


def _number(value: Any) -> float:
    """A number; nan for anything else, as the value of an older contract may be."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else float("nan")
