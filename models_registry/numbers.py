"""Numbers in texts from outside: in paths, queries, forms and bodies."""

from __future__ import annotations


def whole(text: str, *, below: int = 10**18) -> int | None:
    """The whole number that a text is; None for any other text, and from ``below`` on. Every id is below 10^18.

    >>> whole("012"), whole("12", below=12), whole("-1"), whole("1.0"), whole("")
    (12, None, None, None, None)
    """
    # More digits than that are not worth reading.
    if not (text.isascii() and text.isdecimal() and len(text) <= 18):
        return None
    return number if (number := int(text)) < below else None
