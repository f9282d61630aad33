"""A person's word before the model's: on one case that was routed, or on a segment from the next batch on.

The word on a whole model is the kill switch, see ``policy_versions``. A case keeps its items and its draws, and an
override is never a label: whoever makes one has seen what the model and colleagues said, and chose the case.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db import transaction

from models_registry.errors import Conflict, Fault, Invalid
from models_registry.ledger import record
from models_registry.models import DatabaseNow, RegisteredModel
from review import policy_facts, resolutions
from review.models import Override, Prediction, QueueItem, Resolution, RoutingDecision
from review.vocabulary import Checker

if TYPE_CHECKING:
    from models_registry.access import Principal

LONGEST = timedelta(days=3653)
MOST_SEGMENTS = 50
MAX_LEAVES = 100
Disposition = RoutingDecision.Disposition


def override_case(
    *,
    prediction: Prediction,
    principal: Principal,
    reason: str,
    label: str | None = None,
    disposition: str | None = None,
) -> Override:
    """Tell the caller of a routed prediction something else, finally; a later one replaces it.

    ``disposition`` is what the label means where it is not given. Reviews go on and become labels as they would have,
    but tell the caller nothing more. Raises Invalid for what cannot be told, Conflict where it is not routed yet or
    was withdrawn (``withdrawn``).
    """
    model = prediction.model
    principal.require("preview", model)
    faults = _reason_faults(reason)
    if label is not None and label not in model.classes:
        faults.append(Fault("/label", "unknown_class", f"the classes are {', '.join(model.classes)}"))
    elif label is None and disposition is None:
        faults.append(Fault("/disposition", "required", "say what the caller should do, or which label holds"))
    if disposition is not None and disposition not in (Disposition.PROCEED, Disposition.REFUSE):
        faults.append(Fault("/disposition", "not_allowed", "a case is overridden to proceed or to refuse"))
    if faults:
        raise Invalid(errors=faults)
    told = disposition or model.disposition_for(str(label))
    with transaction.atomic():
        row = Prediction.objects.select_for_update(no_key=True).select_related("model").get(pk=prediction.pk)
        if row.status == Prediction.Status.RECEIVED:
            raise Conflict("this prediction has not been routed yet")
        if row.status == Prediction.Status.WITHDRAWN:
            raise Conflict("the prediction was withdrawn", code="withdrawn")
        before = Override.objects.filter(prediction=row, scope=Override.Scope.CASE, ended_at__isnull=True)
        before.update(ended_at=DatabaseNow(), ended_by=principal.name)
        made = Override.objects.create(
            model=row.model, scope=Override.Scope.CASE, prediction=row, label=label, disposition=told,
            reason=reason.strip(), created_by=principal.name,
        )  # fmt: skip
        # The caller has its answer, so no time runs out any more.
        QueueItem.objects.open().filter(prediction=row, hold_until__isnull=False).update(hold_until=None)
        _record(made, principal, "override.made")
        resolutions.resolve(prediction=row, label=label, disposition=told, by=Resolution.By.PERSON)
    return made


def override_segment(
    *,
    model: RegisteredModel,
    principal: Principal,
    when: Any,
    disposition: str,
    reason: str,
    expires_at: datetime | None = None,
) -> Override:
    """Route what meets the condition as said, before every rule of the policy, until it ends or expires.

    Raises Invalid with every fault, those of the condition under ``/when``.
    """
    principal.require("preview", model)
    faults = _reason_faults(reason) + _when_faults(model, when)
    if disposition not in Disposition.values:
        faults.append(Fault("/disposition", "not_allowed", f"one of {', '.join(Disposition.values)}"))
    elif disposition == Disposition.PROCEED and model.oversight == RegisteredModel.Oversight.ALWAYS:
        message = "a person decides every case of this model, so none may proceed without one"
        faults.append(Fault("/disposition", "not_allowed", message))
    faults += _expiry_faults(model, expires_at)
    if faults:
        raise Invalid(errors=faults)
    with transaction.atomic():
        # Locks the model's number of them.
        RegisteredModel.objects.select_for_update(no_key=True).get(pk=model.pk)
        if model.overrides.in_force().filter(scope=Override.Scope.SEGMENT).count() >= MOST_SEGMENTS:
            raise Conflict(f"a model has at most {MOST_SEGMENTS} segments overridden; end one, or change its policy")
        made = Override.objects.create(
            model=model, scope=Override.Scope.SEGMENT, when=when, disposition=disposition, reason=reason.strip(),
            created_by=principal.name, expires_at=expires_at,
        )  # fmt: skip
        _record(made, principal, "override.made")
    return made


def end_override(*, override: Override, principal: Principal) -> Override:
    """Let the policy decide again about a segment, from the next batch on. Safe to repeat.

    Raises Conflict ``override_final`` for a case: its caller has been told, and can only be told something else.
    """
    principal.require("preview", override.model)
    if override.scope == Override.Scope.CASE:
        message = "its caller has been told; override the case again to tell it something else"
        raise Conflict(message, code="override_final")
    with transaction.atomic():
        standing = Override.objects.filter(pk=override.pk, ended_at__isnull=True)
        if standing.update(ended_at=DatabaseNow(), ended_by=principal.name):
            _record(override, principal, "override.ended")
    override.refresh_from_db()
    return override


def _reason_faults(reason: str) -> list[Fault]:
    if not 1 <= len(reason.strip()) <= 500:
        return [Fault("/reason", "length", "say why, in 1 to 500 characters")]
    return []


def _when_faults(model: RegisteredModel, when: Any) -> list[Fault]:
    checker = Checker(policy_facts.facts_of(model).vocabulary)
    checker.check(when, "/when")
    if checker.leaves > MAX_LEAVES:
        checker.found.append(Fault("/when", "length", f"at most {MAX_LEAVES} comparisons, this has {checker.leaves}"))
    return checker.found


def _expiry_faults(model: RegisteredModel, expires_at: datetime | None) -> list[Fault]:
    if expires_at is None:
        return []
    rows = RegisteredModel.objects.annotate(now=DatabaseNow()).values_list("now", flat=True)
    now: datetime = rows.get(pk=model.pk)
    if expires_at <= now:
        return [Fault("/expires_at", "out_of_range", "this time has passed")]
    if expires_at > now + LONGEST:
        return [Fault("/expires_at", "out_of_range", "at most ten years ahead")]
    return []


def _record(made: Override, principal: Principal, action: str) -> None:
    detail = {
        "scope": str(made.scope),
        "prediction": None if made.prediction_id is None else str(made.prediction_id),
        "when": made.when,
        "label": made.label,
        "disposition": str(made.disposition),
        "reason": made.reason,
    }
    record(actor=principal.name, action=action, subject=str(made.pk), model=made.model, detail=detail)
