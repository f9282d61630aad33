"""What would turn a model's answer: the smallest changes of one feature that do, each tried on the model itself.

Runs in the child process. Values stay within the training range, whole numbers stay whole, categories are those of
the training data, and sensitive features, texts and times are left alone. Single changes that turn an answer are the
one-feature case of counterfactual explanations (Wachter, Mittelstadt and Russell 2018).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from models_registry import frames

# Of each row the features that moved its answer most.
MOST_FEATURES = 12
MOST_CATEGORIES = 20
MOST_FLIPS = 3
# Halvings between the last value that keeps the answer and the first that turns it.
HALVINGS = 7
SECONDS = 3.0
# Rows scored at once.
AT_ONCE = 4000
DIGITS = 3

# From a frame of rows to their scores (rows, classes), in class order.
Score = Callable[[Any], Any]


@dataclass(frozen=True)
class Change:
    """Feature ``feature`` of row ``row`` set to ``value``; ``distance`` in spreads of the training data."""

    row: int
    feature: int
    value: Any
    distance: float


def ranges(profile: Mapping[str, Any], contract: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Per feature that may be changed, what a reference profile's ``features`` say it can be.

    ``{"points": [lowest, 19 quantiles, highest]}`` of a number, ``{"values": [...]}`` of a category or flag.

    >>> entry = {"kind": "numeric", "min": 0.0, "max": 9.0, "quantiles": [[50, 4.0]]}
    >>> features = [{"name": "n", "dtype": "int"}, {"name": "s", "dtype": "int", "sensitive": True}]
    >>> ranges({"n": entry, "s": entry}, {"features": features})
    {'n': {'points': [0.0, 4.0, 9.0]}}
    """
    found: dict[str, dict[str, Any]] = {}
    for feature in contract["features"]:
        entry = profile.get(feature["name"])
        if entry is None or feature.get("sensitive"):
            continue
        if feature["dtype"] in ("int", "float") and entry["min"] is not None:
            inner = [value for _, value in entry["quantiles"]]
            found[feature["name"]] = {"points": [entry["min"], *inner, entry["max"]]}
        elif feature["dtype"] in ("category", "bool"):
            found[feature["name"]] = {"values": [value for value, _ in entry["values"]][:MOST_CATEGORIES]}
    return found


def flips(
    *,
    rows: Sequence[Mapping[str, Any]],
    answers: Sequence[int],
    order: Sequence[Sequence[str]],
    contract: Mapping[str, Any],
    classes: Sequence[str],
    ranges: Mapping[str, Any],
    score: Score,
    seconds: float = SECONDS,
) -> list[list[dict[str, Any]] | None]:
    """Per row at most three ``{"feature", "value", "label", "score", "distance"}``, smallest change first.

    ``answers`` are the rows' present answers as numbers of ``classes``, ``order`` the features to try, the most
    telling first. ``label`` and ``score`` are what the model answers to the changed row. A row with an empty list
    has no single change within the training range that turns it; None where there was no time to look.
    """
    until = time.monotonic() + seconds
    search = _Search(rows, answers, contract, ranges, score)
    found: list[list[dict[str, Any]] | None] = [None] * len(rows)
    for group in search.groups(order):
        if time.monotonic() > until:
            break
        for row in group:
            found[row] = []
        for change, scores in search.turning([change for changes in group.values() for change in changes]):
            label = int(np.argmax(scores))
            told = {"feature": search.features[change.feature]["name"], "value": change.value}
            told |= {"label": classes[label], "score": float(scores[label]), "distance": change.distance}
            found[change.row].append(told)  # type: ignore[union-attr]
    return [None if one is None else sorted(one, key=lambda told: told["distance"])[:MOST_FLIPS] for one in found]


class _Search:
    def __init__(
        self,
        rows: Sequence[Mapping[str, Any]],
        answers: Sequence[int],
        contract: Mapping[str, Any],
        ranges: Mapping[str, Any],
        score: Score,
    ) -> None:
        self.rows, self.answers, self.ranges, self.score = rows, np.asarray(answers), ranges, score
        self.features: list[Mapping[str, Any]] = contract["features"]
        self.places = {feature["name"]: place for place, feature in enumerate(self.features)}

    def groups(self, order: Sequence[Sequence[str]]) -> Iterator[dict[int, list[Change]]]:
        """Every value to try, by row, as many rows together as may be scored at once."""
        group: dict[int, list[Change]] = {}
        size = 0
        for row, names in enumerate(order):
            tried = [name for name in names if name in self.ranges][:MOST_FEATURES]
            changes = [change for name in tried for change in self._grid(row, self.places[name])]
            if group and size + len(changes) > AT_ONCE:
                yield group
                group, size = {}, 0
            group[row] = changes
            size += len(changes)
        if group:
            yield group

    def turning(self, grid: list[Change]) -> list[tuple[Change, Any]]:
        """Per row and feature the smallest change that turns the answer, with the scores it was verified by."""
        turned = [change for change, scores in self._scored(grid) if self._turns(change, scores)]
        nearest: dict[tuple[int, int], Change] = {}
        for change in turned:
            key = change.row, change.feature
            if key not in nearest or change.distance < nearest[key].distance:
                nearest[key] = change
        kept: dict[int, list[Change]] = {}
        for change in sorted(nearest.values(), key=lambda one: one.distance):
            kept.setdefault(change.row, []).append(change)
        # A grid step may hide that another feature is nearer, so some more than are told are made exact.
        chosen = [change for changes in kept.values() for change in changes[: 2 * MOST_FLIPS]]
        exact = self._halved(chosen, grid)
        return self._rounded(exact)

    def _grid(self, row: int, place: int) -> list[Change]:
        feature, given = self.features[place], self.rows[row].get(self.features[place]["name"])
        known = self.ranges[feature["name"]]
        if "points" in known:
            return self._numbers(row, place, known["points"], given)
        values: list[Any] = known["values"]
        if feature["dtype"] == "bool":
            values = [flag for flag in (True, False) if frames.as_text(flag) in values]
        elif "values" in feature:
            values = [value for value in values if value in feature["values"]]
        return [Change(row, place, value, 1.0) for value in values if value != given]

    def _numbers(self, row: int, place: int, points: Sequence[float], given: Any) -> list[Change]:
        low, high = self._bounds(place, points)
        if not low < high:
            return []
        whole = self.features[place]["dtype"] == "int"
        values = {min(high, max(low, round(point) if whole else float(point))) for point in points}
        return [self._change(row, place, value) for value in sorted(values) if value != given]

    def _bounds(self, place: int, points: Sequence[float]) -> tuple[float, float]:
        """The training range within the contract's bounds; whole numbers for one of them."""
        feature = self.features[place]
        low, high = max(points[0], feature.get("min", -math.inf)), min(points[-1], feature.get("max", math.inf))
        return (math.ceil(low), math.floor(high)) if feature["dtype"] == "int" else (low, high)

    def _change(self, row: int, place: int, value: float) -> Change:
        """The distance is that between the 5th and the 95th percentile; a value that was missing is as far."""
        points = self.ranges[self.features[place]["name"]]["points"]
        given = self.rows[row].get(self.features[place]["name"])
        spread = points[-2] - points[1] if len(points) > 2 else 0.0
        spread = spread if spread > 0 else points[-1] - points[0]
        return Change(row, place, value, 1.0 if given is None else abs(value - given) / spread)

    def _halved(self, turned: list[Change], grid: list[Change]) -> list[Change]:
        """Each number moved as near to the present value as still turns the answer."""
        inner = [self._last_kept(change, grid) for change in turned]
        outer = list(turned)
        for _ in range(HALVINGS):
            middles = {
                place: self._change(change.row, change.feature, middle)
                for place, change in enumerate(outer)
                if (middle := self._between(change, inner[place])) is not None
            }
            for (place, change), (_, scores) in zip(middles.items(), self._scored(list(middles.values())), strict=True):
                if self._turns(change, scores):
                    outer[place] = change
                else:
                    inner[place] = change.value
        return outer

    def _last_kept(self, turned: Change, grid: list[Change]) -> Any:
        """The value next to one that turns the answer, on the way from the present one; None where there is no way."""
        given = self.rows[turned.row].get(self.features[turned.feature]["name"])
        if given is None or "points" not in self.ranges[self.features[turned.feature]["name"]]:
            return None
        low, high = self._bounds(turned.feature, self.ranges[self.features[turned.feature]["name"]]["points"])
        on_way = [
            change.value
            for change in grid
            if (change.row, change.feature) == (turned.row, turned.feature)
            and change.distance < turned.distance
            and (change.value > given) == (turned.value > given)
        ]
        nearest = max(on_way, key=lambda value: abs(value - given), default=min(high, max(low, given)))
        return None if nearest == turned.value else nearest

    def _between(self, outer: Change, inner: Any) -> Any:
        if inner is None:
            return None
        middle = (outer.value + inner) / 2
        if self.features[outer.feature]["dtype"] == "int":
            middle = math.floor(middle) if outer.value > inner else math.ceil(middle)
        return None if middle in (outer.value, inner) else middle

    def _rounded(self, exact: list[Change]) -> list[tuple[Change, Any]]:
        """Each verified, as a number of few digits where that turns the answer as well."""
        rounded = [self._round(change) for change in exact]
        found = []
        for (plain, plain_scores), (short, short_scores) in zip(
            self._scored(exact), self._scored(rounded), strict=True
        ):
            if self._turns(short, short_scores):
                found.append((short, short_scores))
            elif self._turns(plain, plain_scores):
                found.append((plain, plain_scores))
        return found

    def _round(self, change: Change) -> Change:
        """A little farther, by a change of few digits, and within the training range."""
        given = self.rows[change.row].get(self.features[change.feature]["name"])
        value = change.value
        if self.features[change.feature]["dtype"] != "float" or given is None:
            return change
        low, high = self._bounds(change.feature, self.ranges[self.features[change.feature]["name"]]["points"])
        unit = 10.0 ** (math.floor(math.log10(abs(value - given))) - DIGITS + 1)
        steps = math.ceil(value / unit) if value > given else math.floor(value / unit)
        short = float(f"{steps * unit:.12g}")
        return self._change(change.row, change.feature, short) if low <= short <= high else change

    def _turns(self, change: Change, scores: Any) -> bool:
        return int(np.argmax(scores)) != int(self.answers[change.row])

    def _scored(self, changes: list[Change]) -> list[tuple[Change, Any]]:
        if not changes:
            return []
        return list(zip(changes, self.score(self._table(changes)), strict=True))

    def _table(self, changes: Sequence[Change]) -> Any:
        """One row per change. A column is made once of all its values, so that its type does not depend on them."""
        import pandas

        base = np.array([change.row for change in changes])
        by_feature: dict[int, list[int]] = {}
        for number, change in enumerate(changes):
            by_feature.setdefault(change.feature, []).append(number)
        columns = {}
        for place, feature in enumerate(self.features):
            values = [row.get(feature["name"]) for row in self.rows]
            sources = base.copy()
            changed = by_feature.get(place, [])
            sources[changed] = np.arange(len(values), len(values) + len(changed))
            values += [changes[number].value for number in changed]
            columns[feature["name"]] = frames.column(values, feature["dtype"]).take(sources).reset_index(drop=True)
        return pandas.DataFrame(columns)
