"""What only people leave behind: known cases and their answers, overrides, cases passed on to a lead."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
from django.contrib.auth import get_user_model
from django.utils import timezone

from feedback import gold
from feedback.models import SimulatedTruth
from models_registry import access
from models_registry.models import RegisteredModel
from review import escalation, overrides, queue
from review.models import Prediction, QueueItem
from tests.browser import traffic
from tests.browser import world as makers

# Answered ones of each pair of what the model said and what is true, and those for practice.
ASKED, PRACTISED = 40, 12
# How often the answer is right where the model is, and where it is not, with the model shown and hidden.
SKILL = {(True, False): 0.97, (True, True): 0.93, (False, False): 0.72, (False, True): 0.88}
NOTES = ("The smear is damaged at one side, and the rest looks harmless.", "I know the patient.")


def used(model: RegisteredModel) -> None:
    known(model)
    practised(model)
    overridden(model)
    passed_on(model)


def known(model: RegisteredModel) -> None:
    """Past cases of which the truth is known, each put among real ones and answered."""
    draw = np.random.default_rng(10)
    now, place = timezone.now(), model.queues.get()
    cases = [truth for said in model.classes for value in model.classes for truth in _past(model, said, value)]
    for truth in cases:
        gold.set_gold(prediction=truth.prediction, value=truth.value, actor="erin")
    right = [truth.prediction.predicted == truth.value for truth in cases]
    arms = traffic.arms_of([True] * len(cases))
    answered = [now - timedelta(hours=float(hours)) for hours in draw.uniform(2, 700, size=len(cases))]
    items = QueueItem.objects.bulk_create(
        QueueItem(
            prediction=truth.prediction,
            model=model,
            queue=place,
            kind="gold",
            slot=2,
            state="decided",
            blind_share=traffic.HIDDEN,
            blind_draw=arm,
            enqueued_at=at - timedelta(hours=1),
            closed_at=at,
        )
        for truth, arm, at in zip(cases, arms, answered, strict=True)
    )
    well = draw.random(len(cases)) < [SKILL[told, item.is_drawn_blind] for told, item in zip(right, items, strict=True)]
    traffic.decide(
        model,
        [
            (item, truth.prediction, truth.value if well[i] else traffic.other(model, truth.value), False, answered[i])
            for i, (item, truth) in enumerate(zip(items, cases, strict=True))
        ],
    )


def practised(model: RegisteredModel) -> None:
    """Known cases for practice that nobody has reviewed, with reasons; the model errs in every second one."""
    rows = SimulatedTruth.objects.filter(prediction__model=model, prediction__routing__review="none")
    for place, truth in enumerate(rows.select_related("prediction__payload").order_by("-prediction_id")[:PRACTISED]):
        prediction = truth.prediction
        value = traffic.other(model, prediction.predicted) if place % 2 else prediction.predicted
        gold.set_gold(prediction=prediction, value=value, actor="erin", practice=True)
        makers.explanation(prediction, "ready", prediction.received_at)


def overridden(model: RegisteredModel) -> None:
    erin = access.principal_of_user(get_user_model().objects.get(username="erin"))
    routed = Prediction.objects.filter(model=model, external_id__startswith="S-", routing__review="none")
    overrides.override_case(
        prediction=routed.order_by("-pk")[40],
        principal=erin,
        label="malignant",
        reason="The surgeon called: the second biopsy found it.",
    )
    ended = overrides.override_segment(
        model=model,
        principal=erin,
        when={"field": "group.site", "eq": "north"},
        disposition="hold",
        reason="Scanner swapped, readings not checked yet.",
    )
    overrides.end_override(override=ended, principal=erin)
    overrides.override_segment(
        model=model,
        principal=erin,
        when={"field": "group.site", "eq": "harbour"},
        disposition="hold",
        reason="New site: a person looks at everything for two weeks.",
        expires_at=timezone.now() + timedelta(days=14),
    )


def passed_on(model: RegisteredModel) -> None:
    """Two cases that wait, left to a lead by alice."""
    alice = access.principal_of_user(get_user_model().objects.get(username="alice"))
    waiting = QueueItem.objects.open().filter(model=model, prediction__external_id__in=("P-2205", "P-2206"))
    for item, note in zip(waiting.order_by("pk"), NOTES, strict=True):
        [held] = queue.claim(queue=model.queues.get(), models=[model], holder=alice.pseudonym, item=item.pk)
        assert held.lease_token is not None
        escalation.escalate(token=held.lease_token, principal=alice, note=note)


def _past(model: RegisteredModel, said: str, value: str) -> list[SimulatedTruth]:
    """Decided ones, the oldest first: of these the model said the one, and the other is true."""
    rows = SimulatedTruth.objects.filter(
        value=value, prediction__model=model, prediction__predicted=said, prediction__status="decided"
    )
    return list(rows.select_related("prediction__payload").order_by("prediction_id")[:ASKED])
