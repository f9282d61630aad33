from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models_registry.errors import Invalid
from models_registry.strict_json import MAX_INTEGER, decode

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
NUMBERS = st.integers(-MAX_INTEGER, MAX_INTEGER) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


@given(VALUES, st.booleans())
def test_what_json_can_say_comes_back_in_value_and_type(value: object, ascii_only: bool):
    assert repr(decode(json.dumps(value, ensure_ascii=ascii_only).encode())) == repr(value)


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"", "malformed_json"),
        (b"NaN", "malformed_json"),
        (b"[Infinity]", "malformed_json"),
        (b"1e400", "malformed_json"),
        (b"9007199254740992", "out_of_range"),
        (b"1" * 5000, "malformed_json"),
        (b'{"a": "\\u0000"}', "invalid_text"),
        (b'{"\\u0000": 1}', "invalid_text"),
        (b'"\\ud800"', "malformed_json"),
        (b'"\xff"', "malformed_json"),
        (b'{"a": 1, "a": 2}', "duplicate_key"),
        (b'{"a": 1, "\\u0061": 2}', "duplicate_key"),
        (b'{"a": {"b": ":", "b": ":"}}', "duplicate_key"),
        (b"[" * 33 + b"1" + b"]" * 33, "too_deep"),
        (b"[" * 100_000, "too_deep"),
        (b"{" + b",".join(b'"%d":1' % n for n in range(2001)) + b"}", "too_many_keys"),
    ],
)
def test_what_others_would_read_differently_is_refused(raw: bytes, code: str):
    with pytest.raises(Invalid) as refused:
        decode(raw)
    assert refused.value.code == code


def test_a_fault_points_to_its_place():
    with pytest.raises(Invalid) as refused:
        decode(b'{"a/b": ["x", "\\u0000"]}')
    assert refused.value.errors[0].pointer == "/a~1b/1"


@pytest.mark.parametrize("raw", [b'{"a": ": b"}', b'{"a": " :", "b": "\\":"}', b'{":": ":"}'])
def test_a_text_that_looks_like_a_key_is_no_second_key(raw: bytes):
    assert decode(raw) == json.loads(raw)
