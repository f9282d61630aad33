"""The reference profile: fixed edges, counts that add up, the same bytes for the same rows."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models_registry import profiles

CONTRACT = {
    "features": [
        {"name": "n", "dtype": "float"},
        {"name": "c", "dtype": "category"},
        {"name": "f", "dtype": "bool"},
        {"name": "t", "dtype": "text"},
    ]
}


def columns(rows: int, seed: int = 0) -> dict:
    rng = np.random.default_rng(seed)
    numbers = rng.lognormal(size=rows)
    numbers[:: max(rows // 10, 1)] = math.nan
    words = [None if number < 0.1 else f"v{int(number * 80)}" for number in rng.random(rows)]
    return {"n": numbers, "c": words, "f": ["true"] * rows, "t": ["ab"] * rows}


def test_two_builds_from_the_same_rows_are_byte_equal():
    scores = np.random.default_rng(1).dirichlet([1, 1], 500)
    first, second = (
        profiles.build_profile(CONTRACT, columns(500), labels=["a"] * 500, classes=["a", "b"], scores=scores)
        for _ in range(2)
    )
    assert profiles.canonical(first) == profiles.canonical(second)
    shuffled = {
        name: [values[place] for place in np.random.default_rng(2).permutation(500)]
        for name, values in columns(500).items()
    }
    assert profiles.canonical(profiles.build_profile(CONTRACT, shuffled)) == profiles.canonical(
        profiles.build_profile(CONTRACT, columns(500))
    )


def test_continuous_values_fill_forty_equal_bins_in_ten_deciles():
    entry = profiles.numeric(np.random.default_rng(0).normal(size=4000))
    assert len(entry["cuts"]) == 39
    assert entry["counts"] == [100] * 40
    assert entry["decile_counts"] == [400] * 10
    assert entry["decile_cuts"] == entry["cuts"][3::4]
    assert [point for point, _ in entry["quantiles"]] == list(range(5, 100, 5))


@given(st.lists(st.one_of(st.floats(-1e6, 1e6), st.integers(-3, 3).map(float), st.just(math.nan)), max_size=200))
@settings(max_examples=200, deadline=None)
def test_numeric_counts_add_up_whatever_the_ties(values):
    entry = profiles.numeric(values)
    known = [value for value in values if not math.isnan(value)]
    assert sum(entry["counts"]) == sum(entry["decile_counts"]) == len(known)
    assert (entry["nulls"], entry["below"], entry["above"]) == (len(values) - len(known), 0, 0)
    assert entry["cuts"] == sorted(set(entry["cuts"]))
    assert len(entry["counts"]) == len(entry["cuts"]) + 1 <= profiles.SUB_BINS
    assert set(entry["decile_cuts"]) <= set(entry["cuts"])
    if known:
        assert (entry["min"], entry["max"]) == (min(known), max(known))
        assert all(count > 0 for count in entry["counts"])


def test_a_feature_of_two_values_keeps_both_apart():
    entry = profiles.numeric([0.0] * 30 + [1.0] * 70)
    assert (entry["cuts"], entry["counts"], entry["decile_counts"]) == ([0.0], [30, 70], [30, 70])


def test_a_window_is_counted_against_the_fixed_edges():
    entry = profiles.numeric(np.arange(1000.0))
    window = profiles.count(entry, [-5.0, 0.0, 499.0, 999.0, 1e9, math.nan])
    assert (window["below"], window["above"], window["nulls"], sum(window["counts"])) == (1, 1, 1, 3)
    parts = [profiles.count(entry, np.arange(start, start + 100.0)) for start in (0, 100)]
    whole = profiles.count(entry, np.arange(200.0))
    assert np.add(parts[0]["counts"], parts[1]["counts"]).tolist() == whole["counts"]


def test_categories_beyond_the_fifty_most_frequent_are_the_rest():
    values = [f"v{place:02d}" for place in range(60) for _ in range(60 - place)] + [None] * 170
    entry = profiles.categorical(values)
    assert len(entry["values"]) == 50
    assert entry["values"][0] == ["v00", 60]
    assert entry["distinct"] == 60
    assert sum(n for _, n in entry["values"]) + entry["other"] + entry["nulls"] == len(values)
    assert sum(entry["shares"]) + entry["other_share"] + entry["null_share"] == pytest.approx(1)
    window = profiles.count(entry, ["v00", "new", None, "v59"])
    assert (window["counts"][0], window["other"], window["nulls"]) == (1, 2, 1)


def test_an_unequal_column_is_refused():
    with pytest.raises(ValueError, match="differ in length"):
        profiles.build_profile(CONTRACT, {**columns(10), "n": np.zeros(9)})


def test_scores_labels_and_confidence_cover_every_row():
    scores = np.array([[1.0, 0.0], [0.5, 0.5], [0.2, 0.8]])
    document = profiles.build_profile(CONTRACT, columns(3), labels=["a", "b", "a"], classes=["a", "b"], scores=scores)
    assert document["labels"] == [["a", 2], ["b", 1]]
    assert sum(document["scores"]["a"]["counts"]) == 3
    counts = document["confidence"]["counts"]
    assert (counts[10], counts[16], counts[19], sum(counts)) == (1, 1, 1, 3)
