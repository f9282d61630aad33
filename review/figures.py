"""Geometry of the small figures on a case: where a value lies, how hard a factor pushes, how scores compare.

Everything is a percentage of the figure's width, ready for an SVG attribute; the template draws it.
Each figure stands beside its words or its number and is hidden from screen readers.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from models_registry.wording import number, share

# The strip's rail spans the 5th to the 95th percentile; what lies outside is drawn on its margins.
LOW, HIGH = 0.05, 0.95
RAIL_START, RAIL_END = 8.0, 92.0
MARGIN = 3.0
SHOWN_FACTORS = 5
OF_CASES = " of training cases"
SHOWN_CLASSES = 3


@dataclass(frozen=True)
class Strip:
    """A value against its reference: ``x`` of the dot, core (quartiles) and median on the rail, words, high or low.

    ``short`` are the words where a heading says already that they speak of training cases.
    """

    x: str
    core_start: str
    core_end: str
    middle: str
    words: str
    unusual: bool
    outside: bool
    side: str
    short: str


@dataclass(frozen=True)
class Quantiles:
    """A reference distribution as levels in [0, 1], rising, and the values there."""

    levels: Sequence[float]
    values: Sequence[float]

    def rank(self, value: float) -> float:
        """The share of reference cases below a value, between the nearest known quantiles.

        >>> Quantiles([0, 0.5, 1], [0.0, 10.0, 20.0]).rank(15.0)
        0.75
        """
        left, right = bisect_left(self.values, value), bisect_right(self.values, value)
        if right == 0:
            return 0.0
        if left == len(self.values):
            return 1.0
        if right > left:
            # On a tie of several quantiles the value stands in their middle.
            return (self.levels[left] + self.levels[right - 1]) / 2
        below, above = self.values[left - 1], self.values[left]
        part = (value - below) / (above - below)
        return self.levels[left - 1] + part * (self.levels[left] - self.levels[left - 1])

    def at(self, level: float) -> float:
        """The value at a level, between the nearest known quantiles.

        >>> Quantiles([0, 0.5, 1], [0.0, 10.0, 30.0]).at(0.75)
        20.0
        """
        i = bisect_left(self.levels, level)
        if i == 0 or self.levels[min(i, len(self.levels) - 1)] == level:
            return self.values[min(i, len(self.values) - 1)]
        if i == len(self.levels):
            return self.values[-1]
        part = (level - self.levels[i - 1]) / (self.levels[i] - self.levels[i - 1])
        return self.values[i - 1] + part * (self.values[i] - self.values[i - 1])


def percent(x: float) -> str:
    return f"{x:.1f}%"


def strip(value: float, quantiles: Quantiles) -> Strip:
    """The figure and the words for a number among the numbers the model was trained on."""
    low, high = quantiles.at(LOW), quantiles.at(HIGH)
    rank = quantiles.rank(value)
    outside = value < quantiles.values[0] or value > quantiles.values[-1]

    def place(v: float) -> str:
        if high <= low:
            return percent(50.0 if v == low else (MARGIN if v < low else 100 - MARGIN))
        x = RAIL_START + (v - low) / (high - low) * (RAIL_END - RAIL_START)
        return percent(min(100 - MARGIN, max(MARGIN, x)))

    words = _words(rank, outside, value < quantiles.values[0])
    return Strip(
        x=place(value),
        core_start=place(quantiles.at(0.25)),
        core_end=place(quantiles.at(0.75)),
        middle=place(quantiles.at(0.5)),
        words=words,
        short="outside training" if outside else words.removesuffix(OF_CASES),
        unusual=outside or rank < LOW or rank > HIGH,
        outside=outside,
        side="high" if rank > 0.5 else "low",
    )


def _words(rank: float, outside: bool, below: bool) -> str:
    if outside:
        return f"{'below' if below else 'above'} all, outside what the model was trained on"
    if rank >= 0.55:
        return f"higher than {min(99, round(100 * rank))} %{OF_CASES}"
    if rank <= 0.45:
        return f"lower than {min(99, round(100 * (1 - rank)))} %{OF_CASES}"
    return f"about the middle{OF_CASES}"


def score_bars(classes: Sequence[str], scores: Sequence[float]) -> list[dict[str, Any]]:
    """Every class with its score and the width of its bar, largest first.

    >>> [(b["label"], b["width"]) for b in score_bars(["a", "b"], [0.25, 0.75])]
    [('b', '75.0%'), ('a', '25.0%')]
    """
    ordered = sorted(zip(classes, scores, strict=True), key=lambda pair: -pair[1])
    return [
        {"label": label, "score": score, "width": percent(100 * min(1.0, max(0.0, score))), "first": i == 0}
        for i, (label, score) in enumerate(ordered)
    ]


def alternatives(bars: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The first three classes, all others together, and every one for who wants to see it.

    >>> found = alternatives(score_bars(list("abcde"), [0.4, 0.3, 0.15, 0.1, 0.05]))
    >>> [bar["label"] for bar in found["shown"]], found["others"]["count"], round(found["others"]["score"], 2)
    (['a', 'b', 'c'], 2, 0.15)
    """
    rest = bars[SHOWN_CLASSES:]
    total = sum(bar["score"] for bar in rest)
    others = {"count": len(rest), "score": total, "width": percent(100 * min(1.0, max(0.0, total)))} if rest else None
    return {"shown": list(bars[:SHOWN_CLASSES]), "others": others, "all": list(bars)}


def scale_of(contributions: Sequence[dict[str, Any]]) -> float:
    """The largest bar that a table of these would have."""
    shown, rest = contributions[:SHOWN_FACTORS], contributions[SHOWN_FACTORS:]
    total = sum(float(row["contribution"]) for row in rest)
    return max([abs(float(row["contribution"])) for row in shown] + [abs(total), 1e-12])


def factors(
    contributions: Sequence[dict[str, Any]], *, probability: bool, scale: float | None = None
) -> dict[str, Any]:
    """The five strongest contributions as signed bars, and all others together so that the sum stays true.

    Bars leave a centre line and share the scale of the largest one shown, or the given one. ``probability`` prints
    amounts; in any other space a number would mislead, so only the order is told.
    """
    shown = list(contributions[:SHOWN_FACTORS])
    rest = list(contributions[SHOWN_FACTORS:])
    total = sum(float(row["contribution"]) for row in rest)
    largest = scale or scale_of(contributions)
    rows = [
        {**row, **_bar(float(row["contribution"]), largest, probability), "rank": i + 1} for i, row in enumerate(shown)
    ]
    others = {"count": len(rest), **_bar(total, largest, probability)} if rest else None
    return {"rows": rows, "others": others, "probability": probability}


def _bar(contribution: float, largest: float, probability: bool) -> dict[str, Any]:
    width = 50.0 * abs(contribution) / largest
    towards = contribution >= 0
    sign = "+" if towards else "−"
    return {
        "towards": towards,
        "x": percent(50.0 if towards else 50.0 - width),
        "width": percent(max(width, 0.6)),
        "sign": sign,
        "amount": f"{sign}{number(abs(contribution), 2)}" if probability else "",
    }


def category_words(value: str, shares: dict[str, float]) -> tuple[str, bool, bool]:
    """How common a category was in training: words, whether it is unusual, whether it was never seen.

    >>> category_words("DE", {"DE": 0.61, "FR": 0.39})
    ('61 % of training cases', False, False)
    """
    if value not in shares or shares[value] <= 0:
        return "never seen in training", True, True
    return f"{share(shares[value])} of training cases", shares[value] < LOW, False
