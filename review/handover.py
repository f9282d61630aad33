"""Handing a case over to a colleague, with a note: theirs alone for a while, and then everybody's again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from models_registry import access
from models_registry.errors import Fault, Invalid
from models_registry.ledger import record
from models_registry.models import Membership, Person
from review import adjudication, leases
from review.models import Comment, Lease, QueueItem, ReviewDecision

if TYPE_CHECKING:
    from uuid import UUID


def hand_over(*, token: UUID, principal: access.Principal, to: str, note: str = "") -> Lease:
    """End the lease and keep the case for the colleague of that pseudonym or user name for HANDOVER_SECONDS.

    Raises Invalid ``/to`` for whoever may not answer it: no active reviewer of the model, oneself, somebody who has
    answered the prediction or holds another slot of it. Conflict as ``leases.refusal`` says; safe to repeat.
    """
    lease = leases.of_reviewer(token, principal)
    item = lease.item
    if lease.ending == Lease.Ending.HANDED_OVER and lease.holder == principal.pseudonym:
        return lease
    if lease.holder != principal.pseudonym or item.lease_token != token:
        raise leases.refusal(token, principal.pseudonym)
    colleague = _colleague(item, principal, to)
    note = note.strip()
    with transaction.atomic():
        leases.pass_on(
            token=token, holder=principal.pseudonym, ending=Lease.Ending.HANDED_OVER, to=colleague.pseudonym,
            seconds=settings.REVIEWHUB["HANDOVER_SECONDS"],
        )  # fmt: skip
        Comment.objects.create(
            prediction_id=item.prediction_id, kind=Comment.Kind.HANDOVER, author=principal.pseudonym,
            addressee=colleague.pseudonym, text=note,
        )  # fmt: skip
        detail = {"prediction": str(item.prediction_id), "to": colleague.pseudonym}
        record(actor=principal.name, action="item.handed_over", subject=str(item.pk), model=item.model, detail=detail)
    lease.refresh_from_db()
    return lease


def colleagues(item: QueueItem, principal: access.Principal) -> list[str]:
    """The user names of those to whom the item may be handed over, in order."""
    needed = adjudication.ability(item)
    roles = [role for role, can in access.ABILITIES.items() if needed in can]
    found = Membership.objects.filter(model=item.model_id, role__in=roles, user__is_active=True)
    others = found.exclude(user__person__pseudonym=principal.pseudonym)
    return sorted(set(others.values_list("user__username", flat=True)))


def _colleague(item: QueueItem, principal: access.Principal, to: str) -> Person:
    named = Person.objects.select_related("user").filter(Q(pseudonym=to) | Q(user__username=to), user__is_active=True)
    person = named.first()
    needed = adjudication.ability(item)
    if person is None or needed not in access.principal_of_user(person.user).abilities(item.model):
        who = "leads" if needed == "preview" else "reviews"
        raise _refused(f"there is nobody of that name who {who} this model")
    if person.pseudonym == principal.pseudonym:
        raise _refused("you hold this case yourself")
    undone = ReviewDecision.objects.filter(prediction=item.prediction_id, kind=ReviewDecision.Kind.UNDO)
    answered = ReviewDecision.objects.filter(
        prediction=item.prediction_id, reviewer=person.pseudonym, kind=ReviewDecision.Kind.DECISION
    )
    if answered.exclude(pk__in=undone.values("supersedes")).exists():
        raise _refused("that colleague cannot decide this case any more")
    if QueueItem.objects.leased().filter(prediction=item.prediction_id, lease_holder=person.pseudonym).exists():
        raise _refused("that colleague is at this case already")
    return person


def _refused(message: str) -> Invalid:
    return Invalid(message, errors=[Fault("/to", "not_allowed", message)])
