"""What of lists, exports and files goes to whom: rows behind a veil are left out, sensitive columns are masked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

from models_registry.errors import Forbidden
from models_registry.ledger import record
from models_registry.models import DataContract, ModelVersion
from review import sensitive, sightings
from review.models import CaseView, Prediction
from review.veil import may_be_veiled, reviewed_models, veils

if TYPE_CHECKING:
    from models_registry.access import Principal
    from models_registry.models import RegisteredModel

BLOCK = 500


def visible(ids: Iterable[int], viewer: Principal) -> set[int]:
    """Those of the predictions about which the viewer may be told what people or the model answered."""
    wanted = set(ids)
    waiting = may_be_veiled(Prediction.objects.filter(pk__in=wanted), viewer)
    return wanted - {pk for pk, veil in veils(viewer, waiting).items() if veil.labels}


def exported(rows: Iterator[dict[str, Any]], viewer: Principal) -> Iterator[dict[str, Any]]:
    """Rows of an export without those of cases that the viewer may still have to answer.

    Of the others that are open the first sight of the model's answer is recorded. A fixed number of queries per block.
    """
    while block := list(islice(rows, BLOCK)):
        ids = {int(row["prediction_id"]) for row in block}
        waiting = may_be_veiled(Prediction.objects.filter(pk__in=ids), viewer)
        found = sightings.looked_at(waiting, viewer, CaseView.Where.EXPORT)
        hidden = {str(pk) for pk, veil in found.items() if veil.labels}
        yield from (row for row in block if str(row["prediction_id"]) not in hidden)


def sensitive_features(model: RegisteredModel) -> set[str]:
    """The features that the contract of any usable version marks as sensitive."""
    usable = ModelVersion.objects.filter(model=model).exclude(state=ModelVersion.State.REJECTED)
    contracts = DataContract.objects.filter(pk__in=usable.values("contract")).values_list("document", flat=True)
    return set().union(*(sensitive.of_contract(document) for document in contracts))


def masked_columns(model: RegisteredModel, viewer: Principal) -> set[str]:
    """The features that an export leaves empty for the viewer: the sensitive ones, for a person who is no owner.

    What an owner takes is written to the ledger. Keys belong to the systems that sent the values.
    """
    names = set() if viewer.key is not None else sensitive_features(model)
    if names and "admin" in viewer.abilities(model):
        detail = {"sensitive": sorted(names)}
        record(actor=viewer.name, action="labels.exported", subject=model.slug, model=model, detail=detail)
        return set()
    return names


def give_file(*, model: RegisteredModel, snapshot: int, last_label: int, viewer: Principal) -> None:
    """Before a snapshot's file is given to a person: a file cannot be masked, so who takes it is looked at instead.

    Forbidden for a person who is no owner where it has sensitive features. For a person who also reviews, the cases
    in it that they may still have to answer count as seen from now on.
    """
    if viewer.key is not None:
        return
    if names := sensitive_features(model):
        if "admin" not in viewer.abilities(model):
            raise Forbidden("this file has sensitive features; an owner or a service key may fetch it")
        detail = {"snapshot": snapshot, "sensitive": sorted(names)}
        record(actor=viewer.name, action="snapshot.fetched", subject=str(snapshot), model=model, detail=detail)
    if model.pk in reviewed_models(viewer):
        labelled = Prediction.objects.filter(model=model, labels__id__lte=last_label).distinct()
        waiting = may_be_veiled(labelled, viewer)
        whats = [CaseView.What.MODEL, CaseView.What.COLLEAGUES]
        ids = list(waiting.values_list("pk", flat=True))
        sightings.write(ids, viewer=viewer.pseudonym, whats=whats, where=CaseView.Where.EXPORT, once=True)
