"""The case in hand: who reviews it, how it is claimed, and what its card shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

from django.http import Http404

from models_registry.models import LabelDefinition, RegisteredModel
from models_registry.views.base import principal_of
from review import adjudication, cases, comments, exposure, keys, leases, queue
from review import veil as veiling
from review.models import Lease, Prediction, QueueItem, ReviewDecision, ReviewerSettings, ReviewQueue

if TYPE_CHECKING:
    from django.http import HttpRequest

    from models_registry.access import Principal

Context = dict[str, Any]
LEADS = "preview"


class NotAllowed(Http404):
    """None of the queue's models is this person's to review, or there is no such queue."""


@dataclass(frozen=True)
class Desk:
    """Who reviews which of a queue's models, and how that person wants to work."""

    queue: ReviewQueue
    models: list[RegisteredModel]
    leads: list[RegisteredModel]
    principal: Principal
    wishes: ReviewerSettings

    @property
    def holder(self) -> str:
        return self.principal.pseudonym


def desk(request: HttpRequest, slug: str) -> Desk:
    """The desk of the signed-in person at that queue; NotAllowed when none of its models is theirs to review."""
    principal = principal_of(request)
    line = ReviewQueue.objects.filter(slug=slug).first()
    models = [] if line is None else list(principal.models("review").filter(queues=line))
    if line is None or not models:
        raise NotAllowed
    leads = list(principal.models(LEADS).filter(queues=line))
    wishes = ReviewerSettings.objects.filter(user=principal.user).first() or ReviewerSettings(user=principal.user)
    return Desk(line, models, leads, principal, wishes)


def claim(
    at: Desk, *, count: int = 1, item: int | None = None, reserved: bool = False, escalated: bool = False
) -> list[QueueItem]:
    return queue.claim(
        queue=at.queue, models=at.models, holder=at.holder, count=count, item=item, reserved=reserved,
        leads=at.leads, long=at.wishes.long_lease, escalated=escalated,
    )  # fmt: skip


def held(at: Desk, tokens: list[UUID] | None = None, item: int | None = None) -> list[QueueItem]:
    """The items whose leases this person holds: those of the tokens, the one item, else all that were opened.

    The newest claim first.
    """
    items = QueueItem.objects.leased().filter(queue=at.queue, model__in=at.models, lease_holder=at.holder)
    if tokens is not None:
        items = items.filter(lease_token__in=tokens)
    elif item is not None:
        items = items.filter(pk=item)
    else:
        items = items.filter(lease_token__in=Lease.objects.filter(holder=at.holder, reserved=False, ending=None))
    related = ("queue", "model", "prediction__model", "prediction__version__contract", "prediction__payload")
    found = items.select_related(*related, "prediction__routing__policy", "prediction__explanation")
    return list(found.order_by("-lease_expires_at", "id"))


def card(at: Desk, item: QueueItem, **more: Any) -> Context:
    """A case with its bar. Of the model there is nothing in it while ``hidden``."""
    lease = Lease.objects.select_related("item").get(token=cast("UUID", item.lease_token))
    definition = leases.definition_of(lease)
    veil = veiling.of_item(item, lease)
    hidden = veil.model
    classes = item.model.classes
    predicted = None if hidden else item.prediction.predicted
    return {
        "queue": at.queue,
        "item": item,
        "lease": lease,
        "mode": lease.mode,
        "hidden": hidden,
        "veil": veil,
        "case": cases.case(item.prediction, veil, at.principal),
        "definition": definition,
        "labels": labels(classes, definition),
        "any_codes": any(definition.reason_codes.values()),
        "other": next(label for label in classes if label != predicted) if predicted and len(classes) == 2 else "",
        "seconds_left": leases.seconds_left(lease.token),
        "span": span(at),
        "polls": True,
        "tries": 1,
        "earlier": earlier(item.prediction, at.principal),
        "written": comments.written(item.prediction, at.holder, own_alone=veil.colleagues, since=veil.asked_at),
        "may_reveal": exposure.may_reveal(item.prediction, at.principal),
        "me": at.holder,
        "differing": None if veil.colleagues else adjudication.answers_of(item),
        "same_entity": [] if veil.draw or veil.labels else same_entity(item.prediction, at.principal),
        "key": keys.bindings_of(at.wishes, classes),
        "folded": at.wishes.why_folded,
        **more,
    }


def labels(classes: list[str], definition: LabelDefinition) -> list[dict[str, Any]]:
    codes: dict[str, list[str]] = definition.reason_codes
    return [
        {"value": label, "number": place, "slot": f"label:{place}", "codes": codes.get(label, [])}
        for place, label in enumerate(classes)
    ]


def span(at: Desk) -> int:
    """How long a lease of this person lasts in seconds once the case is open."""
    return at.queue.lease_seconds * (3 if at.wishes.long_lease else 1)


def earlier(prediction: Prediction, principal: Principal) -> list[ReviewDecision]:
    """What this person said of the case before and took back."""
    mine = ReviewDecision.objects.filter(prediction=prediction, reviewer=principal.pseudonym, kind="decision")
    return list(mine.order_by("-id")[:3])


def same_entity(prediction: Prediction, viewer: Principal) -> list[ReviewDecision]:
    """What was decided of the entity's other cases, the newest first; none that the viewer may have to answer too."""
    if not prediction.entity_id:
        return []
    others = ReviewDecision.objects.filter(
        prediction__model=prediction.model_id, prediction__entity_id=prediction.entity_id, kind="decision",
        superseded_by__isnull=True,
    )  # fmt: skip
    newest = list(others.exclude(prediction=prediction.pk).select_related("prediction").order_by("-id")[:5])
    veils = veiling.veils(viewer, [made.prediction for made in newest])
    return [made for made in newest if not veils[made.prediction_id].labels]
