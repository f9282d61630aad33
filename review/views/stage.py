"""What the review page shows: the case in hand, what stands around it, and why there is none."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from statistics import median
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

from django.conf import settings
from django.http import Http404
from django.utils import timezone

from models_registry.models import LabelDefinition, Membership, RegisteredModel
from models_registry.views.base import principal_of
from review import adjudication, cases, comments, exposure, keys, leases, queue, waiting
from review import veil as veiling
from review.models import Lease, Prediction, QueueItem, ReviewDecision, ReviewerSettings, ReviewQueue

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.http import HttpRequest

    from models_registry.access import Principal

Context = dict[str, Any]
LEADS = "preview"
LATEST = 20


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


def standing(at: Desk) -> Any:
    """This person's decisions in the queue that nothing superseded."""
    mine = ReviewDecision.objects.filter(item__queue=at.queue, reviewer=at.holder, kind="decision")
    return mine.filter(superseded_by__isnull=True)


def undoable(at: Desk) -> ReviewDecision | None:
    """The latest decision that this person can still take back."""
    window = timezone.now() - timedelta(seconds=settings.REVIEWHUB["UNDO_SECONDS"])
    rows = standing(at).filter(decided_at__gt=window, item__state__in=["decided", "open"])
    found: ReviewDecision | None = rows.select_related("prediction").order_by("-id").first()
    return found


def around(at: Desk) -> Context:
    """What the page shows around any case: how much waits, how much was done today, what can be undone."""
    today = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
    done = standing(at).filter(decided_at__gte=today, decided_at__lt=today + timedelta(days=1))
    return {
        "queue": at.queue,
        "models": at.models,
        "depth": counted(queue.depth(at.queue, at.models)),
        "done_today": done.count(),
        "undoable": undoable(at),
    }


def counted(found: int) -> int | str:
    """How much waits, for the screen: a number, or "1000+" where counting stopped."""
    return found if found <= waiting.MOST else f"{waiting.MOST}+"


def surroundings(at: Desk) -> Context:
    """What the page needs around the stage, with a case or without."""
    bound = keys.bindings_of(at.wishes, [""] * len(keys.LABEL_KEYS))
    definitions = [model.definitions.select_related("model").order_by("-number").first() for model in at.models]
    return {
        **around(at),
        "area": "queues",
        "wishes": at.wishes,
        "me": at.holder,
        "actions": keys.ACTIONS,
        "fixed_keys": keys.FIXED,
        "key": keys.bindings_of(at.wishes),
        "keys_json": json.dumps(bound),
        "span": span(at),
        "labels_most": max(len(model.classes) for model in at.models),
        "definitions": definitions,
    }


def empty(at: Desk) -> Context:
    """Why nothing was handed out, what arrived last, where else there is work, and what this person did today."""
    newest = Prediction.objects.filter(model__in=at.models).order_by("-id").values_list("received_at", flat=True)
    return {
        "queue": at.queue,
        "models": at.models,
        "me": at.holder,
        "key": keys.bindings_of(at.wishes),
        "emptiness": queue.emptiness(queue=at.queue, models=at.models, holder=at.holder, leads=at.leads),
        "newest": newest.first(),
        "elsewhere": _elsewhere(at),
        "granting": granted_by(at.models),
        "undoable": undoable(at),
        **summary(at),
    }


def summary(at: Desk) -> Context:
    """One's own day in this queue: counts by answer and the median of the seconds per case; nothing ranked."""
    today = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
    rows = list(standing(at).filter(decided_at__gte=today).values_list("label", "seconds_active"))
    counts: dict[str, int] = {}
    for label, _ in rows:
        counts[label or ""] = counts.get(label or "", 0) + 1
    times = [seconds for _, seconds in rows if seconds]
    return {
        "done_today": len(rows),
        "answers": sorted(counts.items(), key=lambda pair: (pair[0] == "", -pair[1], pair[0])),
        "median_seconds": median(times) if times else None,
    }


def latest(at: Desk) -> list[ReviewDecision]:
    """This person's last decisions in the queue that stand, the newest first, each with whether it can be undone."""
    window = timezone.now() - timedelta(seconds=settings.REVIEWHUB["UNDO_SECONDS"])
    rows: list[ReviewDecision] = list(
        standing(at).select_related("prediction", "model", "item").order_by("-id")[:LATEST]
    )
    for row in rows:
        row.reopens = row.decided_at > window and row.item.state != QueueItem.State.WITHDRAWN  # type: ignore[attr-defined]
    return rows


def _elsewhere(at: Desk) -> ReviewQueue | None:
    """Another queue in which something waits that this person may review, the fullest first."""
    mine = at.principal.models("review")
    lines = list(ReviewQueue.objects.filter(models__in=mine, paused_at__isnull=True).exclude(pk=at.queue.pk).distinct())
    counts = {line.pk: queue.depth(line, mine) for line in lines}
    best = max(lines, key=lambda line: counts[line.pk], default=None)
    if best is None or not counts[best.pk]:
        return None
    best.waiting = counted(counts[best.pk])  # type: ignore[attr-defined]
    return best


def granted_by(models: Iterable[RegisteredModel | int]) -> list[str]:
    """Who can make somebody a lead of these models."""
    owners = Membership.objects.filter(model__in=models, role=Membership.Role.OWNER, user__is_active=True)
    return sorted({row.user.get_username() for row in owners.select_related("user")})[:3]
