"""What of a prediction is hidden from whom, until their own answer is in.

A prediction is veiled for a principal while it has an open item that this principal could be the one to answer.
Which parts, is decided by the item's mode, by how many people decide it, and by its kind; docs/decisions/
blind-reviewers.md has the whole table. Reads only, a fixed number of queries for any number of predictions.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from django.db.models import Exists, OuterRef, Q

from models_registry.models import DatabaseNow
from review.models import Lease, Mode, Prediction, QueueItem, ReviewDecision, ReviewQueue, RoutingControl

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from django.db.models import QuerySet

    from models_registry.access import Principal


@dataclass(frozen=True)
class Veil:
    """What is hidden, part by part; True is hidden."""

    # The model's answer and all that tells it: scores, reasons, attributions, the caller's disposition.
    model: bool = False
    # What other people answered or wrote, and what follows from it: labels, the resolution.
    colleagues: bool = False
    # Who the others are, where their answers are shown: an adjudicator weighs words, not names.
    names: bool = False
    # How an audit was drawn, and that a gold item is none: whoever answers must not tell one from the other.
    draw: bool = False
    gold: bool = False

    def __or__(self, other: Veil) -> Veil:
        return Veil(**{part.name: getattr(self, part.name) or getattr(other, part.name) for part in fields(self)})

    @property
    def labels(self) -> bool:
        """Whether what is true, or held to be true, is hidden: an answer is one's own only without it."""
        return self.model or self.colleagues

    @property
    def parts(self) -> list[str]:
        """The parts as pages and the API name them: not what would tell a gold item from an audit with one decision."""
        if self.gold and not self.model:
            return []
        return [name for name in ("model", "colleagues") if getattr(self, name)]


NOTHING = Veil()
UNROUTED = Veil(model=True)


def of_item(item: QueueItem, lease: Lease | None) -> Veil:
    """What is hidden from who answers this item, holding that lease of it, or none yet."""
    mode = item.mode if lease is None else lease.mode
    model = mode != Mode.ASSISTED if lease is None else lease.model_shown_at is None
    second = item.kind == QueueItem.Kind.ADJUDICATION
    gold = item.kind == QueueItem.Kind.GOLD
    return Veil(
        model=model,
        colleagues=gold or (not second and (mode != Mode.ASSISTED or item.required > 1)),
        names=second,
        draw=gold or item.kind == QueueItem.Kind.AUDIT,
        gold=gold,
    )


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
    answered = _answered(principal, {item.prediction_id for item in items}) if items else set()
    held = {lease.item_id: lease for lease in _held(principal, items)}
    mine = {item.prediction_id: item for item in items if item.pk in held}
    for item in items:
        if item.prediction_id in mine:
            # Whoever holds one slot can take no other, so that one decides.
            found[item.prediction_id] = of_item(mine[item.prediction_id], held[mine[item.prediction_id].pk])
        elif item.prediction_id not in answered:
            found[item.prediction_id] |= of_item(item, None)
    waiting = [row for row in bound if row.status == Prediction.Status.RECEIVED]
    may_hide = hiding_models({row.model_id for row in waiting}) if waiting else set()
    return found | {row.pk: UNROUTED for row in waiting if row.model_id in may_hide}


def reviewed_models(principal: Principal) -> set[int]:
    """The models of which what this principal sees is a reviewer's sight: those that a person reviews, or a key
    that is no system of its own."""
    if principal.key is not None and {"ingest", "admin"} & principal.abilities():
        return set()
    return set(principal.models("review").values_list("pk", flat=True))


def without_gold(rows: QuerySet[Prediction], principal: Principal) -> QuerySet[Prediction]:
    """The rows without those that are a gold item for this principal to answer: in a list their age would tell."""
    if principal.key is not None and {"ingest", "admin"} & principal.abilities():
        return rows
    own = ReviewDecision.objects.filter(reviewer=principal.pseudonym, kind="decision", prediction=OuterRef("pk"))
    undone = ReviewDecision.objects.filter(supersedes=OuterRef("pk"), kind=ReviewDecision.Kind.UNDO)
    gold = QueueItem.objects.open().filter(
        prediction=OuterRef("pk"), kind=QueueItem.Kind.GOLD, model__in=principal.models("review").values("pk")
    )
    return rows.exclude(Exists(gold) & ~Exists(own.exclude(Exists(undone))))


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
    """The open items of these predictions, but for those that are escalated past the principal."""
    items = QueueItem.objects.open().filter(prediction__in=[row.pk for row in rows]).select_related("queue")
    led = {model.pk for model in principal.models("preview")} if any(item.tier for item in items) else set()
    return [item for item in items if not item.tier or item.model_id in led or _holds(item, principal)]


def _holds(item: QueueItem, principal: Principal) -> bool:
    return item.lease_holder == principal.pseudonym


def _held(principal: Principal, items: Collection[QueueItem]) -> list[Lease]:
    """The principal's live leases of these items."""
    tokens = [item.lease_token for item in items if item.lease_token is not None and _holds(item, principal)]
    live = Lease.objects.filter(token__in=tokens, ending=None, expires_at__gt=DatabaseNow())
    return list(live) if tokens else []


def _answered(principal: Principal, predictions: Collection[int]) -> set[int]:
    """The predictions on which an answer of the principal stands.

    What a reviewing key answered for a person is that person's: the key may claim another slot for the next one.
    """
    own = Q(reviewer=principal.pseudonym)
    if principal.key is not None and {"ingest", "admin"} & principal.abilities():
        own |= Q(lease__holder=principal.pseudonym)
    undone = ReviewDecision.objects.filter(supersedes=OuterRef("pk"), kind=ReviewDecision.Kind.UNDO)
    given = ReviewDecision.objects.filter(own, prediction__in=predictions, kind=ReviewDecision.Kind.DECISION)
    return set(given.exclude(Exists(undone)).values_list("prediction_id", flat=True))


def hiding_models(models: Collection[int]) -> set[int]:
    """Those of the models whose next item may be a blind one: what is not routed yet is hidden with them."""
    hiding = ReviewQueue.objects.filter(models__in=models).exclude(mode=Mode.ASSISTED)
    found = set(hiding.values_list("models", flat=True))
    controls = RoutingControl.objects.filter(model__in=models, active__isnull=False).select_related("active")
    drawn = {row.model_id for row in controls if row.active is not None and row.active.document.get("blind_share")}
    return (found & set(models)) | drawn
