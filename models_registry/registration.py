"""Register models, versions and label definitions. Everything is checked before anything is written."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any

import msgspec
from django.conf import settings
from django.db import IntegrityError, transaction

from models_registry import access, archives, artifacts, contracts, declarations
from models_registry.errors import Conflict, Fault, Invalid, TooLarge
from models_registry.ledger import record
from models_registry.models import Artifact, DataContract, LabelDefinition, Membership, ModelVersion, RegisteredModel

if TYPE_CHECKING:
    from django.contrib.auth.models import User

# It stands in addresses, so no slash, space or percent sign.
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}\Z")


def register_model(*, body: Any, actor: str, owner: User | None) -> RegisteredModel:
    """Make a model from its declaration, with its first label definition and, for a person, their ownership.

    A binary model's positive class is the second one where none is declared, as scikit-learn sorts them.
    Raises Invalid with every fault, Conflict (``slug_taken``).
    """
    if faults := declarations.model_faults(body):
        raise Invalid(errors=faults)
    outcomes = body.get("outcomes", {})
    default_positive = body["classes"][1] if body["task"] == RegisteredModel.Task.BINARY else None
    try:
        with transaction.atomic():
            model = RegisteredModel.objects.create(
                slug=body["slug"],
                name=body["name"].strip(),
                task=body["task"],
                classes=body["classes"],
                positive_class=body.get("positive_class", default_positive),
                oversight=body.get("oversight", RegisteredModel.Oversight.POLICY),
                costs=body.get("costs"),
                review_cost=body.get("review_cost"),
                disposition_of=body.get("disposition_of", {}),
                outcomes_complete_for=outcomes.get("complete_for", RegisteredModel.CompleteFor.NONE),
                outcomes_horizon_days=outcomes.get("horizon_days"),
            )
            LabelDefinition.objects.create(model=model, number=1, classes=model.classes, created_by=actor)
            record(actor=actor, action="model.registered", subject=model.slug, model=model, detail=body)
            if owner is not None:
                access.grant_role(user=owner, model=model, role=Membership.Role.OWNER, actor=actor)
    except IntegrityError:
        raise Conflict(
            f"there is a model {body['slug']!r} already",
            code="slug_taken",
            errors=[Fault("/slug", "duplicate", "choose another slug")],
        ) from None
    return model


def register_version(
    *,
    model: RegisteredModel,
    version: str,
    contract: dict[str, Any],
    artifact: bytes | None = None,
    reference: bytes | None = None,
    held_out: bool = False,
    actor: str,
    origin: str = ModelVersion.Origin.REGISTERED,
    parent: ModelVersion | None = None,
    snapshot_sha256: str | None = None,
) -> ModelVersion:
    """Make a version: ``checking`` while a worker has its bytes to look at, else ``ready``.

    A name that was rejected may be used again. Raises Invalid with every fault, TooLarge, Conflict
    (``version_taken``).
    """
    _check(version, contract, artifact, reference)
    # Files first: they are found by content, so one that no row names does no harm.
    stored: dict[str, Any] = {
        "artifact": _stored(artifact, Artifact.Kind.MODEL),
        "reference": _stored(reference, Artifact.Kind.REFERENCE),
        "reference_held_out": held_out and reference is not None,
        "state": ModelVersion.State.READY if artifact is None and reference is None else ModelVersion.State.CHECKING,
        "origin": ModelVersion.Origin(origin),
        "parent": parent,
        "snapshot_sha256": snapshot_sha256,
        "created_by": actor,
    }
    with transaction.atomic():
        RegisteredModel.objects.select_for_update(no_key=True).get(pk=model.pk)
        stored["contract"] = _contract_row(model, contract)
        row = _place(model, version, stored)
        record(
            actor=actor,
            action="version.registered",
            subject=version,
            model=model,
            detail={
                "artifact_sha256": row.artifact_id,
                "reference_sha256": row.reference_id,
                "contract": row.contract.number,
                "origin": row.origin,
            },
        )
    return row


def add_definition(*, model: RegisteredModel, body: Any, actor: str) -> LabelDefinition:
    """Store what the classes mean from now on, under the next number. Raises Invalid with every fault."""
    if faults := declarations.definition_faults(body, model.classes):
        raise Invalid(errors=faults)
    with transaction.atomic():
        RegisteredModel.objects.select_for_update(no_key=True).get(pk=model.pk)
        newest = model.definitions.order_by("-number").first()
        definition = LabelDefinition.objects.create(
            model=model,
            number=newest.number + 1 if newest else 1,
            classes=body["classes"],
            guidelines=body["guidelines"],
            reason_codes=body.get("reason_codes", {}),
            implicit=body.get("implicit", {}),
            created_by=actor,
        )
        record(actor=actor, action="definition.added", subject=str(definition.number), model=model)
    return definition


def _check(version: str, contract: Any, artifact: bytes | None, reference: bytes | None) -> None:
    limit = settings.REVIEWHUB["MAX_ARTIFACT_BYTES"]
    faults = contracts.contract_faults(contract, max_features=settings.REVIEWHUB["MAX_FEATURES"], prefix="/contract")
    if not _VERSION.match(version):
        reason = "1 to 100 letters, digits, dots, hyphens, underscores or plus signs, the first a letter or digit"
        faults.insert(0, Fault("/version", "name", reason))
    if reference is not None and not reference.strip():
        faults.append(Fault("/reference", "empty", "the file of reference rows is empty"))
    if faults:
        raise Invalid(errors=faults)
    if reference is not None and len(reference) > limit:
        raise TooLarge(f"the reference rows have {len(reference)} bytes; at most {limit} are accepted")
    if artifact is not None:
        _check_archive(artifact, limit)


def _check_archive(artifact: bytes, limit: int) -> None:
    try:
        archives.check_archive(artifact, max_bytes=limit)
    except Invalid as error:
        faults = error.errors or [Fault("/artifact", error.code, error.detail)]
        raise Invalid(error.detail, code=error.code, errors=faults) from None


def _stored(content: bytes | None, kind: Artifact.Kind) -> Artifact | None:
    return None if content is None else artifacts.store(content, kind=kind)


def _contract_row(model: RegisteredModel, document: dict[str, Any]) -> DataContract:
    """The model's contract of that content; the same content again is the same row. Call with the model locked."""
    sha256 = hashlib.sha256(msgspec.json.encode(document, order="sorted")).hexdigest()
    known = model.contracts.filter(sha256=sha256).first()
    if known is not None:
        return known
    newest = model.contracts.order_by("-number").first()
    number = newest.number + 1 if newest else 1
    return DataContract.objects.create(model=model, number=number, document=document, sha256=sha256)


def _place(model: RegisteredModel, version: str, fields: dict[str, Any]) -> ModelVersion:
    """A new row, or the row of a rejected upload of that name with its new contents. Call with the model locked."""
    taken = model.versions.select_for_update().filter(version=version).first()
    if taken is None:
        return ModelVersion.objects.create(model=model, version=version, **fields)
    if taken.state != ModelVersion.State.REJECTED:
        raise Conflict(
            f"model {model.slug!r} has a version {version!r} already",
            code="version_taken",
            errors=[Fault("/version", "duplicate", "choose another name")],
        )
    for name, value in {**fields, "state_reason": "", "environment": {}, "checked_at": None}.items():
        setattr(taken, name, value)
    taken.save()
    return taken
