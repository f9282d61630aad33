"""What a reviewer is shown of a case, and when: the server decides it and writes it down before it goes out.

A lease has the mode of its item at the claim. Under ``assisted`` the model's answer goes out with the claim;
the steps here let it out later. Each is one statement whose WHERE holds the live lease, and is safe to repeat.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import transaction

from models_registry import sql
from models_registry.errors import Conflict, Fault, Forbidden, Invalid
from review import leases, sensitive, sightings
from review.models import CaseView, Lease, Mode, Prediction, QueueItem

if TYPE_CHECKING:
    from uuid import UUID

    from models_registry.access import Principal

WITHOUT = {
    Mode.ASSISTED: "the model's answer was shown with this case; only blind_first has a first answer",
    Mode.BLIND_FIRST: "give a first answer: the model is shown after it",
    Mode.BLIND: "this case is judged without the model",
    Mode.ON_REQUEST: "this case has no first answer; ask for the model with reveal",
}


def first_answer(*, token: UUID, principal: Principal, label: str) -> Lease:
    """Keep what the holder says before the model is shown, and show the model from now on.

    The first answer stays: another label raises Conflict ``first_answer_given``, a lease of another mode
    ``mode_conflict``, one that is over what ``leases.refusal`` says. Invalid for what is no class of the model.
    """
    lease = leases.of_reviewer(token, principal)
    classes = lease.item.model.classes
    if label not in classes:
        fault = Fault("/label", "not_allowed", f"choose one of {', '.join(classes)}")
        raise Invalid("a first answer is one of the model's classes", errors=[fault])
    if not _change(leases.FIRST_ANSWER, lease, principal, label=label):
        raise _refusal(token, principal, wanted=Mode.BLIND_FIRST)
    return leases.of_reviewer(token, principal)


def reveal(*, token: UUID, principal: Principal) -> Lease:
    """Show the model to the holder who asks for it. Conflict ``mode_conflict`` where the mode has no such way."""
    lease = leases.of_reviewer(token, principal)
    if not _change(leases.REVEAL, lease, principal):
        raise _refusal(token, principal, wanted=Mode.ON_REQUEST)
    return leases.of_reviewer(token, principal)


def reveal_feature(*, prediction: Prediction, principal: Principal, feature: str, where: str) -> Any:
    """The value of a feature that is hidden by policy; who asked is recorded before it is given.

    For who holds the case, leads and owners; Forbidden for all others. Invalid where the contract has no such
    sensitive feature.
    """
    names = sensitive.names(prediction)
    if feature not in names:
        known = ", ".join(sorted(names)) or "none"
        fault = Fault("/feature", "not_allowed", f"sensitive features of this case: {known}")
        raise Invalid("this feature is not hidden", errors=[fault])
    if not may_reveal(prediction, principal):
        raise Forbidden("hidden values are for who holds the case, leads and owners")
    with transaction.atomic():
        what = CaseView.What.SENSITIVE
        sightings.write([prediction.pk], viewer=principal.pseudonym, whats=[what], where=where, detail=feature)
        return prediction.payload.features.get(feature)


def may_reveal(prediction: Prediction, principal: Principal) -> bool:
    """Whether the principal may ask for hidden values of this case now."""
    abilities = principal.abilities(prediction.model)
    if "preview" in abilities or not sensitive.is_masked(principal, abilities):
        return True
    held = QueueItem.objects.leased().filter(prediction=prediction, lease_holder=principal.pseudonym)
    return "review" in abilities and held.exists()


def _change(statement: str, lease: Lease, principal: Principal, **values: Any) -> int:
    values |= {"token": lease.token, "holder": principal.pseudonym, "prediction": lease.item.prediction_id}
    return sql.change(statement, values)


def _refusal(token: UUID, principal: Principal, *, wanted: str) -> Conflict:
    """Why nothing changed: the lease is over, or its mode has no such step, or another first answer stands."""
    lease = leases.find(token)
    if lease is None or lease.holder != principal.pseudonym or not leases.seconds_left(token):
        return leases.refusal(token, principal.pseudonym)
    if lease.mode == wanted:
        return Conflict(f"{lease.first_answer!r} was the first answer; it stays", code="first_answer_given")
    return Conflict(WITHOUT[Mode(lease.mode)], code="mode_conflict")
