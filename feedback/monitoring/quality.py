"""Live quality: weighted estimates with intervals, the naive figure beside each, outcomes apart."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from django.utils import timezone

from feedback.estimators.questions import HEADLINES
from feedback.monitoring import figures
from feedback.monitoring.figures import Figures
from feedback.monitoring.ledger import restatements
from feedback.monitoring.population import Flags, within
from feedback.monitoring.reading import Reading, read, time_of
from feedback.monitoring.reviewers import About, beside_reviewers
from models_registry.models import ModelVersion, RegisteredModel
from review.models import Prediction

MOST_GROUPS = 50


def quality(
    *,
    model: RegisteredModel,
    start: datetime | None = None,
    end: datetime | None = None,
    version: ModelVersion | None = None,
    group: str | None = None,
    group_value: str | None = None,
    metrics: tuple[str, ...] = HEADLINES,
    now: datetime | None = None,
    from_rows: bool = False,
) -> dict[str, Any]:
    """How well the predictions made in [start, end) were: the document of GET …/quality/.

    ``group`` adds the same metrics per value of that group; with ``group_value`` all is about predictions of that
    value alone. The target is the finite population of those. ``from_rows`` recomputes all: slower, and the same.
    """
    now = now or timezone.now()
    reading = read(model, now=now, start=start, end=end, version=version, group=group, from_rows=from_rows)
    keep = _of_value(reading, group_value)
    whole, old = reading.part(reading.low, reading.high, keep), reading.part(reading.low, reading.held, keep)
    every = old if keep is None else reading.part(reading.low, reading.held)
    found = Figures(old, metrics, enough=figures.enough(every.counts))
    old.prepare()
    document: dict[str, Any] = {
        "window": _window(reading, start, end, now),
        "version": version and version.version,
        "group": group if group_value is None else {group: group_value},
        "metrics": {name: found.figure(name) for name in metrics},
        "baseline": found.baseline(),
        "calibration": found.calibration(),
        "confusion": found.confusion(),
        "outcomes": _outcomes(reading, keep, metrics),
        "maturity": figures.maturity(whole.counts),
        "arrival": reading.arrivals.summary(),
        "population": {
            **figures.population(whole.counts),
            "too_young": whole.counts["predictions"] - old.counts["predictions"],
            "unrouted": _unrouted(model, start, end, version),
        },
        "conflicts": figures.conflicts(whole.counts),
        "reviewers": beside_reviewers(reading, metrics, About(version, group, group_value), now=now),
        "restated": _restated(model, start, end, now),
        "simulated": model.simulated,
    }
    if reading.shape.positive is None:
        document["classes"] = {name: found.of_class(k) for k, name in enumerate(model.classes)}
    if group is not None and group_value is None:
        document["groups"] = _groups(reading, metrics, found.enough)
    return document


def _unrouted(
    model: RegisteredModel, start: datetime | None, end: datetime | None, version: ModelVersion | None
) -> int:
    return within(model, start, end, version).filter(status=Prediction.Status.RECEIVED).count()


def _of_value(reading: Reading, value: str | None) -> Flags | None:
    return None if value is None else np.asarray(reading.rows.group == value, dtype=bool)


def _groups(reading: Reading, metrics: tuple[str, ...], enough: bool) -> dict[str, Any]:
    group = reading.rows.group
    values, counts = np.unique([str(value) for value in group if value is not None], return_counts=True)
    found = {}
    for value in values[np.argsort(-counts, kind="stable")][:MOST_GROUPS]:
        keep = np.asarray(group == value, dtype=bool)
        part = reading.part(reading.low, reading.held, keep)
        part.prepare()
        figure = Figures(part, metrics, enough=enough).figure
        found[str(value)] = {"predictions": len(part.rows), "metrics": {name: figure(name) for name in metrics}}
    return found


def _outcomes(reading: Reading, keep: Flags | None, metrics: tuple[str, ...]) -> dict[str, Any]:
    whole, mature = (reading.part(reading.low, end, keep) for end in (reading.high, reading.oldest))
    total = whole.counts["predictions"]
    return figures.outcomes(mature, metrics, able=figures.able(whole), total=total, mature=figures.able(mature))


def _window(reading: Reading, start: datetime | None, end: datetime | None, now: datetime) -> dict[str, Any]:
    first = start
    if reading.cut is not None:
        first = time_of(reading.low)
    elif first is None and reading.first is not None:
        first = time_of(reading.first)
    held = time_of(reading.held) if np.isfinite(reading.held) else now
    return {
        "from": first and first.isoformat(),
        "to": (end or now).isoformat(),
        "holds_until": held.isoformat(),
        "cut": reading.cut,
    }


def _restated(
    model: RegisteredModel, start: datetime | None, end: datetime | None, now: datetime
) -> list[dict[str, Any]]:
    """Days of the window whose labels have changed since yesterday."""
    days: list[dict[str, Any]] = restatements(model=model, since=now - timedelta(days=1))["days"]
    first = "" if start is None else start.astimezone(UTC).date().isoformat()
    last = "9" if end is None else (end.astimezone(UTC) - timedelta(microseconds=1)).date().isoformat()
    return [day for day in days if first <= day["day"] <= last]
