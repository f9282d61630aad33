"""Novelty: how unlike the reference rows a record is, calibrated on those rows themselves."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models_registry import profiles
from models_registry.novelty import FEATURE_SHARES, Distribution, Novelty, compile_novelty, known_at

ROWS = 4000
CONTRACT: dict[str, Any] = {
    "features": [
        {"name": "amount", "dtype": "float"},
        {"name": "age", "dtype": "int"},
        {"name": "gain", "dtype": "float", "nullable": True},
        {"name": "country", "dtype": "category"},
        {"name": "vip", "dtype": "bool"},
        {"name": "note", "dtype": "text"},
        {"name": "opened", "dtype": "timestamp"},
    ]
}


def reference(rows: int = ROWS, seed: int = 0) -> dict[str, Any]:
    """Columns as a profile takes them. Amount and age move together; gain is mostly 0; vip is always false."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=rows)
    gain = np.where(rng.random(rows) < 0.9, 0.0, rng.lognormal(size=rows) * 100)
    gain[rng.random(rows) < 0.1] = math.nan
    return {
        "amount": np.exp(shared + rng.normal(size=rows) / 2) * 50,
        "age": np.clip(np.round(40 + 10 * shared + 5 * rng.normal(size=rows)), 18, 90),
        "gain": gain,
        "country": rng.choice(["DE", "FR", "NL", "MT"], rows, p=[0.6, 0.25, 0.14, 0.01]).tolist(),
        "vip": ["false"] * rows,
        "note": ["x" * int(n) for n in rng.integers(3, 30, rows)],
        "opened": rng.uniform(1.6e9, 1.7e9, rows),
    }


def as_records(columns: dict[str, Any]) -> list[dict[str, Any]]:
    """The same rows as the API would send them."""
    moments = np.asarray(columns["opened"]).astype("datetime64[s]").astype(str)
    sent = {
        **columns,
        "vip": [word == "true" for word in columns["vip"]],
        "opened": [f"{moment}Z" for moment in moments],
        "gain": [None if math.isnan(value) else value for value in columns["gain"].tolist()],
    }
    return [dict(zip(sent, values, strict=True)) for values in zip(*sent.values(), strict=True)]


PROFILE = profiles.build_profile(CONTRACT, reference())
RECORDS = as_records(reference())
USUAL = {
    "amount": 50.0, "age": 40, "gain": 0.0, "country": "DE", "vip": False, "note": "x" * 15,
    "opened": "2022-03-01T00:00:00Z",
}  # fmt: skip


def judge(profile: dict[str, Any] = PROFILE) -> Novelty:
    found = compile_novelty(profile, CONTRACT)
    assert found is not None
    return found


def novelty(**changes: Any) -> tuple[float, tuple[str, ...]]:
    scores, names = judge().novelty_of([{**USUAL, **changes}])
    return float(scores[0]), names[0]


@pytest.mark.parametrize("level", [0.5, 0.75, 0.9, 0.95, 0.98, 0.99, 0.995])
def test_reference_rows_trigger_at_the_configured_rate(level: float):
    scores, _ = judge().novelty_of(RECORDS)
    assert float((scores > level).mean()) == pytest.approx(1 - level, abs=0.01)
    assert float(scores.min()) >= 0
    assert float(scores.max()) <= 1


def test_fresh_rows_of_the_same_kind_trigger_at_about_that_rate_too():
    scores, _ = judge().novelty_of(as_records(reference(seed=7)))
    assert float((scores > 0.99).mean()) == pytest.approx(0.01, abs=0.01)


def test_sidak_on_dependent_features_would_not_trigger_at_that_rate():
    """Why the statistic is calibrated: the formula for independent features misses the rate by far."""
    alone = {name: part for name, part in PROFILE.items() if name != "novelty"}
    scores, _ = judge(alone).novelty_of(RECORDS)
    assert float((scores > 0.9).mean()) < 0.06


def test_a_record_in_every_tail_is_nearly_1_and_names_the_features():
    columns = reference()
    tails = {name: float(np.nanquantile(columns[name], 0.999)) for name in ("amount", "age", "gain")}
    score, names = novelty(**tails, country="MT", note="x" * 29)
    assert score > 0.999
    assert {"amount", "age", "gain"} <= set(names)


def test_many_features_slightly_out_are_novel_though_none_of_them_is_alone():
    columns = reference()
    out = {name: float(np.nanquantile(columns[name], 0.96)) for name in ("amount", "gain")}
    low = {"age": float(np.quantile(columns["age"], 0.03)), "note": "xxx", "country": "NL"}
    assert novelty(**out, **low)[0] > 0.98
    for name, value in {**out, **low}.items():
        assert novelty(**{name: value})[0] < 0.9


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"amount": 1e7}, "amount"),
        ({"age": 7}, "age"),
        ({"gain": -1.0}, "gain"),
        ({"country": "atlantis"}, "country"),
        ({"vip": True}, "vip"),
        ({"vip": None}, "vip"),
        ({"country": None}, "country"),
        ({"note": "x" * 400}, "note"),
        ({"opened": "2031-01-01T00:00:00Z"}, "opened"),
    ],
)
def test_one_value_never_seen_is_enough_and_is_named(change: dict[str, Any], name: str):
    score, names = novelty(**change)
    assert score > 0.99
    assert names[0] == name


def test_a_usual_record_is_not_novel_and_names_nothing():
    score, names = novelty()
    assert score < 0.5
    assert names == ()
    assert novelty(gain=None)[1] == ()


def test_further_out_is_never_less_novel():
    scores, _ = judge().novelty_of([{**USUAL, "amount": amount} for amount in np.geomspace(50, 1e9, 60).tolist()])
    assert np.all(np.diff(scores) >= 0)
    assert scores[-1] > scores[30]


def test_the_strangest_feature_stands_first_and_five_at_most_are_named():
    wild = {"amount": 1e9, "age": 90, "gain": 1e4, "country": "atlantis", "vip": True, "note": "x" * 400}
    names = novelty(**wild, opened="2031-01-01T00:00:00Z")[1]
    assert len(names) == 5
    assert names[0] == "amount"


def test_an_absent_feature_is_null():
    absent = {name: value for name, value in USUAL.items() if name != "country"}
    scores, names = judge().novelty_of([absent, {**USUAL, "country": None}])
    assert scores[0] == scores[1]
    assert names[0] == names[1] == ("country",)


def test_a_record_is_judged_alone_as_among_others():
    scores, names = judge().novelty_of(RECORDS[:203])
    for place in (0, 101, 202):
        alone, named = judge().novelty_of([RECORDS[place]])
        assert (alone[0], named[0]) == (scores[place], names[place])
    assert judge().novelty_of([])[1] == []


def test_the_section_is_byte_equal_whatever_the_order_of_the_rows():
    columns = reference(900)
    order = np.random.default_rng(2).permutation(900)
    shuffled = {name: [values[place] for place in order] for name, values in columns.items()}
    first, second = (profiles.build_profile(CONTRACT, one) for one in (columns, shuffled))
    assert profiles.canonical(first) == profiles.canonical(second)
    assert first["format"] == 2
    assert first["novelty"]["statistic"]["at_least"][0] == 900


def test_a_profile_of_format_1_judges_by_its_bins():
    old = {name: part for name, part in PROFILE.items() if name != "novelty"} | {"format": 1}
    scores, names = judge(old).novelty_of([USUAL, {**USUAL, "vip": True, "amount": 1e7}])
    assert scores[0] < 0.5
    assert scores[1] > 0.99
    assert set(names[1]) == {"vip", "amount"}


def test_few_reference_rows_still_name_what_was_never_seen():
    found = compile_novelty(profiles.build_profile(CONTRACT, reference(30)), CONTRACT)
    assert found is not None
    scores, names = found.novelty_of([{**USUAL, "country": "atlantis"}])
    assert scores[0] > 0.9
    assert "country" in names[0]


def test_a_profile_without_rows_judges_nothing():
    empty = profiles.build_profile(CONTRACT, {feature["name"]: [] for feature in CONTRACT["features"]})
    assert "novelty" not in empty
    assert compile_novelty(empty, CONTRACT) is None


@given(st.lists(st.integers(-5, 5).map(float), min_size=1, max_size=60), st.floats(-10, 10))
@settings(max_examples=200, deadline=None)
def test_tails_are_the_exact_counts_at_known_points_and_bracketed_between(values: list[float], x: float):
    array = np.array(values)
    every = known_at(array, FEATURE_SHARES)
    lower, upper = every.tails(every.values)
    assert lower.tolist() == [float((array <= point).sum()) for point in every.values]
    assert upper.tolist() == [float((array >= point).sum()) for point in every.values]
    [low], [high] = every.tails(np.array([x]))
    assert 0 < low <= len(values)
    assert 0 < high <= len(values)
    assert low + high >= min(len(values), 0.5)


@given(st.lists(st.one_of(st.floats(-100, 100), st.integers(-2, 2).map(float)), min_size=1, max_size=300))
@settings(max_examples=100, deadline=None)
def test_points_from_bins_bracket_what_they_stand_for(values: list[float]):
    from models_registry.novelty import _from_bins

    found: Distribution = _from_bins(profiles.numeric(values))
    assert np.all(np.diff(found.values) > 0)
    assert found.at_most[-1] == found.at_least[0] == len(values)
    assert np.all(found.at_most[:-1] + found.at_least[1:] <= len(values))
    assert np.all(found.at_most <= [sum(value <= point for value in values) for point in found.values])
