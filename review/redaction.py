"""What a veil and a mask leave of the bodies that tell of a prediction.

What is hidden is decided by a list of what stays, so that a member added to a body later is hidden until somebody
says that it tells nothing.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from review import context, sensitive
from review.models import Prediction, RoutingControl, RoutingDecision

if TYPE_CHECKING:
    from collections.abc import Collection

    from models_registry.access import Principal
    from review.models import Resolution, ReviewDecision
    from review.veil import Veil

# Of a prediction whose model is hidden: what the caller sent but for the scores, and where it stands.
_WITHOUT_MODEL = frozenset({
    "id", "model", "version", "external_id", "entity_id", "status", "occurred_at", "received_at", "review", "policy",
    "routed_at", "withdrawn_reason", "decisions", "labels", "resolution", "hidden", "masked",
    "features", "value", "groups", "context",
})  # fmt: skip
_UNSAID: dict[str, Any] = {"state": None, "label": None, "disposition": None, "by": None, "at": None}
# What an audit's routing brings comes within so long; what took longer of a gold item's case was no part of it.
_SOON = timedelta(minutes=1)


def prediction(body: dict[str, Any], found: Prediction, veil: Veil, viewer: Principal | None) -> dict[str, Any]:
    """The body of a prediction as this viewer may see it."""
    names = sensitive.hidden_from(viewer, found)
    shown = {**body, "hidden": veil.parts, "masked": sorted(names)}
    if names:
        shown |= _masked(shown, names)
    if veil.gold:
        shown |= _as_audit(shown, found, veil)
    if veil.draw:
        shown |= {"propensity": None, "draw": None}
    if veil.labels:
        shown["labels"] = []
    if veil.colleagues and shown["explanation"]:
        shown["explanation"] = {**shown["explanation"], "similar": []}
    if veil.model or (veil.resolution and shown["resolution"]["by"] == "person"):
        shown["resolution"] = _UNSAID
    if veil.model:
        kept = _WITHOUT_MODEL | ({"disposition"} if body["review"] == "gate" and not veil.gold else set())
        shown = {name: value if name in kept else _blank(value) for name, value in shown.items()}
    return shown


def resolution(body: dict[str, Any], found: Resolution, veil: Veil) -> dict[str, Any]:
    """An entry of the feed as this viewer may see it."""
    if veil.model or (veil.resolution and body["by"] == "person"):
        return {**body, **_UNSAID, "decision": None}
    return {**body, "at": _resolved_at(found.prediction, veil)} if veil.gold else body


def decisions(rows: Collection[ReviewDecision], veil: Veil, viewer: Principal | None) -> list[ReviewDecision]:
    """Those of the rows that the viewer may see, oldest first: only their own while those of others are hidden."""
    ordered = sorted(rows, key=lambda row: row.pk)
    if veil.others:
        return [row for row in ordered if viewer is not None and is_own(row, viewer)]
    return ordered


def is_own(row: ReviewDecision, viewer: Principal) -> bool:
    """Whether the viewer gave the answer, or carried it."""
    return row.reviewer == viewer.pseudonym or (viewer.key is not None and row.service_key_id == viewer.key.pk)


def row(found: Prediction, veil: Veil) -> Prediction:
    """The prediction for a page: a copy without the answer, or with a gold item's times, where these are hidden."""
    if not (veil.model or veil.gold):
        return found
    shown = copy.copy(found)
    if veil.model:
        shown.predicted, shown.confidence, shown.scores = "", None, []  # type: ignore[assignment]
    if veil.gold:
        shown.status = told_status(veil)
        moved = _moved(found, veil)
        shown.occurred_at, shown.received_at = found.occurred_at + moved, found.received_at + moved
    return shown


def routing(found: RoutingDecision | None, veil: Veil) -> RoutingDecision | None:
    """The routing decision for a page: without how an audit was drawn, a gold item's as that of an audit."""
    if found is None or not (veil.draw or veil.gold):
        return found
    shown = copy.copy(found)
    if veil.draw:
        shown.propensity = shown.draw = None  # type: ignore[assignment]
    if veil.gold:
        shown.routed_at = found.routed_at + _moved(found.prediction, veil)
        control = RoutingControl.objects.filter(model=found.model_id).select_related("active").first()
        shown.policy = None if control is None else control.active
        if found.review != RoutingDecision.Review.AUDIT:
            shown.review, shown.reasons = RoutingDecision.Review.AUDIT, ["audit_floor"]
    return shown


def explanation(body: dict[str, Any], names: Collection[str]) -> dict[str, Any]:
    """An explanation's body with the values of these features masked, wherever they stand."""
    shown = {**body, "contributions": sensitive.masked_rows(body["contributions"], names)}
    if body.get("flips"):
        shown["flips"] = sensitive.masked_rows(body["flips"], names)
    if contrast := body.get("contrast"):
        shown["contrast"] = {**contrast, "contributions": sensitive.masked_rows(contrast["contributions"], names)}
    return shown


def told_status(veil: Veil) -> str:
    """The status of an audit in a gold item's place: decided by the viewer's own answer where that is enough."""
    answered = veil.own is not None and not veil.own.abstained and not veil.several
    return Prediction.Status.DECIDED if answered else Prediction.Status.ROUTED


def told_of_audit(found: Prediction, veil: Veil) -> dict[str, Any]:
    """What the caller would have been told of the prediction, were a gold item the audit that it looks like.

    By its routing, and once the viewer's own answer alone would decide it and differs, by that.
    """
    own = veil.own
    if own is not None and told_status(veil) == Prediction.Status.DECIDED and own.label not in (None, found.predicted):
        said = {"label": own.label, "disposition": found.model.disposition_for(str(own.label)), "by": "person"}
        return {**said, "at": own.decided_at}
    routed = getattr(found, "routing", None)
    disposition = found.model.disposition_for(found.predicted) if routed is None else routed.disposition
    if disposition == RoutingDecision.Disposition.HOLD:
        disposition = found.model.disposition_for(found.predicted)
    return {"label": found.predicted, "disposition": disposition, "by": "model", "at": _resolved_at(found, veil)}


def explained_at(found: Prediction, computed_at: datetime | None, veil: Veil) -> datetime | None:
    """When a gold item's case would have been explained, were it the audit that it looks like."""
    if computed_at is None or veil.asked_at is None or computed_at >= veil.asked_at:
        return computed_at
    return _after_routing(found, computed_at, veil)


def _times(found: Prediction) -> dict[str, datetime | None]:
    routed = getattr(found, "routing", None)
    times = {"occurred_at": found.occurred_at, "received_at": found.received_at}
    return {**times, "routed_at": routed and routed.routed_at}


def _moved(found: Prediction, veil: Veil) -> timedelta:
    """By how much all times of a gold item's case are told later: it was routed when it was asked, as an audit is.

    One shift for all, so that they differ from each other as they did.
    """
    return (veil.asked_at or found.received_at) - (_times(found)["routed_at"] or found.received_at)


def _resolved_at(found: Prediction, veil: Veil) -> datetime:
    first = found.resolutions.order_by("id").first()
    return _after_routing(found, found.received_at if first is None else first.at, veil)


def _after_routing(found: Prediction, at: datetime, veil: Veil) -> datetime:
    """The time, moved with all others; of what did not follow the routing at once a moment after it."""
    routed_at = _times(found)["routed_at"] or found.received_at
    gap = at - routed_at
    if not timedelta(0) < gap <= _SOON:
        # As long as routing is, within bounds: no two cases alike.
        gap = min(max((routed_at - found.received_at) / 8, timedelta(milliseconds=3)), timedelta(seconds=2))
    return routed_at + _moved(found, veil) + gap


def _masked(body: dict[str, Any], names: Collection[str]) -> dict[str, Any]:
    shown = {name: sensitive.masked(body[name], names) for name in ("features", "groups") if body.get(name)}
    if body.get("context"):
        shown["context"] = context.masked(body["context"], names)
    if body.get("explanation"):
        shown["explanation"] = explanation(body["explanation"], names)
    return shown


def _as_audit(body: dict[str, Any], found: Prediction, veil: Veil) -> dict[str, Any]:
    """A gold item as the audit that it looks like: routed when it was asked, and nothing known of it but one's own."""
    moved, told = _moved(found, veil), told_of_audit(found, replace(veil, own=None))
    explained = body.get("explanation")
    routed = routing(getattr(found, "routing", None), veil)
    return {
        **{name: found_at and found_at + moved for name, found_at in _times(found).items()},
        "status": told_status(veil),
        "review": "audit",
        "reasons": body["reasons"] if body["review"] == "audit" else ["audit_floor"],
        "policy": routed.policy.number if routed is not None and routed.policy else None,
        "explanation": explained and {**explained, "computed_at": explained_at(found, explained["computed_at"], veil)},
        "disposition": told["disposition"],
        "resolution": {"state": "final", **told_of_audit(found, veil)},
    }  # fmt: skip


def _blank(value: Any) -> Any:
    return [] if isinstance(value, list) else None
