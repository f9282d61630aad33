"""Live quality: weighted estimates with intervals, the naive figure beside each, outcomes apart."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from django.utils import timezone

from feedback.estimators import METRICS, Estimate, Outputs, Sample, State, measure, naive, true_value
from feedback.estimators.metrics import PROPORTIONS, ratios
from feedback.monitoring.population import (
    UNKNOWN,
    Flags,
    Floats,
    Integers,
    Population,
    excluded,
    load,
    seen_probability,
)
from models_registry.models import ModelVersion, RegisteredModel

MOST_GROUPS = 50


def quality(
    *,
    model: RegisteredModel,
    start: datetime | None = None,
    end: datetime | None = None,
    version: ModelVersion | None = None,
    group: str | None = None,
    group_value: str | None = None,
    metrics: tuple[str, ...] = METRICS,
    now: datetime | None = None,
) -> dict[str, Any]:
    """How well the predictions made in [start, end) were: the document of GET …/quality/.

    ``group`` adds the same metrics per value of that group; with ``group_value`` everything is about the
    predictions of that value alone. The target is the finite population of those predictions.
    """
    now = now or timezone.now()
    whole = load(model, start=start, end=end, version=version, group=group)
    arrivals = whole.arrivals()
    seen = seen_probability(whole, arrivals)
    kept = np.ones(len(whole), dtype=bool)
    if group_value is not None:
        kept = np.asarray(whole.group == group_value, dtype=bool)
    rows, part = whole.where(kept), None if seen is None else seen[kept]
    document: dict[str, Any] = {
        "window": _window(whole, start, end, now),
        "version": version and version.version,
        "group": group if group_value is None else {group: group_value},
        "metrics": {name: _figure(model, rows, part, name) for name in metrics},
        "outcomes": _outcomes(model, rows, metrics, now),
        "maturity": _maturity(arrivals),
        "population": {**_counts(rows), **excluded(model, start, end, version)},
        "simulated": model.simulated,
    }
    if rows.outputs(model).positive is None:
        document["classes"] = {name: _of_class(model, rows, part, k, metrics) for k, name in enumerate(model.classes)}
    if group is not None and group_value is None:
        document["groups"] = _of_groups(model, whole, seen, metrics)
    return document


def quality_series(
    *,
    model: RegisteredModel,
    metric: str = "accuracy",
    slices: int = 10,
    start: datetime | None = None,
    end: datetime | None = None,
    version: ModelVersion | None = None,
) -> list[dict[str, Any]]:
    """The metric over equal stretches of time, oldest first, for a chart; empty without predictions.

    Each point is a figure as in `quality` with ``from``, ``to`` and the number of ``predictions``.
    """
    rows = load(model, start=start, end=end, version=version)
    if not len(rows):
        return []
    edges = np.linspace(rows.occurred[0], rows.occurred[-1], slices + 1)
    place = np.clip(np.searchsorted(edges, rows.occurred, side="right") - 1, 0, slices - 1)
    found = []
    for number in range(slices):
        part = rows.where(np.asarray(place == number))
        # Labels of the newest slice arrive last, so each slice has its own arrival shares.
        figure = _figure(model, part, seen_probability(part, part.arrivals()), metric)
        found.append({"from": _time(edges[number]), "to": _time(edges[number + 1]), "predictions": len(part), **figure})
    return found


def _figure(model: RegisteredModel, rows: Population, seen: Floats | None, metric: str) -> dict[str, Any]:
    outputs = rows.outputs(model)
    figure = _shown(_estimate(metric, outputs, rows.label, seen))
    if model.simulated:
        known = rows.where(np.asarray(rows.truth != UNKNOWN))
        figure["truth"] = true_value(metric, known.outputs(model), known.truth) if len(known) else None
    return figure


def _estimate(metric: str, outputs: Outputs, labels: Integers, seen: Floats | None) -> Estimate:
    if seen is not None:
        return measure(metric, outputs, labels, seen)
    sample = Sample(outputs.scores, labels, np.ones(labels.size))
    return naive(sample, ratios(metric, outputs), proportion=metric in PROPORTIONS)


def _shown(found: Estimate) -> dict[str, Any]:
    """The figure as the API gives it: nothing but the naive mean where there is too little to show."""
    shown = found.state is State.OK
    sequence = found.sequence if shown and found.sequence else (None, None)
    return {
        "estimate": found.point if shown else None,
        "low": found.low if shown else None,
        "high": found.high if shown else None,
        "effective_n": round(found.effective_n, 1),
        "state": str(found.state),
        "labels": found.labels,
        "naive": found.naive,
        "naive_low": found.naive_low,
        "naive_high": found.naive_high,
        "sequence": {"low": sequence[0], "high": sequence[1]},
    }


def _of_class(
    model: RegisteredModel, rows: Population, seen: Floats | None, k: int, metrics: tuple[str, ...]
) -> dict[str, Any]:
    """Precision and recall of one class against the rest."""
    outputs = Outputs(rows.scores, rows.predicted, positive=k)
    chosen = [name for name in metrics if name in ("precision", "recall")]
    return {name: _shown(_estimate(name, outputs, rows.label, seen)) for name in chosen}


def _of_groups(
    model: RegisteredModel, whole: Population, seen: Floats | None, metrics: tuple[str, ...]
) -> dict[str, Any]:
    values, counts = np.unique([str(value) for value in whole.group if value is not None], return_counts=True)
    largest = [str(value) for value in values[np.argsort(-counts, kind="stable")][:MOST_GROUPS]]
    found = {}
    for value in largest:
        kept: Flags = np.asarray(whole.group == value, dtype=bool)
        rows, part = whole.where(kept), None if seen is None else seen[kept]
        figures = {name: _figure(model, rows, part, name) for name in metrics}
        found[value] = {"predictions": len(rows), "metrics": figures}
    return found


def _outcomes(model: RegisteredModel, rows: Population, metrics: tuple[str, ...], now: datetime) -> dict[str, Any]:
    """Outcomes as a population of their own: those predictions that are declared to show one, once mature."""
    complete, horizon = model.outcomes_complete_for, model.outcomes_horizon_days
    able = np.zeros(len(rows), dtype=bool)
    if complete == RegisteredModel.CompleteFor.ALL:
        able[:] = True
    elif complete == RegisteredModel.CompleteFor.PROCEEDED:
        able = np.asarray(rows.disposition == "proceed", dtype=bool)
    # Without a horizon nothing ever counts as mature.
    oldest = -np.inf if horizon is None else (now - timedelta(days=horizon)).timestamp()
    mature = able & (rows.occurred <= oldest)
    observed = rows.where(mature & (rows.outcome != UNKNOWN))
    certain = np.ones(len(observed))
    return {
        "population": complete,
        "horizon_days": horizon,
        "predictions": int(able.sum()),
        "unsupported": int(len(rows) - able.sum()),
        "mature": int(mature.sum()),
        "observed": len(observed),
        "metrics": {
            name: _shown(measure(name, observed.outputs(model), observed.outcome, certain)) for name in metrics
        },
    }


def _maturity(arrivals: dict[str, dict[str, int]]) -> dict[str, Any]:
    drawn = sum(counts["drawn"] for counts in arrivals.values())
    decided = sum(counts["decided"] for counts in arrivals.values())
    kinds = {kind: {**counts, "share": _share(**counts)} for kind, counts in arrivals.items()}
    return {"drawn": drawn, "decided": decided, "share": _share(drawn, decided), "review": kinds}


def _share(drawn: int, decided: int) -> float | None:
    return decided / drawn if drawn else None


def _counts(rows: Population) -> dict[str, Any]:
    return {
        "predictions": len(rows),
        "review": {kind: int((rows.review == kind).sum()) for kind in ("none", "gate", "audit")},
        "labelled": int((rows.label != UNKNOWN).sum()),
        "labelled_without_draw": int(rows.manual.sum()),
        "unsupported": int((rows.propensity <= 0).sum()),
    }


def _window(rows: Population, start: datetime | None, end: datetime | None, now: datetime) -> dict[str, str | None]:
    first = start.isoformat() if start is not None else (_time(rows.occurred[0]) if len(rows) else None)
    return {"from": first, "to": (end or now).isoformat()}


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(float(seconds), UTC).isoformat()
