"""One metric over time, a point for each day or week, and what changed meanwhile."""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise
from typing import Any

import numpy as np
from django.utils import timezone

from feedback.delays.cohorts import WEEK
from feedback.estimators import AUTO_ACCEPTED_ERROR, estimate, guessed
from feedback.monitoring import figures
from feedback.monitoring.figures import Figures
from feedback.monitoring.ledger import restatements_by_day
from feedback.monitoring.population import DAY
from feedback.monitoring.reading import Reading, read, time_of
from models_registry.models import AuditEvent, LabelDefinition, ModelVersion, Promotion, RegisteredModel

# 1970 began on a Thursday; weeks begin on Mondays.
MONDAY = 4 * DAY
LENGTHS = {"day": DAY, "week": float(WEEK)}
OFFSETS = {"day": 0.0, "week": MONDAY}
MOST_POINTS = 400
_KINDS = {"policy.activated": "policy", "kill_switch.on": "kill_switch", "kill_switch.off": "kill_switch",
          "kill_switch.expired": "kill_switch"}  # fmt: skip


def quality_series(
    *,
    model: RegisteredModel,
    metric: str = "accuracy",
    by: str | None = None,
    slices: int = 10,
    start: datetime | None = None,
    end: datetime | None = None,
    version: ModelVersion | None = None,
    now: datetime | None = None,
    from_rows: bool = False,
) -> list[dict[str, Any]]:
    """The metric over time, oldest first, for a chart; empty without predictions.

    ``by`` "day" or "week" (of the predictions, UTC) reads stored sums; without it the rows are cut into ``slices``
    equal stretches. At most the newest 400 points.
    """
    now = now or timezone.now()
    reading = read(model, now=now, start=start, end=end, version=version, from_rows=from_rows or by is None)
    if reading.first is None:
        return []
    edges = _edges(reading, by, slices)
    restated = restatements_by_day(model=model, now=now)
    return [_point(reading, metric, low, high, restated) for low, high in pairwise(edges)]


def changes(
    *, model: RegisteredModel, start: datetime | None = None, end: datetime | None = None
) -> list[dict[str, Any]]:
    """What may explain a step in a series: champions, policies, kill switches, contracts and definitions, by time."""
    low, high = start or datetime.min.replace(tzinfo=timezone.get_default_timezone()), end or timezone.now()
    found: list[dict[str, Any]] = [
        {"at": one.at, "kind": "champion", "text": f"{one.kind} of version {one.version.version}"}
        for one in Promotion.objects.filter(model=model, at__gte=low, at__lt=high).select_related("version")
    ]
    events = AuditEvent.objects.filter(model=model, action__in=_KINDS, at__gte=low, at__lt=high)
    found += [{"at": one.at, "kind": _KINDS[one.action], "text": _told(one)} for one in events]
    for kind, rows in (("contract", model.contracts), ("definition", LabelDefinition.objects.filter(model=model))):
        later = rows.filter(number__gt=1, created_at__gte=low, created_at__lt=high)
        found += [{"at": one.created_at, "kind": kind, "text": f"{kind} {one.number}"} for one in later]
    return [{**one, "at": one["at"].isoformat()} for one in sorted(found, key=lambda one: one["at"])]


def _told(event: AuditEvent) -> str:
    if event.action == "policy.activated":
        return f"policy {event.subject} made live"
    state = {"kill_switch.on": "on", "kill_switch.off": "off", "kill_switch.expired": "expired"}[event.action]
    return f"kill switch {state}"


def _edges(reading: Reading, by: str | None, slices: int) -> list[float]:
    rows, days = reading.rows.occurred, [day for day, _ in reading.days]
    first, last = [float(day * DAY) for day in days[:1]], [float((day + 1) * DAY) - 1e-6 for day in days[-1:]]
    low, high = min(first + rows[:1].tolist()), max(last + rows[-1:].tolist())
    if by is None:
        found = np.linspace(low, high, slices + 1).tolist()
        return [*found[:-1], high + 1e-6]
    length, offset = LENGTHS[by], OFFSETS[by]
    begin, end = (np.floor((edge - offset) / length) for edge in (low, high))
    numbers = np.arange(max(begin, end + 1 - MOST_POINTS), end + 2)
    return [float(edge) for edge in numbers * length + offset]


def _point(reading: Reading, metric: str, low: float, high: float, restated: dict[float, int]) -> dict[str, Any]:
    cut = max(low, reading.low), min(high, reading.high)
    whole, old = reading.part(*cut), reading.part(cut[0], min(cut[1], reading.held))
    # Labels of the newest come last, so each point asks for itself whether there are enough.
    found = Figures(old, (), enough=figures.enough(old.counts)).estimate(metric)
    figure, maturity = figures.shown(found), figures.maturity(whole.counts)
    point = {name: figure[name] for name in ("estimate", "low", "high", "state", "naive", "naive_low", "naive_high")}
    ages = [age for age in reading.arrivals.model.mature.values() if age is not None]
    return {
        "from": time_of(cut[0]).isoformat(),
        "to": time_of(cut[1]).isoformat(),
        "predictions": whole.counts["predictions"],
        "labels": sum(whole.counts[f"labelled_{kind}"] for kind in ("gate", "audit")),
        **point,
        "label_free": guessed(old.totals(metric)),
        "outcomes": _outcomes(reading, metric, *cut),
        "maturity": maturity["share"],
        "mature": bool(ages) and high + max(ages, default=0.0) <= reading.chances.now,
        "restated": sum(count for day, count in restated.items() if low <= day < high),
    }


def _outcomes(reading: Reading, metric: str, low: float, high: float) -> dict[str, Any]:
    complete = reading.model.outcomes_complete_for
    none = {"estimate": None, "low": None, "high": None, "state": "insufficient_data"}
    if metric == AUTO_ACCEPTED_ERROR or complete == RegisteredModel.CompleteFor.NONE or low >= reading.oldest:
        return none
    part = reading.part(low, min(high, reading.oldest))
    found = part.outcomes(proceeded_only=complete == RegisteredModel.CompleteFor.PROCEEDED)[metric]
    figure = figures.shown(estimate(found))
    return {name: figure[name] for name in none}
