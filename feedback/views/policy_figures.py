"""What a policy would have done, as the rows of tables and the marks of charts."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from feedback import charts
from feedback.estimators.consequences import scaled
from models_registry.wording import number, share, span

if TYPE_CHECKING:
    from collections.abc import Callable

    from feedback.estimators.linear import Figure
    from feedback.whatif import Proposed, Side, WhatIf
    from review.shadows import Summary

# Where nobody knows how many predictions a day brings, errors are told for so many of them.
PER = 1_000
HOUR = 3_600
NONE = {"text": "–", "range": ""}
GUESSED = "by the model’s own word"
SHARES = {
    "reviewed": "seen by a person",
    "held": "held: the caller waits",
    "audited": "checked afterwards",
    "refused": "refused by a rule or class",
    "expected_reviewed": "expected share seen by a person",
}
TREATMENTS = {
    "held": "held for a person",
    "refused": "refused",
    "checked": "checked afterwards",
    "alone": "gone on alone",
}


def shown(found: WhatIf) -> dict[str, Any]:
    """Everything of the preview but its form."""
    seen = found.past.source == "predictions"
    return {
        "source": found.past.source,
        "count": len(found.past),
        "first": datetime.fromtimestamp(float(found.past.occurred.min()), UTC) if seen else None,
        "per_day": found.past.per_day,
        "labels": int(found.past.evidence.known.sum()),
        "measured": found.new.found.passed.measured,
        "consequences": _consequences(found) if len(found.past) else [],
        "shares": _shares(found) if seen else [],
        "changed": found.changed if seen else None,
        "moves": [
            {
                "before": TREATMENTS[move.before],
                "after": TREATMENTS[move.after],
                "count": move.count,
                "examples": move.examples,
            }
            for move in found.moves or []
        ],
        "curve": _curve(found),
        "recall": [{"budget": caught.budget, **_share_cell(caught.share)} for caught in found.recall],
        "wanted": found.wanted,
        "points": None if found.wanted is None else number(100 * found.wanted, 3),
        "budget": found.budget,
    }


def with_budget(hidden: dict[str, Any], budget: float) -> dict[str, Any]:
    """The form again, with the budget that buys the interval; evenly drawn where nothing was drawn."""
    kind = "uniform" if hidden["sampling"] == "none" else hidden["sampling"]
    return {**hidden, "sampling": kind, "budget": math.ceil(budget * 10_000) / 10_000}


def with_proposal(hidden: dict[str, Any], proposed: Proposed) -> dict[str, Any] | None:
    """The form again, with the threshold that prices ask for; None where it is no threshold of the form."""
    if proposed.risk is not None:
        return {**hidden, "risk": float(f"{proposed.risk:.6g}")}
    return None if proposed.confidence is None else {**hidden, "confidence": float(f"{proposed.confidence:.6g}")}


def watched(summary: Summary) -> dict[str, Any]:
    """The shadow beside what was done, with shares as rows."""
    rows = [
        {"name": words, "live": summary.live[key], "new": summary.shadow[key]}
        for key, words in SHARES.items()
        if key in summary.live
    ]
    return {"predictions": summary.predictions, "changed": summary.changed, "rows": rows}


def _shares(found: WhatIf) -> list[dict[str, Any]]:
    new, live = found.new.replay.shares(), found.live.replay.shares() if found.live else {}
    return [{"name": words, "live": live.get(key), "new": new[key]} for key, words in SHARES.items()]


def _consequences(found: WhatIf) -> list[dict[str, Any]]:
    rate = found.past.per_day
    factor, unit = (PER, f"per {number(PER)} predictions") if rate is None else (rate, "a day")
    rows = [
        _reviews(found, factor, unit),
        _hours(found, factor, unit),
        _errors(f"Errors that pass unseen, {unit}", found, "passed", factor),
        _errors(f"Errors that a person meets, {unit}", found, "caught", factor),
        _width(found),
    ]
    if found.new.found.cost is not None:
        cells = _both(found, lambda side: _cell(side.found.cost))
        rows.append(_row("Cost of a decision", cells, _signed_cell(found.cost), note="answers acted on, and reviews"))
    return rows


def _both(found: WhatIf, cell: Callable[[Side], dict[str, str]]) -> tuple[dict[str, str], dict[str, str]]:
    """The cell of the live policy, none where there is none, and that of the new one."""
    return NONE if found.live is None else cell(found.live), cell(found.new)


def _row(
    name: str, cells: tuple[dict[str, str], dict[str, str]], difference: dict[str, str] = NONE, note: str = ""
) -> dict[str, Any]:
    return {"name": name, "note": note, "live": cells[0], "new": cells[1], "difference": difference}


def _reviews(found: WhatIf, factor: float, unit: str) -> dict[str, Any]:
    cells = _both(found, lambda side: _plain(number(side.found.reviewed * factor, 3)))
    return _row(f"Reviews {unit}", cells, _less(found, lambda side: side.found.reviewed * factor, _signed))


def _plain(text: str) -> dict[str, str]:
    return {"text": text, "range": ""}


def _less(found: WhatIf, of: Callable[[Side], float | None], words: Callable[[float], str]) -> dict[str, str]:
    """New less live of something that is known without error."""
    new, live = of(found.new), None if found.live is None else of(found.live)
    return NONE if new is None or live is None else _plain(words(new - live))


def _hours(found: WhatIf, factor: float, unit: str) -> dict[str, Any]:
    each, name = found.seconds, f"Reviewer time {unit}"
    if each is None:
        return _row(name, _both(found, lambda _: _plain("not measured yet")))

    def seconds(side: Side) -> float:
        return side.found.reviewed * factor * each

    decisions = "decision" if found.timed == 1 else f"{number(found.timed)} decisions"
    note = f"{span(each)} each, over the last {decisions}"
    cells = _both(found, lambda side: _plain(_hours_of(seconds(side))))
    return _row(name, cells, _less(found, seconds, lambda x: _sign(x) + _hours_of(abs(x))), note)


def _hours_of(seconds: float) -> str:
    return f"{number(seconds / HOUR, 3)} h" if seconds >= HOUR else span(seconds)


def _errors(name: str, found: WhatIf, key: str, factor: float) -> dict[str, Any]:
    cells = _both(found, lambda side: _cell(scaled(getattr(side.found, key), factor)))
    difference: Figure | None = getattr(found, key)
    return _row(name, cells, _signed_cell(None if difference is None else scaled(difference, factor)))


def _width(found: WhatIf) -> dict[str, Any]:
    """Half the width of the interval of accuracy, over a week where its traffic is known."""

    def width(side: Side) -> float | None:
        return side.width if found.past.per_day is None else side.week

    def cell(side: Side) -> dict[str, str]:
        half = width(side)
        return NONE if half is None else _plain(f"± {number(100 * half, 2)} points")

    over = f"{number(found.rows)} predictions" if found.past.per_day is None else "a week"
    difference = _less(found, width, lambda x: f"{_signed(100 * x, 2)} points")
    return _row(f"Accuracy of {over} is known to", _both(found, cell), difference, "95 % interval, planned")


def _cell(figure: Figure | None) -> dict[str, str]:
    """The estimate with its interval; without enough labels the model's own word, named as such."""
    return _told(figure, lambda x: number(x, 3))


def _signed_cell(figure: Figure | None) -> dict[str, str]:
    return _told(figure, _signed)


def _share_cell(figure: Figure) -> dict[str, str]:
    return _told(figure, lambda x: share(x, 1))


def _told(figure: Figure | None, words: Callable[[float | None], str]) -> dict[str, str]:
    if figure is None or figure.value is None:
        return NONE
    if not figure.measured:
        return {"text": f"≈ {words(figure.value)}", "range": GUESSED}
    e = figure.estimate
    # What needs no label is known without error.
    return {"text": words(e.point), "range": f"{words(e.low)} to {words(e.high)}" if e.standard_error else ""}


def _signed(x: float | None, digits: int = 3) -> str:
    return "–" if x is None else _sign(x) + number(abs(x), digits)


def _sign(x: float) -> str:
    return "+" if x > 0 else "−" if x < 0 else ""


def _curve(found: WhatIf) -> dict[str, Any] | None:
    """The coverage-risk curve as a chart and the rows of its table, with the two policies marked."""
    if not found.curve:
        return None
    points = [
        {"x": point.automatic, "y": point.error.value, "measured": point.error.measured,
         "low": point.error.estimate.low, "high": point.error.estimate.high}
        for point in found.curve
    ]  # fmt: skip
    sides = {"live": found.live, "new": found.new}
    marks = [
        {"key": key, "x": side.found.automatic, "y": side.found.error.value}
        for key, side in sides.items()
        if side is not None
    ]
    rows = [
        {"threshold": number(point.threshold, 3), "automatic": point.automatic, **_share_cell(point.error)}
        for point in found.curve
    ]
    policies = [
        {"key": key, "automatic": side.found.automatic, **_share_cell(side.found.error)}
        for key, side in sides.items()
        if side is not None
    ]
    return {"chart": charts.coverage_risk(points, marks), "rows": rows, "policies": policies}
