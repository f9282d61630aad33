"""A prediction's context made ready for a page: text in portions, links with their hosts, pictures with their sizes.

Everything here is text or numbers that the template escapes; nothing that came from outside becomes markup.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from typing import Any

from review import arrays, context
from review.arrays import SIDE
from review.context_form import MAX_CELLS

# What of a text stands open; the rest is folded away.
OPEN_TEXT = 1_200
MAX_OTHERS = 40
MAX_OTHER_TEXT = 2_000
WIDEST, TALLEST = 640, 384
# Embeddings and overrides turn the order of what is read; isolates only set their own text apart.
_TURNS = re.compile("[\u202a-\u202e]")


def shown(carried: dict[str, Any] | None, hidden: Collection[str] = ()) -> dict[str, Any] | None:
    """What the template draws of a context, or None where there is nothing.

    Cells of an array that draw one of the ``hidden`` features stay empty.
    """
    if not carried:
        return None
    parts = {part for part in context.PARTS if part in carried and context.part_holds(carried, part)}
    others = [(key, value) for key, value in carried.items() if key not in parts]
    return {
        "text": _portions(carried["text"]) if "text" in parts else None,
        "links": [_link(link) for link in carried["links"]] if "links" in parts else [],
        "images": [_image(place, image) for place, image in enumerate(carried["images"])] if "images" in parts else [],
        "array": _array(context.masked(carried, hidden)["array"]) if "array" in parts else None,
        "others": [_other(key, value) for key, value in others[:MAX_OTHERS]],
        "more": max(0, len(others) - MAX_OTHERS),
    }


def visible(text: str) -> str:
    """The text with each sign that would turn its order of reading written out.

    >>> visible("invoice\u202egpj.exe")
    'invoice⟦U+202E⟧gpj.exe'
    """
    return _TURNS.sub(lambda found: f"⟦U+{ord(found[0]):04X}⟧", text)


def _portions(text: str) -> dict[str, Any]:
    text = visible(text)
    if len(text) <= OPEN_TEXT:
        return {"head": text, "rest": "", "left": 0}
    cut = text.rfind(" ", OPEN_TEXT // 2, OPEN_TEXT) + 1 or OPEN_TEXT
    return {"head": text[:cut], "rest": text[cut:], "left": len(text) - cut}


def _array(array: dict[str, Any]) -> dict[str, Any]:
    return {**arrays.drawing(array), "title": visible(array.get("title", ""))}


def _link(link: dict[str, str]) -> dict[str, str]:
    host = context.address(link["url"]).netloc
    return {"url": link["url"], "host": host, "title": visible(link.get("title", "")) or host}


def _image(place: int, image: dict[str, str]) -> dict[str, Any]:
    _, found = context.picture(image["data"])
    longer = max(found.width, found.height)
    # A picture of a few pixels is drawn in whole multiples of them, a large one smaller.
    times = SIDE // longer if longer <= MAX_CELLS else min(1, WIDEST / found.width, TALLEST / found.height)
    title = visible(image.get("title", ""))
    return {
        "place": place,
        "width": max(1, round(found.width * times)),
        "height": max(1, round(found.height * times)),
        "enlarged": times > 1,
        "size": f"{found.width} × {found.height}",
        "title": title,
        "alt": visible(image.get("alt", "")) or title or f"Picture {place + 1}, not described by its sender",
    }


def _other(key: str, value: Any) -> dict[str, Any]:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)
    nested = isinstance(value, dict | list)
    return {
        "key": visible(key if len(key) <= 100 else key[:99] + "…"),
        "text": visible(text[:MAX_OTHER_TEXT]),
        "left": max(0, len(text) - MAX_OTHER_TEXT),
        "nested": nested,
    }
