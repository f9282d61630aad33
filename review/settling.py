"""When a prediction is decided, and what its caller is told then: after an answer, and after one was taken back.

Called in a transaction that holds the row of the prediction, so that of two last answers one sees the other.
"""

from __future__ import annotations

from models_registry.errors import Conflict
from review import adjudication, resolutions
from review.models import Override, Prediction, QueueItem, Resolution, ReviewDecision

Status = Prediction.Status


def settle(prediction: Prediction) -> None:
    """With the last answer in, the prediction is decided as all of them say, or else goes to an adjudicator."""
    if QueueItem.objects.open().filter(prediction=prediction).exclude(kind=QueueItem.Kind.GOLD).exists():
        return
    decision = adjudication.settled_by(adjudication.standing(prediction))
    if decision is None:
        adjudication.ask(prediction)
    elif Prediction.objects.filter(pk=prediction.pk, status=Status.ROUTED).update(status=Status.DECIDED):
        prediction.status = Status.DECIDED
        _tell(prediction, decision)


def refuse_undo(decision: ReviewDecision, prediction: Prediction) -> None:
    """Raise Conflict where the answer cannot be taken back because of what became of its prediction."""
    if prediction.status == Status.WITHDRAWN:
        raise Conflict("the prediction was withdrawn", code="withdrawn")
    taken_up = decision.item.kind not in (QueueItem.Kind.ADJUDICATION, QueueItem.Kind.GOLD) and not decision.abstained
    if taken_up and adjudication.is_answered(prediction):
        message = "somebody has decided between the answers since; that decision must be undone first"
        raise Conflict(message, code="superseded")


def unsettle(prediction: Prediction, undone: ReviewDecision) -> None:
    """An answer is gone: nobody decides between answers any more, and the caller is told what held before."""
    if undone.item.kind != QueueItem.Kind.ADJUDICATION:
        adjudication.withdraw(prediction)
    if Prediction.objects.filter(pk=prediction.pk, status=Status.DECIDED).update(status=Status.ROUTED):
        prediction.status = Status.ROUTED
        _restore(prediction)


def _tell(prediction: Prediction, decision: ReviewDecision) -> None:
    """Tell the caller, unless an audit only confirms what it was told, or a person has overridden the case."""
    assert decision.label is not None
    if Override.objects.in_force().filter(prediction=prediction, scope=Override.Scope.CASE).exists():
        return
    disposition = prediction.model.disposition_for(decision.label)
    if not prediction.items.filter(kind=QueueItem.Kind.GATE).exists():
        told = Resolution.objects.filter(prediction=prediction).order_by("-id").first()
        if told is not None and told.label == decision.label and not told.decision_id:
            return
        if told is not None and told.by == Resolution.By.RULE:
            # A rule decides by the case, not by its label: another label does not lift it.
            disposition = told.disposition
    resolutions.resolve(
        prediction=prediction,
        label=decision.label,
        disposition=disposition,
        by=Resolution.By.PERSON,
        decision=decision,
    )


def _restore(prediction: Prediction) -> None:
    """Say again what held before the answers; a hold that only they had answered is pending again."""
    told = Resolution.objects.filter(prediction=prediction).order_by("-id").first()
    before = Resolution.objects.filter(prediction=prediction, decision__isnull=True).order_by("-id").first()
    if told is not None and told.decision_id is not None and before is not None:
        resolutions.resolve(
            prediction=prediction, label=before.label, disposition=before.disposition, by=Resolution.By(before.by)
        )
