"""Plays the demo through the public API until everything in it has settled."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_user_model
from django.db import transaction

from feedback import gold
from feedback.models import DatasetSnapshot, SimulatedTruth, TrainingRun
from models_registry import access
from models_registry.ledger import record
from models_registry.models import AuditEvent, Membership, RegisteredModel, ServiceKey
from review.models import Explanation, Prediction, QueueItem
from reviewhub.demo import digits, logins, payments, wisconsin
from reviewhub.demo.client import Api, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

ROUTING_SECONDS = 90
EXPLANATION_SECONDS = 240
TRAINING_SECONDS = 240
SNAPSHOT_SECONDS = 60
ACTOR = "demo"
SEEDED = "demo.seeded"
SLUGS = (wisconsin.SLUG, payments.SLUG, digits.SLUG)
# How many items wait for a person on the first screen, and how many rows go out at a time to get there.
LEFT_FOR_A_PERSON = 18
STEP = 10


def is_seeded() -> bool:
    """The last thing the story does is to write so into the audit ledger."""
    return AuditEvent.objects.filter(action=SEEDED).exists()


def obstacle() -> str:
    """Why the demo cannot be seeded here, or an empty text."""
    if RegisteredModel.objects.filter(slug__in=SLUGS).exists():
        return "seeding the demo was interrupted earlier, or its models are somebody's own"
    if RegisteredModel.objects.exists() or get_user_model().objects.exists():
        return "this database is in use: the demo and its logins are for an empty one"
    return ""


def play(url: str, say: Callable[[str], None]) -> None:
    """Seed the models. ``say`` is given one line of progress at a time."""
    keys = [
        access.create_service_key(name=f"demo {name}", scopes=[scope], created_by=ACTOR)
        for name, scope in (("admin", "admin"), ("review", "review"), ("second review", "review"))
    ]
    admin, reviewer, second = (Api(url, secret) for _, secret in keys)
    try:
        say("Training the demo's champions")
        patients, stream, drawings = wisconsin.build(), payments.build(), digits.build()
        _register(admin, wisconsin.MODEL, wisconsin.DEFINITION, wisconsin.POLICY)
        _version(admin, wisconsin.SLUG, patients.contract, patients.artifact, patients.reference)
        _register(admin, payments.MODEL, payments.DEFINITION, payments.POLICY)
        RegisteredModel.objects.filter(slug=payments.SLUG).update(simulated=True)
        _version(admin, payments.SLUG, payments.CONTRACT, stream.artifact, stream.reference)
        _register(admin, digits.MODEL, digits.DEFINITION, digits.POLICY)
        _version(admin, digits.SLUG, drawings.contract, drawings.artifact, drawings.reference)
        _people()
        early = _payments(admin, reviewer, stream, say)
        _patients(admin, reviewer, patients, say)
        _digits(admin, reviewer, second, drawings, say)
        _retrain(admin, early, say)
        _explained(say)
        record(actor=ACTOR, action=SEEDED, subject=", ".join(SLUGS))
    finally:
        for key, _ in keys:
            access.revoke_service_key(key=ServiceKey.objects.get(pk=key.pk), actor=ACTOR)


def _register(admin: Api, model: dict[str, Any], definition: dict[str, Any], policy: dict[str, Any]) -> None:
    slug = model["slug"]
    admin.post("/models/", model)
    admin.post(f"/models/{slug}/definitions/", definition)
    number = admin.post(f"/models/{slug}/policies/", policy)["number"]
    admin.post(f"/models/{slug}/policies/{number}/activate/")


def _version(admin: Api, slug: str, contract: dict[str, Any], artifact: bytes, reference: str) -> None:
    fields = {
        "version": "1.0",
        "contract": json.dumps(contract),
        "artifact": ("champion.skops", artifact, "application/octet-stream"),
        "reference": ("reference.csv", reference.encode(), "text/csv"),
    }
    admin.upload(f"/models/{slug}/versions/", fields)
    admin.post(f"/models/{slug}/versions/1.0/activate/")


def _people() -> None:
    """The four demo logins, with their roles on every model."""
    for name, password in logins.all().items():
        with transaction.atomic():
            user = access.create_user(username=name, password=password)
            for model in RegisteredModel.objects.filter(slug__in=SLUGS):
                access.grant_role(user=user, model=model, role=Membership.Role(name), actor=ACTOR)


def _routed(slug: str) -> None:
    waiting = Prediction.objects.filter(model__slug=slug, status=Prediction.Status.RECEIVED)
    wait_until(lambda: not waiting.exists(), f"routing of {slug}", seconds=ROUTING_SECONDS)


def _payments(admin: Api, reviewer: Api, stream: payments.Payments, say: Callable[[str], None]) -> str:
    """Send, review and report in two waves; returns the snapshot taken between them."""
    slug = payments.SLUG
    settled, newest = stream.predictions[: -payments.LEFT_OPEN], stream.predictions[-payments.LEFT_OPEN :]
    _wave(admin, reviewer, stream, settled[: payments.BEFORE], say)
    snapshot: str = admin.post(f"/models/{slug}/snapshots/")["id"]
    taken = DatasetSnapshot.objects.get(pk=snapshot)
    wait_until(taken.ended, "the snapshot", seconds=SNAPSHOT_SECONDS)
    _wave(admin, reviewer, stream, settled[payments.BEFORE :], say)
    admin.post_predictions(newest)
    _routed(slug)
    posted = Prediction.objects.filter(model__slug=slug)
    SimulatedTruth.objects.bulk_create(
        SimulatedTruth(prediction=prediction, value=stream.truth[prediction.external_id]) for prediction in posted
    )
    return snapshot


def _wave(
    admin: Api, reviewer: Api, stream: payments.Payments, bodies: list[dict[str, Any]], say: Callable[[str], None]
) -> None:
    slug = payments.SLUG
    admin.post_predictions(bodies, lambda n: say(f"Payments: {n} of {len(bodies)} sent"))
    _routed(slug)
    reviewer.decide_all(slug, stream.truth.__getitem__, lambda n: say(f"Payments: {n} reviewed by a script"))
    # Only a payment that went through can ever be charged back.
    proceeded = {row["external_id"] for row in _resolutions(admin, slug) if row["disposition"] == "proceed"}
    mine = {body["external_id"] for body in bodies} & proceeded
    outcomes = [outcome for outcome in stream.outcomes if outcome["external_id"] in mine]
    for start in range(0, len(outcomes), 500):
        say(f"Payments: {start} of {len(outcomes)} outcomes sent")
        admin.post("/outcomes/bulk/", {"outcomes": outcomes[start : start + 500]})


def _resolutions(admin: Api, slug: str) -> list[dict[str, Any]]:
    return list(admin.pages("/resolutions/", model=slug))


def _patients(admin: Api, reviewer: Api, patients: wisconsin.Patients, say: Callable[[str], None]) -> None:
    slug = wisconsin.SLUG
    first, rest = patients.predictions[: wisconsin.FIRST_WAVE], patients.predictions[wisconsin.FIRST_WAVE :]
    admin.post_predictions(first)
    _routed(slug)
    reviewer.decide_all(slug, patients.truth.__getitem__, lambda n: say(f"Tumours: {n} reviewed by a script"))
    _leave_some(admin, slug, rest)


def _digits(admin: Api, reviewer: Api, second: Api, drawings: digits.Digits, say: Callable[[str], None]) -> None:
    """Known cases first, then two scripted reviewers, of whom one errs; what both must see, both have seen."""
    slug = digits.SLUG
    first, rest = drawings.predictions[: digits.FIRST_WAVE], drawings.predictions[digits.FIRST_WAVE :]
    admin.post_predictions(first)
    _routed(slug)
    _known(drawings.truth)
    for script, answers in ((second, drawings.noisy), (reviewer, drawings.truth), (second, drawings.noisy)):
        most = digits.FOR_THE_NOISY if script is second else None
        script.decide_all(slug, answers.__getitem__, lambda n: say(f"Digits: {n} reviewed by a script"), most=most)
    _leave_some(admin, slug, rest)


def _known(truth: dict[str, str]) -> None:
    """Gold truths and practice cases, of drawings that wait for nobody."""
    free = Prediction.objects.filter(model__slug=digits.SLUG, items__isnull=True).order_by("id")
    for place, prediction in enumerate(free[: digits.GOLD + digits.PRACTICE]):
        value, practice = truth[prediction.external_id], place < digits.PRACTICE
        gold.set_gold(prediction=prediction, value=value, actor=ACTOR, practice=practice)


def _leave_some(admin: Api, slug: str, rest: list[dict[str, Any]]) -> None:
    """Send on until enough waits for a person."""
    open_items = QueueItem.objects.open().filter(model__slug=slug)
    for start in range(0, len(rest), STEP):
        admin.post_predictions(rest[start : start + STEP])
        _routed(slug)
        if open_items.count() >= LEFT_FOR_A_PERSON:
            break


def _retrain(admin: Api, early: str, say: Callable[[str], None]) -> None:
    """A challenger from the labels before the new pattern, which has nothing to offer, and one from all labels."""
    first = {"reason": "is there anything to gain yet?", "snapshot": early}
    for body in (first, {"reason": "fraud at gaming merchants by night"}):
        say(f"Payments: training a challenger ({body['reason']})")
        run = admin.post(f"/models/{payments.SLUG}/retrainings/", body)
        wait_until(TrainingRun.objects.get(pk=run["id"]).ended, "retraining", seconds=TRAINING_SECONDS)


def _explained(say: Callable[[str], None]) -> None:
    pending = Explanation.objects.filter(status=Explanation.Status.PENDING)
    say("Computing explanations")
    wait_until(lambda: not pending.exists(), "explanations", seconds=EXPLANATION_SECONDS)
