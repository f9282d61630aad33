"""How the states of the gallery come about: the product's own steps, taken on made-up rows."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID, uuid4

from models_registry.models import DatabaseNow
from review import decisions, examples, exposure, queue
from review.examples import Example, example
from review.models import Lease, QueueItem, ReviewDecision
from review.views import stage, surroundings

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest

Context = dict[str, Any]
OTHERS = ("r-ada", "r-ben")
SAID = ("The customer explained it on the phone.", "The card was reported as stolen on the same day.")
ACT = "review/_slot.html"


def case(**made: Any) -> Callable[[HttpRequest], Context]:
    """A case that the person holds and has on screen; ``then`` is called with the desk and the item."""

    def build(request: HttpRequest) -> Context:
        then = made.get("then")
        found = _made(request, {name: value for name, value in made.items() if name != "then"})
        at = stage.desk(request, found.queue.slug)
        token = _taken(at, found)
        more = then(at, found, token) or {} if then else {}
        token = more.pop("token", token)
        [item] = stage.held(at, [token])
        shown = stage.card(at, item, **more)
        _with_pictures(shown["case"], item)
        return {**surroundings.surroundings(at), "fragment": ACT, **shown, "decisions": surroundings.latest(at)}

    return build


def none(prepare: Callable[[Example], Any], **made: Any) -> Callable[[HttpRequest], Context]:
    """No case: ``prepare`` brings about why."""

    def build(request: HttpRequest) -> Context:
        found = _made(request, made)
        prepare(found)
        at = stage.desk(request, found.queue.slug)
        return {**surroundings.surroundings(at), "fragment": "review/_empty.html", **surroundings.empty(at)}

    return build


def alone(fragment: str) -> Callable[[HttpRequest], Context]:
    """A fragment in the place of the case."""

    def build(request: HttpRequest) -> Context:
        at = stage.desk(request, _made(request, {}).queue.slug)
        return {**surroundings.surroundings(at), "fragment": fragment}

    return build


def _made(request: HttpRequest, made: dict[str, Any]) -> Example:
    return example(user=request.user, **made)  # type: ignore[arg-type]


def _with_pictures(shown: Context, item: QueueItem) -> None:
    """The pictures of a case that is gone once the page is there stand in the page itself."""
    for image in (shown["context"] or {}).get("images", ()):
        carried: Context = item.prediction.payload.context or {}
        given = carried["images"][image["place"]]
        image["inline"] = f"data:image/png;base64,{given['data']}"


def _taken(at: stage.Desk, found: Example) -> UUID:
    [item] = stage.claim(at, item=found.item.pk)
    token = cast("UUID", item.lease_token)
    queue.open_case(token=token, holder=at.holder)
    return token


def answered_first(at: stage.Desk, found: Example, token: UUID) -> None:
    exposure.first_answer(token=token, principal=at.principal, label=found.model.classes[0])


def revealed(at: stage.Desk, found: Example, token: UUID) -> None:
    exposure.reveal(token=token, principal=at.principal)


def taken_back(at: stage.Desk, found: Example, token: UUID) -> Context:
    made = decisions.decide(
        token=token, principal=at.principal, label=found.model.classes[0], rationale="The customer explained it."
    )
    decisions.undo(decision=made, principal=at.principal)
    return {"token": _taken(at, found), "former": made, "note": made.rationale}


def decided(at: stage.Desk, found: Example, token: UUID) -> Context:
    """This one decided, and another case in hand."""
    decisions.decide(token=token, principal=at.principal, label=found.model.classes[0])
    other = examples.waiting(
        found.model, found.prediction.version, found.queue, found.policy, kind="audit", explanation="ready",
        context=None, entity="customer-72", name="payment-2202",
    )  # fmt: skip
    return {"token": _taken(at, other)}


def _differing(found: Example) -> None:
    """Two colleagues have answered, each otherwise."""
    for slot, (holder, label, said) in enumerate(zip(OTHERS, found.model.classes, SAID, strict=False), 5):
        item = QueueItem.objects.create(
            prediction=found.prediction, model=found.model, queue=found.queue, kind="manual", slot=slot,
            state="decided", closed_at=DatabaseNow(),
        )  # fmt: skip
        lease = Lease.objects.create(
            token=uuid4(), item=item, holder=holder, expires_at=DatabaseNow() + timedelta(minutes=5),
            ended_at=DatabaseNow(), ending="decided",
        )  # fmt: skip
        ReviewDecision.objects.create(
            item=item, prediction=found.prediction, model=found.model, lease=lease, reviewer=holder, label=label,
            definition=found.model.definitions.get(), rationale=said,
        )  # fmt: skip


def adjudicated(at: stage.Desk, found: Example, token: UUID) -> None:
    _differing(found)


def with_colleagues(found: Example) -> None:
    queue.claim(queue=found.queue, models=[found.model], holder=OTHERS[0])


def escalated(found: Example) -> None:
    QueueItem.objects.filter(pk=found.item.pk).update(tier=1)


def withdrawn(found: Example) -> None:
    QueueItem.objects.filter(pk=found.item.pk).update(state="withdrawn", closed_at=DatabaseNow())


def handed_over(found: Example) -> None:
    later = DatabaseNow() + timedelta(hours=1)
    QueueItem.objects.filter(pk=found.item.pk).update(assigned_to=OTHERS[0], assigned_until=later)


def paused(found: Example) -> None:
    queue.pause(queue=found.queue, actor="erin", reason="training until noon")
