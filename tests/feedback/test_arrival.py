"""Arrival given the verdict: figures of young windows that hold, where the usual ways are off by points."""

from __future__ import annotations

import json
import sys
from functools import cache

import numpy as np
import pytest

from feedback.delays import (
    AGREE,
    OVERRIDE,
    UNKNOWN,
    ArrivalModel,
    Histogram,
    Strata,
    cohorts,
    fit,
    kaplan_meier,
    shift,
    truncated,
)
from feedback.estimators import measure
from tests.feedback.delayed import DAY, MEAN_DAYS, Traffic, traffic

REPLICATIONS = 120


def by_kaplan_meier(seen: Traffic, window: Traffic) -> np.ndarray:
    """The arrival that a Kaplan-Meier curve of each stratum gives, whatever the verdict."""
    reviews, found = seen.reviews(), np.ones(len(window.age))
    for band in range(4):
        rows = reviews.where(reviews.strata.band == band)
        curve = kaplan_meier(np.where(rows.arrived, rows.latency, rows.age), rows.arrived)
        share = np.concatenate([[1e-3], curve.share])
        here = window.strata.band == band
        found[here] = np.maximum(share[np.searchsorted(curve.seconds, window.age[here], side="right")], 1e-3)
    return found


@cache
def simulated(slower: float) -> dict[str, np.ndarray]:
    """Bias and coverage of the last ten days' accuracy, (replications, 2), for each way to weigh what has arrived."""
    found: dict[str, list[tuple[float, bool]]] = {"verdict": [], "kaplan_meier": [], "not_sampled": []}
    for seed in range(REPLICATIONS):
        seen = traffic(np.random.default_rng(seed), slower=slower)
        model = fit(seen.reviews())
        window = seen.where((seen.age < 10 * DAY) & (seen.age >= model.holds_from()))
        arrivals = {
            "verdict": model.arrival(window.strata, window.verdict, window.age),
            "kaplan_meier": by_kaplan_meier(seen, window),
            "not_sampled": np.ones(len(window.age)),
        }
        truth = float(window.right.mean())
        for name, arrival in arrivals.items():
            figure = measure("accuracy", window.outputs, window.labels, window.propensity * arrival)
            found[name].append((figure.point - truth, figure.low <= truth <= figure.high))
    return {name: np.array(rows, dtype=float) for name, rows in found.items()}


def test_the_verdict_conditional_figure_holds_where_overrides_take_longer() -> None:
    bias, coverage = simulated(2.5)["verdict"].mean(axis=0)
    assert abs(bias) <= 0.005
    assert coverage >= 0.91


@pytest.mark.parametrize("naive", ["kaplan_meier", "not_sampled"])
def test_the_usual_ways_are_off_by_points_on_the_same_traffic(naive: str) -> None:
    bias, coverage = simulated(2.5)[naive].mean(axis=0)
    assert bias > 0.03
    assert coverage < 0.5


def test_where_the_verdict_does_not_matter_the_curve_of_the_stratum_is_right_too() -> None:
    found = simulated(1.0)
    assert abs(found["kaplan_meier"].mean(axis=0)[0]) <= 0.006
    assert abs(found["verdict"].mean(axis=0)[0]) <= 0.005
    assert found["verdict"].mean(axis=0)[1] >= 0.91


def alarms(**setting: float) -> float:
    found = []
    for seed in range(60):
        reviews = traffic(np.random.default_rng(seed), **setting).reviews()
        found.append(shift(fit(reviews), reviews).shifted)
    return float(np.mean(found))


def test_reviews_that_take_longer_lately_raise_the_alarm_and_nothing_else_does() -> None:
    assert alarms(lately=1.3) >= 0.8
    assert alarms() <= 0.05
    # More overrides are slower altogether, but each verdict takes as long as ever: the model is worse, not the delay.
    assert alarms(worse=0.1) <= 0.05


def test_a_history_too_short_for_its_delays_says_nothing(monkeypatch) -> None:
    seen = traffic(np.random.default_rng(0))
    reviews = seen.where(seen.age < 30 * DAY).reviews()
    model = fit(reviews)
    assert 2.5 * model.mature["audit"] > 30 * DAY
    found = shift(model, reviews)
    assert (found.shifted, found.p_value) == (False, None)
    # It is the length alone that keeps it from speaking.
    monkeypatch.setattr(sys.modules["feedback.delays.shift"], "SHORTEST", 0.0)
    assert shift(model, reviews).p_value is not None


def test_the_curves_of_each_verdict_are_learned() -> None:
    model = fit(traffic(np.random.default_rng(3), n=120_000).reviews())
    words = np.full(2, "audit", dtype=object), np.full(2, "payments/0", dtype=object)
    share = model.arrival(Strata(*words, np.array([3, 3])), np.array([AGREE, OVERRIDE]), 5 * DAY)
    expected = 1 - np.exp(-5 / (MEAN_DAYS[3] * np.array([1.0, 2.5])))
    assert share == pytest.approx(expected, abs=0.03)


def strata(kind: str, line: str, band: int) -> Strata:
    return Strata(np.array([kind], dtype=object), np.array([line], dtype=object), np.array([band]))


def test_a_thin_stratum_borrows_from_the_coarser_one_and_an_unknown_verdict_from_all() -> None:
    model = fit(traffic(np.random.default_rng(1)).reviews())
    kind = model.cells[("audit",), OVERRIDE]
    assert model.cell(("audit", "elsewhere/9", "2"), OVERRIDE) is kind
    assert model.cell(("audit", "payments/0", "2"), OVERRIDE) is not kind
    either = model.arrival(strata("audit", "payments/0", 2), UNKNOWN, 3 * DAY)[0]
    slow, quick = (model.arrival(strata("audit", "payments/0", 2), v, 3 * DAY)[0] for v in (OVERRIDE, AGREE))
    assert slow < either < quick
    assert model.arrival(strata("gate", "", 0), AGREE, 0.0)[0] == 1.0


def test_rows_that_are_never_answered_lower_the_arrival_and_not_the_pace() -> None:
    seen = traffic(np.random.default_rng(2), slower=1.0)
    answered = fit(seen.reviews())
    silent = seen.reviews()
    silent.latency[np.random.default_rng(0).random(silent.latency.size) < 0.3] = np.nan
    model = fit(silent)
    assert model.response["audit",] == pytest.approx(0.7, abs=0.03)
    half, whole = (one.cells[("audit",), UNKNOWN].at(2 * DAY) for one in (model, answered))
    assert float(half) == pytest.approx(float(whole), abs=0.03)


def test_without_a_mature_cohort_the_curve_of_the_kind_stands_in() -> None:
    seen = traffic(np.random.default_rng(4))
    young = seen.where(seen.age < 4 * DAY)
    model = fit(young.reviews())
    assert model.mature == {"audit": None}
    assert set(model.cells) == {(("audit",), UNKNOWN)}
    assert not shift(model, young.reviews()).shifted
    nobody = young.reviews()
    nobody.latency[:] = np.nan
    assert fit(nobody).arrival(nobody.strata, UNKNOWN, nobody.age).max() == 0.0


def test_the_document_of_a_model_is_the_model() -> None:
    seen = traffic(np.random.default_rng(5), n=8000)
    model = fit(seen.reviews())
    again = ArrivalModel.from_document(json.loads(json.dumps(model.document())))
    rows = seen.strata, seen.verdict, seen.age
    assert np.array_equal(again.arrival(*rows), model.arrival(*rows))
    assert (again.mature, again.holds_from()) == (model.mature, model.holds_from())


def test_what_age_cuts_off_is_made_up_for() -> None:
    rng = np.random.default_rng(6)
    age, delay = rng.uniform(2, 6, 40_000), rng.exponential(2.0, 40_000)
    seen = delay <= age
    share = truncated(delay[seen], age[seen]).at(2.0) / truncated(delay[seen], age[seen]).at(4.0)
    assert share == pytest.approx((1 - np.exp(-1)) / (1 - np.exp(-2)), abs=0.01)
    cut = delay[seen]
    plain = np.mean(cut <= 2.0) / np.mean(cut <= 4.0)
    assert plain > share + 0.02


def test_each_week_has_a_curve_and_what_waits_is_censored() -> None:
    monday = 4 * DAY
    ended = {0: Histogram.of([10.0, 20.0])}
    began = np.array([monday + 7 * DAY, monday + 8 * DAY])
    first, second = cohorts(ended, began, np.array([5.0, 9.0]))
    assert (first.begin, first.waiting.n) == (monday, 2)
    assert 10.0 <= first.waiting.p50 <= first.waiting.p90 <= 20.0
    assert (second.begin, second.waiting.n, second.waiting.ended) == (monday + 7 * DAY, 2, 0)
    assert (second.waiting.p50, second.waiting.curve.share.size) == (None, 0)
