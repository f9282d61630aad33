"""What a prediction may carry for the eyes of a person: text, links, small pictures, an array to be drawn.

Pure: every fault that the schema of the form cannot tell, with its JSON pointer. Keys that the form does not
name stay free: they are kept as they came and shown as plain text.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Collection, Iterator
from typing import Any
from urllib.parse import SplitResult, urlsplit

from models_registry import schemas
from models_registry.errors import Fault
from models_registry.schemas import pointer
from review import pictures
from review.context_form import PARTS, SCHEMA
from review.pictures import Picture

__all__ = ["PARTS", "SCHEMA", "address", "faults", "masked", "part_holds", "picture", "unknown_features"]

MAX_IMAGE_BYTES = 200_000

# C0 and C1 without tab and the ends of lines; other signs of direction are text and are set apart when shown.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
# What browsers and readers may take for another address than the one that is shown.
_UNSAFE_IN_URL = re.compile(r"[\x00-\x20\x7f-\xa0\\\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?\.?|\[[0-9A-Fa-f:.]+\]")
_TYPES = frozenset(f"image/{name}" for name in pictures.FORMATS)
_DATA_URI = re.compile(r"data:([^,;]{0,100})((?:;[^,;]{0,100}){0,5}),")


def faults(context: dict[str, Any], *, at: str = "", image_bytes: int = MAX_IMAGE_BYTES) -> list[Fault]:
    """Every fault of a context that satisfies SCHEMA, in the order of its parts; ``at`` stands before each pointer.

    ``image_bytes`` is the most that one decoded picture may have.
    """
    found: list[Fault] = []
    if "text" in context:
        found += _text_faults(context["text"], f"{at}/text")
    for place, link in enumerate(context.get("links", ())):
        found += _link_faults(link, at + pointer("links", place))
    for place, image in enumerate(context.get("images", ())):
        found += _image_faults(image, at + pointer("images", place), image_bytes)
    if "array" in context:
        found += _array_faults(context["array"], f"{at}/array")
    return found


def part_holds(context: dict[str, Any], part: str) -> bool:
    """Whether a part of a stored context can be shown as what it is: it may be older than this form."""
    one = {part: context[part]}
    return not schemas.faults(SCHEMA, one) and not faults(one, image_bytes=2**31)


def unknown_features(context: dict[str, Any], known: Collection[str], *, at: str = "") -> list[Fault]:
    """The cells of an array that name a feature which the contract does not have."""
    found = []
    for row, names in enumerate(context.get("array", {}).get("features", ())):
        for column, name in enumerate(names):
            if name is not None and name not in known:
                place = at + pointer("array", "features", row, column)
                found.append(Fault(place, "unknown_feature", "not in the contract"))
    return found


def masked(context: dict[str, Any], hidden: Collection[str]) -> dict[str, Any]:
    """The context with null for each cell of an array that draws one of the hidden features.

    >>> masked({"array": {"values": [[1, 2]], "features": [["a", "b"]]}}, {"b"})["array"]["values"]
    [[1, None]]
    """
    array = context.get("array")
    if not hidden or not isinstance(array, dict) or "features" not in array or not part_holds(context, "array"):
        return context
    cells = [
        [None if name in hidden else value for value, name in zip(values, names, strict=True)]
        for values, names in zip(array["values"], array["features"], strict=True)
    ]
    return {**context, "array": {**array, "values": cells}}


def picture(data: str) -> tuple[bytes, Picture]:
    """The bytes of an image's ``data`` with what they are; ValueError with a sentence where they are none."""
    content = _decoded(data)
    return content, pictures.read(content)


def address(url: str) -> SplitResult:
    """A link taken apart; ValueError with a sentence where it is not an address that may be shown as a link."""
    if _UNSAFE_IN_URL.search(url):
        raise ValueError("spaces, controls, signs of direction and backslashes are percent-encoded in an address")
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise ValueError("this is no address") from None
    if parts.scheme not in ("http", "https"):
        raise ValueError("a link begins with http:// or https://")
    if "@" in parts.netloc:
        raise ValueError("an address with a name or a password in it is not shown")
    host = parts.netloc.rpartition(":")[0] if parts.port is not None or parts.netloc.endswith(":") else parts.netloc
    if not url[len(parts.scheme) :].startswith("://") or not _HOST.fullmatch(host):
        raise ValueError("a link names its host in ASCII, an international name as xn--…")
    return parts


def _text_faults(text: str, at: str) -> Iterator[Fault]:
    if found := _CONTROL.search(text):
        yield Fault(at, "invalid_text", f"character {found.start()} is a control character")


def _link_faults(link: dict[str, str], at: str) -> Iterator[Fault]:
    yield from _text_faults(link.get("title", ""), f"{at}/title")
    try:
        address(link["url"])
    except ValueError as error:
        yield Fault(f"{at}/url", "format", str(error))


def _image_faults(image: dict[str, str], at: str, most: int) -> Iterator[Fault]:
    for name in ("title", "alt"):
        yield from _text_faults(image.get(name, ""), f"{at}/{name}")
    place, data = f"{at}/data", image["data"]
    declared = _DATA_URI.match(data)
    says = declared[1].lower().replace("image/jpg", "image/jpeg") if declared else ""
    if declared and says not in _TYPES:
        yield Fault(place, "not_allowed", f"{says[:40] or 'text'} is not taken; send PNG, JPEG, WebP or GIF")
        return
    if len(data) - (declared.end() if declared else 0) > 4 * math.ceil(most / 3):
        yield Fault(place, "length", f"a picture has at most {most} bytes")
        return
    try:
        content, found = picture(data)
    except ValueError as error:
        yield Fault(place, "format", str(error))
        return
    if len(content) > most:
        yield Fault(place, "length", f"the picture has {len(content)} bytes, at most {most} are taken")
    if declared and says != found.content_type:
        yield Fault(place, "conflict", f"it says {says} and is {found.content_type}")
    if found.moves:
        yield Fault(place, "not_allowed", "a picture that moves is not taken; send the frames one by one")
    if not (0 < found.width <= pictures.MAX_SIDE and 0 < found.height <= pictures.MAX_SIDE):
        yield Fault(place, "out_of_range", f"{found.width} × {found.height}; sides have 1 to {pictures.MAX_SIDE}")
    elif found.width * found.height > pictures.MAX_PIXELS:
        yield Fault(place, "out_of_range", f"{found.width} × {found.height}: at most {pictures.MAX_PIXELS:,} pixels")


def _decoded(data: str) -> bytes:
    declared = _DATA_URI.match(data)
    if declared and declared[2].lower() != ";base64":
        raise ValueError("a data: URI of a picture reads data:image/png;base64,…")
    try:
        return base64.b64decode(data[declared.end() if declared else 0 :], validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("this is not base64") from None


def _array_faults(array: dict[str, Any], at: str) -> Iterator[Fault]:
    values = array["values"]
    width = len(values[0])
    colour = isinstance(values[0][0], list)
    for row, cells in enumerate(values):
        if len(cells) != width:
            reason = f"this row has {len(cells)} cells, the first has {width}"
            yield Fault(at + pointer("values", row), "length", reason)
        for column, cell in enumerate(cells):
            yield from _cell_faults(cell, colour, at + pointer("values", row, column))
    for name in ("min", "max"):
        if name in array and not math.isfinite(array[name]):
            yield Fault(at + pointer(name), "not_finite", "the ends of the scale are finite numbers")
    if "min" in array and "max" in array and array["min"] >= array["max"]:
        yield Fault(at + "/max", "out_of_range", "the upper end of the scale lies above its lower end")
    yield from _text_faults(array.get("title", ""), f"{at}/title")
    yield from _feature_faults(array.get("features"), len(values), width, at)


def _cell_faults(cell: Any, colour: bool, at: str) -> Iterator[Fault]:
    if isinstance(cell, list) is not colour:
        yield Fault(at, "type", "every cell is a number, or every cell is three numbers")
    elif colour:
        for channel, number in enumerate(cell):
            if not math.isfinite(number):
                yield Fault(at + pointer(channel), "not_finite", "a cell holds finite numbers")
    elif not math.isfinite(cell):
        yield Fault(at, "not_finite", "a cell holds a finite number")


def _feature_faults(names: list[list[str | None]] | None, height: int, width: int, at: str) -> Iterator[Fault]:
    if names is None:
        return
    if len(names) != height:
        yield Fault(at + "/features", "length", f"{len(names)} rows of names for {height} rows of values")
    seen: dict[str, str] = {}
    for row, cells in enumerate(names):
        if len(cells) != width:
            reason = f"this row names {len(cells)} cells, the values have {width}"
            yield Fault(at + pointer("features", row), "length", reason)
        for column, name in enumerate(cells):
            place = at + pointer("features", row, column)
            if name is not None and seen.setdefault(name, place) != place:
                yield Fault(place, "duplicate", f"{name[:40]!r} has a cell already")
