from __future__ import annotations

import pytest

from review import pictures
from review.pictures import Picture
from tests.review import made_pictures as made


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (made.png(9, 7), Picture("png", 9, 7)),
        (made.jpeg(20, 10), Picture("jpeg", 20, 10)),
        (made.gif(), Picture("gif", 5, 4)),
        (made.webp("VP8X"), Picture("webp", 300, 200)),
        (made.webp("VP8L"), Picture("webp", 300, 200)),
        (made.webp("VP8 "), Picture("webp", 300, 200)),
    ],
    ids=["png", "jpeg", "gif", "webp-extended", "webp-lossless", "webp-lossy"],
)
def test_the_header_tells_format_and_size(content, found):
    assert pictures.read(content) == found


def test_pictures_that_move_are_known_in_every_format_that_can():
    assert pictures.read(made.png(before=made.chunk(b"acTL", bytes(8)))).moves
    assert pictures.read(made.gif(frames=2)).moves
    assert pictures.read(made.webp("VP8X", moves=True)).moves


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
        b"<!DOCTYPE html><script>alert(1)</script>",
        b"BM" + bytes(60),
        b"\x00\x00\x01\x00" + bytes(60),
        b"%PDF-1.7",
        b"PK\x03\x04" + bytes(60),
    ],
)
def test_anything_else_is_no_picture(content):
    with pytest.raises(ValueError, match="no PNG, JPEG, WebP or GIF"):
        pictures.read(content)


@pytest.mark.parametrize("make", [made.png, made.jpeg, made.gif, made.webp])
def test_a_file_cut_off_anywhere_never_does_worse_than_a_refusal(make):
    whole = make()
    for end in range(len(whole)):
        try:
            pictures.read(whole[:end])
        except ValueError:
            continue


@pytest.mark.parametrize("make", [made.png, made.jpeg, made.gif, made.webp])
def test_a_file_with_any_byte_changed_never_does_worse_than_a_refusal(make):
    whole = make()
    for place in range(min(len(whole), 120)):
        for byte in (0, 1, 0x7F, 0x80, 0xFF):
            try:
                pictures.read(whole[:place] + bytes([byte]) + whole[place + 1 :])
            except ValueError:
                continue
