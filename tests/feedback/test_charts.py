"""Where marks stand in the charts of quality, delays and workload."""

from __future__ import annotations

from itertools import pairwise

import pytest

from feedback import charts
from feedback.charts.axes import Scale, around, times, written
from tests.feedback.documents import change, series


def places(points: str) -> list[tuple[float, float]]:
    return [tuple(float(number) for number in pair.split(",")) for pair in points.split()]


def share_of(percent: str) -> float:
    return float(percent.removesuffix("%"))


def test_the_band_is_inside_the_axes_and_holds_the_line():
    chart = charts.history(series([0.8, 0.9, 1.0, 0.99]), kind="share")
    [band], [line] = chart["bands"], chart["line"]
    corners = places(band)
    assert all(0 <= x <= 100 and 0 <= y <= 100 for x, y in corners)
    above, below = corners[:4], corners[:3:-1]
    for (x, y), (upper_x, upper), (lower_x, lower) in zip(places(line), above, below, strict=True):
        assert x == upper_x == lower_x
        assert upper <= y <= lower


def test_a_slice_without_a_figure_leaves_a_gap_and_a_lone_one_a_bar():
    chart = charts.history(series([0.8, 0.82, None, 0.9]), kind="share")
    assert [len(places(line)) for line in chart["line"]] == [2]
    assert len(chart["bands"]) == 1
    assert [bar["x"] for bar in chart["bars"]] == [chart["dots"][-1]["x"]]
    assert [dot["place"] for dot in chart["dots"]] == [0, 1, 3]
    # The naive line goes on where the estimate does not.
    assert [len(places(line)) for line in chart["naive"]] == [4]


def test_changes_stand_where_they_happened_and_close_ones_below_each_other():
    marks = charts.history(series([0.8] * 4), [change(1), change(1.2, "policy"), change(3), change(9)])["marks"]
    assert [(mark["x"], mark["lane"]) for mark in marks] == [("25.00%", 0), ("30.00%", 1), ("75.00%", 0)]
    assert [mark["numbers"] for mark in marks] == ["1", "2", "3"]


def test_changes_of_one_moment_share_a_mark():
    marks = charts.history(series([0.8] * 4), [change(1), change(1.001), change(1.002)])["marks"]
    assert [mark["numbers"] for mark in marks] == ["1–3"]


@pytest.mark.parametrize(("immature", "x", "width"), [(1, "75.00%", "25.00%"), (4, "0.00%", "100.00%")])
def test_the_span_that_is_not_mature_ends_at_the_right_edge(immature, x, width):
    found = charts.history(series([0.8] * 4, immature=immature))["immature"]
    assert (found["x"], found["width"]) == (x, width)


def test_without_an_immature_slice_nothing_is_shaded_and_without_a_figure_nothing_is_drawn():
    assert charts.history(series([0.8] * 4))["immature"] is None
    assert charts.history(
        [{**point, "naive": None, "label_free": None, "outcomes": None} for point in series([None])]
    ) == {"empty": True}


def test_restated_slices_and_outcomes_are_marked():
    chart = charts.history(series([0.8, 0.8, 0.9], restated=(1,)), kind="share")
    assert [dot["restated"] for dot in chart["dots"]] == [False, True, False]
    assert [dot["place"] for dot in chart["outcomes"]] == [0]
    assert share_of(chart["outcomes"][0]["top"]) < share_of(chart["outcomes"][0]["y"])


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (0.8123, 0.8125), (-3.0, 1e6), (0.0, 1e-5)])
def test_ticks_are_few_told_apart_and_inside(low, high):
    ticks = Scale(low, high).ticks()
    assert 1 <= len(ticks) <= 6
    assert len({tick["text"] for tick in ticks}) == len(ticks)
    assert all(0 <= share_of(tick["x"]) <= 100 for tick in ticks)


@pytest.mark.parametrize("days", [0.2, 1, 3, 10, 28, 90, 400, 5000])
def test_time_labels_leave_room_for_each_other(days):
    ticks = times(Scale(1.7e9, 1.7e9 + days * 86_400, pad=0))
    at = [share_of(tick["x"]) for tick in ticks]
    assert len(ticks) <= 9
    assert all(after - before >= 10 for before, after in pairwise(at))
    # On a narrow page the minor ones are left out.
    major = [x for x, tick in zip(at, ticks, strict=True) if not tick["minor"]]
    assert all(after - before >= 20 for before, after in pairwise(major))


def test_an_axis_of_shares_ends_at_one():
    assert around([0.5, 1.0], high=1.0).high == 1.0
    assert written(0.125, "share") == "12.5 %"


def test_columns_stack_without_overlap_up_to_the_count():
    slices = [
        {
            "from": f"2026-03-0{d}T00:00:00+00:00",
            "to": f"2026-03-0{d + 1}T00:00:00+00:00",
            "done": 3,
            "by_kind": by_kind,
        }
        for d, by_kind in ((1, {"gate": 2, "audit": 6}), (2, {"gate": 0, "audit": 4}))
    ]
    chart = charts.flow(slices, ("gate", "audit"), capacity=10)
    gate, audit, other = chart["boxes"]
    assert (gate["y"], gate["height"]) == ("80.00%", "20.00%")
    assert (audit["y"], audit["height"]) == ("20.00%", "60.00%")
    assert share_of(other["x"]) > share_of(gate["x"]) + share_of(gate["width"])
    assert chart["capacity"] == "0.00%"


def test_a_curve_of_waiting_never_falls():
    steps = [{"seconds": 60.0 * 4**i, "share": i / 6} for i in range(7)]
    [curve] = charts.waiting([{"curve": steps, "p50": 3840.0, "p90": None}])["curves"]
    down = [y for _, y in places(curve["line"])]
    assert down == sorted(down, reverse=True)
    assert [point["y"] for point in curve["points"]] == ["50.00%"]


def test_a_bin_without_labels_is_no_dot():
    bins = [{"mean_score": 0.2, "share": None}, {"mean_score": 0.8, "share": 0.7, "share_low": 0.6, "share_high": 0.8}]
    [dot] = charts.reliability(bins)["dots"]
    assert share_of(dot["top"]) < share_of(dot["y"]) < share_of(dot["bottom"])
