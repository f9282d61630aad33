"""What is looked at without anybody asking: drift of the concept, shifts of latency, reviews beyond capacity."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from feedback import alerts
from feedback.arrivals import arrivals_of
from feedback.estimators import State, departs, guessed
from feedback.monitoring import figures
from feedback.monitoring.figures import Figures, enough
from feedback.monitoring.reading import read, time_of
from models_registry.models import RegisteredModel
from review.terms import capacity_of

DRIFT, LATENCY, CAPACITY = "concept_drift_suspected", "latency_shift", "capacity_exceeded"
DAYS = 30


def watch(model: RegisteredModel, *, now: datetime | None = None) -> None:
    """Open, refresh or resolve the alerts about drift and latency of one model."""
    now = now or timezone.now()
    watch_latency(model, now)
    watch_drift(model, now)


def watch_latency(model: RegisteredModel, now: datetime) -> None:
    """Whether labels still arrive as they did in mature cohorts; too few rows to tell leave the alert as it is."""
    found = arrivals_of(model, now=now).shift
    if found.shifted:
        slower = found.ratio is not None and found.ratio < 1
        title = f"Labels arrive {'later' if slower else 'otherwise'} than they used to: figures are of mature cohorts"
        alerts.raise_alert(model=model, kind=LATENCY, title=title, detail=asdict(found))
    elif found.p_value is not None:
        alerts.resolve(model=model, kind=LATENCY)


def watch_drift(model: RegisteredModel, now: datetime) -> None:
    """Whether the accuracy that the scores promise lies outside the honest interval of the last 30 days."""
    reading = read(model, now=now, start=now - timedelta(days=DAYS))
    part = reading.part(reading.low, reading.held)
    found = Figures(part, (), enough=enough(part.counts)).estimate("accuracy")
    guess = guessed(part.totals("accuracy"))
    if departs(found, guess):
        title = f"The scores promise an accuracy of {guess:.3f}, labels say {found.low:.3f} to {found.high:.3f}"
        detail: dict[str, Any] = {
            "from": time_of(reading.low).isoformat(),
            "to": time_of(reading.held).isoformat(),
            "label_free": guess,
            **figures.shown(found),
        }
        alerts.raise_alert(model=model, kind=DRIFT, title=title, detail=detail)
    elif found.state is State.OK:
        alerts.resolve(model=model, kind=DRIFT)


def watch_capacity(model: RegisteredModel) -> None:
    """Whether gates, audits and floors alone need more reviews than the policy's day has."""
    found = capacity_of(model)
    if found is not None and found.exceeded:
        title = f"Reviews that must be made need more than the {found.capacity} of a day"
        detail = {"used": found.used, "capacity": found.capacity, "expected": found.expected}
        alerts.raise_alert(model=model, kind=CAPACITY, title=title, detail=detail)
    else:
        alerts.resolve(model=model, kind=CAPACITY)
