"""The review queue: claim, renew, release, pause. A lease is a random token on the item's row.

Every change is one statement whose WHERE holds all its conditions, so nothing is read first and
written later. Leases run on the database's ``clock_timestamp()``; an expired one needs no job to end it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import transaction
from django.db.models import Count, Exists, F, Max, Min, OuterRef, Prefetch, Q

from models_registry import sql
from models_registry.errors import Conflict
from models_registry.ledger import record
from models_registry.models import DatabaseNow, LabelDefinition, RegisteredModel
from review import claims, leases, waiting
from review.models import Explanation, Lease, QueueItem, ReviewDecision, ReviewQueue

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from uuid import UUID

    from django.db.models import QuerySet

LONGEST_REASON = 500


@dataclass(frozen=True)
class Emptiness:
    """Why a claim got nothing.

    ``paused``; ``leased`` (others have it all); ``escalated`` (what waits is for who leads the model);
    ``not_for_you`` (what waits was handed to a colleague, or is the next slot of what this holder passed on); or
    ``empty`` (nothing that this holder has not answered).
    """

    reason: str
    leased: int
    next_free_at: datetime | None


def claim(
    *,
    queue: ReviewQueue,
    models: Iterable[RegisteredModel],
    holder: str,
    count: int = 1,
    item: int | None = None,
    reserved: bool = False,
    leads: Iterable[RegisteredModel] = (),
    long: bool = False,
    escalated: bool = False,
    while_paused: bool = False,
) -> list[QueueItem]:
    """Lease up to ``count`` items to ``holder``, most urgent first, each with all that a review shows.

    What colleagues handed over to the holder comes before all others. Then at least AUDIT_CLAIM_SHARE of a queue's
    claims goes to the audits due first, whatever the priority of gates.
    Never an item that has a live lease, whose prediction this holder has answered (and not undone), of which
    the holder has another slot, or that was handed to somebody else; and what was escalated, like an adjudication,
    only where the holder is among who ``leads`` its model (``escalated``: those first). ``item`` restricts the claim
    to that one, if it is free. ``reserved`` claims ahead: the lease is short and unseen until ``open_case``. ``long``
    makes it three times as long, as the holder's own setting does. ``while_paused`` is for an answer that was given
    before: a pause hands out nothing new, and that is nothing new.
    """
    values = {**claims.terms(), "queue": queue.pk, "models": [m.pk for m in models], "holder": holder, "item": item}
    values |= {"leads": [m.pk for m in leads], "reserved": reserved, "long": long, "while_paused": while_paused}
    with transaction.atomic():
        shown: dict[int, bool] = {}
        turn: dict[int, int] = {}
        for number, statement in enumerate(_statements(values, escalated=escalated)):
            if len(shown) < count:
                taken = dict(sql.rows(statement, {**values, "count": count - len(shown)}))
                shown, turn = shown | taken, turn | dict.fromkeys(taken, number)
        items = loaded(list(shown), queue)
        claimed = sorted(items, key=lambda i: (turn[i.pk], -i.priority, i.enqueued_at, i.pk))
        for one in claimed:
            if one.lease_token is not None and not shown[one.pk] and _explained(one):
                # Became ready between the two statements; the body that goes out carries it.
                note_explanation_shown(token=one.lease_token, holder=holder)
    return claimed


def open_case(*, token: UUID, holder: str, long: bool = False) -> Lease:
    """The case is on its holder's screen: a lease that was claimed ahead has its full time from now on.

    Safe to repeat, without more time; Conflict says why not.
    """
    values = {**claims.terms(), "token": token, "holder": holder, "long": long}
    if not sql.change(leases.OPEN, values):
        opened = Lease.objects.filter(token=token, holder=holder, reserved=False, item__lease_token=token)
        if not opened.filter(item__lease_expires_at__gt=DatabaseNow()).exists():
            raise leases.refusal(token, holder)
    return Lease.objects.select_related("item__queue").get(token=token)


def renew(*, token: UUID, holder: str, long: bool = False) -> Lease:
    """Give a live lease its full time again, at most LEASE_RENEWALS times; Conflict says why not."""
    limit = settings.REVIEWHUB["LEASE_RENEWALS"]
    values = {**claims.terms(), "token": token, "holder": holder, "limit": limit, "long": long}
    if not sql.change(leases.RENEW, values):
        lease = leases.find(token)
        if lease is not None and lease.holder == holder and lease.ending is None and lease.renewals >= limit:
            raise Conflict("this lease was renewed as often as it can be; decide, or release it", code="lease_limit")
        raise leases.refusal(token, holder)
    return Lease.objects.select_related("item__queue").get(token=token)


def release(*, token: UUID, holder: str, reason: str = "") -> Lease:
    """Give an item back undecided. It goes to others first; safe to repeat."""
    reason = reason[:LONGEST_REASON]
    released = sql.change(leases.RELEASE, {"token": token, "holder": holder, "reason": reason})
    lease = leases.find(token)
    if lease is not None and (released or (lease.ending == Lease.Ending.RELEASED and lease.holder == holder)):
        return lease
    raise leases.refusal(token, holder)


def release_all(*, holder: str, models: Iterable[RegisteredModel], reason: str) -> int:
    """Give back every live lease of a holder on these models, as when a role is taken away; returns how many.

    What was handed over to them is everybody's again.
    """
    values = {"holder": holder, "models": [model.pk for model in models], "reason": reason[:LONGEST_REASON]}
    return sql.change(leases.RELEASE_ALL, values)


def release_many(*, tokens: Iterable[UUID], holder: str, reason: str = "") -> int:
    """Give back those of these leases that are live and the holder's, as when a page is left; returns how many."""
    values = {"holder": holder, "tokens": list(tokens), "reason": reason[:LONGEST_REASON]}
    return sql.change(leases.RELEASE_MANY, values)


def note_explanation_shown(*, token: UUID, holder: str) -> None:
    """Remember that the holder of a lease was given the explanation, for one that was computed late.

    While the model is hidden so are its reasons, and nothing is to be remembered.
    """
    shown = Lease.objects.filter(token=token, holder=holder, ending=None, model_shown_at__isnull=False)
    shown.update(explanation_shown=True)


def pause(*, queue: ReviewQueue, actor: str, reason: str = "") -> ReviewQueue:
    """Hand out nothing more from this queue; leases that are out stay good. Safe to repeat."""
    return _set_pause(queue, actor, {"paused_at": DatabaseNow(), "paused_by": actor, "paused_reason": reason}, "paused")


def resume(*, queue: ReviewQueue, actor: str) -> ReviewQueue:
    """Hand out items again. Safe to repeat."""
    return _set_pause(queue, actor, {"paused_at": None, "paused_by": "", "paused_reason": ""}, "resumed")


def depth(queue: ReviewQueue, models: Iterable[RegisteredModel]) -> int:
    """How many open items nobody holds; counting stops at ``waiting.MOST + 1``, which says that there are more.

    In the order of the index of the open ones, so that neither what was ever decided nor what waits behind costs.
    """
    waits = QueueItem.objects.claimable().filter(queue=queue, model__in=models)
    return waits.order_by("-priority", "enqueued_at", "pk")[: waiting.MOST + 1].count()


def counts(queues: Iterable[ReviewQueue], models: QuerySet[RegisteredModel]) -> dict[int, dict[str, Any]]:
    """Per queue id, over the given models only: what waits, what is out on lease, what was decided.

    ``depth`` counts open items that nobody holds, ``leased`` open items on a live lease; together they
    are all open ones, ``escalated`` those of them that wait for who leads the model. ``oldest_age_seconds`` is the
    wait of the oldest open item, null without one.
    """
    live = Q(state="open", lease_expires_at__gt=DatabaseNow())
    rows = (
        QueueItem.objects.filter(queue__in=queues, model__in=models)
        .values("queue")
        .annotate(
            open=Count("pk", filter=Q(state="open")),
            leased=Count("pk", filter=live),
            decided=Count("pk", filter=Q(state="decided")),
            escalated=Count("pk", filter=Q(state="open", tier=1)),
            age=Max(DatabaseNow() - F("enqueued_at"), filter=Q(state="open")),
        )
    )
    found: dict[int, dict[str, Any]] = {row["queue"]: dict(row) for row in rows}
    empty = {"open": 0, "leased": 0, "decided": 0, "escalated": 0, "age": None}
    return {queue.pk: _figures(found.get(queue.pk, empty)) for queue in queues}


def emptiness(
    *, queue: ReviewQueue, models: Iterable[RegisteredModel], holder: str, leads: Iterable[RegisteredModel] = ()
) -> Emptiness:
    """Why ``claim`` found nothing for this holder just now."""
    undone = ReviewDecision.objects.filter(supersedes=OuterRef("pk"), kind=ReviewDecision.Kind.UNDO)
    here = Q(reviewer=holder) | Q(item=OuterRef("pk"), lease__holder=holder)
    answered = ReviewDecision.objects.filter(here, prediction=OuterRef("prediction"), kind="decision")
    passed = [Lease.Ending.ESCALATED, Lease.Ending.HANDED_OVER]
    passed_on = Lease.objects.filter(item__prediction=OuterRef("prediction"), holder=holder, ending__in=passed)
    waits = QueueItem.objects.open().filter(queue=queue, model__in=models)
    # Few items have a token, and their tokens are indexed.
    held = waits.leased().filter(lease_token__isnull=False)
    out = held.aggregate(leased=Count("pk"), next_free_at=Min("lease_expires_at"))
    if ReviewQueue.objects.filter(pk=queue.pk, paused_at__isnull=False).exists():
        return Emptiness("paused", **out)
    theirs = waits.exclude(Exists(answered.exclude(Exists(undone))))
    colleague = Q(assigned_to__isnull=False, assigned_until__gt=DatabaseNow()) & ~Q(assigned_to=holder)
    other_slot = Q(required__gt=1) & Exists(passed_on.exclude(item=OuterRef("pk")))
    for_leads = Q(tier=1) & ~Q(model__in=leads)
    if theirs.exclude(colleague | for_leads | other_slot).exists():
        return Emptiness("leased", **out)
    if theirs.filter(for_leads).exists():
        return Emptiness("escalated", **out)
    return Emptiness("not_for_you" if theirs.exists() else "empty", **out)


def _statements(values: dict[str, Any], *, escalated: bool) -> list[str]:
    """The statements of a claim, in the order of their turns."""
    if values["item"] is not None:
        return [claims.NAMED]
    handed = sql.rows(claims.ANY_HANDED, values) == [(True,)]
    first = [claims.HANDED] * handed + [claims.ESCALATED] * escalated
    return [*first, claims.FRESH, claims.SKIPPED]


def loaded(ids: list[int], queue: ReviewQueue) -> list[QueueItem]:
    """Items with all that a review shows, in a fixed number of queries; none where nothing was claimed."""
    if not ids:
        return []
    related = ("payload", "routing__policy", "explanation", "version__contract")
    rows = QueueItem.objects.select_related(*(f"prediction__{name}" for name in related)).filter(pk__in=ids)
    items = list(rows.prefetch_related("prediction__decisions", "prediction__resolutions"))
    definitions = Prefetch("definitions", LabelDefinition.objects.order_by("-number"))
    models = RegisteredModel.objects.prefetch_related(definitions).in_bulk({item.model_id for item in items})
    for item in items:
        # Not joined: planning a wide join takes longer than running it.
        item.queue, item.model = queue, models[item.model_id]
        item.prediction.model = item.prediction.version.model = item.model
    return items


def _explained(item: QueueItem) -> bool:
    explanation: Explanation | None = getattr(item.prediction, "explanation", None)
    return explanation is not None and explanation.status == Explanation.Status.READY


def _set_pause(queue: ReviewQueue, actor: str, values: dict[str, Any], done: str) -> ReviewQueue:
    with transaction.atomic():
        # Only a change is written to the ledger.
        before = ReviewQueue.objects.filter(pk=queue.pk, paused_at__isnull=done == "paused")
        if before.update(**values):
            detail = {"reason": values["paused_reason"]}
            record(actor=actor, action=f"queue.{done}", subject=queue.slug, model=queue.models.first(), detail=detail)
    queue.refresh_from_db()
    return queue


def _figures(row: dict[str, Any]) -> dict[str, Any]:
    age = row["age"]
    return {
        "depth": row["open"] - row["leased"],
        "oldest_age_seconds": None if age is None else round(max(age.total_seconds(), 0.0), 3),
        "leased": row["leased"],
        "decided": row["decided"],
        "escalated": row["escalated"],
    }
