from __future__ import annotations

import re

from review import arrays, drawings
from tests.review import made_pictures as made


def cells(paths):
    """Which cell each path covers: (row, column) -> fill, from the rectangles of its description."""
    covered = {}
    for path in paths:
        for x, y, size in re.findall(r"M(\d+) (\d+)h(\d+)v1h-\3z", path["d"]):
            for column in range(int(x), int(x) + int(size)):
                assert (int(y), column) not in covered
                covered[int(y), column] = path["fill"]
    return covered


def test_every_cell_is_covered_once_and_larger_is_darker():
    drawn = arrays.drawing({"values": [[0, 1, 1], [2, 3, 4]]})
    covered = cells(drawn["paths"])
    assert covered.keys() == {(row, column) for row in range(2) for column in range(3)}
    order = [covered[place] for place in ((0, 0), (0, 1), (1, 0), (1, 1), (1, 2))]
    assert order == sorted(order, reverse=True)
    assert (order[0], order[-1]) == ("#ffffff", "#141414")
    assert covered[0, 1] == covered[0, 2]


def test_a_scale_of_its_own_is_kept_and_what_lies_beyond_is_drawn_at_its_ends():
    covered = cells(arrays.drawing({"values": [[-5, 0, 8, 16, 99]], "min": 0, "max": 16})["paths"])
    assert covered[0, 0] == covered[0, 1] == "#ffffff"
    assert covered[0, 3] == covered[0, 4] == "#141414"
    assert covered[0, 2] not in (covered[0, 1], covered[0, 3])


def test_equal_values_and_the_widest_numbers_are_drawn_all_the_same():
    assert cells(arrays.drawing({"values": [[7, 7]]})["paths"]).keys() == {(0, 0), (0, 1)}
    covered = cells(arrays.drawing({"values": [[-1.7e308, 0, 1.7e308]]})["paths"])
    assert len(set(covered.values())) == 3


def test_colours_are_their_own():
    covered = cells(arrays.drawing({"values": [[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [255, 255, 255]]]})["paths"])
    assert covered == {(0, 0): "#ff0000", (0, 1): "#00ff00", (1, 0): "#0000ff", (1, 1): "#ffffff"}


def test_the_largest_drawing_stays_small():
    noise = [[(61 * x + 97 * y * y) % 256 for x in range(64)] for y in range(64)]
    drawn = arrays.drawing({"values": noise})
    assert sum(len(path["d"]) for path in drawn["paths"]) < 100_000
    assert (drawn["rows"], drawn["lines"].count("\n")) == ([], 63)


def test_words_say_what_the_eye_sees():
    assert arrays.drawing({"values": [[0, 1], [2, 15.5]]})["words"] == (
        "2 rows of 2 cells, values from 0 to 15.5, larger is darker"
    )


def test_attributions_lie_on_the_cells_of_their_features():
    carried = {"array": {"values": [[1, 2], [3, 4]], "features": [["a", "b"], ["c", None]]}}
    pushes = [{"feature": "b", "contribution": 0.5}, {"feature": "c", "contribution": -0.25},
              {"feature": "a", "contribution": 0.001}, {"feature": "elsewhere", "contribution": 9.0}]  # fmt: skip
    drawn = arrays.factors(carried, pushes, "three")
    assert drawn["towards"] == [{"opacity": "1", "d": "M1 0h1v1h-1z"}]
    assert drawn["against"] == [{"opacity": "0.5", "d": "M0.5 1l.5 .5-.5 .5-.5-.5z"}]


def test_without_features_or_pushes_there_is_no_second_drawing():
    named = {"array": {"values": [[1]], "features": [["a"]]}}
    pushes = [{"feature": "a", "contribution": 0.5}]
    assert arrays.factors(None, pushes, "x") is None
    assert arrays.factors({"array": {"values": [[1]]}}, pushes, "x") is None
    assert arrays.factors({"array": 5}, pushes, "x") is None
    assert arrays.factors(named, [{"feature": "b", "contribution": 1.0}], "x") is None
    assert arrays.factors(named, pushes, "x") is not None


def test_long_texts_many_keys_and_signs_of_direction_are_bounded():
    text = "word " * 5_000
    shown = drawings.shown({"text": text, **{f"key {n}": "v" * 9_000 for n in range(60)}})
    assert shown["text"]["head"] + shown["text"]["rest"] == text
    assert len(shown["text"]["head"]) <= drawings.OPEN_TEXT
    assert (len(shown["others"]), shown["more"]) == (drawings.MAX_OTHERS, 20)
    assert all(len(other["text"]) == drawings.MAX_OTHER_TEXT for other in shown["others"])
    turned = drawings.shown(
        {"text": "a\u202eb", "k\u202e": "\u202d", "links": [{"url": "https://x.example", "title": "\u202e"}]}
    )
    assert "\u202e" not in str(turned)
    assert "\u202d" not in str(turned)


def test_pictures_keep_their_proportions_and_small_ones_are_enlarged():
    [image] = drawings.shown({"images": [{"data": made.text(made.png(8, 4))}]})["images"]
    assert (image["width"], image["height"], image["enlarged"]) == (192, 96, True)
    [image] = drawings.shown({"images": [{"data": made.text(made.claiming(2000, 1000))}]})["images"]
    assert (image["width"], image["height"], image["enlarged"]) == (640, 320, False)
    assert image["alt"] == "Picture 1, not described by its sender"


def test_hidden_features_are_neither_drawn_nor_told():
    carried = {"array": {"values": [[7, 2], [3, 5]], "features": [["a", "b"], ["c", None]]}}
    pushes = [{"feature": "b", "contribution": 0.5}]
    for drawn in (drawings.shown(carried, {"a"})["array"], arrays.factors(carried, pushes, "x", {"a"})):
        assert cells(drawn["paths"]).keys() == {(0, 1), (1, 0), (1, 1)}
        assert (drawn["rows"][0], drawn["high"]) == (["hidden", "2"], "5")
        assert "7" not in drawn["words"]
    assert drawings.shown(carried, {"a", "b", "c"})["array"]["rows"] == [["hidden", "hidden"], ["hidden", "5"]]
    everything = {"array": {"values": [[1]], "features": [["a"]]}}
    assert drawings.shown(everything, {"a"})["array"]["words"] == "1 row of 1 cell, all hidden"
