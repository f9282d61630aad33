"""Predictions that several people decide, and the people who do."""

from __future__ import annotations

from typing import Any

from models_registry import access
from models_registry.models import RegisteredModel
from review import decisions, queue
from review.models import Prediction, QueueItem, ReviewDecision, ReviewQueue
from tests.review.items import make_item


def make_overlap(
    model: RegisteredModel, external_id: str = "p-1", *, required: int = 2, kind: str = "gate", **fields: Any
) -> Prediction:
    """A routed prediction with that many open slots, as routing makes them."""
    first = make_item(model, external_id, kind=kind, required=required, **fields)
    for slot in range(2, required + 1):
        QueueItem.objects.create(
            prediction=first.prediction,
            slot=slot,
            model=model,
            queue=first.queue,
            kind=kind,
            required=required,
            **fields,
        )
    return first.prediction


def who(person: Any) -> access.Principal:
    return person if isinstance(person, access.Principal) else access.principal_of_user(person)


def take(model: RegisteredModel, person: Any, **how: Any) -> QueueItem | None:
    principal = who(person)
    leads = principal.models("preview")
    found = queue.claim(
        queue=ReviewQueue.objects.get(slug=model.slug), models=[model], holder=principal.pseudonym, leads=leads, **how
    )
    return found[0] if found else None


def say(model: RegisteredModel, person: Any, label: str | None, **more: Any) -> ReviewDecision:
    """Claim the next item as that person and answer it; without a label, that one cannot tell."""
    item = take(model, person)
    assert item is not None
    answer: dict[str, Any] = {"abstain": True} if label is None else {"label": label}
    return decisions.decide(token=item.lease_token, principal=who(person), **answer, **more)


def asked(prediction: Prediction) -> QueueItem | None:
    """The adjudication that is open or answered."""
    return prediction.items.filter(kind="adjudication").exclude(state="withdrawn").first()
