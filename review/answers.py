"""What a person may answer: held against the model's classes and the label definition that was shown."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

from models_registry.errors import Fault
from models_registry.models import LabelDefinition
from models_registry.schemas import pointer
from review.models import Lease, Mode, ReviewDecision

LONGEST_RATIONALE = 10_000
LONGEST_ACTIVE_SECONDS = 7 * 24 * 3600.0


@dataclass(frozen=True)
class Answer:
    """What the person said, as far as it makes two requests the same answer."""

    label: str | None
    abstained: bool
    reason_codes: tuple[str, ...]
    rationale: str
    confidence: float | None
    first_answer: str | None

    def same_as(self, decision: ReviewDecision) -> bool:
        """Whether the decision holds it; a first answer that the server kept need not be told again."""
        kept = self.first_answer is None and decision.mode != Mode.ASSISTED
        first = decision.first_answer if kept else self.first_answer
        given = (decision.label, decision.abstained, tuple(decision.reason_codes), decision.rationale)
        return (*given, decision.confidence, decision.first_answer) == (
            self.label, self.abstained, self.reason_codes, self.rationale, self.confidence, first
        )  # fmt: skip


@dataclass(frozen=True)
class Work:
    """How the answer came about, as the client tells; seconds."""

    active: float | None = None
    opened_ago: float | None = None
    to_first_input: float | None = None
    input_kind: str = ""

    def faults(self) -> list[Fault]:
        found = []
        for name, value in (
            ("seconds_active", self.active),
            ("opened_seconds_ago", self.opened_ago),
            ("seconds_to_first_input", self.to_first_input),
        ):
            if value is not None and not (isfinite(value) and 0 <= value <= LONGEST_ACTIVE_SECONDS):
                found.append(Fault(f"/{name}", "out_of_range", "seconds from 0 to one week"))
        if self.input_kind and self.input_kind not in ReviewDecision.Input.values:
            known = ", ".join(ReviewDecision.Input.values)
            found.append(Fault("/input_kind", "not_allowed", f"choose one of {known}"))
        return found


def first_answer_of(told: str | None, lease: Lease) -> str | None:
    """The answer before the model was shown: the lease's own, or what is told of where the model was never hidden."""
    return told if lease.mode == Mode.ASSISTED else lease.first_answer


def faults(answer: Answer, work: Work, lease: Lease, definition: LabelDefinition) -> list[Fault]:
    """Every fault of an answer under that lease, each with the pointer to its field; empty when it may be stored."""
    model, found = lease.item.model, []
    if answer.label is None and not answer.abstained:
        found.append(Fault("/label", "required", "give a label, or abstain"))
    if answer.label is not None and answer.abstained:
        found.append(Fault("/abstain", "conflict", "an abstention has no label"))
    for name, value in (("label", answer.label), ("first_answer", answer.first_answer)):
        if value is not None and value not in model.classes:
            found.append(Fault(f"/{name}", "not_allowed", f"choose one of {', '.join(model.classes)}"))
    allowed = [] if answer.label is None else definition.reason_codes.get(answer.label, [])
    for i, code in enumerate(answer.reason_codes):
        if code in answer.reason_codes[:i]:
            found.append(Fault(pointer("reason_codes", i), "duplicate", "this reason code is given twice"))
        elif code not in allowed:
            known = ", ".join(allowed) or "none"
            found.append(Fault(pointer("reason_codes", i), "not_allowed", f"reason codes for this answer: {known}"))
    if len(answer.rationale) > LONGEST_RATIONALE:
        found.append(Fault("/rationale", "length", f"at most {LONGEST_RATIONALE} characters"))
    if answer.confidence is not None and not 0 <= answer.confidence <= 1:
        found.append(Fault("/confidence", "out_of_range", "a confidence is from 0 to 1"))
    if answer.first_answer is not None and answer.first_answer != first_answer_of(answer.first_answer, lease):
        held = "no first answer" if lease.first_answer is None else f"{lease.first_answer!r} as first answer"
        found.append(Fault("/first_answer", "conflict", f"the server has {held} of this lease; leave the field out"))
    return [*found, *work.faults()]
