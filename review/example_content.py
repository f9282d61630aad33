"""What made-up cases of the gallery are made of: features, texts, a picture. Pure."""

from __future__ import annotations

import base64
import struct
import zlib
from typing import Any

# name, label, group, unit, centre, spread, value of the case
MEASURED = (
    ("amount", "Amount", "Payment", "EUR", 84.0, 0.8, 640.0),
    ("payments_last_day", "Payments in the last day", "Payment", "", 1.4, 0.5, 3.0),
    ("hours_since_last", "Since the last payment", "Payment", "h", 30.0, 0.7, 11.0),
    ("basket_items", "Items in the basket", "Payment", "", 3.2, 0.5, 2.0),
    ("discount_share", "Discount", "Payment", "%", 6.0, 0.6, 5.0),
    ("account_age", "Age of the account", "Account", "days", 420.0, 0.9, 58.0),
    ("payments_before", "Payments before", "Account", "", 24.0, 0.9, 9.0),
    ("disputes_before", "Disputes before", "Account", "", 1.0, 0.4, 1.0),
    ("birth_year", "Year of birth", "Account", "", 1984.0, 0.006, 1991.0),
    ("device_age", "Device seen first", "Device", "days ago", 210.0, 0.9, 95.0),
    ("distance", "Distance from the usual place", "Device", "km", 12.0, 1.1, 16.0),
    ("typing_speed", "Typing speed", "Device", "signs/s", 4.1, 0.3, 4.6),
)
COUNTRIES = {"DE": 0.55, "FR": 0.25, "NL": 0.15, "CY": 0.05}
PUSHES = (
    ("amount", 0.14),
    ("account_age", 0.11),
    ("country", -0.07),
    ("payments_last_day", 0.06),
    ("distance", 0.04),
    ("typing_speed", -0.02),
    ("device_age", 0.01),
    ("hours_since_last", 0.01),
)
GUIDELINES = (
    "Fraud only where the person paying is not the one whose card it is.\n\n"
    "A large amount on a new account is no fraud by itself. If nothing speaks for either, say that you can’t tell."
)
LONG = "The customer wrote that the parcel had been left with a neighbour whom nobody in the house has heard of. "
TEN = [
    *("address", "amount", "card", "country", "delivery", "device", "dispute", "refund", "sender"),
    "something else that has a rather long name",
]


def contract() -> dict[str, Any]:
    """Measured features in three groups, a country, and one that is sensitive."""
    features: list[dict[str, Any]] = [
        {"name": name, "dtype": "float", "min": 0, "group": group, "label": label, **({"unit": unit} if unit else {})}
        for name, label, group, unit, *_ in MEASURED
    ]
    next(one for one in features if one["name"] == "birth_year")["sensitive"] = True
    country = {"name": "country", "dtype": "category", "values": list(COUNTRIES), "group": "Device", "label": "Country"}
    return {"features": [*features, country]}


def picture() -> str:
    """A small PNG in base64: a slope of greys, made here."""
    width, height = 96, 64
    rows = b"".join(b"\0" + bytes(2 * (x + y) % 256 for x in range(width)) for y in range(height))
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + _chunk(b"IDAT", zlib.compress(rows)) + _chunk(b"IEND", b"")
    return base64.b64encode(body).decode()


def digit() -> list[list[float]]:
    """An array of 8 by 8 that looks like a three."""
    drawn = ("..####..", ".#....#.", "......#.", "...###..", "......#.", "......#.", ".#....#.", "..####..")
    return [[15.0 if cell == "#" else 0.0 for cell in row] for row in drawn]


def scores_of(classes: int) -> list[float]:
    """Scores of that many classes, two of them near one another."""
    if classes == 2:
        return [0.38, 0.62]
    rest = 0.56 / (classes - 2)
    return [rest] * 3 + [0.26, 0.18] + [rest] * (classes - 5)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
