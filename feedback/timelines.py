"""Everything that happened to one prediction, from its POST to the training runs that learned from it.

Reads only. Each event is told from the row that recorded it, with that row's own clock.
"""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING

from django.db.models import Q

from feedback import reviewer_events
from feedback.datasets import HOLDOUT, split_of
from feedback.models import DatasetSnapshot, Label, OutcomeEvent, TrainingRun
from feedback.reviewer_events import Event
from models_registry import wording
from review import redaction
from review.cases import chance
from review.models import Explanation, Prediction, Resolution, RoutingDecision
from review.veil import NOTHING, Veil

if TYPE_CHECKING:
    from collections.abc import Iterator

    from models_registry.access import Principal

# Events of one clock tick are told in the order in which one causes the next.
ORDER = (
    "occurred", "received", "routed", "claimed", "explained", "first", "shown", "seen", "decided", "undone", "resolved",
    "outcome", "label",
)  # fmt: skip
MAX_RUNS = 20
HIDDEN = "hidden until you have answered"


def timeline(prediction: Prediction, veil: Veil = NOTHING, viewer: Principal | None = None) -> list[Event]:
    """The events of a prediction in the order of their times, each with its distance to the one before.

    Without those that tell this viewer what the veil hides; of a gold item only what would be told of an audit.
    """
    shown = redaction.row(prediction, veil)
    explained = None if veil.model else getattr(prediction, "explanation", None)
    events = [
        *_arrival(shown, hidden=veil.model),
        *_routing(redaction.routing(getattr(prediction, "routing", None), veil), hidden=veil.model),
        *_explanation(
            explained, redaction.explained_at(prediction, explained.computed_at, veil) if explained else None
        ),
        *reviewer_events.leases(prediction, viewer if veil.gold else None),
        *reviewer_events.views(prediction, viewer if veil.gold else None, veil.asked_at),
        *reviewer_events.decisions(prediction, veil, viewer),
    ]
    if veil.gold and not (veil.model or veil.colleagues):
        told = redaction.told_of_audit(prediction, veil)
        facts = [("by", told["by"]), ("label", told["label"])]
        events.append(Event(told["at"], "resolved", f"Resolved: {told['disposition']}", facts, tone="good"))
    if not veil.labels:
        events += [
            *_resolutions(prediction), *_outcomes(prediction), *_labels(prediction), *_training(prediction)
        ]  # fmt: skip
    events.sort(key=lambda event: (event.at, ORDER.index(event.kind) if event.kind in ORDER else len(ORDER)))
    for before, event in pairwise(events):
        seconds = (event.at - before.at).total_seconds()
        event.gap = "at once" if seconds < 0.001 else f"{wording.span(seconds)} later"
    return events


def _arrival(prediction: Prediction, *, hidden: bool) -> Iterator[Event]:
    seconds = (prediction.received_at - prediction.occurred_at).total_seconds()
    if abs(seconds) >= 0.001:
        yield Event(prediction.occurred_at, "occurred", "The case occurred", [("told as", "occurred_at of the caller")])
    version = f"version {prediction.version.version}"
    said = HIDDEN if hidden else f"{prediction.predicted}, score {prediction.confidence:.3g}"
    yield Event(
        prediction.received_at, "received", "Received by POST", [("answer", said), ("by", version)], tone="model"
    )


def _routing(routing: RoutingDecision | None, *, hidden: bool) -> Iterator[Event]:
    if routing is None:
        return
    review = {"gate": "to a person, the caller waits", "audit": "the caller goes on, a person checks"}
    title = f"Routed: {review.get(routing.review, 'no review')}"
    reasons = ", ".join(str(reason).replace("_", " ") for reason in routing.reasons) or "none"
    facts = [("policy", f"number {routing.policy.number}" if routing.policy else "none active")]
    if hidden:
        yield Event(routing.routed_at, "routed", title, [*facts, ("why", HIDDEN)], tone="model")
        return
    facts += [("disposition", routing.disposition), ("reasons", reasons)]
    note = ""
    if routing.propensity is not None:
        side = "below" if routing.draw < routing.propensity else "not below"
        facts.append(("propensity", f"{routing.propensity:.4g} (gate {routing.p_gate:.4g})"))
        facts.append(("draw", f"{routing.draw:.4f}, {side} the propensity"))
        note = chance(routing.propensity)
    yield Event(routing.routed_at, "routed", title, facts, note=note, tone="model")


def _explanation(found: Explanation | None, at: datetime | None) -> Iterator[Event]:
    if found is None or at is None:
        return
    if found.status == Explanation.Status.READY:
        facts = [("of", found.explained_class), ("origin", found.origin), ("explainer", found.explainer or "–")]
        yield Event(at, "explained", "Explanation ready", facts, tone="model")
    elif found.status == Explanation.Status.FAILED:
        yield Event(at, "explained", "Explanation failed", note=found.reason, tone="bad")


def _resolutions(prediction: Prediction) -> Iterator[Event]:
    for row in Resolution.objects.filter(prediction=prediction).order_by("id"):
        facts = [("by", row.by)] + ([("label", row.label)] if row.label else [])
        tone = {"refuse": "bad", "hold": "warn"}.get(row.disposition, "good")
        yield Event(row.at, "resolved", f"Resolved: {row.disposition}", facts, tone=tone)


def _outcomes(prediction: Prediction) -> Iterator[Event]:
    for row in OutcomeEvent.objects.filter(prediction=prediction).order_by("id"):
        facts = [("source", row.source), ("kind", row.kind if row.final else f"{row.kind}, provisional")]
        facts.append(("observed", f"{row.observed_at:%Y-%m-%d %H:%M:%S} UTC"))
        facts.append(("after the prediction", wording.span((row.observed_at - prediction.occurred_at).total_seconds())))
        note = "Observed before its prediction: kept out of delay curves." if row.before_prediction else ""
        yield Event(row.received_at, "outcome", f"Outcome: {row.value}", facts, note=note, tone="good")


def _labels(prediction: Prediction) -> Iterator[Event]:
    for row in Label.objects.filter(prediction=prediction).order_by("id"):
        facts = [("source", row.source), ("selection", row.selection)]
        if row.propensity is not None:
            facts.append(("stands for", _cases(1 / row.propensity)))
        else:
            facts.append(("weight", "none: how it came to be seen has no known probability"))
        yield Event(row.created_at, "label", f"Label: {row.value}", facts, tone="good")
        if row.retired_at is not None:
            yield Event(row.retired_at, "label", f"Label {row.value} retired", [("source", row.source)], tone="plain")


def _cases(count: float) -> str:
    """
    >>> _cases(1.0), _cases(1 / 0.05)
    ('itself alone', '20 cases like it')
    """
    return "itself alone" if count == 1 else f"{wording.number(count, 3)} cases like it"


def _training(prediction: Prediction) -> Iterator[Event]:
    """Snapshots made while a label stood, and the runs that used them."""
    labels = list(Label.objects.filter(prediction=prediction))
    if not labels:
        return
    first = min(label.created_at for label in labels)
    runs = (
        TrainingRun.objects.filter(Q(snapshot__ready_at__gte=first), model=prediction.model)
        .select_related("snapshot", "candidate")
        .order_by("id")[:MAX_RUNS]
    )
    told: set[int] = set()
    for run in runs:
        snapshot = run.snapshot
        if snapshot is None or snapshot.ready_at is None or not _included(labels, snapshot):
            continue
        if snapshot.pk not in told:
            told.add(snapshot.pk)
            split = split_of(entity_id=prediction.entity_id, prediction_id=prediction.pk)
            use = "held out, for evaluation" if split == HOLDOUT else "for training"
            facts = [("rows", wording.number(snapshot.row_count)), ("this one", use)]
            facts.append(("sha256", (snapshot.sha256 or "")[:12]))
            yield Event(snapshot.ready_at, "snapshot", f"In snapshot {snapshot.pk}", facts, tone="training")
        facts = [("status", run.status), ("reason", run.reason)]
        if run.candidate:
            facts.append(("candidate", run.candidate.version))
        at = run.finished_at or run.started_at or run.requested_at
        slug = prediction.model.slug
        yield Event(at, "trained", f"In training run {run.pk}", facts, tone="training", version_slug=slug)


def _included(labels: list[Label], snapshot: DatasetSnapshot) -> bool:
    """Whether the snapshot's own query took one of the labels: written by then, and not retired yet."""
    if "last_label_id" not in snapshot.query:
        return False
    last, as_of = snapshot.query["last_label_id"], datetime.fromisoformat(snapshot.query["as_of"])
    return any(row.pk <= last and (row.retired_at is None or row.retired_at > as_of) for row in labels)
