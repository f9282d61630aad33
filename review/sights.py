"""Looking at predictions: what is veiled, and the record of what goes out, in one step of a page or endpoint."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from review import sightings
from review.models import CaseView
from review.veil import Veil, reviewed_models, veils

if TYPE_CHECKING:
    from collections.abc import Iterable

    from models_registry.access import Principal
    from review.models import Prediction


def opened(prediction: Prediction, viewer: Principal, where: str) -> Veil:
    """What is hidden of a prediction that this viewer opens, written down together with what is not.

    Of persons and of keys that review for them; a system that asks what to do is nobody's sight.
    """
    veil = veils(viewer, [prediction])[prediction.pk]
    if viewer.key is None or prediction.model_id in reviewed_models(viewer):
        whats = [CaseView.What.CASE]
        whats += [] if veil.model else [CaseView.What.MODEL]
        whats += [CaseView.What.COLLEAGUES] if not veil.colleagues and _answered(prediction) else []
        sightings.write([prediction.pk], viewer=viewer.pseudonym, whats=whats, where=where)
    return veil


def looked_at(predictions: Iterable[Prediction], viewer: Principal, where: str) -> dict[int, Veil]:
    """The veils of predictions that stand in a list, by id; the first sight of each model's answer is written down."""
    rows = list({prediction.pk: prediction for prediction in predictions}.values())
    found = veils(viewer, rows)
    reviewed = reviewed_models(viewer) if rows else set()
    shown: dict[bool, list[int]] = defaultdict(list)
    for row in rows:
        shown[row.model_id in reviewed and not found[row.pk].model].append(row.pk)
    sightings.write(shown[True], viewer=viewer.pseudonym, whats=[CaseView.What.MODEL], where=where, once=True)
    return found


def _answered(prediction: Prediction) -> bool:
    return bool(prediction.decisions.all())
