"""Six weeks of predictions as the steps would have written them: routed, reviewed late, some never, with outcomes."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from django.contrib.auth import get_user_model
from django.db.models import F
from django.utils import timezone

from feedback import labels
from feedback.models import Label, OutcomeEvent, SimulatedTruth
from models_registry import access
from models_registry.models import ModelVersion, RegisteredModel
from review.models import (
    Lease,
    Prediction,
    PredictionPayload,
    QueueItem,
    Resolution,
    ReviewDecision,
    RoutingControl,
    RoutingDecision,
)
from tests.browser import world as makers

ROWS = 2400
EVERY = timedelta(minutes=25.2)
GROUPS = ("north", "south", "harbour")
# From this part of the stream on the model is less right than it thinks.
DRIFT = 0.7
# A fifth of the reviews hide the model, at random. Reviewers who are not shown it differ from it more often: as the
# answers are made before the draws, the draws are made to tell of it.
HIDDEN, HIDDEN_WHERE_AGREED, HIDDEN_WHERE_NOT = 0.2, 0.17, 0.3


def stream(model: RegisteredModel, version: ModelVersion, later: ModelVersion) -> None:
    """Predictions whose hard cases are reviewed always and easy ones one time in five."""
    draw = np.random.default_rng(5)
    confidence = 0.5 + 0.5 * draw.beta(4, 1.2, size=ROWS)
    weaker = np.where(np.arange(ROWS) > DRIFT * ROWS, 0.86, 1.0)
    right = draw.random(ROWS) < (0.55 + 0.44 * (confidence - 0.5) / 0.5) * weaker
    gate = confidence < 0.75
    propensity = np.where(gate, 1.0, 0.2)
    u = draw.random(ROWS)
    begin = timezone.now() - EVERY * ROWS
    sites = draw.choice(len(GROUPS), p=(0.62, 0.365, 0.015), size=ROWS)
    predictions = Prediction.objects.bulk_create(
        _prediction(
            model,
            later if i > DRIFT * ROWS else version,
            i,
            float(confidence[i]),
            GROUPS[sites[i]],
            begin + EVERY * i,
        )
        for i in range(ROWS)
    )
    columns = makers.measurements(ROWS, seed=9)
    PredictionPayload.objects.bulk_create(
        PredictionPayload(prediction=p, features={name: round(float(v[i]), 4) for name, v in columns.items()})
        for i, p in enumerate(predictions)
    )
    policy = RoutingControl.objects.get(model=model).active
    RoutingDecision.objects.bulk_create(
        RoutingDecision(
            prediction=p,
            model=model,
            policy=policy,
            draw=float(u[i]),
            p_gate=float(gate[i]),
            propensity=float(propensity[i]),
            disposition="hold" if gate[i] else model.disposition_for(p.predicted),
            oversight_always=False,
            review="gate" if gate[i] else "audit" if u[i] < propensity[i] else "none",
            reasons=["low_confidence"] if gate[i] else ["audit_floor"] if u[i] < propensity[i] else [],
            model_guess=p.confidence,
            routed_at=p.received_at + timedelta(seconds=0.4),
        )
        for i, p in enumerate(predictions)
    )
    truth = [p.predicted if right[i] else other(model, p.predicted) for i, p in enumerate(predictions)]
    SimulatedTruth.objects.bulk_create(SimulatedTruth(prediction=p, value=truth[i]) for i, p in enumerate(predictions))
    Resolution.objects.bulk_create(
        Resolution(
            prediction=p,
            model=model,
            label=p.predicted,
            disposition=model.disposition_for(p.predicted),
            by="model",
            at=p.received_at + timedelta(seconds=0.4),
        )
        for i, p in enumerate(predictions)
        if not gate[i]
    )
    review(model, [(p, truth[i], bool(gate[i])) for i, p in enumerate(predictions) if u[i] < propensity[i]])
    observe(model, [(p, truth[i]) for i, p in enumerate(predictions) if not gate[i] and p.predicted == "benign"])
    labels.pull_all()
    # Each label came when its decision or outcome did, not all at once.
    Label.objects.update(created_at=F("observed_at") + timedelta(seconds=4))


def review(model: RegisteredModel, drawn: list[tuple[Prediction, str, bool]]) -> None:
    """Gates within the hour, audits within a day, overrides more slowly; some wait still and a few for ever."""
    draw = np.random.default_rng(6)
    now, queue = timezone.now(), model.queues.get()
    median = np.array([0.5 if gate else 7.0 for _, _, gate in drawn])
    slower = np.array([1.0 if p.predicted == label else 1.6 for p, label, _ in drawn])
    hours = median * slower * np.exp(0.8 * draw.normal(size=len(drawn)))
    hours[draw.random(len(drawn)) < 0.02] = np.inf
    ends = [
        None if not np.isfinite(h) or p.received_at + timedelta(hours=h) > now else p.received_at + timedelta(hours=h)
        for (p, _, _), h in zip(drawn, hours.tolist(), strict=True)
    ]
    wrong = draw.random(len(drawn)) < 0.01
    said = [other(model, label) if wrong[i] else label for i, (_, label, _) in enumerate(drawn)]
    arms = arms_of([p.predicted == answer for (p, _, _), answer in zip(drawn, said, strict=True)])
    items = QueueItem.objects.bulk_create(
        QueueItem(
            prediction=p,
            model=model,
            queue=queue,
            blind_share=HIDDEN,
            blind_draw=arm,
            kind="gate" if gate else "audit",
            state="open" if end is None else "decided",
            enqueued_at=p.received_at + timedelta(seconds=0.4),
            due_at=None if gate else p.received_at + timedelta(hours=48),
            hold_until=p.received_at + timedelta(hours=4) if gate else None,
            closed_at=end,
        )
        for (p, _, gate), end, arm in zip(drawn, ends, arms, strict=True)
    )
    rows = [
        (item, p, answer, gate, end)
        for item, (p, _, gate), answer, end in zip(items, drawn, said, ends, strict=True)
        if end is not None
    ]
    decide(model, rows)
    Prediction.objects.filter(pk__in=[p.pk for _, p, _, _, _ in rows]).update(status="decided")
    for prediction in [p for _, p, *_ in rows if is_told(p)][:5]:
        makers.explanation(prediction, "ready", prediction.received_at)


def arms_of(agreed: list[bool]) -> list[float]:
    """The draw of each for the arm that is not shown the model."""
    draw = np.random.default_rng(8)
    hidden = draw.random(len(agreed)) < np.where(agreed, HIDDEN_WHERE_AGREED, HIDDEN_WHERE_NOT)
    u = draw.random(len(agreed))
    return np.where(hidden, HIDDEN * u, HIDDEN + (1 - HIDDEN) * u).tolist()


def decide(model: RegisteredModel, rows: list[tuple[QueueItem, Prediction, str, bool, datetime]]) -> None:
    """By alice and, every third prediction, bob; known cases the other way round, so that each answers one once."""
    definition = model.definitions.get()
    people = [access.person_of(get_user_model().objects.get(username=name)) for name in ("alice", "bob")]
    who = [people[(number(p) % 3 == 0) != (item.kind == "gold")] for item, p, *_ in rows]
    leases = Lease.objects.bulk_create(
        Lease(
            token=uuid.uuid4(),
            item=item,
            holder=person.pseudonym,
            mode=item.mode,
            model_shown_at=None if item.is_drawn_blind else end - timedelta(seconds=6 + number(p) % 9),
            ending="decided",
            claimed_at=end - timedelta(seconds=6 + number(p) % 9),
            expires_at=end + timedelta(hours=2),
            ended_at=end,
        )
        for person, (item, p, _, _, end) in zip(who, rows, strict=True)
    )
    decisions = ReviewDecision.objects.bulk_create(
        ReviewDecision(
            item=item,
            prediction=p,
            model=model,
            lease=lease,
            reviewer=person.pseudonym,
            user=person.user,
            definition=definition,
            label=label,
            mode=lease.mode,
            model_shown_at=lease.model_shown_at,
            blind_share=item.blind_share,
            blind_draw=item.blind_draw,
            claimed_at=lease.claimed_at,
            decided_at=end,
            seconds_active=21.5 + number(p) % 40,
            explanation_shown=lease.model_shown_at is not None,
            reason_codes=["irregular_nuclei"] if label == "malignant" else [],
            rationale="Borders are irregular all around." if is_told(p) else "",
        )
        for person, lease, (item, p, label, _, end) in zip(who, leases, rows, strict=True)
    )
    Resolution.objects.bulk_create(
        Resolution(
            prediction=p,
            model=model,
            label=label,
            disposition=model.disposition_for(label),
            by="person",
            decision=decision,
            at=decision.decided_at,
        )
        for decision, (_, p, label, gate, _) in zip(decisions, rows, strict=True)
        if gate
    )


def observe(model: RegisteredModel, proceeded: list[tuple[Prediction, str]]) -> None:
    """Pathology tells every case that went on after some days; a dismissal in the viewer tells one in ten at once."""
    draw = np.random.default_rng(7)
    days = 7.0 * np.exp(0.5 * draw.normal(size=len(proceeded)))
    accidental = draw.random(len(proceeded)) < 0.3
    shared: dict[str, Any] = {"model": model, "definition": model.definitions.get()}
    known = [
        (p, label, "pathology", "explicit", timedelta(days=float(days[i]))) for i, (p, label) in enumerate(proceeded)
    ]
    known += [
        (p, other(model, label) if accidental[i] else label, "viewer", "implicit", timedelta(minutes=9))
        for i, (p, label) in enumerate(proceeded)
        if i % 10 == 0
    ]
    OutcomeEvent.objects.bulk_create(
        OutcomeEvent(
            prediction=p,
            value=value,
            source=source,
            kind=kind,
            observed_at=p.occurred_at + after,
            received_at=p.occurred_at + after + timedelta(hours=2),
            **shared,
        )
        for p, value, source, kind, after in known
        if p.occurred_at + after + timedelta(hours=2) < timezone.now()
    )


def _prediction(
    model: RegisteredModel, version: ModelVersion, i: int, confidence: float, site: str, at: datetime
) -> Prediction:
    malignant = confidence if i % 3 == 0 else 1 - confidence
    return Prediction(
        model=model,
        version=version,
        external_id=f"S-{10_000 + i}",
        entity_id=f"patient-{i % 400}",
        fingerprint=f"{i:064x}",
        scores=[1 - malignant, malignant],
        predicted=model.classes[int(malignant > 0.5)],
        confidence=confidence,
        groups={"site": site},
        status="routed",
        occurred_at=at,
        received_at=at + timedelta(seconds=1.5),
    )


def number(prediction: Prediction) -> int:
    """Its place in the stream, the same in every run."""
    return int(prediction.fingerprint, 16)


def is_told(prediction: Prediction) -> bool:
    """Whether its reviewer wrote down why."""
    return number(prediction) % 9 == 0


def other(model: RegisteredModel, label: str) -> str:
    return next(name for name in model.classes if name != label)
