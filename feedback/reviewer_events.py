"""What people did about a prediction, as events of its timeline: leases, looks, decisions."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from django.db.models import Count, Min

from models_registry import wording
from review import redaction
from review.models import CaseView, Lease, Mode, Prediction, ReviewDecision

if TYPE_CHECKING:
    from collections.abc import Iterator

    from models_registry.access import Principal
    from review.veil import Veil

MAX_VIEWS = 100
SEEN: dict[str, str] = {CaseView.What.MODEL: "the model’s answer", CaseView.What.COLLEAGUES: "what others answered"}
SEEN_AT: dict[str, str] = {
    CaseView.Where.PAGE: "on a page", CaseView.Where.API: "over the API", CaseView.Where.REVIEW: "in review",
    CaseView.Where.EXPORT: "in an export",
}  # fmt: skip


@dataclass
class Event:
    """One thing that happened: when, of which kind, in words; ``gap`` is the time since the event before."""

    at: datetime
    kind: str
    title: str
    facts: list[tuple[str, str]] = field(default_factory=list)
    note: str = ""
    who: str = ""
    tone: str = "plain"
    version_slug: str = ""
    gap: str = ""


ENDINGS: dict[str | None, str] = {
    Lease.Ending.RELEASED: "Given back",
    Lease.Ending.EXPIRED: "Lease ran out",
    Lease.Ending.WITHDRAWN: "Lease ended by withdrawal",
    Lease.Ending.ESCALATED: "Escalated",
    Lease.Ending.HANDED_OVER: "Handed over",
}


def leases(prediction: Prediction, only: Principal | None) -> Iterator[Event]:
    leases = Lease.objects.filter(item__prediction=prediction).order_by("claimed_at")
    for lease in leases if only is None else leases.filter(item__kind="gold", holder=only.pseudonym):
        facts = [("mode", Mode(lease.mode).label)]
        yield Event(lease.claimed_at, "claimed", "Claimed", facts, who=lease.holder, tone="person")
        if lease.first_answer_at is not None:
            title = "First answer, before the model was shown"
            yield Event(lease.first_answer_at, "first", title, who=lease.holder, tone="person")
        if lease.model_shown_at is not None and lease.mode != Mode.ASSISTED:
            yield Event(lease.model_shown_at, "shown", "The model was shown", who=lease.holder, tone="person")
        ended = lease.ended_at
        if ended is not None and lease.ending in ENDINGS:
            yield Event(ended, "released", ENDINGS[lease.ending], note=lease.reason, who=lease.holder, tone="person")


def views(prediction: Prediction, only: Principal | None, since: datetime | None) -> Iterator[Event]:
    """Who saw it beside any lease: of a viewer's sights of one kind the first, as they may look often."""
    views = CaseView.objects.filter(prediction=prediction)
    if only is not None:
        views = views.filter(viewer=only.pseudonym, at__gte=since)
    first = views.values("viewer", "what", "where", "detail").annotate(first=Min("at"), times=Count("pk"))
    told: dict[tuple[str, str], Event] = {}
    for row in first.order_by("first")[:MAX_VIEWS]:
        key = (row["viewer"], row["where"] if row["what"] != CaseView.What.SENSITIVE else f"{row['detail']} revealed")
        title = f"Looked at {SEEN_AT[row['where']]}"
        if row["what"] == CaseView.What.SENSITIVE:
            title = "Asked for a value that is hidden by policy"
        event = told.setdefault(key, Event(row["first"], "seen", title, who=row["viewer"], tone="person"))
        if row["what"] in SEEN:
            event.facts.append(("saw", SEEN[row["what"]]))
        if row["what"] == CaseView.What.SENSITIVE:
            event.facts.append(("value of", row["detail"]))
        if row["times"] > 1 and row["what"] != CaseView.What.MODEL:
            event.facts.append(("times", str(row["times"])))
    yield from told.values()


def decisions(prediction: Prediction, veil: Veil, viewer: Principal | None) -> Iterator[Event]:
    rows = ReviewDecision.objects.filter(prediction=prediction).select_related("superseded_by", "supersedes")
    for row in redaction.decisions(rows, veil, viewer):
        who = "" if veil.names and not (viewer is not None and redaction.is_own(row, viewer)) else row.reviewer
        if row.kind == ReviewDecision.Kind.UNDO:
            taken_back = row.supersedes.label if row.supersedes else None
            facts = [("took back", taken_back or "can’t tell")]
            yield Event(row.decided_at, "undone", "Undone", facts, who=who, tone="person")
            continue
        facts = []
        if row.reason_codes:
            facts.append(("because", ", ".join(str(code).replace("_", " ") for code in row.reason_codes)))
        if row.claimed_at:
            facts.append(("time with the case", wording.span((row.decided_at - row.claimed_at).total_seconds())))
        if row.seconds_active is not None:
            facts.append(("active", wording.span(row.seconds_active)))
        if row.first_answer is not None:
            facts.append(("first answer", row.first_answer))
        facts.append(("model", _sight(row)))
        facts.append(("explanation", "was shown" if row.explanation_shown else "was not shown"))
        stands = not hasattr(row, "superseded_by")
        title = "Can’t tell" if row.abstained else f"Decided: {row.label}"
        title += "" if stands else " (no longer stands)"
        yield Event(row.decided_at, "decided", title, facts, note=row.rationale, who=who, tone="person")


def _sight(row: ReviewDecision) -> str:
    if row.model_shown_at is None:
        return "was not shown"
    return f"was shown {wording.span((row.decided_at - row.model_shown_at).total_seconds())} before"
