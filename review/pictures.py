"""What the bytes of a small picture say of themselves: its format, its size, whether it moves.

Reads headers only and decodes no pixel. What is not one of four raster formats is no picture here; SVG
least of all, since it is a document that may carry script.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

MAX_SIDE = 4096
# A compressed picture of a few kilobytes may unfold to gigabytes in the browser.
MAX_PIXELS = 4_000_000
FORMATS = ("png", "jpeg", "webp", "gif")

_PNG = b"\x89PNG\r\n\x1a\n"
# Start-of-frame markers of JPEG; C4, C8 and CC in the same range are tables.
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


@dataclass(frozen=True, slots=True)
class Picture:
    """``format`` is one of FORMATS, ``width`` and ``height`` are pixels."""

    format: str
    width: int
    height: int
    moves: bool = False

    @property
    def content_type(self) -> str:
        return f"image/{self.format}"


def read(content: bytes) -> Picture:
    """The picture that the bytes begin; ValueError with a sentence where they are none.

    >>> read(b"GIF89a" + bytes([2, 0, 3, 0, 0, 0, 0]))
    Picture(format='gif', width=2, height=3, moves=False)
    """
    try:
        if content.startswith(_PNG):
            return _png(content)
        if content.startswith(b"\xff\xd8\xff"):
            return _jpeg(content)
        if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
            return _webp(content)
        if content[:6] in (b"GIF87a", b"GIF89a"):
            return _gif(content)
    except (struct.error, IndexError):
        raise ValueError("the picture ends within its header") from None
    raise ValueError("the bytes are no PNG, JPEG, WebP or GIF")


def _png(content: bytes) -> Picture:
    if content[12:16] != b"IHDR":
        raise ValueError("the PNG has no header")
    width, height = struct.unpack_from(">II", content, 16)
    # The chunk that announces frames stands before the first pixels.
    at, moves = 8, False
    while at + 8 <= len(content):
        length, name = struct.unpack_from(">I4s", content, at)
        if name in (b"IDAT", b"IEND"):
            break
        moves |= name == b"acTL"
        at += 12 + length
    return Picture("png", width, height, moves)


def _jpeg(content: bytes) -> Picture:
    at = 2
    while True:
        if content[at] != 0xFF:
            raise ValueError("the JPEG is broken before its size")
        marker = content[at + 1]
        if marker == 0xFF:
            at += 1
        elif marker in _JPEG_FRAMES:
            height, width = struct.unpack_from(">HH", content, at + 5)
            return Picture("jpeg", width, height)
        elif marker in (0xD9, 0xDA):
            raise ValueError("the JPEG does not tell its size")
        elif marker == 0x01 or 0xD0 <= marker <= 0xD7:
            at += 2
        else:
            at += 2 + struct.unpack_from(">H", content, at + 2)[0]


def _webp(content: bytes) -> Picture:
    kind = content[12:16]
    if kind == b"VP8X":
        width, height = (1 + int.from_bytes(_exactly(content, at, 3), "little") for at in (24, 27))
        return Picture("webp", width, height, bool(content[20] & 0x02))
    if kind == b"VP8L":
        if content[20] != 0x2F:
            raise ValueError("the WebP is broken before its size")
        bits = struct.unpack_from("<I", content, 21)[0]
        return Picture("webp", 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF))
    if kind == b"VP8 ":
        if content[23:26] != b"\x9d\x01\x2a":
            raise ValueError("the WebP is broken before its size")
        width, height = struct.unpack_from("<HH", content, 26)
        return Picture("webp", width & 0x3FFF, height & 0x3FFF)
    raise ValueError("the WebP does not tell its size")


def _gif(content: bytes) -> Picture:
    width, height = struct.unpack_from("<HH", content, 6)
    return Picture("gif", width, height, _gif_frames(content) > 1)


def _gif_frames(content: bytes) -> int:
    """How many images the file holds, counted up to two; a file cut off counts what is there."""
    frames, at = 0, 13 + _palette(content[10])
    try:
        while frames < 2 and content[at] != 0x3B:
            if content[at] == 0x2C:
                frames += 1
                at = _after_blocks(content, at + 11 + _palette(content[at + 9]))
            elif content[at] == 0x21:
                at = _after_blocks(content, at + 2)
            else:
                break
    except IndexError:
        pass
    return frames


def _palette(flags: int) -> int:
    return 3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0


def _after_blocks(content: bytes, at: int) -> int:
    while content[at]:
        at += 1 + content[at]
    return at + 1


def _exactly(content: bytes, at: int, size: int) -> bytes:
    part = content[at : at + size]
    if len(part) < size:
        raise IndexError
    return part
