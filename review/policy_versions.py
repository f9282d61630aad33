"""Change what routing obeys: store a policy, make one live, watch one in the shadow, stop everything.

Policies are numbered and never changed; rolling back makes an older number live. Every change is in the
ledger, and routing reads the rows for each batch, so that no message has to arrive.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db import transaction

from models_registry.errors import Fault, Invalid, NotFound
from models_registry.ledger import record
from models_registry.models import DatabaseNow, RegisteredModel
from review import policies, policy_facts, samplers
from review.models import Override, PolicyVersion, RoutingControl, RoutingDecision

if TYPE_CHECKING:
    from django.db.models import QuerySet

LONGEST_NOTE = 500
LONGEST_SWITCH = timedelta(days=3653)
SWEEPER = "worker"


def create(*, model: RegisteredModel, document: Any, actor: str, note: str = "") -> PolicyVersion:
    """Store a policy under the next number of its model. Nothing obeys it until it is activated.

    Raises Invalid with every fault of the document.
    """
    check(model=model, document=document)
    with transaction.atomic():
        # Locks the model's numbers; two at once get two numbers.
        _locked(model)
        newest = model.policies.order_by("-number").first()
        policy = PolicyVersion.objects.create(
            model=model,
            number=newest.number + 1 if newest else 1,
            document=document,
            note=note[:LONGEST_NOTE],
            created_by=actor,
        )
        _record(policy, actor, "policy.created")
    return policy


def activate(*, policy: PolicyVersion, actor: str) -> RoutingControl:
    """Make a policy the live one; an older number rolls back. Safe to repeat.

    Its sampler is solved on past traffic in the same transaction, so that the first prediction is routed
    by it. Raises Invalid where the model has changed since and the document has faults by now.
    """
    check(model=policy.model, document=policy.document)
    with transaction.atomic():
        control = _locked(policy.model)
        if control.active_id != policy.pk:
            before = control.active.number if control.active else None
            control.active = policy
            _save(control, actor, "active")
            _record(policy, actor, "policy.activated", {"previous": before})
        samplers.refit(model=policy.model, policy=policy)
    return control


def shadow(*, policy: PolicyVersion, actor: str) -> RoutingControl:
    """Name a policy as the one that is only watched. It changes no prediction. Safe to repeat."""
    check(model=policy.model, document=policy.document)
    with transaction.atomic():
        control = _locked(policy.model)
        if control.shadow_id != policy.pk:
            before = control.shadow.number if control.shadow else None
            control.shadow = policy
            _save(control, actor, "shadow")
            samplers.refit(model=policy.model, policy=policy)
            _record(policy, actor, "policy.shadowed", {"previous": before})
    return control


def take_off_shadow(*, policy: PolicyVersion, actor: str) -> RoutingControl:
    """Stop watching a policy. What was seen of it stays. Safe to repeat."""
    with transaction.atomic():
        control = _locked(policy.model)
        if control.shadow_id == policy.pk:
            control.shadow = None
            _save(control, actor, "shadow")
            _record(policy, actor, "policy.unshadowed")
    return control


def set_kill_switch(
    *, model: RegisteredModel, on: bool, reason: str, actor: str, expires_at: datetime | None = None
) -> RoutingControl:
    """Hold every new prediction of the model for a person, until it is switched off or has expired.

    Raises Invalid for an expiry that has passed, or one for a switch that is turned off.
    """
    with transaction.atomic():
        control = _locked(model)
        if expires_at is not None:
            if not on:
                raise Invalid(errors=[Fault("/expires_at", "not_allowed", "only a switch that is on expires")])
            now = _now(control)
            if expires_at <= now:
                raise Invalid(errors=[Fault("/expires_at", "out_of_range", "this time has passed")])
            if expires_at > now + LONGEST_SWITCH:
                raise Invalid(errors=[Fault("/expires_at", "out_of_range", "at most ten years ahead")])
        control.kill_switch = on
        control.kill_switch_reason = reason
        control.kill_switch_expires_at = expires_at
        _save(control, actor, "kill_switch", "kill_switch_reason", "kill_switch_expires_at")
        _overrides_of(model).update(ended_at=DatabaseNow(), ended_by=actor)
        if on:
            # Told beside it, so that every override stands in one place.
            Override.objects.create(
                model=model, scope=Override.Scope.MODEL, disposition=RoutingDecision.Disposition.HOLD, reason=reason,
                created_by=actor, expires_at=expires_at,
            )  # fmt: skip
        detail = {"reason": reason, "expires_at": expires_at.isoformat() if expires_at else None}
        action = "kill_switch.on" if on else "kill_switch.off"
        record(actor=actor, action=action, subject=model.slug, model=model, detail=detail)
    return control


def expire_kill_switches() -> int:
    """Write down that switches have expired; routing has not obeyed them since. Returns how many."""
    with transaction.atomic():
        expired = RoutingControl.objects.filter(kill_switch=True, kill_switch_expires_at__lte=DatabaseNow())
        controls = list(expired.select_related("model").select_for_update(of=("self",), skip_locked=True))
        for control in controls:
            control.kill_switch = False
            _save(control, SWEEPER, "kill_switch")
            _overrides_of(control.model).update(ended_at=control.kill_switch_expires_at, ended_by=SWEEPER)
            detail = {"reason": control.kill_switch_reason}
            record(
                actor=SWEEPER,
                action="kill_switch.expired",
                subject=control.model.slug,
                model=control.model,
                detail=detail,
            )
    return len(controls)


def check(*, model: RegisteredModel, document: Any) -> None:
    """Raise Invalid with every fault that the document has for this model as it is now."""
    if faults := policies.faults(document, policy_facts.facts_of(model)):
        raise Invalid("this policy cannot be obeyed", code="invalid_policy", errors=faults)


def find(*, model: RegisteredModel, number: int) -> PolicyVersion:
    """The model's policy of that number; raises NotFound."""
    policy = model.policies.select_related("model").filter(number=number).first()
    if policy is None:
        raise NotFound(f"model {model.slug!r} has no policy {number}")
    return policy


def is_covered(*, model: RegisteredModel, contract: dict[str, Any]) -> bool:
    """Whether a version with this contract gives the live policy every feature it asks for."""
    control = RoutingControl.objects.select_related("active").filter(model=model).first()
    if control is None or control.active is None:
        return True
    return not policies.faults(control.active.document, policy_facts.facts_with(model, [contract]))


def control_of(*, model: RegisteredModel) -> RoutingControl:
    """What routing obeys for the model; where nobody set anything, an unsaved row that says so. Writes nothing."""
    control = RoutingControl.objects.select_related("active").filter(model=model).first()
    return control or RoutingControl(model=model, changed_at=model.created_at)


def _overrides_of(model: RegisteredModel) -> QuerySet[Override]:
    """The override that the kill switch stands for."""
    return Override.objects.filter(model=model, scope=Override.Scope.MODEL, ended_at__isnull=True)


def _locked(model: RegisteredModel) -> RoutingControl:
    RoutingControl.objects.get_or_create(model=model)
    return (
        RoutingControl.objects.select_for_update(of=("self",))
        .select_related("model", "active", "shadow")
        .get(model=model)
    )


def _save(control: RoutingControl, actor: str, *fields: str) -> None:
    control.changed_by = actor
    control.changed_at = DatabaseNow()
    control.save(update_fields=[*fields, "changed_by", "changed_at"])
    control.refresh_from_db(fields=["changed_at"])


def _now(control: RoutingControl) -> datetime:
    now: datetime = RoutingControl.objects.annotate(now=DatabaseNow()).values_list("now", flat=True).get(pk=control.pk)
    return now


def _record(policy: PolicyVersion, actor: str, action: str, detail: dict[str, Any] | None = None) -> None:
    record(actor=actor, action=action, subject=str(policy.number), model=policy.model, detail=detail)
