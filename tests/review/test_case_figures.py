"""Where a value lies, in words and as a figure, and the factor table whose rows keep the sum."""

from __future__ import annotations

import pytest

from review.figures import Quantiles, category_words, factors, scale_of, strip

LEVELS = [0.0, *(point / 100 for point in range(5, 100, 5)), 1.0]
EVEN = Quantiles(LEVELS, [100 * level for level in LEVELS])


@pytest.mark.parametrize(
    ("value", "words", "unusual", "outside"),
    [
        (50, "about the middle of training cases", False, False),
        (80, "higher than 80 % of training cases", False, False),
        (10, "lower than 90 % of training cases", False, False),
        (97, "higher than 97 % of training cases", True, False),
        (2, "lower than 98 % of training cases", True, False),
        (100, "higher than 99 % of training cases", True, False),
        (101, "above all, outside what the model was trained on", True, True),
        (-1, "below all, outside what the model was trained on", True, True),
    ],
)
def test_a_value_is_placed_in_words(value, words, unusual, outside):
    found = strip(value, EVEN)
    assert (found.words, found.unusual, found.outside) == (words, unusual, outside)


def test_the_dot_stays_inside_the_figure():
    places = [float(strip(value, EVEN).x.rstrip("%")) for value in (-1e9, 0, 50, 100, 1e9)]
    assert places == sorted(places)
    assert (places[0], places[2], places[-1]) == (3.0, 50.0, 97.0)


def test_a_feature_that_never_varied_is_placed_too():
    same = Quantiles(LEVELS, [4.0] * len(LEVELS))
    assert (strip(4.0, same).words, strip(4.0, same).unusual) == ("about the middle of training cases", False)
    assert strip(5.0, same).outside


def test_rare_and_unseen_categories_are_unusual():
    shares = {"DE": 0.7, "FR": 0.26, "LU": 0.04}
    assert category_words("FR", shares) == ("26 % of training cases", False, False)
    assert category_words("LU", shares) == ("4 % of training cases", True, False)
    assert category_words("XX", shares) == ("never seen in training", True, True)


def test_the_rest_of_the_factors_keeps_the_sum():
    rows = [
        {"feature": f"f{i}", "value": i, "contribution": c}
        for i, c in enumerate((0.3, -0.2, 0.1, 0.05, 0.04, -0.02, 0.01))
    ]
    table = factors(rows, probability=True)
    assert [row["amount"] for row in table["rows"]] == ["+0.3", "−0.2", "+0.1", "+0.05", "+0.04"]
    assert (table["others"]["count"], table["others"]["amount"]) == (2, "−0.01")
    assert (table["rows"][0]["x"], table["rows"][0]["width"]) == ("50.0%", "50.0%")
    assert not table["rows"][1]["towards"]


def test_amounts_outside_probability_are_not_printed():
    table = factors([{"feature": "f", "value": 1, "contribution": 2.5}], probability=False)
    assert table["rows"][0]["amount"] == ""
    assert table["others"] is None


def test_two_tables_share_a_scale_when_they_are_told_to():
    rows = [{"feature": "f", "value": 1, "contribution": 0.2}]
    assert factors(rows, probability=True)["rows"][0]["width"] == "50.0%"
    assert factors(rows, probability=True, scale=0.4)["rows"][0]["width"] == "25.0%"
    assert scale_of([*rows, *({"contribution": -0.1} for _ in range(9))]) == pytest.approx(0.5)
