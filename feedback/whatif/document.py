"""What a policy would do as the API's document: everything that POST …/policies/preview/ answers."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import numpy as np

from feedback.estimators.consequences import Consequences, scaled
from feedback.estimators.linear import Figure
from feedback.whatif.trying import Side, WhatIf
from review import previews

HOUR = 3600


def preview_document(found: WhatIf) -> dict[str, Any]:
    shares = _shares(found, found.new)
    live = None if found.live is None else _shares(found, found.live)
    return {
        "predictions": len(found.past) if found.past.source == "predictions" else 0,
        **shares,
        "live": None if live is None else {"number": found.number, **live},
        "difference": None if live is None else {name: _minus(shares[name], live[name]) for name in shares},
        "changed": found.changed,
        "warnings": [
            {"pointer": fault.pointer, "code": fault.code, "message": fault.message} for fault in found.warnings
        ],
        "basis": _basis(found),
        "figures": {
            "new": _side(found, found.new),
            "live": None if found.live is None else _side(found, found.live),
            "difference": _difference(found),
        },
        "curve": [
            {"threshold": point.threshold, "automatic": point.automatic, "error": figure(point.error)}
            for point in found.curve
        ],
        "points": {"new": _point(found.new.found), "live": None if found.live is None else _point(found.live.found)},
        "recall": [{"budget": caught.budget, "share": figure(caught.share)} for caught in found.recall],
        "budget": None if found.wanted is None else {"half_width": found.wanted, "budget": found.budget},
        "proposal": None if found.proposal is None else asdict(found.proposal),
        "moves": [
            {"from": move.before, "to": move.after, "count": move.count, "examples": [str(pk) for pk in move.examples]}
            for move in found.moves or []
        ],
    }


def figure(given: Figure, per_day: float | None = None) -> dict[str, Any]:
    """An estimate that is shown only where labels carry it, with the model's own word; per day where that is known."""
    shown, e = given.measured, given.estimate
    found: dict[str, Any] = {
        "estimate": e.point if shown else None,
        "low": e.low if shown else None,
        "high": e.high if shown else None,
        "state": str(e.state),
        "guess": given.guess,
    }
    return found if per_day is None else {**found, "per_day": figure(scaled(given, per_day))}


def _shares(found: WhatIf, side: Side) -> dict[str, float | None]:
    """What was chosen for the predictions by their draws; of reference rows there are none."""
    return side.replay.shares() if found.past.source == "predictions" else dict.fromkeys(previews.FIGURES)


def _basis(found: WhatIf) -> dict[str, Any]:
    past = found.past
    seen = past.source == "predictions"
    return {
        "source": past.source,
        "rows": len(past),
        "from": _time(past.occurred.min()) if seen else None,
        "to": _time(past.occurred.max()) if seen else None,
        "per_day": past.per_day,
        "labels": int(past.evidence.known.sum()),
        "measured": found.new.found.passed.measured,
        "seconds_per_review": found.seconds,
        "reviews_timed": found.timed,
    }


def _side(found: WhatIf, side: Side) -> dict[str, Any]:
    given, rate = side.found, found.past.per_day
    reviews = None if rate is None else given.reviewed * rate
    hours = None if reviews is None or found.seconds is None else reviews * found.seconds / HOUR
    known = len(found.past) > 0
    return {
        "reviewed": given.reviewed if known else None,
        "held": given.held if known else None,
        "automatic": given.automatic if known else None,
        "reviews_per_day": reviews,
        "reviewer_hours_per_day": hours,
        "errors_passed": _daily(given.passed, rate),
        "errors_caught": _daily(given.caught, rate),
        "cost": None if given.cost is None else figure(given.cost),
        "half_width": {"week": side.week, "rows": side.width, "of": found.rows},
    }


def _difference(found: WhatIf) -> dict[str, Any] | None:
    if found.live is None or found.passed is None or found.caught is None:
        return None
    ours, theirs = _side(found, found.new), _side(found, found.live)
    names = ("reviewed", "held", "automatic", "reviews_per_day", "reviewer_hours_per_day")
    rate = found.past.per_day
    return {
        **{name: _minus(ours[name], theirs[name]) for name in names},
        "errors_passed": _daily(found.passed, rate),
        "errors_caught": _daily(found.caught, rate),
        "cost": None if found.cost is None else figure(found.cost),
    }


def _daily(given: Figure, rate: float | None) -> dict[str, Any]:
    return {"per_day": None, **figure(given, rate)}


def _point(given: Consequences) -> dict[str, Any]:
    return {"automatic": given.automatic, "error": figure(given.error)}


def _minus(ours: float | None, theirs: float | None) -> float | None:
    return None if ours is None or theirs is None else ours - theirs


def _time(seconds: np.float64) -> str:
    return datetime.fromtimestamp(float(seconds), UTC).isoformat()
