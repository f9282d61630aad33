from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from review import keys


def person(bindings: Any = None, *, keys_on: bool = True) -> Any:
    return SimpleNamespace(keys_on=keys_on, bindings={} if bindings is None else bindings)


def test_the_usual_keys_never_meet_each_other_or_a_label() -> None:
    bound = keys.bindings_of(None, [f"label {place}" for place in range(12)])
    assert len(set(bound.values())) == len(bound)
    assert (bound["label:0"], bound["label:9"], bound["agree"], bound["undo"]) == ("1", "0", "a", "u")
    assert "label:10" not in bound


@pytest.mark.parametrize(
    ("bindings", "place"),
    [
        ({"agree": "1"}, "agree"),
        ({"agree": "s"}, "agree"),
        ({"agree": "q", "skip": "Q"}, "agree"),
        ({"agree": "enter"}, "agree"),
        ({"agree": " "}, "agree"),
        ({"agree": 7}, "agree"),
        ({"fly": "q"}, "fly"),
        (["a"], ""),
    ],
)
def test_bindings_that_collide_or_are_no_key_are_told_and_never_used(bindings: Any, place: str) -> None:
    assert place in keys.faults(bindings)
    assert keys.bindings_of(person(bindings)) == keys.bindings_of(None)


def test_a_person_moves_swaps_and_switches_off_keys() -> None:
    moved = {"agree": "x", "other": "A", "flag": "."}
    assert keys.faults(moved) == {}
    bound = keys.bindings_of(person(moved))
    assert (bound["agree"], bound["other"], bound["flag"]) == ("x", "a", ".")
    assert keys.bindings_of(person(keys_on=False), ["yes", "no"]) == {}
