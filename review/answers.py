"""What a person may answer: held against the model's classes and the label definition that was shown."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

from models_registry.errors import Fault
from models_registry.models import LabelDefinition, RegisteredModel
from models_registry.schemas import pointer
from review.models import ReviewDecision

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
        given = (decision.label, decision.abstained, tuple(decision.reason_codes), decision.rationale)
        rest = (decision.confidence, decision.first_answer)
        return (*given, *rest) == (
            self.label, self.abstained, self.reason_codes, self.rationale, self.confidence, self.first_answer
        )  # fmt: skip


def faults(
    answer: Answer, seconds_active: float | None, model: RegisteredModel, definition: LabelDefinition
) -> list[Fault]:
    """Every fault of an answer, each with the pointer to its field; empty when it may be stored."""
    found = []
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
    if seconds_active is not None and not (isfinite(seconds_active) and 0 <= seconds_active <= LONGEST_ACTIVE_SECONDS):
        found.append(Fault("/seconds_active", "out_of_range", "seconds from 0 to one week"))
    return found
