from __future__ import annotations

from typing import Any

import pytest

from models_registry import schemas
from review import context
from tests.review import made_pictures as made


def found(carried: dict[str, Any], **limits: Any) -> list[tuple[str, str]]:
    """Pointer and code of every fault, as a body with this context would get them."""
    faults = schemas.faults(context.SCHEMA, carried) or context.faults(carried, **limits)
    return [(fault.pointer, fault.code) for fault in faults]


def image(content: bytes | str, **more: str) -> dict[str, Any]:
    return {"images": [{"data": content if isinstance(content, str) else made.text(content), **more}]}


def link(url: str) -> dict[str, Any]:
    return {"links": [{"title": "here", "url": url}]}


def array(**fields: Any) -> dict[str, Any]:
    return {"array": {"values": [[0, 1], [2, 3.5]], **fields}}


GOOD = {
    "text": "two\nlines, a tab\t, right to left \u05d0\u202e, emoji 😀",
    "links": [{"url": "https://example.com:8443/a?b=c#d", "title": "the file"}, {"url": "http://[::1]/"}],
    "images": [
        {"data": made.text(made.png())},
        {"data": "data:image/png;base64," + made.text(made.png()), "title": "t", "alt": "a"},
        {"data": "data:image/jpg;base64," + made.text(made.jpeg())},
        {"data": made.text(made.gif())},
        {"data": made.text(made.webp())},
    ],
    "array": {"values": [[0, 1], [2, 3.5]], "min": 0, "max": 16, "title": "t", "features": [["a", None], ["b", "c"]]},
    "anything": {"else": ["javascript:alert(1)", {"deep": "<script>"}]},
}


def test_all_of_it_together_is_taken():
    assert found(GOOD) == []


def test_colours_and_the_largest_drawing_are_taken():
    assert found({"array": {"values": [[[0, 128, 255]] * 64] * 64}}) == []
    assert found({"array": {"values": [[0.5]]}}) == []


def test_whatever_has_other_keys_stays_free():
    assert found({"Text": 5, "image": {}, "": None, "note": "\u0001", "html": "<img onerror=alert(1)>"}) == []


@pytest.mark.parametrize(
    ("carried", "fault"),
    [
        ({"text": 5}, ("/text", "type")),
        ({"text": "x" * 50_001}, ("/text", "length")),
        ({"text": "bell \x07"}, ("/text", "invalid_text")),
        ({"text": "c1 \x9b31m"}, ("/text", "invalid_text")),
        ({"links": {}}, ("/links", "type")),
        ({"links": [{"url": "https://a.example"}] * 21}, ("/links", "length")),
        ({"links": [{"title": "x"}]}, ("/links/0/url", "required")),
        ({"links": [{"url": "https://a.example", "onclick": "x"}]}, ("/links/0/onclick", "unknown_field")),
        ({"links": [{"url": "https://a.example", "title": "\x1b[31m"}]}, ("/links/0/title", "invalid_text")),
        ({"images": [{"data": "x"}] * 7}, ("/images", "length")),
        ({"images": ["x"]}, ("/images/0", "type")),
        (image(made.png(), onload="x"), ("/images/0/onload", "unknown_field")),
        (image(made.png(), alt="\x00"), ("/images/0/alt", "invalid_text")),
        (image("not base64!"), ("/images/0/data", "format")),
        (image("aGk"), ("/images/0/data", "format")),
        (image(b"<svg onload=alert(1)>"), ("/images/0/data", "format")),
        (image("data:image/svg+xml;base64,PHN2Zy8+"), ("/images/0/data", "not_allowed")),
        (image("data:image/svg+xml;utf8,<svg/>"), ("/images/0/data", "not_allowed")),
        (image("data:text/html;base64," + made.text(made.png())), ("/images/0/data", "not_allowed")),
        (image("data:png;base64," + made.text(made.png())), ("/images/0/data", "not_allowed")),
        (image("data:image/png,%89PNG"), ("/images/0/data", "format")),
        (image("data:image/png;charset=x;base64," + made.text(made.png())), ("/images/0/data", "format")),
        (image("data:image/gif;base64," + made.text(made.png())), ("/images/0/data", "conflict")),
        (image("https://example.com/a.png"), ("/images/0/data", "format")),
        (image(made.gif(frames=3)), ("/images/0/data", "not_allowed")),
        (image(made.claiming(100_000, 1)), ("/images/0/data", "out_of_range")),
        (image(made.claiming(4000, 4000)), ("/images/0/data", "out_of_range")),
        (image(made.claiming(0, 10)), ("/images/0/data", "out_of_range")),
        (image(made.png() + bytes(200_000)), ("/images/0/data", "length")),
        (array(values=[]), ("/array/values", "length")),
        (array(values=[[]]), ("/array/values/0", "length")),
        (array(values=[[1], [1, 2]]), ("/array/values/1", "length")),
        (array(values=[[1, "2"]]), ("/array/values/0/1", "type")),
        (array(values=[[True]]), ("/array/values/0/0", "type")),
        (array(values=[[1, [1, 2, 3]]]), ("/array/values/0/1", "type")),
        (array(values=[[[1, 2]]]), ("/array/values/0/0", "length")),
        (array(values=[[[1, 2, 3, 4]]]), ("/array/values/0/0", "length")),
        (array(values=[[1] * 65]), ("/array/values/0", "length")),
        (array(values=[[1]] * 65), ("/array/values", "length")),
        (array(min=3, max=3), ("/array/max", "out_of_range")),
        (array(title="\x02"), ("/array/title", "invalid_text")),
        (array(colour="red"), ("/array/colour", "unknown_field")),
        (array(features=[["a", "b"]]), ("/array/features", "length")),
        (array(features=[["a", "b"], ["c"]]), ("/array/features/1", "length")),
        (array(features=[["a", "b"], ["c", "a"]]), ("/array/features/1/1", "duplicate")),
        (array(features=[["a", 1], ["c", "d"]]), ("/array/features/0/1", "type")),
    ],
)
def test_each_fault_names_its_place(carried, fault):
    assert found(carried) == [fault]


def test_numbers_that_are_not_finite_are_refused_even_where_no_json_brought_them():
    nan, inf = float("nan"), float("inf")
    carried = array(values=[[nan, 1], [2, -inf]], min=-inf)
    places = [fault.pointer for fault in context.faults(carried) if fault.code == "not_finite"]
    assert places == ["/array/values/0/0", "/array/values/1/1", "/array/min"]
    [fault] = context.faults(array(values=[[[1, inf, 2]]]))
    assert (fault.pointer, fault.code) == ("/array/values/0/0/1", "not_finite")


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)", "JaVaScRiPt:alert(1)", "java\nscript:alert(1)", " https://example.com",
        "data:text/html,<script>alert(1)</script>", "vbscript:x", "file:///etc/passwd", "ftp://example.com/",
        "//example.com/", "/relative", "example.com", "https:example.com", "https:/example.com", "https:///example.com",
        "https://user:secret@example.com/", "https://user@example.com/", "https://@example.com/",
        "https://good.example\\@evil.example/", "https://good.example%40evil.example/", "https://ex%61mple.com/",
        "https://exa mple.com/", "https://example.com/\u202egpj.exe", "https://bücher.example/", "https://аpple.com/",
        "https://example.com:99999/", "https://example.com:abc/", "https://[::1", "https://-x.example/", "http://",
        "https://exam\tple.com/", "https://example.com\x00/", "blob:https://example.com/1", "https://a..b@c/",
    ],
)  # fmt: skip
def test_only_plain_web_addresses_become_links(url):
    [(pointer, code)] = found(link(url))
    assert (pointer, code) == ("/links/0/url", "format")


@pytest.mark.parametrize(
    "url",
    ["https://example.com", "HTTPS://EXAMPLE.com/A", "http://localhost:8000/x", "http://10.0.0.1/", "http://[::1]:80/",
     "https://xn--bcher-kva.example/ü?q=%20#frag", "https://a_b.example.com./", "https://example.com/a@b:c"],
)  # fmt: skip
def test_web_addresses_of_all_usual_forms_are_taken(url):
    assert found(link(url)) == []


def test_every_fault_is_told_at_once_and_in_order():
    carried = {
        **link("javascript:x"),
        "text": "\x01",
        "images": [{"data": made.text(made.png())}, {"data": "?"}, {"data": made.text(made.gif(2)), "alt": "\x01"}],
        "array": {"values": [[1, 2], [3]], "features": [["a", "a"], ["b", "c"]]},
    }
    assert found(carried) == [
        ("/text", "invalid_text"), ("/links/0/url", "format"), ("/images/1/data", "format"),
        ("/images/2/alt", "invalid_text"), ("/images/2/data", "not_allowed"), ("/array/values/1", "length"),
        ("/array/features/0/1", "duplicate"),
    ]  # fmt: skip


def test_the_limit_of_bytes_is_of_the_decoded_picture():
    content = made.png()
    assert found(image(content), image_bytes=len(content)) == []
    assert found(image("data:image/png;base64," + made.text(content)), image_bytes=len(content)) == []
    assert found(image(content), image_bytes=len(content) - 1) == [("/images/0/data", "length")]


def test_an_array_names_features_of_the_contract_only():
    carried = {"array": {"values": [[1, 2]], "features": [["a", None]]}}
    assert context.unknown_features(carried, {"a"}, at="/context") == []
    [fault] = context.unknown_features(carried, {"b"}, at="/context")
    assert (fault.pointer, fault.code) == ("/context/array/features/0/0", "unknown_feature")
