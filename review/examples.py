"""Made-up cases for the gallery: a model, its queue and one prediction, written as the steps write them.

Only ever inside a transaction that is taken back, so no row of them is ever seen by anybody else.
"""

from __future__ import annotations

import base64
import struct
import zlib
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

# name, label, group, unit, centre, spread, value of the case
MEASURED = (
    ("amount", "Amount", "Payment", "EUR", 84.0, 0.8, 640.5),
    ("payments_last_day", "Payments in the last day", "Payment", "", 1.4, 0.5, 3.0),
    ("hours_since_last", "Since the last payment", "Payment", "h", 30.0, 0.7, 11.0),
    ("basket_items", "Items in the basket", "Payment", "", 3.2, 0.5, 2.0),
    ("discount_share", "Discount", "Payment", "%", 6.0, 0.6, 5.0),
    ("account_age", "Age of the account", "Account", "days", 420.0, 0.9, 58.0),
    ("payments_before", "Payments before", "Account", "", 24.0, 0.9, 9.0),
    ("disputes_before", "Disputes before", "Account", "", 0.3, 0.4, 0.3),
    ("birth_year", "Year of birth", "Account", "", 1984.0, 0.006, 1991.0),
    ("device_age", "Device seen first", "Device", "days ago", 210.0, 0.9, 95.0),
    ("distance", "Distance from the usual place", "Device", "km", 12.0, 1.1, 16.0),
    ("typing_speed", "Typing speed", "Device", "signs/s", 4.1, 0.3, 4.6),
)
COUNTRIES = {"DE": 0.55, "FR": 0.25, "NL": 0.15, "CY": 0.05}
PUSHES = (
    ("amount", 0.14),
    ("account_age", 0.11),
    ("country", -0.07),
    ("payments_last_day", 0.06),
    ("distance", 0.04),
    ("typing_speed", -0.02),
    ("device_age", 0.01),
    ("hours_since_last", 0.01),
)
GUIDELINES = (
    "Fraud only where the person paying is not the one whose card it is.\n\n"
    "A large amount on a new account is no fraud by itself. If nothing speaks for either, say that you can’t tell."
)
LONG = "The customer wrote that the parcel had been left with a neighbour whom nobody in the house has heard of. "
TEN = [
    *("address", "amount", "card", "country", "delivery", "device", "dispute", "refund", "sender"),
    "something else that has a rather long name",
]


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
    scores = _scores(len(model.classes))
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


def contract() -> dict[str, Any]:
    """Measured features in three groups, a country, and one that is sensitive."""
    features: list[dict[str, Any]] = [
        {"name": name, "dtype": "float", "min": 0, "group": group, "label": label, **({"unit": unit} if unit else {})}
        for name, label, group, unit, *_ in MEASURED
    ]
    next(one for one in features if one["name"] == "birth_year")["sensitive"] = True
    country = {"name": "country", "dtype": "category", "values": list(COUNTRIES), "group": "Device", "label": "Country"}
    return {"features": [*features, country]}


def picture() -> str:
    """A small PNG in base64: a slope of greys, made here."""
    width, height = 96, 64
    rows = b"".join(b"\0" + bytes(2 * (x + y) % 256 for x in range(width)) for y in range(height))
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + _chunk(b"IDAT", zlib.compress(rows)) + _chunk(b"IEND", b"")
    return base64.b64encode(body).decode()


def digit() -> list[list[float]]:
    """An array of 8 by 8 that looks like a three."""
    drawn = ("..####..", ".#....#.", "......#.", "...###..", "......#.", "......#.", ".#....#.", "..####..")
    return [[15.0 if cell == "#" else 0.0 for cell in row] for row in drawn]


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


def _scores(classes: int) -> list[float]:
    if classes == 2:
        return [0.38, 0.62]
    rest = 0.56 / (classes - 2)
    return [rest] * 3 + [0.26, 0.18] + [rest] * (classes - 5)


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


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
