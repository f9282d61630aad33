"""Deciding between answers that differ: who is asked, and what is put before them.

Whatever the number of required answers, any difference goes to somebody who leads the model and gave none of them;
docs/decisions/differences-are-adjudicated.md says why no majority decides. Every function here that writes is called
in a transaction that holds the row of the prediction.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import Exists, Max, OuterRef, Q

from models_registry import access
from models_registry.models import DatabaseNow, ServiceKey
from review.models import Lease, Prediction, QueueItem, ReviewDecision

Kind = QueueItem.Kind
LEADS = "preview"


def standing(prediction: Prediction | int) -> list[ReviewDecision]:
    """The labelled answers that stand, gold apart, in the order in which they were given."""
    rows = ReviewDecision.objects.filter(
        prediction=prediction, kind=ReviewDecision.Kind.DECISION, abstained=False, superseded_by__isnull=True
    )
    return list(rows.exclude(item__kind=Kind.GOLD).select_related("item").order_by("pk"))


def settled_by(answers: Sequence[ReviewDecision]) -> ReviewDecision | None:
    """The answer that settles a prediction with all its answers in: the adjudicator's, else the last of equal ones."""
    for answer in answers:
        if answer.item.kind == Kind.ADJUDICATION:
            return answer
    return answers[-1] if len({answer.label for answer in answers}) == 1 else None


def ask(prediction: Prediction) -> QueueItem:
    """Put the prediction to somebody who leads its model, in the queue and as urgent as the answers that differ."""
    slots = list(prediction.items.exclude(kind__in=[Kind.GOLD, Kind.ADJUDICATION]).order_by("slot"))
    last: int = prediction.items.aggregate(last=Max("slot"))["last"]
    holds = [slot.hold_until for slot in slots]
    dues = [slot.due_at for slot in slots if slot.due_at is not None]
    return QueueItem.objects.create(
        prediction=prediction,
        slot=last + 1,
        model_id=prediction.model_id,
        queue_id=slots[0].queue_id,
        kind=Kind.ADJUDICATION,
        tier=1,
        priority=max(slot.priority for slot in slots),
        due_at=min(dues, default=None),
        # None as soon as one of them ran out: the caller has been answered then.
        hold_until=None if None in holds else min(hold for hold in holds if hold is not None),
        hold_fallback=slots[0].hold_fallback,
    )


def withdraw(prediction: Prediction) -> None:
    """Take back a question that nobody has answered, and end its lease, because one of the answers was undone."""
    asked = QueueItem.objects.open().filter(prediction=prediction, kind=Kind.ADJUDICATION)
    for item in asked.select_for_update(no_key=True):
        QueueItem.objects.filter(pk=item.pk).update(
            state=QueueItem.State.WITHDRAWN,
            lease_token=None,
            lease_holder=None,
            lease_expires_at=None,
            closed_at=DatabaseNow(),
        )
        if item.lease_token is not None:
            ended = Lease.objects.filter(token=item.lease_token, ending__isnull=True)
            ended.update(ended_at=DatabaseNow(), ending=Lease.Ending.WITHDRAWN)


def is_answered(prediction: Prediction) -> bool:
    """Whether an adjudicator's answer stands."""
    return any(answer.item.kind == Kind.ADJUDICATION for answer in standing(prediction))


def answers_of(item: QueueItem) -> list[dict[str, Any]] | None:
    """The answers that an adjudicator decides between, by label and without names; None for any other item.

    Each is ``{label, rationale, reason_codes}``. Their order tells nothing of who answered first.
    """
    if item.kind != Kind.ADJUDICATION:
        return None
    given = [answer for answer in standing(item.prediction_id) if answer.item.kind != Kind.ADJUDICATION]
    shown = [
        {"label": answer.label, "rationale": answer.rationale, "reason_codes": answer.reason_codes} for answer in given
    ]
    return sorted(shown, key=lambda answer: (str(answer["label"]), str(answer["rationale"])))


def ability(item: QueueItem) -> str:
    """What somebody needs to be able to answer the item."""
    return LEADS if item.tier else "review"


def without_lead(items: Sequence[QueueItem]) -> set[int]:
    """The ids of those of these items that nobody could answer who leads their model.

    A lead has answered the prediction, or holds another of its places, and would give two of its answers.
    """
    barred: dict[int, set[str]] = defaultdict(set)
    predictions = [item.prediction_id for item in items]
    undone = ReviewDecision.objects.filter(supersedes=OuterRef("pk"), kind=ReviewDecision.Kind.UNDO)
    given = ReviewDecision.objects.filter(prediction__in=predictions, kind=ReviewDecision.Kind.DECISION)
    for prediction, reviewer in given.exclude(Exists(undone)).values_list("prediction", "reviewer"):
        barred[prediction].add(reviewer)
    places = QueueItem.objects.leased().filter(prediction__in=predictions)
    holders = list(places.values_list("prediction", "pk", "lease_holder"))
    left = {model: leads(model) for model in {item.model_id for item in items}}
    found = set()
    for item in items:
        at_it = {who for prediction, pk, who in holders if prediction == item.prediction_id and pk != item.pk}
        if not left[item.model_id] - barred[item.prediction_id] - at_it:
            found.add(item.pk)
    return found


def leads(model: int) -> set[str]:
    """The pseudonyms of all who may decide what waits for who leads the model: people, and keys that may do all."""
    roles = [role for role, can in access.ABILITIES.items() if LEADS in can]
    scopes = [scope for scope, can in access.SCOPES.items() if LEADS in can]
    members = Q(memberships__model=model, memberships__role__in=roles) | Q(is_superuser=True)
    people = get_user_model().objects.filter(members, is_active=True).values_list("pk", "person__pseudonym").distinct()
    live = Q(expires_at__isnull=True) | Q(expires_at__gt=DatabaseNow())
    keys = ServiceKey.objects.filter(live, Q(model__isnull=True) | Q(model=model), revoked_at__isnull=True)
    # Who has no pseudonym yet has answered nothing.
    named = {pseudonym or f"user {pk}" for pk, pseudonym in people}
    return named | {access.principal_of_key(key).pseudonym for key in keys.filter(scopes__overlap=scopes)}
