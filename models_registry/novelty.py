"""How unlike a version's reference rows a record is, from the counters of its reference profile.

Per feature a tail probability p: the share of reference rows whose value is as far out, or as rare. Over the
features the statistic of Berk and Jones (1979): the largest k KL(i/k, p_(i)) over the i smallest of k
probabilities. One very strange feature (i = 1, as in min-p) and many slightly strange ones (i = k, where Fisher's
sum is strong) both raise it; the i at which it is largest says how many features make a record strange, as
in higher-criticism thresholding (Donoho and Jin 2008). Features depend on each other, so no formula gives its
distribution: the profile holds it as counted over the reference rows themselves. Numpy only, no random numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models_registry.schemas import instant

Floats = NDArray[np.float64]

# What a feature's own probability must fall below to be named, unless nothing like it was ever seen.
NAMED_BELOW = 0.01
MOST_NAMED = 5
# Rows over which the statistic is counted; at 100,000 the standard error of a 1 % tail is 0.03 points.
CALIBRATION_ROWS = 100_000
# Probabilities held at once while counting.
CHUNK = 2_000_000
_TAIL = (0.0, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.4)
FEATURE_SHARES = (*_TAIL, 0.5, *(1 - share for share in reversed(_TAIL)))
STATISTIC_SHARES = (*(step / 100 for step in range(100)), *(step / 1000 for step in range(991, 1000)), 0.9995, 1.0)
_SMALLEST = 1e-300
_DECIMALS = 6


@dataclass(frozen=True, slots=True)
class Distribution:
    """Reference values known at some points: how many are at most, how many at least, that large.

    ``values`` rise strictly and begin and end with the smallest and the largest value. Between two points the
    values are taken as evenly spread. Beyond the ends half a row is left, less with distance: half of it is
    reached one span of the values further out.
    """

    values: Floats
    at_most: Floats
    at_least: Floats

    def tails(self, x: Floats) -> tuple[Floats, Floats]:
        """How many reference values are <= x and how many are >= x, in rows, for each x (none is nan).

        >>> two = Distribution(np.array([0.0, 10.0]), np.array([4.0, 5.0]), np.array([5.0, 1.0]))
        >>> [counts.tolist() for counts in two.tails(np.array([0.0, 5.0, 10.0, 20.0]))]
        [[4.0, 4.0, 5.0, 5.0], [5.0, 1.0, 1.0, 0.25]]
        """
        if not len(self.values):
            return np.full(len(x), 0.5), np.full(len(x), 0.5)
        low, high, known = self.values[0], self.values[-1], self.at_least[0]
        place = np.clip(np.searchsorted(self.values, x, side="right") - 1, 0, len(self.values) - 1)
        following = np.minimum(place + 1, len(self.values) - 1)
        width = self.values[following] - self.values[place]
        part = np.divide(x - self.values[place], width, out=np.zeros(len(x)), where=width > 0)
        below = self.at_most[place] + part * (known - self.at_least[following] - self.at_most[place])
        above = np.where(self.values[place] == x, self.at_least[place], known - below)
        span = high - low if high > low else max(abs(high), 1.0)
        distance = np.maximum(np.maximum(low - x, x - high), 0.0) / span
        rest = 0.5 / (1 + distance)
        return np.where(x < low, rest, np.where(x > high, known, below)), np.where(
            x > high, rest, np.where(x < low, known, above)
        )

    def document(self) -> dict[str, list[float]]:
        return {name: getattr(self, name).tolist() for name in ("values", "at_most", "at_least")}


@dataclass(frozen=True, slots=True)
class Measured:
    """A number, a time (seconds since 1970) or a text by its length. Probabilities are two-sided."""

    name: str
    dtype: str
    rows: int
    nulls: int
    points: Distribution

    def column(self, cells: Sequence[Any]) -> Any:
        """The JSON values of a feature as a profile takes them; what is no number counts as null."""
        if self.dtype == "text":
            return [cell if isinstance(cell, str) else None for cell in cells]
        if self.dtype == "timestamp":
            return np.array([np.nan if cell is None else instant(cell.upper()).timestamp() for cell in cells])
        try:
            return np.array([np.nan if cell is None else cell for cell in cells], dtype=np.float64)
        except (TypeError, ValueError, OverflowError):
            return np.array([cell if isinstance(cell, int | float) else np.nan for cell in cells], dtype=np.float64)

    def probabilities(self, column: Any) -> Floats:
        numbers = _numbers(column, self.dtype)
        known = np.isfinite(numbers)
        lower, upper = self.points.tails(np.where(known, numbers, 0.0))
        counted = np.where(known, 2 * np.minimum(lower, upper), self.nulls or 0.5)
        return np.minimum(counted / (self.rows + 1), 1.0)


@dataclass(frozen=True, slots=True)
class Category:
    """``masses``: per value, and for None, the reference rows whose value is as rare or rarer; ``unlisted``
    stands for every other value: the rest beyond the profile's most frequent, half a row where there is none."""

    name: str
    rows: int
    masses: Mapping[Any, float]
    unlisted: float

    def column(self, cells: Sequence[Any]) -> list[Any]:
        return [str(cell).lower() if isinstance(cell, bool) else cell for cell in cells]

    def probabilities(self, column: Any) -> Floats:
        masses, unlisted = self.masses, self.unlisted
        counted = np.array([masses.get(value, unlisted) for value in column], dtype=np.float64)
        return np.minimum(counted / (self.rows + 1), 1.0)


@dataclass(frozen=True, slots=True)
class Novelty:
    """A reference profile made ready to judge records. ``statistic`` is None for profiles of format 1."""

    rows: int
    features: tuple[Measured | Category, ...]
    statistic: Distribution | None = None

    def novelty_of(self, records: Sequence[Mapping[str, Any]]) -> tuple[Floats, list[tuple[str, ...]]]:
        """Per record its novelty in [0, 1] and the names of the features that make it strange, strangest first.

        ``records`` are JSON values that passed the contract; an absent key is null. Novelty is the share of
        reference rows that are less strange: 0.99 or more holds for about 1 % of them. Without ``statistic``
        it is Sidak's 1 - P(a smaller minimum of k independent probabilities), which is not calibrated.
        """
        if not records:
            return np.zeros(0), []
        cells = ((feature, feature.column([r.get(feature.name) for r in records])) for feature in self.features)
        found = np.column_stack([feature.probabilities(column) for feature, column in cells])
        strange, depth = berk_jones(found)
        if self.statistic is None:
            scores = (1 - found.min(axis=1)) ** found.shape[1]
        else:
            scores = 1 - self.statistic.tails(strange)[1] / (self.statistic.at_least[0] + 1)
        return scores, self._named(found, depth)

    def _named(self, found: Floats, depth: NDArray[np.int64]) -> list[tuple[str, ...]]:
        level = max(NAMED_BELOW, 1 / (self.rows + 1))
        names: list[tuple[str, ...]] = [()] * len(found)
        for place in np.flatnonzero((found <= level).any(axis=1)).tolist():
            ranked = np.argsort(found[place], kind="stable")[: min(int(depth[place]), MOST_NAMED)]
            names[place] = tuple(self.features[j].name for j in ranked.tolist() if found[place, j] <= level)
        return names


def compile_novelty(profile: Mapping[str, Any], contract: Mapping[str, Any]) -> Novelty | None:
    """The judge of one version's records; None where its profile has no rows or no features.

    ``profile`` is a document of `profiles.build_profile` of any format, ``contract`` the version's.
    """
    rows, section = profile["rows"], profile.get("novelty") or {}
    if not rows or not contract["features"]:
        return None
    points = section.get("points") or {}
    features = tuple(
        _feature(feature, profile["features"][feature["name"]], rows, points.get(feature["name"]))
        for feature in contract["features"]
    )
    statistic = section.get("statistic")
    return Novelty(rows, features, None if statistic is None else _distribution(statistic))


def novelty_section(
    contract: Mapping[str, Any], profile: Mapping[str, Any], columns: Mapping[str, Any]
) -> dict[str, Any] | None:
    """What a profile document keeps under ``novelty``: exact tails per feature, and the statistic's distribution.

    ``columns`` as `profiles.build_profile` takes them. None where there is nothing to learn from.
    """
    measured = [f for f in contract["features"] if f["dtype"] not in ("category", "bool")]
    numbers = {f["name"]: _numbers(columns[f["name"]], f["dtype"]) for f in measured}
    points = {name: known_at(values, FEATURE_SHARES).document() for name, values in numbers.items()}
    judge = compile_novelty({**profile, "novelty": {"points": points}}, contract)
    if judge is None:
        return None
    step = -(-judge.rows // CALIBRATION_ROWS)
    chosen = [columns[feature.name][::step] for feature in judge.features]
    size = max(CHUNK // len(chosen), 1)
    parts = [
        berk_jones(
            np.column_stack([f.probabilities(c[at : at + size]) for f, c in zip(judge.features, chosen, strict=True)])
        )[0]
        for at in range(0, len(chosen[0]), size)
    ]
    return {"points": points, "statistic": known_at(np.concatenate(parts), STATISTIC_SHARES).document()}


def berk_jones(probabilities: Floats) -> tuple[Floats, NDArray[np.int64]]:
    """the statistic of each row of (rows, k) probabilities, 0 where none is below its rank, and the i that attains it.

    >>> strange, depth = berk_jones(np.array([[0.5, 0.9], [0.001, 0.9], [0.001, 0.001]]))
    >>> strange.round(2).tolist(), depth.tolist()
    ([0.21, 5.52, 13.82], [2, 1, 2])
    """
    ordered = np.sort(probabilities, axis=1)
    k = ordered.shape[1]
    share = np.arange(1, k + 1) / k
    rest = 1 - share
    entropy = share * np.log(share) + rest * np.log(np.where(rest > 0, rest, 1.0))
    bounded = np.clip(ordered, _SMALLEST, 1 - 1e-12)
    divergence = k * (entropy - share * np.log(bounded) - rest * np.log1p(-bounded))
    divergence = np.where(ordered < share, divergence, 0.0)
    # Rounded, so that a row has the same statistic alone and among others, whatever the vector unit does.
    return np.round(divergence.max(axis=1), _DECIMALS), divergence.argmax(axis=1) + 1


def known_at(values: Any, shares: Sequence[float]) -> Distribution:
    """The distribution of values at their own quantiles of those shares (type 1), nan left out.

    >>> known_at([0.0, 0.0, 0.0, 7.0], (0.0, 0.5, 1.0)).document()
    {'values': [0.0, 7.0], 'at_most': [3.0, 4.0], 'at_least': [4.0, 1.0]}
    """
    array = np.asarray(values, dtype=np.float64)
    known = np.sort(array[np.isfinite(array)])
    n = len(known)
    places = [min(max(int(np.ceil(share * n - 1e-9)) - 1, 0), n - 1) for share in shares] if n else []
    chosen = np.unique(known[places])
    left, right = np.searchsorted(known, chosen, side="left"), np.searchsorted(known, chosen, side="right")
    return Distribution(chosen, right.astype(np.float64), (n - left).astype(np.float64))


def _feature(feature: Mapping[str, Any], entry: Mapping[str, Any], rows: int, points: Any) -> Measured | Category:
    if entry["kind"] == "category":
        return _category(feature["name"], entry, rows)
    numeric = entry["length"] if entry["kind"] == "text" else entry
    known = _from_bins(numeric) if points is None else _distribution(points)
    return Measured(feature["name"], feature["dtype"], rows, entry["nulls"], known)


def _category(name: str, entry: Mapping[str, Any], rows: int) -> Category:
    numbers: dict[Any, int] = dict(entry["values"])
    if entry["nulls"]:
        numbers[None] = entry["nulls"]
    other = entry["other"]
    masses = {value: float(other + sum(m for m in numbers.values() if m <= n)) for value, n in numbers.items()}
    return Category(name, rows, {None: 0.5, **masses}, float(other or 0.5))


def _from_bins(entry: Mapping[str, Any]) -> Distribution:
    """The points of a profile of format 1. A bin over its fair share of the rows holds the surplus at its cut."""
    if entry["min"] is None:
        return Distribution(np.zeros(0), np.zeros(0), np.zeros(0))
    counts = np.asarray(entry["counts"], dtype=np.float64)
    ends, known = np.array([*entry["cuts"], entry["max"]], dtype=np.float64), counts.sum()
    at_most = np.cumsum(counts)
    at_least = known - at_most + np.minimum(np.maximum(counts - np.ceil(known / 40), 1.0), counts)
    if ends[0] == entry["min"]:
        at_least[0] = known
        return Distribution(ends, at_most, at_least)
    return Distribution(np.array([entry["min"], *ends]), np.array([1.0, *at_most]), np.array([known, *at_least]))


def _distribution(document: Mapping[str, Any]) -> Distribution:
    parts = (document["values"], document["at_most"], document["at_least"])
    values, at_most, at_least = (np.asarray(part, dtype=np.float64) for part in parts)
    return Distribution(values, at_most, at_least)


def _numbers(column: Any, dtype: str) -> Floats:
    lengths = [np.nan if text is None else len(text) for text in column] if dtype == "text" else column
    return np.asarray(lengths, dtype=np.float64)
