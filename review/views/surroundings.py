"""What the review page shows around a case: counts, what can be undone, one's own day, and why there is no case."""

from __future__ import annotations

import json
from datetime import timedelta
from statistics import median
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.utils import timezone

from models_registry.models import Membership
from review import keys, queue, waiting
from review.models import Mode, Prediction, QueueItem, ReviewDecision, ReviewQueue
from review.views import stage

if TYPE_CHECKING:
    from collections.abc import Iterable

    from models_registry.models import RegisteredModel

LATEST = 20


def standing(at: stage.Desk) -> Any:
    """This person's decisions in the queue that nothing superseded."""
    mine = ReviewDecision.objects.filter(item__queue=at.queue, reviewer=at.holder, kind="decision")
    return mine.filter(superseded_by__isnull=True)


def undoable(at: stage.Desk) -> ReviewDecision | None:
    """The latest decision that this person can still take back."""
    window = timezone.now() - timedelta(seconds=settings.REVIEWHUB["UNDO_SECONDS"])
    rows = standing(at).filter(decided_at__gt=window, item__state__in=["decided", "open"])
    found: ReviewDecision | None = rows.select_related("prediction").order_by("-id").first()
    return found


def around(at: stage.Desk) -> stage.Context:
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


def surroundings(at: stage.Desk) -> stage.Context:
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
        "span": stage.span(at),
        "labels_most": max(len(model.classes) for model in at.models),
        "bar": bar(at.models, commits=at.queue.two_keys or at.queue.mode == Mode.BLIND_FIRST),
        "definitions": definitions,
    }


def bar(models: list[RegisteredModel], *, commits: bool = False) -> str:
    """How much room the labels need, the same for every case: "flat", "middle", "row" (one row where the window is
    wide) or "deep". One button more stands among them where an answer is committed, or kept, by a press of its own."""
    most = max(len(model.classes) for model in models) + commits
    longest = max(len(label) for model in models for label in model.classes)
    if most <= 2:
        return "flat"
    if most <= 6:
        return "middle"
    return "row" if most <= 10 and longest <= 9 else "deep"


def empty(at: stage.Desk) -> stage.Context:
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


def summary(at: stage.Desk) -> stage.Context:
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


def latest(at: stage.Desk) -> list[ReviewDecision]:
    """This person's last decisions in the queue that stand, the newest first, each with whether it can be undone."""
    window = timezone.now() - timedelta(seconds=settings.REVIEWHUB["UNDO_SECONDS"])
    rows: list[ReviewDecision] = list(
        standing(at).select_related("prediction", "model", "item").order_by("-id")[:LATEST]
    )
    for row in rows:
        row.reopens = row.decided_at > window and row.item.state != QueueItem.State.WITHDRAWN  # type: ignore[attr-defined]
    return rows


def _elsewhere(at: stage.Desk) -> ReviewQueue | None:
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
