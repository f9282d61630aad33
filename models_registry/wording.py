"""Numbers, values and spans of time as a person reads them. Pages and charts share these."""

from __future__ import annotations

import math
from typing import Any

MINUTE, HOUR, DAY = 60, 3600, 86400
MISSING = "missing"


def number(x: float | int | None, digits: int = 4) -> str:
    """A number with at most ``digits`` significant places and thousands set apart; never in E notation.

    >>> number(1956.4), number(0.0000123), number(1234567), number(3.0), number(None)
    ('1,956', '0.0000123', '1,234,567', '3', '–')
    """
    if x is None or (isinstance(x, float) and not math.isfinite(x)):
        return "–"
    if isinstance(x, int) or float(x).is_integer():
        return f"{int(x):,}"
    places = max(0, min(12, digits - 1 - math.floor(math.log10(abs(x)))))
    text = f"{x:,.{places}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def share(p: float | None, places: int = 0) -> str:
    """A fraction in percent; one that would round to nothing or to all keeps its first telling place.

    >>> share(0.617), share(0.0004), share(0.9996), share(1.0), share(0.05, 1), share(None)
    ('62 %', '0.04 %', '99.96 %', '100 %', '5.0 %', '–')
    """
    if p is None or not math.isfinite(p):
        return "–"
    while places < 4 and p not in (0.0, 1.0) and float(f"{100 * p:.{places}f}") in (0.0, 100.0):
        places += 1
    return f"{100 * p:.{places}f} %"


def points(difference: float | None) -> str:
    """A difference of two shares, in points of a hundred.

    >>> points(0.088), points(-0.1), points(None)
    ('+8.8 points', '−10.0 points', '–')
    """
    if difference is None or not math.isfinite(difference):
        return "–"
    return f"{'−' if difference < 0 else '+'}{100 * abs(difference):.1f} points"


def figure(x: float | None, kind: str) -> str:
    """A figure that is a share, in percent, or a plain number.

    >>> figure(0.617, "share"), figure(1.25, "number"), figure(None, "share")
    ('61.7 %', '1.25', '–')
    """
    return share(x, 1) if kind == "share" else number(x, 3)


def span(seconds: float | None) -> str:
    """A length of time in its two largest units.

    >>> span(0.0042), span(0.21), span(12.34), span(200), span(7500), span(200000), span(-30)
    ('4 ms', '210 ms', '12.3 s', '3 min 20 s', '2 h 5 min', '2 d 7 h', '−30 s')
    """
    if seconds is None:
        return "–"
    if seconds < 0:
        return "−" + span(-seconds)
    if seconds < 1:
        return f"{round(1000 * seconds)} ms"
    if seconds < MINUTE:
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    for unit, below, name, minor in ((DAY, HOUR, "d", "h"), (HOUR, MINUTE, "h", "min"), (MINUTE, 1, "min", "s")):
        if seconds >= unit:
            major, rest = divmod(seconds, unit)
            small = int(rest // below)
            return f"{int(major)} {name}" + (f" {small} {minor}" if small and major < 100 else "")
    return f"{seconds:.0f} s"


def ago(seconds: float) -> str:
    """How long ago, or how far ahead, in one unit.

    >>> ago(3), ago(200), ago(90000), ago(-400)
    ('just now', '3 min ago', '1 d ago', 'in 6 min')
    """
    size = abs(seconds)
    if size < 10:
        return "just now"
    for unit, name in ((DAY, "d"), (HOUR, "h"), (MINUTE, "min"), (1, "s")):
        if size >= unit:
            text = f"{int(size // unit)} {name}"
            return f"{text} ago" if seconds > 0 else f"in {text}"
    return "just now"


def value(given: Any, feature: dict[str, Any] | None = None) -> str:
    """A feature's value with its unit; an absent one is called missing, never shown as 0.

    >>> value(12.5, {"unit": "EUR"}), value(None), value(True), value("DE")
    ('12.5 EUR', 'missing', 'yes', 'DE')
    """
    if given is None:
        return MISSING
    if isinstance(given, bool):
        return "yes" if given else "no"
    if isinstance(given, int | float):
        unit = (feature or {}).get("unit")
        return f"{number(given)} {unit}" if unit else number(given)
    return str(given)


def label_of(feature: dict[str, Any]) -> str:
    """A feature's label, or its name made readable.

    >>> label_of({"name": "worst_area"}), label_of({"name": "x", "label": "Amount"})
    ('Worst area', 'Amount')
    """
    if feature.get("label"):
        return str(feature["label"])
    words = str(feature["name"]).replace("_", " ").strip()
    return words[:1].upper() + words[1:]
