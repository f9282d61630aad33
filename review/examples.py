"""Made-up cases for the gallery: a model, its queue and one prediction, written as the steps write them.

Only ever inside a transaction that is taken back, so no row of them is ever seen by anybody else.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
from django.utils import timezone

from models_registry.models import (
    Calibration,
    DataContract,
    LabelDefinition,
    Membership,
    ModelVersion,
    ReferenceProfile,
    RegisteredModel,
)
from models_registry.profiles import build_profile
from review.example_content import COUNTRIES, GUIDELINES, MEASURED, PUSHES, contract, scores_of
from review.models import (
    Explanation,
    PolicyVersion,
    Prediction,
    PredictionPayload,
    QueueItem,
    ReviewQueue,
    RoutingControl,
    RoutingDecision,
)

if TYPE_CHECKING:
    from django.contrib.auth.models import User


@dataclass
class Example:
    """One made-up case that waits."""

    model: RegisteredModel
    queue: ReviewQueue
    prediction: Prediction
    item: QueueItem
    policy: PolicyVersion


def example(
    *,
    user: User,
    role: str = Membership.Role.REVIEWER,
    classes: tuple[str, ...] | list[str] = ("fine", "fraud"),
    mode: str = "assisted",
    kind: str = "gate",
    two_keys: bool = False,
    explanation: str = Explanation.Status.READY,
    context: dict[str, Any] | None = None,
    entity: str = "customer-71",
    guidelines: str = GUIDELINES,
    calibrated: bool = False,
) -> Example:
    """A case of a new model that ``user`` may review, in a queue of that mode."""
    slug = _free_slug()
    model = RegisteredModel.objects.create(
        slug=slug,
        name="Card payments",
        task="binary" if len(classes) == 2 else "multiclass",
        classes=list(classes),
        positive_class=classes[-1] if len(classes) == 2 else "",
    )
    version = _version(model)
    if calibrated:
        known = {"low": 0.5, "high": 0.75, "n": 240, "k": 198, "effective_n": 240.0, "basis": "drawn"}
        known |= {"share": 0.825, "share_low": 0.772, "share_high": 0.868}
        bins = [{"label": label, **known} for label in classes]
        Calibration.objects.create(version=version, bins=bins, rows=480)
    codes = {classes[-1]: ["stolen_card", "known_pattern"], classes[0]: ["explained_by_customer"]}
    LabelDefinition.objects.create(
        model=model, number=1, classes=model.classes, guidelines=guidelines, created_by="gallery", reason_codes=codes
    )
    queue = ReviewQueue.objects.create(slug=slug, mode=mode, two_keys=two_keys)
    queue.models.add(model)
    policy = PolicyVersion.objects.create(model=model, number=1, document={}, note="made up", created_by="gallery")
    RoutingControl.objects.create(model=model, active=policy)
    Membership.objects.create(user=user, model=model, role=role, created_by="gallery")
    return waiting(model, version, queue, policy, kind=kind, explanation=explanation, context=context, entity=entity)


def waiting(
    model: RegisteredModel,
    version: ModelVersion,
    queue: ReviewQueue,
    policy: PolicyVersion,
    *,
    kind: str,
    explanation: str,
    context: dict[str, Any] | None,
    entity: str,
    name: str = "payment-2201",
) -> Example:
    """One prediction with its payload, routing, explanation and the item that waits for a person."""
    arrived = timezone.now() - timedelta(minutes=12)
    prediction = _received(model, version, name=name, entity=entity, context=context, arrived=arrived)
    gate = kind == QueueItem.Kind.GATE
    RoutingDecision.objects.create(
        prediction=prediction,
        model=model,
        policy=policy,
        draw=0.1,
        p_gate=float(gate),
        propensity=1.0 if gate else 0.2,
        review="gate" if gate else "audit",
        disposition="hold" if gate else "proceed",
        reasons=["low_confidence"] if gate else ["audit_floor"],
        model_guess=prediction.confidence,
        oversight_always=False,
        routed_at=arrived + timedelta(seconds=0.2),
    )
    _explain(prediction, explanation, prediction.payload.features)
    item = QueueItem.objects.create(
        prediction=prediction,
        model=model,
        queue=queue,
        kind=kind,
        slot=1 if kind in (QueueItem.Kind.GATE, QueueItem.Kind.AUDIT) else 2,
        tier=int(kind == QueueItem.Kind.ADJUDICATION),
        priority=5,
        enqueued_at=arrived + timedelta(seconds=0.2),
        hold_until=timezone.now() + timedelta(hours=4) if gate else None,
        hold_fallback="refuse" if gate else "",
    )
    return Example(model, queue, prediction, item, policy)


def _received(
    model: RegisteredModel,
    version: ModelVersion,
    *,
    name: str,
    entity: str,
    context: dict[str, Any] | None,
    arrived: datetime,
) -> Prediction:
    scores = scores_of(len(model.classes))
    best = int(np.argmax(scores))
    prediction = Prediction.objects.create(
        model=model,
        version=version,
        external_id=name,
        entity_id=entity,
        fingerprint="0" * 64,
        scores=scores,
        predicted=model.classes[best],
        confidence=scores[best],
        status=Prediction.Status.ROUTED,
        occurred_at=arrived - timedelta(seconds=2),
        received_at=arrived,
    )
    features: dict[str, Any] = {name: value for name, _, _, _, _, _, value in MEASURED}
    PredictionPayload.objects.create(prediction=prediction, features={**features, "country": "DE"}, context=context)
    return prediction


def _version(model: RegisteredModel) -> ModelVersion:
    document = contract()
    stored = DataContract.objects.create(model=model, number=1, document=document, sha256="0" * 64)
    version = ModelVersion.objects.create(
        model=model, version="1.0", contract=stored, state=ModelVersion.State.READY, created_by="gallery"
    )
    draw = np.random.default_rng(7)
    columns: dict[str, Any] = {
        name: centre * np.exp(spread * draw.normal(size=400)) for name, _, _, _, centre, spread, _ in MEASURED
    }
    columns["country"] = draw.choice(list(COUNTRIES), p=list(COUNTRIES.values()), size=400)
    profile = build_profile(document, columns)
    ReferenceProfile.objects.create(version=version, document=profile, rows=400, sha256="1" * 64)
    model.champion = version
    model.save()
    return version


def _explain(prediction: Prediction, status: str, features: dict[str, Any]) -> None:
    values: dict[str, Any] = {"status": status, "explained_class": prediction.predicted}
    if status == Explanation.Status.READY:
        values |= {"origin": "artifact", "space": "probability", "explainer": "tree", "base_value": 0.33}
        values |= {"output": prediction.confidence, "computed_at": timezone.now() - timedelta(minutes=11)}
        values["contributions"] = [
            {"feature": name, "value": features.get(name, "DE"), "contribution": push} for name, push in PUSHES
        ]
    if status == Explanation.Status.FAILED:
        values |= {"reason": "the model took longer than 60 s", "computed_at": timezone.now() - timedelta(minutes=10)}
    Explanation.objects.create(prediction=prediction, **values)


def _free_slug() -> str:
    """The gallery's own name, or one beside it where a real model has taken that."""
    taken = set(RegisteredModel.objects.filter(slug__startswith="gallery").values_list("slug", flat=True))
    taken |= set(ReviewQueue.objects.filter(slug__startswith="gallery").values_list("slug", flat=True))
    return next(slug for slug in ("gallery", *(f"gallery-{n}" for n in range(2, 1000))) if slug not in taken)
