"""What a person decides about an item, and taking it back. Both are new rows of one chain per item.

A decision counts only while its lease lives: token, holder, time and state are all in the WHERE of the
one UPDATE that closes the item. An abstention ends the lease and leaves the item open for others;
docs/decisions/abstention.md says why.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction

from models_registry import access, sql
from models_registry.errors import Conflict, Fault, Forbidden, Invalid
from models_registry.ledger import record
from models_registry.models import DatabaseNow, LabelDefinition, Person, RegisteredModel
from review import adjudication, answers, leases, settling, sightings
from review.models import Lease, Prediction, QueueItem, ReviewDecision


@dataclass(frozen=True)
class Reviewer:
    """Whose decision it is, and whose credential carried it."""

    pseudonym: str
    user: Any
    principal: access.Principal


def decide(
    *,
    token: UUID,
    principal: access.Principal,
    label: str | None = None,
    abstain: bool = False,
    reason_codes: Sequence[str] = (),
    rationale: str = "",
    confidence: float | None = None,
    seconds_active: float | None = None,
    first_answer: str | None = None,
    on_behalf_of: str | None = None,
    opened_seconds_ago: float | None = None,
    seconds_to_first_input: float | None = None,
    input_kind: str = "",
) -> ReviewDecision:
    """Store the answer of the lease's holder, close the item and tell the caller what to do.

    What was shown before it, and when, is written from the server's own record. The same token with the same
    answer again returns the decision it made before. Raises Invalid with every fault of the answer;
    Conflict ``lease_expired``, ``lease_lost`` or ``already_decided``.
    """
    lease = leases.find(token)
    if lease is None:
        raise leases.refusal(token, principal.pseudonym)
    item = lease.item
    needed = adjudication.ability(item) if item.lease_token == token else "review"
    principal.require(needed, item.model)
    reviewer = _reviewer(principal, item.model, on_behalf_of, needed)
    answer = answers.Answer(label, abstain, tuple(reason_codes), rationale.strip(), confidence, first_answer)
    definition = leases.definition_of(lease)
    work = answers.Work(seconds_active, opened_seconds_ago, seconds_to_first_input, input_kind)
    if faults := answers.faults(answer, work, lease, definition):
        raise Invalid("this answer is not one the model's label definition allows", errors=faults)
    with transaction.atomic():
        if not _close(lease, principal.pseudonym, abstain):
            return _replayed(token, reviewer, answer)
        decision = _write(lease, reviewer, answer, definition, work)
        if not abstain and item.kind != QueueItem.Kind.GOLD:
            settling.settle(item.prediction)
    return decision


def undo(*, decision: ReviewDecision, principal: access.Principal) -> ReviewDecision:
    """Take a decision back within UNDO_SECONDS: a new row that supersedes it; the item opens again.

    One's own decisions; leads and owners may take back any. Safe to repeat. Conflict ``undo_window_closed``,
    ``answers_seen``, ``already_undone``, ``superseded`` or ``withdrawn``; while a hold's decision is undone it is
    pending again.
    """
    model = decision.model
    principal.require("review", model)
    if decision.kind != ReviewDecision.Kind.DECISION:
        raise Conflict("an undo cannot be undone; decide again", code="already_undone")
    if not _own(decision, principal) and "preview" not in principal.abilities(model):
        raise Forbidden("only the reviewer, a lead or an owner may undo this decision")
    with transaction.atomic():
        prediction = Prediction.objects.select_for_update(no_key=True).get(pk=decision.prediction_id)
        item = QueueItem.objects.select_for_update(no_key=True).get(pk=decision.item_id)
        later = ReviewDecision.objects.filter(supersedes=decision).first()
        if later is not None:
            return _undone_before(later, principal)
        _refuse_undo(decision, item, principal)
        settling.refuse_undo(decision, prediction)
        undone = ReviewDecision.objects.create(
            item=item, prediction=prediction, model=model, kind=ReviewDecision.Kind.UNDO, supersedes=decision,
            definition_id=decision.definition_id, mode=decision.mode, **_signature(principal),
        )  # fmt: skip
        if not _own(decision, principal):
            detail = {"reviewer": decision.reviewer, "prediction": prediction.pk}
            record(actor=principal.name, action="decision.undone", subject=str(decision.pk), model=model, detail=detail)
        if not decision.abstained:
            QueueItem.objects.filter(pk=item.pk).update(state=QueueItem.State.OPEN, closed_at=None)
        if not decision.abstained and item.kind != QueueItem.Kind.GOLD:
            settling.unsettle(prediction, decision)
    return undone


def _close(lease: Lease, holder: str, abstain: bool) -> int:
    state = QueueItem.State.OPEN if abstain else QueueItem.State.DECIDED
    prediction: int = lease.item.prediction_id
    values: dict[str, Any] = {"token": lease.token, "holder": holder, "state": state, "prediction": prediction}
    return sql.change(leases.CLOSE, values)


def _write(
    lease: Lease, reviewer: Reviewer, answer: answers.Answer, definition: LabelDefinition, work: answers.Work
) -> ReviewDecision:
    item = lease.item
    # The prediction and the item are locked by the update before, so nothing is added under us.
    earlier = list(ReviewDecision.objects.filter(prediction=item.prediction_id))
    _refuse_second_answer(earlier, reviewer)
    superseded = {row.supersedes_id for row in earlier}
    tail = next((row for row in earlier if row.item_id == item.pk and row.pk not in superseded), None)
    return ReviewDecision.objects.create(
        item=item, prediction_id=item.prediction_id, model=item.model, supersedes=tail, lease=lease,
        reviewer=reviewer.pseudonym, user=reviewer.user, service_key=reviewer.principal.key, definition=definition,
        label=answer.label, abstained=answer.abstained, reason_codes=list(answer.reason_codes),
        rationale=answer.rationale, confidence=answer.confidence, **_shown(lease, reviewer, answer, work),
    )  # fmt: skip


def _shown(lease: Lease, reviewer: Reviewer, answer: answers.Answer, work: answers.Work) -> dict[str, Any]:
    """What the server knows of what was shown, and when, once the lease has ended and nothing is added under us."""
    item = lease.item
    ended = Lease.objects.get(token=lease.token)
    told = None
    if work.opened_ago is not None and ended.ended_at is not None:
        told = max(ended.ended_at - timedelta(seconds=work.opened_ago), ended.claimed_at)
    return {
        "mode": ended.mode,
        "model_shown_at": sightings.first_of_model(item.prediction_id, {reviewer.pseudonym, ended.holder}),
        "blind_share": None if item.blind_draw is None else item.blind_share,
        "blind_draw": item.blind_draw,
        "opened_at": ended.opened_at or told,
        "seconds_to_first_input": work.to_first_input,
        "input_kind": work.input_kind,
        "seconds_active": work.active,
        "first_answer": answers.first_answer_of(answer.first_answer, ended),
        "explanation_shown": ended.explanation_shown,
        "claimed_at": ended.claimed_at,
    }


def _replayed(token: UUID, reviewer: Reviewer, answer: answers.Answer) -> ReviewDecision:
    decision = ReviewDecision.objects.filter(lease_id=token, lease__holder=reviewer.principal.pseudonym).first()
    if decision is not None and decision.reviewer == reviewer.pseudonym and answer.same_as(decision):
        return decision
    raise leases.refusal(token, reviewer.principal.pseudonym)


def _refuse_second_answer(earlier: Sequence[ReviewDecision], reviewer: Reviewer) -> None:
    undone = {row.supersedes_id for row in earlier if row.kind == ReviewDecision.Kind.UNDO}
    answers = [row for row in earlier if row.kind == ReviewDecision.Kind.DECISION and row.pk not in undone]
    if any(row.reviewer == reviewer.pseudonym for row in answers):
        raise Conflict(f"{reviewer.pseudonym} has answered this prediction already", code="already_decided")


def _refuse_undo(decision: ReviewDecision, item: QueueItem, principal: access.Principal) -> None:
    if item.state == QueueItem.State.WITHDRAWN:
        raise Conflict("the prediction was withdrawn", code="withdrawn")
    window = timedelta(seconds=settings.REVIEWHUB["UNDO_SECONDS"])
    fresh = ReviewDecision.objects.filter(pk=decision.pk, decided_at__gt=DatabaseNow() - window)
    if not fresh.exists():
        minutes = settings.REVIEWHUB["UNDO_SECONDS"] // 60
        raise Conflict(f"a decision can be undone for {minutes} minutes", code="undo_window_closed")
    alone = item.kind != QueueItem.Kind.GOLD and item.required == 1
    if not alone and _own(decision, principal) and sightings.saw_others(decision):
        message = "you have seen what others answered to this case since, as in a file that you fetched"
        raise Conflict(message, code="answers_seen")


def _undone_before(later: ReviewDecision, principal: access.Principal) -> ReviewDecision:
    if later.kind != ReviewDecision.Kind.UNDO:
        raise Conflict("somebody else has answered since; undo that decision", code="superseded")
    if later.reviewer != principal.pseudonym:
        raise Conflict("this decision was undone already", code="already_undone")
    return later


def _own(decision: ReviewDecision, principal: access.Principal) -> bool:
    carried = principal.key is not None and decision.service_key_id == principal.key.pk
    return decision.reviewer == principal.pseudonym or carried


def _signature(principal: access.Principal) -> dict[str, Any]:
    return {"reviewer": principal.pseudonym, "user": principal.user, "service_key": principal.key}


def _reviewer(
    principal: access.Principal, model: RegisteredModel, on_behalf_of: str | None, needed: str = "review"
) -> Reviewer:
    """The caller, or the person that a key names; Invalid when it may not name that one."""
    if on_behalf_of is None:
        return Reviewer(principal.pseudonym, principal.user, principal)
    if principal.key is None:
        message = "only a service key may decide on behalf of a person"
        raise Invalid(message, errors=[Fault("/on_behalf_of", "not_allowed", message)])
    person = Person.objects.select_related("user").filter(pseudonym=on_behalf_of, user__is_active=True).first()
    if person is None or needed not in access.principal_of_user(person.user).abilities(model):
        message = "there is no reviewer of this model with that pseudonym"
        raise Invalid(message, errors=[Fault("/on_behalf_of", "not_allowed", message)])
    return Reviewer(person.pseudonym, person.user, principal)
