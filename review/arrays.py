"""An array of numbers drawn on the server: SVG paths of its cells, and of what its features contributed.

One unit is one cell. Every drawing comes with its words, for those who do not see it.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from itertools import groupby
from typing import Any

from models_registry import wording
from review import context

# The longer side of a drawing, and of a picture too small to see, in CSS pixels.
SIDE = 192
# Beyond it a table of the numbers would be most of the page; they are written in lines then.
MAX_TABLE_CELLS = 1_024
GREYS, SHADES, STRENGTHS = 32, 32, 8
LIGHTEST, DARKEST = 255, 20
EMPTY = ""
# Below this share of the strongest attribution a cell is left as it is.
FAINTEST = 1 / 16
NAMED_CELLS = 3


def drawing(array: dict[str, Any]) -> dict[str, Any]:
    """An array as SVG paths by colour, one unit a cell, with its words and its numbers; a cell of null is empty."""
    values = array["values"]
    low, high = _scale(array)
    colour = _in_colour(values)
    fills = [[_fill(cell, low, high) for cell in row] for row in values]
    numbers = [[_text(cell) for cell in row] for row in values]
    many = len(values) * len(values[0]) > MAX_TABLE_CELLS
    return {
        **_frame(values),
        "paths": _paths(fills),
        "words": _words(values, low, high, colour),
        "colour": colour,
        "rows": [] if many else numbers,
        "lines": "\n".join("  ".join(row) for row in numbers) if many else "",
        "low": _number(low),
        "high": _number(high),
    }


def factors(
    carried: dict[str, Any] | None,
    contributions: Sequence[dict[str, Any]],
    label: str,
    hidden: Collection[str] = (),
) -> dict[str, Any] | None:
    """The attributions of an array's cells over its drawing; None where the array names no feature of them.

    ``contributions`` as an Explanation stores them, ``label`` is the class that they explain.
    """
    if not carried or "array" not in carried or not context.part_holds(carried, "array"):
        return None
    if "features" not in carried["array"]:
        return None
    array, amount = carried["array"], {row["feature"]: float(row["contribution"]) for row in contributions}
    pushes = [[amount.get(name, 0.0) if name else 0.0 for name in row] for row in array["features"]]
    largest = max(abs(push) for row in pushes for push in row)
    if largest == 0 or not math.isfinite(largest):
        return None
    cells = [(push, row, column) for row, line in enumerate(pushes) for column, push in enumerate(line)]
    towards = sorted((cell for cell in cells if cell[0] >= FAINTEST * largest), reverse=True)
    against = sorted(cell for cell in cells if cell[0] <= -FAINTEST * largest)
    return {
        **drawing(context.masked(carried, hidden)["array"]),
        "label": label,
        "towards": _pushes(towards, largest, "M{x} {y}h1v1h-1z"),
        # Another form beside another colour, for those who cannot tell the two apart.
        "against": _pushes(against, largest, "M{x}.5 {y}l.5 .5-.5 .5-.5-.5z"),
        "told": [
            _told(towards, "push", f"towards {label}"),
            _told(against, "push", f"against {label}"),
        ],
    }


def _scale(array: dict[str, Any]) -> tuple[float, float]:
    """The ends of the scale: as given, else those of the values, or 0 to 255 for colours."""
    values = array["values"]
    if _in_colour(values):
        return array.get("min", 0), array.get("max", 255)
    cells = [cell for row in values for cell in row if cell is not None] or [0]
    return array.get("min", min(cells)), array.get("max", max(cells))


def _in_colour(values: list[list[Any]]) -> bool:
    return any(isinstance(cell, list) for row in values for cell in row)


def _fill(cell: Any, low: float, high: float) -> str:
    if cell is None:
        return EMPTY
    return _shade(cell, low, high) if isinstance(cell, list) else _grey(cell, low, high)


def _text(cell: Any) -> str:
    if cell is None:
        return "hidden"
    return " ".join(map(_number, cell)) if isinstance(cell, list) else _number(cell)


def _part(value: float, low: float, high: float) -> float:
    """Where a value lies between the ends, from 0 to 1; what lies beyond them is drawn as they are."""
    if high <= low:
        return 0.0 if value <= low else 1.0
    # Halved first, so that the widest scale does not overflow.
    return min(1.0, max(0.0, (value / 2 - low / 2) / (high / 2 - low / 2)))


def _grey(value: float, low: float, high: float) -> str:
    step = round((GREYS - 1) * _part(value, low, high)) / (GREYS - 1)
    return "#" + f"{round(LIGHTEST + (DARKEST - LIGHTEST) * step):02x}" * 3


def _shade(cell: Sequence[float], low: float, high: float) -> str:
    steps = [round((SHADES - 1) * _part(value, low, high)) / (SHADES - 1) for value in cell]
    return "#" + "".join(f"{round(255 * step):02x}" for step in steps)


def _paths(fills: list[list[str]]) -> list[dict[str, str]]:
    """One path for each colour; neighbours of one colour in a row are one rectangle."""
    drawn: dict[str, list[str]] = {}
    for y, row in enumerate(fills):
        x = 0
        for fill, run in groupby(row):
            size = len(list(run))
            if fill != EMPTY:
                drawn.setdefault(fill, []).append(f"M{x} {y}h{size}v1h-{size}z")
            x += size
    return [{"fill": fill, "d": "".join(parts)} for fill, parts in sorted(drawn.items(), reverse=True)]


def _frame(values: list[list[Any]]) -> dict[str, int]:
    height, width = len(values), len(values[0])
    times = max(1, SIDE // max(height, width))
    return {"columns": width, "lines_count": height, "width": width * times, "height": height * times}


def _pushes(cells: list[tuple[float, int, int]], largest: float, form: str) -> list[dict[str, str]]:
    drawn: dict[int, list[str]] = {}
    for push, y, x in cells:
        drawn.setdefault(math.ceil(STRENGTHS * abs(push) / largest), []).append(form.format(x=x, y=y))
    return [{"opacity": f"{level / STRENGTHS:.3g}", "d": "".join(parts)} for level, parts in sorted(drawn.items())]


def _told(cells: list[tuple[float, int, int]], verb: str, whither: str) -> str:
    """
    >>> _told([(0.2, 0, 1)], "push", "towards 3"), _told([], "push", "against 3")
    ('1 cell pushes towards 3, strongest: row 1, column 2.', 'No cell pushes against 3.')
    """
    if not cells:
        return f"No cell {verb}es {whither}."
    named = "; ".join(f"row {row + 1}, column {column + 1}" for _, row, column in cells[:NAMED_CELLS])
    count = "1 cell pushes" if len(cells) == 1 else f"{len(cells)} cells {verb}"
    return f"{count} {whither}, strongest: {named}."


def _words(values: list[list[Any]], low: float, high: float, colour: bool) -> str:
    size = f"{_count(len(values), 'row')} of {_count(len(values[0]), 'cell')}"
    if colour:
        return f"{size} of red, green and blue, each from {_number(low)} to {_number(high)}"
    cells = [cell for row in values for cell in row if cell is not None]
    if not cells:
        return f"{size}, all hidden"
    return f"{size}, values from {_number(min(cells))} to {_number(max(cells))}, larger is darker"


def _number(value: float) -> str:
    """A number for a cell; very large and very small ones keep their exponent.

    >>> _number(3.0), _number(0.12345), _number(-2), _number(1e300)
    ('3', '0.1235', '−2', '1.00e+300')
    """
    if value and not 1e-6 <= abs(value) < 1e9:
        return f"{value:.2e}".replace("-", "−")
    return wording.number(value).replace("-", "−")


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
