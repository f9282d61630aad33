"""The reference profile: what each feature, score and label looked like in a version's reference rows.

Edges are fixed here once, so that any later window can be counted against them and windows can be added
up. Numeric: up to 40 bins of equal mass. A bin holds its upper cut and not its lower one, and cuts are
observed values, so ties fall into one bin and equal cuts are one cut. Every fourth cut is a decile cut.
The same rows give the same bytes: numpy only, no means, no random numbers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from models_registry.novelty import novelty_section

# 2: with what judges novelty, under ``novelty``. Documents of format 1 are read all the same.
FORMAT = 2
SUB_BINS = 40
PER_DECILE = 4
QUANTILE_POINTS = tuple(range(5, 100, 5))
TOP_CATEGORIES = 50
CONFIDENCE_BINS = 20


def build_profile(
    contract: Mapping[str, Any],
    columns: Mapping[str, Any],
    *,
    labels: Sequence[str] | None = None,
    classes: Sequence[str] = (),
    scores: Any = None,
) -> dict[str, Any]:
    """The document of a ReferenceProfile.

    ``columns`` maps every contract feature to a one-dimensional array: numbers with nan for null
    (``int``, ``float``; ``timestamp`` as seconds since 1970), else objects with None for null.
    ``scores`` is (rows, classes) in the order of ``classes``. Raises ValueError on unequal lengths.

    >>> profile = build_profile({"features": [{"name": "n", "dtype": "int"}]}, {"n": [0.0, 0.0, 1.0, float("nan")]})
    >>> entry = profile["features"]["n"]
    >>> entry["cuts"], entry["counts"], entry["nulls"], profile["rows"]
    ([0.0], [2, 1], 1, 4)
    """
    features = contract["features"]
    lengths = {len(columns[feature["name"]]) for feature in features}
    if len(lengths) > 1:
        raise ValueError("the columns differ in length")
    entries = {feature["name"]: _entry(columns[feature["name"]], feature["dtype"]) for feature in features}
    document: dict[str, Any] = {"format": FORMAT, "rows": max(lengths, default=0), "features": entries}
    if (section := novelty_section(contract, document, columns)) is not None:
        document["novelty"] = section
    if labels is not None:
        document["labels"] = [[name, sum(1 for label in labels if label == name)] for name in classes]
    if scores is not None:
        array = np.asarray(scores, dtype=np.float64)
        document["scores"] = {name: numeric(array[:, place]) for place, name in enumerate(classes)}
        document["confidence"] = confidence(array)
    return document


def numeric(values: Any) -> dict[str, Any]:
    """The entry of a numeric feature or score: cuts, counts, decile cuts and counts, 19 quantiles, bounds.

    With no value at all ``min`` is None and there is one empty bin.
    """
    array = np.asarray(values, dtype=np.float64)
    known = np.sort(array[np.isfinite(array)])
    cuts, deciles = _cuts(known, SUB_BINS), _cuts(known, SUB_BINS // PER_DECILE)
    entry: dict[str, Any] = {
        "kind": "numeric",
        "min": float(known[0]) if len(known) else None,
        "max": float(known[-1]) if len(known) else None,
        "cuts": cuts,
        "decile_cuts": deciles,
        "quantiles": [[point, float(_quantile(known, point / 100))] for point in QUANTILE_POINTS] if len(known) else [],
    }
    counted = count(entry, array)
    inner = np.bincount(np.searchsorted(deciles, known, side="left"), minlength=len(deciles) + 1)
    return {**entry, **counted, "decile_counts": inner.tolist()}


def count(entry: Mapping[str, Any], values: Any) -> dict[str, Any]:
    """Values counted against an entry's fixed edges: counters of a window, which add up over windows.

    Numeric: ``counts`` per bin within the reference bounds, ``below``, ``above``, ``nulls``. Category:
    ``counts`` in the order of the entry's values, ``other``, ``nulls``.
    """
    if entry["kind"] != "numeric":
        return _count_categories([value for value, _ in entry["values"]], values)
    array = np.asarray(values, dtype=np.float64)
    known = array[np.isfinite(array)]
    low, high = entry["min"], entry["max"]
    if low is None:
        return {"counts": [0], "below": 0, "above": len(known), "nulls": len(array) - len(known)}
    within = known[(known >= low) & (known <= high)]
    bins = np.bincount(np.searchsorted(entry["cuts"], within, side="left"), minlength=len(entry["cuts"]) + 1)
    below, above = int((known < low).sum()), int((known > high).sum())
    return {"counts": bins.tolist(), "below": below, "above": above, "nulls": len(array) - len(known)}


def categorical(values: Sequence[Any]) -> dict[str, Any]:
    """The entry of a category: the 50 most frequent values with their numbers, the rest, the nulls, and shares."""
    known = [str(value) for value in values if value is not None]
    names, numbers = np.unique(np.asarray(known, dtype=object), return_counts=True)
    ranked = sorted(zip(numbers.tolist(), names.tolist(), strict=True), key=lambda pair: (-pair[0], pair[1]))
    top = [[name, number] for number, name in ranked[:TOP_CATEGORIES]]
    rows = max(len(values), 1)
    other, nulls = len(known) - sum(number for _, number in top), len(values) - len(known)
    shares = {"shares": [number / rows for _, number in top], "other_share": other / rows, "null_share": nulls / rows}
    return {"kind": "category", "values": top, "distinct": len(ranked), "other": other, "nulls": nulls, **shares}


def confidence(scores: Any) -> dict[str, Any]:
    """The largest score per row in 20 bins of equal width on [0, 1]; the last bin holds 1."""
    largest = np.asarray(scores, dtype=np.float64).max(axis=1) if len(scores) else np.zeros(0)
    places = np.clip((largest * CONFIDENCE_BINS).astype(np.int64), 0, CONFIDENCE_BINS - 1)
    return {"bins": CONFIDENCE_BINS, "counts": np.bincount(places, minlength=CONFIDENCE_BINS).tolist()}


def canonical(document: Mapping[str, Any]) -> bytes:
    """The document as the bytes that are hashed: JSON with sorted keys and no spaces."""
    return msgspec.json.encode(document, order="sorted")


def sha256_of(document: Mapping[str, Any]) -> str:
    return hashlib.sha256(canonical(document)).hexdigest()


def _entry(values: Any, dtype: str) -> dict[str, Any]:
    if dtype in ("int", "float", "timestamp"):
        entry = numeric(values)
        entry["null_share"] = entry["nulls"] / max(len(values), 1)
        return entry
    if dtype == "text":
        nulls = sum(1 for value in values if value is None)
        lengths = numeric([np.nan if value is None else len(value) for value in values])
        return {"kind": "text", "nulls": nulls, "null_share": nulls / max(len(values), 1), "length": lengths}
    return categorical(list(values))


def _count_categories(names: Sequence[str], values: Sequence[Any]) -> dict[str, Any]:
    numbers = dict.fromkeys(names, 0)
    other = nulls = 0
    for value in values:
        if value is None:
            nulls += 1
        elif value in numbers:
            numbers[value] += 1
        else:
            other += 1
    return {"counts": list(numbers.values()), "other": other, "nulls": nulls}


def _cuts(known: Any, bins: int) -> list[float]:
    """The inner cuts of ``bins`` equal-mass bins of sorted values: strictly rising, all below the largest."""
    if not len(known):
        return []
    cuts = sorted({float(_quantile(known, step / bins)) for step in range(1, bins)})
    return [cut for cut in cuts if cut < known[-1]]


def _quantile(known: Any, share: float) -> float:
    """The smallest observed value with at least that share at or below it (Hyndman and Fan 1996, type 1)."""
    # The guard keeps 0.07 * 100 = 7.000000000000001 from becoming the eighth value.
    place = int(np.ceil(share * len(known) - 1e-9)) - 1
    return float(known[max(place, 0)])
