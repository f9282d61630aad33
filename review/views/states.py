"""What the gallery shows: the states of the review page, each with how it comes about."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID, uuid4

from models_registry.models import DatabaseNow
from review import decisions, examples, exposure, queue
from review.examples import Example, example
from review.models import Lease, Mode, QueueItem, ReviewDecision
from review.views import stage

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest

Context = dict[str, Any]
OTHERS = ("r-ada", "r-ben")
ACT = "review/_slot.html"
NOT_USED = "payment-2201: decided by another reviewer at 14:03. Yours was not used."
REQUEST = "4f1c0a9be27d5386"


@dataclass(frozen=True)
class State:
    """One state: what it is called, what it shows, how its page is built, and what the script adds."""

    name: str
    title: str
    words: str
    build: Callable[[HttpRequest], Context]
    client: dict[str, Any] = field(default_factory=dict)


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
        return {**stage.surroundings(at), "fragment": ACT, **shown, "decisions": stage.latest(at)}

    return build


def none(prepare: Callable[[Example], Any], **made: Any) -> Callable[[HttpRequest], Context]:
    """No case: ``prepare`` brings about why."""

    def build(request: HttpRequest) -> Context:
        found = _made(request, made)
        prepare(found)
        at = stage.desk(request, found.queue.slug)
        return {**stage.surroundings(at), "fragment": "review/_empty.html", **stage.empty(at)}

    return build


def alone(fragment: str) -> Callable[[HttpRequest], Context]:
    """A fragment in the place of the case."""

    def build(request: HttpRequest) -> Context:
        at = stage.desk(request, _made(request, {}).queue.slug)
        return {**stage.surroundings(at), "fragment": fragment}

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


def _answered_first(at: stage.Desk, found: Example, token: UUID) -> None:
    exposure.first_answer(token=token, principal=at.principal, label=found.model.classes[0])


def _revealed(at: stage.Desk, found: Example, token: UUID) -> None:
    exposure.reveal(token=token, principal=at.principal)


def _taken_back(at: stage.Desk, found: Example, token: UUID) -> Context:
    made = decisions.decide(
        token=token, principal=at.principal, label=found.model.classes[0], rationale="The customer explained it."
    )
    decisions.undo(decision=made, principal=at.principal)
    return {"token": _taken(at, found), "former": made, "note": made.rationale}


def _decided(at: stage.Desk, found: Example, token: UUID) -> Context:
    """This one decided, and another case in hand."""
    decisions.decide(token=token, principal=at.principal, label=found.model.classes[0])
    other = examples.waiting(
        found.model, found.prediction.version, found.queue, found.policy, kind="audit", explanation="ready",
        context=None, entity="customer-72", name="payment-2202",
    )  # fmt: skip
    return {"token": _taken(at, other)}


def _differing(found: Example) -> None:
    """Two colleagues have answered, each otherwise."""
    for slot, (holder, label) in enumerate(zip(OTHERS, found.model.classes, strict=False), 5):
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
            definition=found.model.definitions.get(), rationale="The card was reported as stolen on the same day.",
        )  # fmt: skip


def _adjudicated(at: stage.Desk, found: Example, token: UUID) -> None:
    _differing(found)


def _with_colleagues(found: Example) -> None:
    queue.claim(queue=found.queue, models=[found.model], holder=OTHERS[0])


def _escalated(found: Example) -> None:
    QueueItem.objects.filter(pk=found.item.pk).update(tier=1)


def _withdrawn(found: Example) -> None:
    QueueItem.objects.filter(pk=found.item.pk).update(state="withdrawn", closed_at=DatabaseNow())


def _handed_over(found: Example) -> None:
    later = DatabaseNow() + timedelta(hours=1)
    QueueItem.objects.filter(pk=found.item.pk).update(assigned_to=OTHERS[0], assigned_until=later)


def _paused(found: Example) -> None:
    queue.pause(queue=found.queue, actor="erin", reason="training until noon")


PICTURES = {
    "text": examples.LONG * 3,
    "links": [{"title": "The order", "url": "https://shop.example/orders/2201"}],
    "images": [{"title": "Parcel", "alt": "a parcel in front of a door", "data": examples.picture()}],
}
DRAWN = {"array": {"title": "Sign", "values": examples.digit()}}
TO_LEAD = {"#pass-on-title": "Escalate this case", "#pass-on [type=submit]": "Escalate"}
TO_COLLEAGUE = {"#pass-on-title": "Hand this case over", "#pass-on [type=submit]": "Hand over"}
LOADING = alone("review/_state_loading.html")
LONG_ID = "order-2026-11-26T14:03:00Z-" + "0123456789abcdef" * 4
GROUPS: dict[str, list[State]] = {
    "A case": [
        State("assisted", "The model shown", "mode assisted: label, score, factors", case()),
        State("audit", "Checked afterwards", "the caller went on; nobody waits", case(kind="audit")),
        State("blind", "The model hidden", "mode blind, and the random blind share", case(mode=Mode.BLIND)),
        State("blind-first-before", "Before the first answer", "mode blind first", case(mode=Mode.BLIND_FIRST)),
        State(
            "blind-first-after", "After the first answer", "keep it or change it; both are stored",
            case(mode=Mode.BLIND_FIRST, then=_answered_first),
        ),
        State("on-request-before", "Before asking", "mode on request", case(mode=Mode.ON_REQUEST)),
        State(
            "on-request-after", "After asking", "that one asked is stored", case(mode=Mode.ON_REQUEST, then=_revealed)
        ),
        State(
            "adjudication", "Between two answers", "colleagues differ; no names",
            case(role="lead", kind="adjudication", then=_adjudicated),
        ),
        State("undo-return", "Taken back", "the former answer and note are back", case(then=_taken_back)),
        State("two-keys", "A label chosen", "Enter stores it", case(two_keys=True), {"pressed": 1}),
        State("ten-classes", "Ten classes", "each with a key of its own", case(classes=examples.TEN)),
        State("images", "Text, links and pictures", "what the caller sent along", case(context=PICTURES)),
        State(
            "array", "An array, drawn", "eight by eight", case(context=DRAWN)
        ),
        State("redacted", "A field hidden by policy", "who asks for it is recorded", case()),
        State(
            "long-texts", "Long names and texts", "everything wraps",
            case(entity=LONG_ID, classes=["x" * 100, "fraud " * 16], context={"text": examples.LONG * 40},
                 guidelines=examples.LONG * 12),
        ),
    ],
    "Reasons and confidence": [
        State("explanation-pending", "Reasons still being computed", "space is kept", case(explanation="pending")),
        State("explanation-failed", "Reasons not available", "with why", case(explanation="failed")),
        State("not-calibrated", "Too few known outcomes", "no frequency is made up", case()),
        State("calibrated", "A frequency", "of known outcomes, with its interval", case(calibrated=True)),
    ],
    "No case": [
        State("loading", "Loading", "the layout without content", LOADING),
        State("loading-slow", "Loading slowly", "after four seconds", LOADING, {"notice": ["slow"]}),
        State("empty-nothing", "Nothing waits", "nothing was routed", none(_withdrawn)),
        State("empty-leased", "With colleagues", "when the next may come free", none(_with_colleagues)),
        State("empty-not-for-you", "Not for you", "it was handed to a colleague", none(_handed_over)),
        State("empty-escalated", "Escalated", "who can give the role", none(_escalated)),
        State("empty-paused", "Paused", "by whom, since when, why", none(_paused)),
        State("own-pause", "Your own pause", "cases are free for others", alone("review/_state_own_pause.html")),
        State("not-allowed", "No longer yours", "the role was taken away", alone("review/_state_not_allowed.html")),
    ],
    "Saving": [
        State(
            "saving-slow", "Saving slowly", "the flow goes on", case(),
            {"connection": {"trouble": None, "count": 2, "slow": True}, "toast": "Saved: fraud. Undo (U)."},
        ),
        State(
            "not-saved", "Not saved yet", "retrying, with the number of the request", case(),
            {"connection": {"trouble": "broken", "count": 1, "request": REQUEST}},
        ),
        State(
            "invalid", "Refused", "the fault at its field", case(),
            {"notice": ["invalid", {"name": "payment-2201", "told": "The note is too long."}], "note": "…",
             "fault": "At most 10,000 characters."},
        ),
        State(
            "conflict", "Decided by another", "and what you said", case(),
            {"notice": ["conflict", {"told": NOT_USED, "said": True, "said-text": "The customer explained it."}]},
        ),
        State(
            "superseded", "Withdrawn meanwhile", "decide on the new one", case(),
            {"notice": ["superseded", {"told": "Your answer was not applied.", "newer": True}]},
        ),
        State(
            "offline", "Offline", "decisions wait on the device", case(),
            {"connection": {"trouble": "offline", "count": 3, "request": REQUEST}},
        ),
        State(
            "offline-full", "Offline for long", "no more can be kept", case(),
            {"connection": {"trouble": "offline", "count": 20, "request": REQUEST, "full": True}},
        ),
        State(
            "sent-late", "Sent late", "listed one by one in the drawer", case(),
            {"open": "drawer", "late": [{"told": NOT_USED, "answer": "fraud", "note": "stolen on the same day"}]},
        ),
        State("signed-out", "Signed out", "sign in in place", case(), {"open": "signed-out"}),
    ],
    "Time": [
        State("lease-ending", "Time nearly over", "one key keeps it", case(), {"notice": ["ending"]}),
        State("lease-expired", "Time over", "choice and note are kept", case(), {"notice": ["expired"], "over": True}),
    ],
    "Opened": [
        State("keys", "All keys", "on every screen", case(), {"open": "keys"}),
        State("guidelines", "Guidelines", "what the classes mean", case(),
              {"open": "drawer", "scroll": "[data-drawer=guidelines]"}),
        State("history", "Your last decisions", "each can be reopened", case(then=_decided), {"open": "drawer"}),
        State("note", "The note", "its text stays", case(), {"note": "Called the customer, no answer yet."}),
        State(
            "escalate", "Passing on to a lead", "with a note", case(),
            {"open": "pass-on", "words": TO_LEAD},
        ),
        State(
            "hand-over", "Passing on to a colleague", "with a note", case(),
            {"open": "pass-on", "shown": ["[data-to-field]"], "words": TO_COLLEAGUE},
        ),
    ],
}  # fmt: skip
STATES = {state.name: state for states in GROUPS.values() for state in states}
