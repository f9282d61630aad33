"""Small pictures made by hand, byte by byte, so that each can be broken in one place."""

from __future__ import annotations

import base64
import struct
import zlib


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(width: int = 8, height: int = 8, *, before: bytes = b"") -> bytes:
    """A grey PNG that browsers draw; ``before`` are chunks ahead of its pixels."""
    rows = b"".join(b"\0" + bytes((31 * x * y) % 256 for x in range(width)) for y in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + before
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def claiming(width: int, height: int) -> bytes:
    """A PNG that says it is that large; its pixels are not there."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def jpeg(width: int = 20, height: int = 10) -> bytes:
    """The head of a JPEG: application data, a table, fill bytes, and the frame with the size."""
    application = b"\xff\xe0" + struct.pack(">H", 16) + b"JFIF\0" + bytes(9)
    table = b"\xff\xc4" + struct.pack(">H", 5) + bytes(3)
    frame = b"\xff\xff\xc2" + struct.pack(">HBHHB", 11, 8, height, width, 1) + bytes(3)
    return b"\xff\xd8" + application + table + frame


def gif(frames: int = 1) -> bytes:
    head = b"GIF89a" + struct.pack("<HH", 5, 4) + bytes([0x80, 0, 0]) + bytes(6)
    control = b"\x21\xf9\x04" + bytes(4) + b"\0"
    image = b"\x2c" + struct.pack("<HHHH", 0, 0, 5, 4) + b"\0" + b"\x02" + b"\x02\x4c\x01" + b"\0"
    return head + (control + image) * frames + b"\x3b"


def webp(kind: str = "VP8X", *, moves: bool = False) -> bytes:
    """The head of a WebP of 300 × 200 in one of its three forms."""
    if kind == "VP8X":
        body = bytes([0x02 if moves else 0, 0, 0, 0]) + (299).to_bytes(3, "little") + (199).to_bytes(3, "little")
    elif kind == "VP8L":
        body = b"\x2f" + struct.pack("<I", 299 | 199 << 14) + bytes(4)
    else:
        body = bytes(3) + b"\x9d\x01\x2a" + struct.pack("<HH", 300, 200) + bytes(4)
    inner = b"WEBP" + kind.encode() + struct.pack("<I", len(body)) + body
    return b"RIFF" + struct.pack("<I", len(inner)) + inner


def text(content: bytes) -> str:
    return base64.b64encode(content).decode()
