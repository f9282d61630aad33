"""A decision that reaches the server late, or twice: sent again after an outage, or once its lease had ended.

It counts where the case is still undecided and nobody else has it, also while its queue is paused; else the refusal
tells why it was not used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from django.db import transaction

from models_registry import sql
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
# An answer under a former lease is stored under a later one of the same item and holder: what was shown in between, or
# before, adds up and nothing is taken away. A lease that was claimed only to carry the answer (``fresh``) put nothing
# before anybody: of its own there is nothing to keep, and its mode is that of the screen on which the answer was given.
# A first answer comes with the moment at which its own lease showed the model.
INHERIT = """
    WITH later AS (
        SELECT l.token, CASE WHEN %(fresh)s THEN f.mode ELSE l.mode END AS mode,
            CASE WHEN NOT %(fresh)s THEN l.model_shown_at END AS shown,
            CASE WHEN NOT %(fresh)s THEN l.opened_at END AS opened
        FROM review_lease l, review_lease f WHERE l.token = %(token)s AND f.token = %(former)s
    ),
    earlier AS (
        SELECT e.* FROM review_lease e JOIN review_lease f ON f.item_id = e.item_id AND f.holder = e.holder
        WHERE f.token = %(former)s AND e.claimed_at >= f.claimed_at AND e.token <> %(token)s
    ),
    before AS (
        SELECT min(model_shown_at) AS shown, bool_or(explanation_shown) AS explained, min(opened_at) AS opened
        FROM earlier
    ),
    first AS (
        SELECT first_answer, first_answer_at, model_shown_at AS shown FROM earlier
        WHERE first_answer IS NOT NULL ORDER BY first_answer_at LIMIT 1
    )
    UPDATE review_lease l
    SET mode = later.mode, opened_at = least(later.opened, before.opened),
        explanation_shown = l.explanation_shown AND NOT %(fresh)s OR before.explained,
        first_answer = CASE WHEN later.mode = 'blind_first' THEN coalesce(l.first_answer, first.first_answer) END,
        first_answer_at = CASE WHEN later.mode = 'blind_first'
                               THEN coalesce(l.first_answer_at, first.first_answer_at) END,
        model_shown_at = CASE
            WHEN later.mode = 'blind' OR l.first_answer IS NOT NULL THEN later.shown
            WHEN later.mode = 'blind_first' AND first.first_answer IS NOT NULL THEN first.shown
            ELSE least(later.shown, before.shown) END
    FROM later CROSS JOIN before LEFT JOIN first ON true
    WHERE l.token = later.token
"""


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
    sql.change(INHERIT, {"token": again.token, "former": former.token, "fresh": fresh})
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
