"""Change the champion: first activation, promotion, rollback. One conditional update, one row of history.

The update takes effect only where the champion is still the one that was looked at, so parallel
promotions leave one chain: each row's ``previous`` is the version of the row before it.
"""

from __future__ import annotations

from django.db import transaction

from models_registry import webhooks
from models_registry.errors import Conflict, Fault, NotFound
from models_registry.ledger import record
from models_registry.models import GateResult, ModelVersion, Promotion, RegisteredModel

ARTIFACT_CHECKED = "artifact_checked"
WHY_UNMET = {
    "contract": "the gate 'contract' is not met: the live policy asks for features that the version does not have",
    "policy": "the gate 'policy' is not met: no policy is live",
}


def activate(*, model: RegisteredModel, version: ModelVersion, evidence: dict[str, bool], actor: str) -> Promotion:
    """Make a version the champion for the first time, given which activation gates are met.

    ``evidence`` maps gates (``contract``, ``policy``, …) to whether they are met; ``artifact_checked``
    is read from the version itself. Where there is a champion already, the blocking gates of a promotion hold
    too. The present champion is answered with its standing promotion.

    Raises Conflict ``gates_missing`` with one error per missing gate, ``gate_failed``, ``champion_changed``.
    """
    seen = _champion_of(model, version)
    if seen == version.pk:
        return _standing(model)
    if missing := _unmet(evidence) + _unchecked(version):
        names = ", ".join(fault.pointer.removeprefix("/gates/") for fault in missing)
        raise Conflict(f"not activated; missing: {names}", code="gates_missing", errors=missing)
    kind = Promotion.Kind.ACTIVATION
    if seen is not None:
        kind = Promotion.Kind.PROMOTION
    return _switch(model, version, seen=seen, kind=kind, reason="", actor=actor)


def promote(
    *,
    model: RegisteredModel,
    version: ModelVersion,
    reason: str,
    actor: str,
    evidence: dict[str, bool] | None = None,
) -> Promotion:
    """Make a ready version the champion, unless a blocking gate speaks against it.

    ``evidence`` maps what the caller alone can tell (``contract``: whether the version covers the live policy)
    to whether it is met, as in `activate`.

    The newest result of each gate counts. A version registered by hand may have no results; one that
    was retrained must, and against the present champion. The present champion is answered with its standing
    promotion.

    Raises Conflict: ``not_activated`` where there is no champion yet, ``gates_missing``, ``gate_failed``
    with one error per gate, ``champion_changed``.
    """
    seen = _champion_of(model, version)
    if seen == version.pk:
        return _standing(model)
    if seen is None:
        raise Conflict("the model has no champion yet; activate its first version", code="not_activated")
    if missing := _unmet(evidence or {}) + _unchecked(version):
        raise Conflict(missing[0].message, code="gates_missing", errors=missing)
    return _switch(model, version, seen=seen, kind=Promotion.Kind.PROMOTION, reason=reason, actor=actor)


def rollback(*, model: RegisteredModel, reason: str, actor: str) -> Promotion:
    """Bring back the champion before the present one, without asking any gate.

    Rolling back twice goes back twice. Raises Conflict ``nothing_to_roll_back``, ``champion_changed``.
    """
    seen = RegisteredModel.objects.values_list("champion_id", flat=True).get(pk=model.pk)
    made = model.promotions.exclude(kind=Promotion.Kind.ROLLBACK).filter(version=seen).first()
    if made is None or made.previous is None:
        raise Conflict("there is no champion before this one", code="nothing_to_roll_back")
    return _switch(model, made.previous, seen=seen, kind=Promotion.Kind.ROLLBACK, reason=reason, actor=actor)


def blocking_results(version: ModelVersion) -> list[GateResult]:
    """The blocking gates whose newest result is not a pass, by name of the gate."""
    return [result for result in _newest_results(version) if _blocks(result)]


def _newest_results(version: ModelVersion) -> list[GateResult]:
    return list(version.gate_results.select_related("compared_with").order_by("gate", "-id").distinct("gate"))


def _blocks(result: GateResult) -> bool:
    return result.blocking and result.verdict != GateResult.Verdict.PASSED


def _champion_of(model: RegisteredModel, version: ModelVersion) -> int | None:
    if version.model_id != model.pk:
        raise NotFound(f"model {model.slug!r} has no version {version.version!r}")
    return RegisteredModel.objects.values_list("champion_id", flat=True).get(pk=model.pk)


def _unmet(evidence: dict[str, bool]) -> list[Fault]:
    unmet = [gate for gate, met in evidence.items() if not met and gate != ARTIFACT_CHECKED]
    return [_missing(gate, WHY_UNMET.get(gate, f"the gate {gate!r} is not met")) for gate in unmet]


def _unchecked(version: ModelVersion) -> list[Fault]:
    version.refresh_from_db(fields=["state", "state_reason"])
    if version.state == ModelVersion.State.READY:
        return []
    reason = "the worker has not checked the version yet; try again in a moment"
    if version.state == ModelVersion.State.REJECTED:
        reason = f"the version was rejected: {version.state_reason}"
    return [_missing(ARTIFACT_CHECKED, reason)]


def _missing(gate: str, reason: str) -> Fault:
    return Fault(f"/gates/{gate}", "gate_missing", reason)


def _refuse_failed_gates(version: ModelVersion, *, champion_id: int | None) -> None:
    results = _newest_results(version)
    if failed := [result for result in results if _blocks(result)]:
        names = ", ".join(result.gate for result in failed)
        faults = [Fault(f"/gates/{result.gate}", result.verdict, result.reason) for result in failed]
        raise Conflict(f"not promoted; gates: {names}", code="gate_failed", errors=faults)
    if version.origin != ModelVersion.Origin.RETRAINED:
        return
    if not results:
        faults = [_missing("evaluation", "the retrained version was not compared with the champion yet")]
        raise Conflict(faults[0].message, code="gates_missing", errors=faults)
    if stale := [result for result in results if result.compared_with_id != champion_id]:
        faults = [_missing(result.gate, _why_stale(result)) for result in stale]
        raise Conflict(faults[0].message, code="gates_missing", errors=faults)


def _why_stale(result: GateResult) -> str:
    other = result.compared_with
    if other is None:
        return "judged against no version that serves: retrain"
    return f"judged against version {other.version!r}, which no longer serves: retrain"


def _switch(
    model: RegisteredModel, version: ModelVersion, *, seen: int | None, kind: Promotion.Kind, reason: str, actor: str
) -> Promotion:
    with transaction.atomic():
        if not RegisteredModel.objects.filter(pk=model.pk, champion=seen).update(champion=version):
            now = RegisteredModel.objects.values_list("champion_id", flat=True).get(pk=model.pk)
            if now == version.pk:
                return _standing(model)
            raise Conflict("the champion changed a moment ago; look again", code="champion_changed")
        # The row lock of the update is held until commit, so history is in the order of the changes,
        # and verdicts are read when the champion that they must be about can no longer change.
        if kind == Promotion.Kind.PROMOTION:
            _refuse_failed_gates(version, champion_id=seen)
        promotion = Promotion.objects.create(
            model=model, version=version, previous_id=seen, kind=kind, reason=reason, actor=actor
        )
        _tell(promotion)
    model.champion = version
    return promotion


def _tell(promotion: Promotion) -> None:
    model, version, previous = promotion.model, promotion.version, promotion.previous
    change = {
        "model": model.slug,
        "version": version.version,
        "previous": previous.version if previous else None,
        "kind": promotion.kind,
        "reason": promotion.reason,
    }
    record(actor=promotion.actor, action=f"model.{promotion.kind}", subject=version.version, model=model, detail=change)
    payload = {**change, "artifact_sha256": version.artifact_id, "promoted_at": promotion.at.isoformat()}
    webhooks.announce(model=model, event="model.promoted", ordering_key=f"model:{model.slug}", payload=payload)


def _standing(model: RegisteredModel) -> Promotion:
    """The promotion that made the present champion."""
    return model.promotions.select_related("version", "previous").latest("id")
