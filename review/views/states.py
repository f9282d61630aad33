"""What the gallery shows: the states of the review page, each with how it comes about."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from review import example_content
from review.models import Mode
from review.views.staging import (
    adjudicated,
    alone,
    answered_first,
    case,
    decided,
    escalated,
    handed_over,
    none,
    paused,
    revealed,
    taken_back,
    with_colleagues,
    withdrawn,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest

NOT_USED = "payment-2201: decided by another reviewer at 14:03. Yours was not used."
WITHDRAWN = "Your answer on payment-2201 was not used: the prediction was withdrawn."
REQUEST = "4f1c0a9be27d5386"


@dataclass(frozen=True)
class State:
    """One state: what it is called, what it shows, how its page is built, and what the script adds."""

    name: str
    title: str
    words: str
    build: Callable[[HttpRequest], dict[str, Any]]
    client: dict[str, Any] = field(default_factory=dict)


PICTURES = {
    "text": example_content.LONG * 3,
    "links": [{"title": "The order", "url": "https://shop.example/orders/2201"}],
    "images": [{"title": "Parcel", "alt": "a parcel in front of a door", "data": example_content.picture()}],
}
DRAWN = {"array": {"title": "Sign", "values": example_content.digit()}}
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
            case(mode=Mode.BLIND_FIRST, then=answered_first),
        ),
        State("on-request-before", "Before asking", "mode on request", case(mode=Mode.ON_REQUEST)),
        State(
            "on-request-after", "After asking", "that one asked is stored", case(mode=Mode.ON_REQUEST, then=revealed)
        ),
        State(
            "adjudication", "Between two answers", "colleagues differ; no names",
            case(role="lead", kind="adjudication", then=adjudicated),
        ),
        State("undo-return", "Taken back", "the former answer and note are back", case(then=taken_back)),
        State("two-keys", "A label chosen", "Enter stores it", case(two_keys=True), {"pressed": 1}),
        State("ten-classes", "Ten classes", "each with a key of its own", case(classes=example_content.TEN)),
        State("images", "Text, links and pictures", "what the caller sent along", case(context=PICTURES)),
        State(
            "array", "An array, drawn", "eight by eight", case(context=DRAWN)
        ),
        State("redacted", "A field hidden by policy", "who asks for it is recorded", case()),
        State(
            "long-texts", "Long names and texts", "everything wraps",
            case(entity=LONG_ID, classes=["x" * 100, "fraud " * 16], context={"text": example_content.LONG * 40},
                 guidelines=example_content.LONG * 12),
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
        State("empty-nothing", "Nothing waits", "nothing was routed", none(withdrawn)),
        State("empty-leased", "With colleagues", "when the next may come free", none(with_colleagues)),
        State("empty-not-for-you", "Not for you", "it was handed to a colleague", none(handed_over)),
        State("empty-escalated", "Escalated", "who can give the role", none(escalated)),
        State("empty-paused", "Paused", "by whom, since when, why", none(paused)),
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
            {"notice": ["superseded", {"told": WITHDRAWN, "newer": True}]},
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
        State("history", "Your last decisions", "each can be reopened", case(then=decided), {"open": "drawer"}),
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
