"""What of a prediction is hidden from whom, until their own answer is in and cannot be taken back any more.

A prediction is veiled for a principal while it has an open item that this principal could be the one to answer, and
while they can still undo what they answered: else somebody would answer, look, undo and answer again.
Which parts, is decided by the item's mode, by how many people decide it, and by its kind; docs/decisions/
blind-reviewers.md has the whole table. Reads only, a fixed number of queries for any number of predictions.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db.models import Exists, OuterRef, Q

from models_registry.models import DatabaseNow
from review.models import Lease, Mode, Prediction, QueueItem, ReviewDecision, ReviewQueue, RoutingControl

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from datetime import datetime

    from django.db.models import QuerySet

    from models_registry.access import Principal
    from models_registry.models import RegisteredModel


@dataclass(frozen=True)
class Veil:
    """What is hidden, part by part; True is hidden."""

    # The model's answer and all that tells it: scores, reasons, attributions, the caller's disposition.
    model: bool = False
    # What other people answered or wrote, and what follows from it: labels, the resolution.
    colleagues: bool = False
    # Who the others are, where their answers are shown: an adjudicator weighs words, not names.
    names: bool = False
    # How an audit was drawn: whoever answers must not tell a gold item from it.
    draw: bool = False
    # That the item is gold, and all that was known of its case before. The other parts are those of an audit in its
    # place, so that what is named as hidden tells nothing either.
    gold: bool = False
    # Whether several people decide, or would if the gold item were the audit that it looks like.
    several: bool = field(default=False, compare=False)
    # When the gold item came to its queue: what stands in the place of the times of its prediction.
    asked_at: datetime | None = field(default=None, compare=False)
    # The viewer's own answer, while it can still be undone.
    own: ReviewDecision | None = field(default=None, compare=False)

    def __or__(self, other: Veil) -> Veil:
        return Veil(**{part.name: getattr(self, part.name) or getattr(other, part.name) for part in fields(self)})

    @property
    def others(self) -> bool:
        """Whether what other people answered or wrote is hidden."""
        return self.colleagues or self.gold

    @property
    def labels(self) -> bool:
        """Whether what is true, or held to be true, is hidden: an answer is one's own only without it."""
        return self.model or self.others

    @property
    def resolution(self) -> bool:
        """Whether what people had the caller told is hidden; what follows from one's own answer alone is not."""
        return self.model or (self.colleagues and (self.own is None or self.several))

    @property
    def parts(self) -> list[str]:
        """The parts as pages and the API name them."""
        return [name for name in ("model", "colleagues") if getattr(self, name)]


NOTHING = Veil()
UNROUTED = Veil(model=True)


def of_item(item: QueueItem, lease: Lease | None) -> Veil:
    """What is hidden from who answers this item, holding that lease of it, or none yet."""
    mode = item.mode if lease is None else lease.mode
    model = mode != Mode.ASSISTED if lease is None else lease.model_shown_at is None
    second = item.kind == QueueItem.Kind.ADJUDICATION
    gold = item.kind == QueueItem.Kind.GOLD
    several = item.required > 1 or (gold and item.queue.required_decisions > 1)
    return Veil(
        model=model,
        colleagues=not second and (mode != Mode.ASSISTED or several),
        names=second,
        draw=gold or item.kind == QueueItem.Kind.AUDIT,
        gold=gold,
        several=several,
        asked_at=item.enqueued_at if gold else None,
    )


def of_answer(made: ReviewDecision) -> Veil:
    """What stays hidden from who gave this answer while they can undo it: all but the model; all from who abstained.

    Of every audit too what is held to be true, as it is of gold.
    """
    before = of_item(made.item, made.lease)
    if not (before.colleagues or before.draw):
        return NOTHING
    return replace(before, model=before.model and made.abstained, colleagues=True, own=made)


def veil(principal: Principal, prediction: Prediction) -> Veil:
    """What of the prediction is hidden from the principal now."""
    return veils(principal, [prediction])[prediction.pk]


def veils(principal: Principal, predictions: Iterable[Prediction]) -> dict[int, Veil]:
    """``veil`` of each prediction by its id. Persons who review are bound by it, and keys; see ``_bound``."""
    rows = list(predictions)
    found = dict.fromkeys((row.pk for row in rows), NOTHING)
    bound = _bound(principal, rows)
    if not bound:
        return found
    items = _items(principal, bound)
    given = _given(principal, bound)
    # Who could not tell has answered nothing, and the item waits on.
    answered = {row.prediction_id for row in given if row.is_own and not row.abstained}
    held = {lease.item_id: lease for lease in _held(principal, items)}
    mine = {item.prediction_id: item for item in items if item.pk in held}
    for item in items:
        if item.prediction_id in mine:
            # Whoever holds one slot can take no other, so that one decides.
            found[item.prediction_id] = of_item(mine[item.prediction_id], held[mine[item.prediction_id].pk])
        elif item.prediction_id not in answered:
            found[item.prediction_id] |= of_item(item, None)
    for row in given:
        if row.is_fresh and row.prediction_id not in mine:
            found[row.prediction_id] |= of_answer(row)
    waiting = [row for row in bound if row.status == Prediction.Status.RECEIVED]
    may_hide = hiding_models({row.model_id for row in waiting}) if waiting else set()
    return found | {row.pk: UNROUTED for row in waiting if row.model_id in may_hide}


def reviewed_models(principal: Principal) -> set[int]:
    """The models of which what this principal sees is a reviewer's sight: those that a person reviews, or a key
    that is no system of its own."""
    if _is_system(principal):
        return set()
    return set(principal.models("review").values_list("pk", flat=True))


def has_fresh(principal: Principal, model: RegisteredModel) -> bool:
    """Whether the principal gave an answer of this model that still hides something from them."""
    made = _fresh(principal).filter(model=model).select_related("item__queue", "lease")
    return any(of_answer(row) != NOTHING for row in made)


def may_be_veiled(rows: QuerySet[Prediction], principal: Principal) -> QuerySet[Prediction]:
    """Those of the rows that somebody may still have to answer, or on which this principal can undo an answer."""
    busy = QueueItem.objects.open().filter(prediction=OuterRef("pk"))
    return rows.filter(Exists(busy) | Exists(_fresh(principal).filter(prediction=OuterRef("pk"))))


def without_gold(rows: QuerySet[Prediction], principal: Principal) -> QuerySet[Prediction]:
    """The rows without those that are a gold item for this principal to answer: in a list their age would tell."""
    return rows if _is_system(principal) else rows.exclude(_is_gold(principal))


def of_status(rows: QuerySet[Prediction], status: str, principal: Principal) -> QuerySet[Prediction]:
    """The rows of that status as this principal is told it: gold has the one that an audit in its place would have."""
    if _is_system(principal):
        return rows.filter(status=status)
    settled = _fresh(principal).filter(prediction=OuterRef("pk"), item__kind=QueueItem.Kind.GOLD, abstained=False)
    decided = Exists(settled.filter(item__queue__required_decisions=1))
    told = {
        Prediction.Status.ROUTED: _is_gold(principal) & ~decided,
        Prediction.Status.DECIDED: _is_gold(principal) & decided,
    }
    other = ~_is_gold(principal) & Q(status=status)
    return rows.filter(other | told[Prediction.Status(status)] if status in told else other)


def _is_gold(principal: Principal) -> Q:
    """Whether a prediction is a gold item to this principal: one to answer, or one whose answer can be undone."""
    own = ReviewDecision.objects.filter(
        reviewer=principal.pseudonym, kind="decision", abstained=False, prediction=OuterRef("pk")
    )
    undone = ReviewDecision.objects.filter(supersedes=OuterRef("pk"), kind=ReviewDecision.Kind.UNDO)
    reviewed = principal.models("review").values("pk")
    gold = QueueItem.objects.filter(prediction=OuterRef("pk"), kind=QueueItem.Kind.GOLD, model__in=reviewed)
    fresh = _fresh(principal).filter(prediction=OuterRef("pk"), item__kind=QueueItem.Kind.GOLD, model__in=reviewed)
    return Q(Exists(gold.open()) & ~Exists(own.exclude(Exists(undone)))) | Q(Exists(fresh))


def _fresh(principal: Principal) -> QuerySet[ReviewDecision]:
    """The answers that this principal gave or carried and could take back now."""
    window = timedelta(seconds=settings.REVIEWHUB["UNDO_SECONDS"])
    later = ReviewDecision.objects.filter(supersedes=OuterRef("pk"))
    own = Q(reviewer=principal.pseudonym)
    if principal.key is not None:
        own |= Q(service_key=principal.key)
    given = ReviewDecision.objects.filter(own, kind=ReviewDecision.Kind.DECISION)
    return given.filter(~Exists(later), decided_at__gt=DatabaseNow() - window)


def _is_system(principal: Principal) -> bool:
    """Whether it is a key of a system that sends or administers: nobody's sight, and no reviewer."""
    return principal.key is not None and bool({"ingest", "admin"} & principal.abilities())


def _bound(principal: Principal, rows: list[Prediction]) -> list[Prediction]:
    """Those of the rows whose sight is bound.

    A key that also sends or administers is a system: it must be able to ask for what it should do, and knows what
    it sent. It is bound only by the leases it took.
    """
    if not rows:
        return []
    if principal.key is None:
        mine = set(principal.models("review").values_list("pk", flat=True))
        return [row for row in rows if row.model_id in mine]
    abilities = principal.abilities()
    if "review" not in abilities or (principal.key.model_id not in {None, *(row.model_id for row in rows)}):
        return []
    rows = [row for row in rows if principal.key.model_id in (None, row.model_id)]
    if not {"ingest", "admin"} & abilities:
        return rows
    ids = [row.pk for row in rows]
    taken = Lease.objects.filter(item__prediction__in=ids, holder=principal.pseudonym)
    touched = set(taken.values_list("item__prediction_id", flat=True))
    return [row for row in rows if row.pk in touched]


def _items(principal: Principal, rows: Collection[Prediction]) -> list[QueueItem]:
    """The open items of these predictions, but for adjudications by somebody else.

    What is escalated past the principal can come back to them; an adjudication never does.
    """
    items = QueueItem.objects.open().filter(prediction__in=[row.pk for row in rows]).select_related("queue")
    second = {item.pk for item in items if item.kind == QueueItem.Kind.ADJUDICATION}
    led = {model.pk for model in principal.models("preview")} if second else set()
    return [item for item in items if item.pk not in second or item.model_id in led or _holds(item, principal)]


def _holds(item: QueueItem, principal: Principal) -> bool:
    return item.lease_holder == principal.pseudonym


def _held(principal: Principal, items: Collection[QueueItem]) -> list[Lease]:
    """The principal's live leases of these items."""
    tokens = [item.lease_token for item in items if item.lease_token is not None and _holds(item, principal)]
    live = Lease.objects.filter(token__in=tokens, ending=None, expires_at__gt=DatabaseNow())
    return list(live) if tokens else []


def _given(principal: Principal, rows: Collection[Prediction]) -> list[Any]:
    """The principal's answers to these predictions that were not undone.

    Each with ``is_own``, whether it keeps the principal from answering again, and ``is_fresh``, whether it binds
    them still. What a reviewing key answered for a person is that person's: the key may claim another slot for the
    next one. A system's key is free once it has answered.
    """
    system = _is_system(principal)
    own = Q(reviewer=principal.pseudonym)
    if principal.key is not None:
        own |= Q(lease__holder=principal.pseudonym) if system else Q(service_key=principal.key)
    undone = ReviewDecision.objects.filter(supersedes=OuterRef("pk"), kind=ReviewDecision.Kind.UNDO)
    given = ReviewDecision.objects.filter(
        own, prediction__in=[row.pk for row in rows], kind=ReviewDecision.Kind.DECISION
    ).exclude(Exists(undone))
    fresh = Exists(_fresh(principal).filter(pk=OuterRef("pk")))
    found: list[Any] = list(given.select_related("item__queue", "lease").annotate(is_fresh=fresh))
    for row in found:
        row.is_own = system or row.reviewer == principal.pseudonym
        row.is_fresh = row.is_fresh and not system
    return found


def hiding_models(models: Collection[int]) -> set[int]:
    """Those of the models whose next item may be a blind one: what is not routed yet is hidden with them."""
    hiding = ReviewQueue.objects.filter(models__in=models).exclude(mode=Mode.ASSISTED)
    found = set(hiding.values_list("models", flat=True))
    controls = RoutingControl.objects.filter(model__in=models, active__isnull=False).select_related("active")
    drawn = {row.model_id for row in controls if row.active is not None and row.active.document.get("blind_share")}
    return (found & set(models)) | drawn
