"""A decision that reaches the server late, or twice: sent again after an outage, or once its lease had ended.

It counts where the case is still undecided and nobody else has it, also while its queue is paused; else the refusal
tells why it was not used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from django.db import connection, transaction

from models_registry.errors import Conflict
from review import answers, decisions, leases, queue
from review.models import Mode, Prediction, QueueItem, ReviewDecision

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from uuid import UUID

    from models_registry.access import Principal
    from models_registry.models import RegisteredModel
    from review.models import Lease

OVER = {"lease_expired", "lease_lost", "already_decided"}


def decide(
    *, token: UUID, principal: Principal, leads: Iterable[RegisteredModel] = (), **answer: Any
) -> ReviewDecision:
    """Store the answer given under this lease, also when the lease has run out since. Safe to repeat.

    A lease that ran out is taken again together with the answer, in one transaction. The same answer sent again
    is the decision it made the first time, though a later lease carried it. Raises what ``decisions.decide`` does.
    """
    try:
        return decisions.decide(token=token, principal=principal, **answer)
    except Conflict as refused:
        lease = leases.find(token)
        if lease is None or lease.holder != principal.pseudonym or refused.code not in OVER:
            raise
        if (made := _made_before(lease, principal, answer)) is not None:
            return made
        if refused.code == "already_decided":
            raise
        claims = refused.code == "lease_expired"
    with transaction.atomic():
        return _again(lease, principal, leads, answer, claims=claims)


def decide_instead(
    *, token: UUID, principal: Principal, leads: Iterable[RegisteredModel] = (), **answer: Any
) -> ReviewDecision:
    """As ``decide``, after a former answer under this token was taken back without anybody knowing whether it arrived.

    Where it did arrive, it is undone and this one stored, in one transaction.
    """
    with transaction.atomic():
        former = ReviewDecision.objects.filter(
            lease_id=token, reviewer=principal.pseudonym, kind="decision", superseded_by__isnull=True
        ).first()
        if former is None or _given(answer, former.first_answer).same_as(former):
            return decide(token=token, principal=principal, leads=leads, **answer)
        decisions.undo(decision=former, principal=principal)
        lease = leases.find(token)
        assert lease is not None
        return _again(lease, principal, leads, answer, claims=True)


def decided_elsewhere_at(lease: Lease) -> datetime | None:
    """When somebody else decided the lease's item; None while it stands open, or where it is one's own decision."""
    standing = ReviewDecision.objects.filter(item=lease.item_id, kind="decision", superseded_by__isnull=True)
    made = standing.exclude(reviewer=lease.holder).order_by("-id").values_list("decided_at", flat=True).first()
    return made if lease.item.state == QueueItem.State.DECIDED else None


def decided_oneself(lease: Lease) -> ReviewDecision | None:
    """The standing decision by which the lease's own holder decided its item, as in another browser."""
    own = ReviewDecision.objects.filter(
        item=lease.item_id, reviewer=lease.holder, kind="decision", superseded_by__isnull=True
    )
    return own.order_by("-id").first()


def _again(
    lease: Lease, principal: Principal, leads: Iterable[RegisteredModel], answer: dict[str, Any], *, claims: bool
) -> ReviewDecision:
    """Store the answer under a later lease of the item: one the person holds already, else one that is claimed now."""
    # A claim that is being made at this moment may be one's own, ahead: wait for it. The prediction before its item,
    # in the order in which decisions lock them.
    Prediction.objects.select_for_update(no_key=True).get(pk=lease.item.prediction_id)
    QueueItem.objects.select_for_update(no_key=True).get(pk=lease.item_id)
    again = _held(lease)
    fresh = again is None
    if again is None and claims:
        found = queue.claim(
            queue=lease.item.queue, models=[lease.item.model], holder=principal.pseudonym, item=lease.item_id,
            leads=leads, while_paused=True,
        )  # fmt: skip
        again = leases.find(cast("UUID", found[0].lease_token)) if found else None
    if again is None:
        raise leases.refusal(lease.token, principal.pseudonym)
    _inherit(again, lease, fresh=fresh)
    if again.mode != Mode.ASSISTED:
        # The former lease has borne it out already; from here on the server's own record is what counts.
        answer = {**answer, "first_answer": None}
    return decisions.decide(token=again.token, principal=principal, **answer)


def _inherit(again: Lease, former: Lease, *, fresh: bool) -> None:
    """Have the later lease tell all that its holder had been shown by then, under the former one and since."""
    with connection.cursor() as cursor:
        cursor.execute(leases.INHERIT, {"token": again.token, "former": former.token, "fresh": fresh})
    again.refresh_from_db()


def _held(lease: Lease) -> Lease | None:
    """A later lease of the same item that the same person holds, as after claiming ahead."""
    live = QueueItem.objects.leased().filter(pk=lease.item_id, lease_holder=lease.holder).exclude(lease_token=lease.pk)
    token = live.values_list("lease_token", flat=True).first()
    return None if token is None else leases.find(token)


def _made_before(lease: Lease, principal: Principal, answer: dict[str, Any]) -> ReviewDecision | None:
    """This answer's decision under a later lease of the same item, undone since or not."""
    later = ReviewDecision.objects.filter(
        item=lease.item_id, kind="decision", reviewer=principal.pseudonym, lease__claimed_at__gt=lease.claimed_at
    )
    return next((row for row in later.order_by("id") if _given(answer, row.first_answer).same_as(row)), None)


def _given(answer: dict[str, Any], first_answer: str | None) -> answers.Answer:
    """The answer to compare; the first of two is the server's own record, so it tells no two requests apart."""
    codes, rationale = tuple(answer.get("reason_codes", ())), answer.get("rationale", "").strip()
    return answers.Answer(
        answer.get("label"), answer.get("abstain", False), codes, rationale, answer.get("confidence"), first_answer
    )
