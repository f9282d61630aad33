from __future__ import annotations

import pytest

from models_registry import contracts, schemas
from review import context, drawings
from reviewhub.demo import digits


@pytest.fixture(scope="module")
def demo() -> digits.Digits:
    return digits.build()


def test_every_drawing_is_its_features_and_a_context_that_is_taken(demo: digits.Digits):
    known = {feature["name"] for feature in demo.contract["features"]}
    check = contracts.checker(demo.contract)
    for body in demo.predictions:
        array = body["context"]["array"]
        rows = zip(array["features"], array["values"], strict=True)
        assert {name: value for row in rows for name, value in zip(*row, strict=True)} == body["features"]
        assert not schemas.faults(context.SCHEMA, body["context"])
        assert not context.faults(body["context"])
        assert not context.unknown_features(body["context"], known)
        assert not check(body["features"], "")
        assert abs(sum(body["scores"].values()) - 1) < 1e-6
    assert drawings.shown(demo.predictions[0]["context"])["array"]["words"].startswith("8 rows of 8 cells")


def test_the_champion_is_good_and_not_perfect_and_sometimes_unsure(demo: digits.Digits):
    told = [max(body["scores"], key=body["scores"].get) for body in demo.predictions]
    right = sum(label == demo.truth[body["external_id"]] for label, body in zip(told, demo.predictions, strict=True))
    unsure = sum(max(body["scores"].values()) < 0.7 for body in demo.predictions)
    assert 0.85 < right / len(told) < 0.98
    assert 0.1 < unsure / len(told) < 0.3


def test_the_noisy_reviewer_errs_about_as_often_as_said_and_only_for_likes(demo: digits.Digits):
    slips = {name for name, label in demo.noisy.items() if label != demo.truth[name]}
    assert 0.7 * digits.SLIPS < len(slips) / len(demo.truth) < 1.3 * digits.SLIPS
    assert all(demo.noisy[name] == digits.LIKES[demo.truth[name]] for name in slips)


def test_there_are_enough_drawings_of_each_digit_for_practice(demo: digits.Digits):
    first = [demo.truth[body["external_id"]] for body in demo.predictions[: digits.FIRST_WAVE]]
    assert set(first) == set(digits.CLASSES)
    assert list(digits.CLASSES) == [*"123456789", "0"]
