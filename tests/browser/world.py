"""Rows for the pages: a tumour model of 30 measurements, written as the steps would have written them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model
from django.contrib.sessions.backends.db import SessionStore
from django.utils import timezone

from models_registry import access
from models_registry.models import (
    DataContract,
    LabelDefinition,
    ModelVersion,
    Person,
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
    Resolution,
    ReviewQueue,
    RoutingControl,
    RoutingDecision,
)

BASE = (
    "radius",
    "texture",
    "perimeter",
    "area",
    "smoothness",
    "compactness",
    "concavity",
    "concave points",
    "symmetry",
    "fractal dimension",
)
UNITS = {"radius": "µm", "perimeter": "µm", "area": "µm²"}
SCALE = dict(zip(BASE, (14.1, 19.3, 92.0, 655.0, 0.096, 0.104, 0.089, 0.049, 0.181, 0.063), strict=True))
GROUPS = {"mean": "Mean of the nuclei", "error": "Standard error", "worst": "Largest nuclei"}
GUIDELINES = (
    "Malignant only where the largest nuclei are irregular as well as large.\n\n"
    "A large but smooth nucleus is benign. If the smear is damaged, say that you can’t tell."
)
POLICY: dict[str, Any] = {
    "rules": [
        {
            "name": "damaged",
            "when": {"field": "feature.mean_area", "lt": 1},
            "disposition": "refuse",
            "reason": "damaged",
        }
    ],
    "review": [
        {
            "name": "low_confidence",
            "when": {"field": "confidence", "lt": 0.75},
            "p": 1.0,
            "kind": "gate",
            "priority": 5,
        },
        {"name": "large_nuclei", "when": {"field": "feature.worst_area", "gt": 2000}, "p": 0.5, "kind": "audit"},
    ],
    "sampling": {"kind": "none"},
    "audit_floor": 0.2,
    "hold": {"timeout_seconds": 14400, "on_timeout": "refuse"},
}


@dataclass
class World:
    model: RegisteredModel
    version: ModelVersion
    predictions: list[Prediction]


def small() -> World:
    """The cast, one model, and six cases that wait; nothing decided yet."""
    model, version = tumours()
    cast(model)
    return World(model, version, [waiting(model, version, number) for number in range(6)])


def cast(*models: RegisteredModel) -> None:
    users = get_user_model().objects
    for name, role in (
        ("alice", "reviewer"),
        ("bob", "reviewer"),
        ("dana", "analyst"),
        ("erin", "owner"),
        ("mallory", ""),
    ):
        user = users.filter(username=name).first() or users.create_user(name, password=f"{name}-password-1")
        # The same in every run, as it stands on pages and in pictures of them.
        pseudonym = f"r-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
        Person.objects.get_or_create(user=user, defaults={"pseudonym": pseudonym})
        for model in models if role else ():
            access.grant_role(user=user, model=model, role=role, actor="test")


def session_of(name: str) -> str:
    """The key of a signed-in session."""
    user = get_user_model().objects.get(username=name)
    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.create()
    return str(session.session_key)


def contract() -> dict[str, Any]:
    return {
        "features": [
            {
                "name": f"{group}_{base}".replace(" ", "_"),
                "dtype": "float",
                "min": 0,
                "group": title,
                "label": base.capitalize(),
                **({"unit": UNITS[base]} if base in UNITS else {}),
            }
            for group, title in GROUPS.items()
            for base in BASE
        ]
    }


def measurements(rows: int, seed: int = 0) -> dict[str, Any]:
    """Column name -> values: log-normal around the known means, correlated through one hidden size."""
    draw = np.random.default_rng(seed)
    size = draw.normal(size=rows)
    grown = {"mean": 1.0, "error": 0.05, "worst": 1.35}
    return {
        f"{group}_{base}".replace(" ", "_"): SCALE[base] * factor * np.exp(0.22 * size + 0.15 * draw.normal(size=rows))
        for group, factor in grown.items()
        for base in BASE
    }


def tumours() -> tuple[RegisteredModel, ModelVersion]:
    model = RegisteredModel.objects.create(
        slug="tumours",
        name="Tumours",
        task="binary",
        classes=["benign", "malignant"],
        positive_class="malignant",
        costs={"benign": {"malignant": 20}, "malignant": {"benign": 1}},
        review_cost=0.4,
        disposition_of={"malignant": "refuse"},
    )
    document = contract()
    stored = DataContract.objects.create(model=model, number=1, document=document, sha256="0" * 64)
    version = ModelVersion.objects.create(model=model, version="1.0", contract=stored, state="ready", created_by="erin")
    profile = build_profile(document, measurements(400, seed=1))
    ReferenceProfile.objects.create(version=version, document=profile, rows=400, sha256="1" * 64)
    model.champion = version
    model.save()
    LabelDefinition.objects.create(
        model=model,
        number=1,
        classes=model.classes,
        guidelines=GUIDELINES,
        created_by="erin",
        reason_codes={"malignant": ["irregular_nuclei", "known_history"], "benign": ["smooth_border"]},
    )
    queue = ReviewQueue.objects.create(slug="tumours")
    queue.models.add(model)
    policy = PolicyVersion.objects.create(
        model=model,
        number=1,
        document=POLICY,
        note="first",
        created_by="erin",
        created_at=timezone.now() - timedelta(days=44),
    )
    RoutingControl.objects.create(model=model, active=policy)
    return model, version


def waiting(model: RegisteredModel, version: ModelVersion, number: int, *, explained: str = "ready") -> Prediction:
    """One case that a gate holds, with its explanation."""
    now = timezone.now() - timedelta(minutes=12 - number % 10)
    columns = measurements(40, seed=2)
    features = {name: round(float(values[number]), 4) for name, values in columns.items()}
    features["worst_area"] = 1956.4 + number
    malignant = 0.62 - 0.03 * number
    scores = [1 - malignant, malignant]
    predicted = model.classes[int(np.argmax(scores))]
    prediction = Prediction.objects.create(
        model=model,
        version=version,
        external_id=f"P-{2201 + number}",
        entity_id=f"patient-{71 + number % 2}",
        fingerprint=f"{number:064x}",
        scores=scores,
        predicted=predicted,
        confidence=max(scores),
        status="routed",
        occurred_at=now - timedelta(seconds=2.4),
        received_at=now,
    )
    PredictionPayload.objects.create(prediction=prediction, features=features)
    control = RoutingControl.objects.get(model=model)
    RoutingDecision.objects.create(
        prediction=prediction,
        model=model,
        policy=control.active,
        draw=0.37,
        p_gate=1.0,
        propensity=1.0,
        disposition="hold",
        review="gate",
        reasons=["low_confidence"],
        model_guess=max(scores),
        oversight_always=False,
        routed_at=now + timedelta(seconds=0.21),
    )
    explanation(prediction, explained, now)
    QueueItem.objects.create(
        prediction=prediction,
        model=model,
        queue=model.queues.get(),
        kind="gate",
        priority=5,
        enqueued_at=now + timedelta(seconds=0.21),
        hold_until=now + timedelta(hours=4),
        hold_fallback="refuse",
    )
    return prediction


def explanation(prediction: Prediction, state: str, now: Any) -> None:
    features = prediction.payload.features
    draw = np.random.default_rng(int(prediction.fingerprint, 16))
    pushes = np.sort(np.abs(draw.normal(0.0, 0.05, size=len(features))))[::-1]
    names = draw.permutation(["worst_area", "worst_concave_points", "mean_texture", *sorted(features)[:27]])
    contributions = [
        {"feature": str(name), "value": features[str(name)], "contribution": float(push * (1 if i % 3 else -1))}
        for i, (name, push) in enumerate(zip(names, pushes, strict=False))
    ]
    common = {"prediction": prediction, "explained_class": prediction.predicted, "status": state}
    if state == "ready":
        common |= {"origin": "artifact", "space": "probability", "explainer": "tree", "base_value": 0.4}
        common |= {
            "output": prediction.confidence,
            "contributions": contributions,
            "computed_at": now + timedelta(seconds=1.9),
        }
    if state == "failed":
        common |= {"reason": "the artifact took longer than 60 s", "computed_at": now + timedelta(seconds=60)}
    Explanation.objects.create(**common)


def told(prediction: Prediction, disposition: str, by: str, at: Any, label: str | None = None) -> None:
    Resolution.objects.create(
        prediction=prediction, model=prediction.model, disposition=disposition, by=by, at=at, label=label
    )


def rich() -> World:
    """The same model after a while: a simulated stream of answers, labels, outcomes, candidates and runs."""
    from tests.browser import history

    world = small()
    history.live(world.model, world.version)
    return world
