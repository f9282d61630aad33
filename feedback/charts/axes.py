"""Axes of charts: where a value stands in percent of a figure, and which round values are written beside it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

# Room left and right of the outermost mark.
PAD = 3.0
MOST_TICKS = 5
# Of shares and of differences of shares, told in hundredths.
UNITS = {"share": " %", "points": " points"}
MANTISSAS = (1.0, 2.0, 2.5, 5.0, 10.0)
# Quarters are round, fortieths are not.
LEAST_QUARTER = 0.25
HOUR, DAY = 3600.0, 86_400.0
# 1970 began on a Thursday; weeks begin on Mondays.
MONDAY = 4 * DAY
TIME_STEPS = (HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 7 * DAY, 14 * DAY, 28 * DAY, 84 * DAY, 364 * DAY)
MOST_TIMES = 8
# A label within so many percent of the edge is anchored at it, so that it does not stick out.
EDGE = 6.0


@dataclass(frozen=True)
class Scale:
    """A linear axis from ``low`` to ``high`` over the figure's width, less ``pad`` percent on both sides."""

    low: float
    high: float
    pad: float = PAD

    def x(self, value: float) -> float:
        """Where a value stands, in percent of the width, kept inside the figure."""
        span = self.high - self.low or 1.0
        return min(100.0, max(0.0, self.pad + (value - self.low) / span * (100 - 2 * self.pad)))

    def y(self, value: float) -> float:
        """The same on an axis that goes up, in percent from the top."""
        return 100.0 - self.x(value)

    def step(self, most: int = MOST_TICKS) -> float:
        """The smallest round step that gives at most ``most`` ticks."""
        least = max(self.high - self.low, 1e-9) / (most - 1)
        decade = 10.0 ** math.floor(math.log10(least))
        steps = [m * decade for m in MANTISSAS if m != 2.5 or m * decade >= LEAST_QUARTER]
        return next(step for step in steps if step >= least * (1 - 1e-9))

    def ticks(self, kind: str = "number", most: int = MOST_TICKS) -> list[dict[str, Any]]:
        """Round values along the axis with their words, which tell neighbours apart.

        >>> [(t["value"], t["text"]) for t in Scale(0.9, 1.0).ticks("share")]
        [(0.9, '90 %'), (0.95, '95 %'), (1.0, '100 %')]
        >>> [t["text"] for t in Scale(0.981, 0.99).ticks("share")]
        ['98.5 %', '99 %']
        >>> [t["text"] for t in Scale(0, 4100).ticks()]
        ['0', '2,000', '4,000']
        """
        step = self.step(most)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        values = [round(i * step, 9) + 0.0 for i in range(first, last + 1)]
        return [
            {"value": v, "text": written(v, kind), "x": percent(self.x(v)), "y": percent(self.y(v))} for v in values
        ]


def around(values: list[float], room: float = 0.08, *, low: float = -math.inf, high: float = math.inf) -> Scale:
    """An axis that holds all values with some room, never beyond ``low`` and ``high``.

    >>> around([0.5, 1.0], 0.1, high=1.0)
    Scale(low=0.45, high=1.0, pad=3.0)
    """
    reach = max(max(values) - min(values), 1e-6)
    return Scale(max(low, min(values) - room * reach), min(high, max(values) + room * reach))


def written(value: float, kind: str) -> str:
    """A tick's words; trailing zeros are left out.

    >>> written(0.1, "share"), written(-0.05, "points"), written(2.5, "number")
    ('10 %', '−5 points', '2.5')
    """
    shown = 100 * value if kind in UNITS else value
    text = f"{abs(shown):,.6f}".rstrip("0").rstrip(".")
    return f"{'−' if shown < 0 else ''}{text}{UNITS.get(kind, '')}"


def percent(x: float) -> str:
    return f"{x:.2f}%"


def times(scale: Scale) -> list[dict[str, Any]]:
    """Round times (UTC) along an axis of seconds since 1970; ``minor`` ones are left out where there is little room.

    >>> [(t["text"], t["x"], t["minor"]) for t in times(Scale(0, 4 * DAY, pad=0))][:3]
    [('1 Jan', '0.00%', False), ('2 Jan', '25.00%', True), ('3 Jan', '50.00%', False)]
    >>> [t["text"] for t in times(Scale(0, 12 * HOUR, pad=0))]
    ['1 Jan', '03:00', '06:00', '09:00', '12:00']
    """
    span = scale.high - scale.low
    step = next((s for s in TIME_STEPS if span / s <= MOST_TIMES - 1), TIME_STEPS[-1] * math.ceil(span / (2548 * DAY)))
    offset = MONDAY if step >= 7 * DAY else 0.0
    first = math.ceil((scale.low - offset) / step - 1e-9)
    last = math.floor((scale.high - offset) / step + 1e-9)
    found = []
    for place, number in enumerate(range(first, last + 1)):
        at = number * step + offset
        x = scale.x(at)
        found.append({"text": _date(at), "x": percent(x), "anchor": anchor(x), "minor": place % 2 == 1})
    return found


def anchor(x: float) -> str:
    """
    >>> anchor(1.0), anchor(50.0), anchor(99.0)
    ('start', 'middle', 'end')
    """
    return "start" if x < EDGE else "end" if x > 100 - EDGE else "middle"


def _date(seconds: float) -> str:
    at = datetime.fromtimestamp(seconds, UTC)
    return f"{at.day} {at:%b}" if at.hour == at.minute == 0 else f"{at:%H:%M}"
