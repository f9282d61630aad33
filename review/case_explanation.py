"""An explanation as a person reads it: factor table, sentence, contrast, what would turn it, similar decided cases.

Reads only. Values come from the rows of the features as they are shown, so that what is hidden there is hidden here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from models_registry import wording
from models_registry.models import Calibration, ReferenceProfile
from review import arrays, figures, likeness, sentences, similar
from review.models import Explanation, Prediction

Rows = Mapping[str, dict[str, Any]]

DIFFERING = 3
# Digits of a value that turns the answer: fewer might not turn it.
EXACT = 9


def explanation(prediction: Prediction, rows: Rows) -> dict[str, Any]:
    """What stands in the place of the explanation: ready with its parts, pending, failed with the reason, or none.

    ``rows`` are the features as shown, by name.
    """
    found: Explanation | None = getattr(prediction, "explanation", None)
    if found is None:
        return {"state": "none"}
    if found.status != Explanation.Status.READY:
        return {"state": found.status, "reason": found.reason}
    label = found.explained_class or prediction.predicted
    shown = [_shown(one, rows) for one in found.contributions]
    contrast = found.contrast if len(prediction.model.classes) > 2 else None
    other = [] if contrast is None else [_shown(one, rows) for one in contrast["contributions"]]
    # One scale for both tables, so that a bar means the same in either.
    scale = max(figures.scale_of(shown), figures.scale_of(other) if other else 0.0)
    probability = found.space == "probability"
    hidden = [name for name, row in rows.items() if row.get("hidden")]
    table = figures.factors(shown, probability=probability, scale=scale)
    return {
        "state": "ready",
        "row": found,
        "label": label,
        "drawing": arrays.factors(prediction.payload.context, found.contributions, label, hidden),
        "sentence": sentences.mostly(table["rows"], label),
        "contrast": contrast and _contrast(contrast, other, probability, scale),
        "other": None if len(prediction.model.classes) > 2 else _other(prediction, label),
        "flips": _flips(found.flips, rows),
        "waterfall": [{**one, "total": total} for one, total in zip(shown, _totals(found), strict=True)],
        **table,
    }


def frequency(prediction: Prediction) -> dict[str, Any]:
    """How often such an answer came true, or how little is known about it yet."""
    kept = Calibration.objects.filter(version_id=prediction.version_id).first()
    score = prediction.score_of(prediction.predicted)
    return sentences.frequency([] if kept is None else kept.bins, prediction.predicted, score)


def alike(prediction: Prediction, rows: Rows, profile: ReferenceProfile | None) -> list[dict[str, Any]]:
    """Decided cases most like it, each with its answer and in what it differs; none that is open by now."""
    found: Explanation | None = getattr(prediction, "explanation", None)
    contract = prediction.version.contract.document
    features = {feature["name"]: feature for feature in contract["features"]}
    told = []
    for other, decision in similar.standing(found.similar if found else [], prediction.model_id):
        theirs = other.payload.features
        names = likeness.differing(
            contract, profile.document["features"] if profile else {}, prediction.payload.features, theirs, DIFFERING
        )
        differs = [
            {"label": rows[name]["title"], "text": wording.value(theirs.get(name), features[name])}
            for name in names
            if name in rows and not rows[name].get("hidden")
        ]
        told.append({"prediction": other, "label": decision.label, "at": decision.decided_at, "differs": differs})
    return told


def _shown(one: Mapping[str, Any], rows: Rows) -> dict[str, Any]:
    """A contribution with the row of its feature; one that the contract does not know stands for itself."""
    feature = {"name": one["feature"]}
    label = wording.label_of(feature)
    plain = {"label": label, "title": label, "text": wording.value(one.get("value"), feature), "group": ""}
    return {**rows.get(one["feature"], plain), "feature": one["feature"], "contribution": one["contribution"]}


def _contrast(
    found: Mapping[str, Any], shown: Sequence[dict[str, Any]], probability: bool, scale: float
) -> dict[str, Any]:
    return {"against": found["against"], **figures.factors(shown, probability=probability, scale=scale)}


def _other(prediction: Prediction, label: str) -> str:
    return next((one for one in prediction.model.classes if one != label), "")


def _flips(found: list[dict[str, Any]] | None, rows: Rows) -> list[dict[str, Any]] | None:
    """Changes of features that are shown; None where nobody looked for any."""
    if found is None:
        return None
    return [
        {**one, "name": rows[one["feature"]]["title"], "now": rows[one["feature"]]["text"],
         "then": _value(one["value"], rows[one["feature"]]["unit"])}
        for one in found
        if one["feature"] in rows and not rows[one["feature"]].get("hidden")
    ]  # fmt: skip


def _value(given: Any, unit: str) -> str:
    if isinstance(given, float):
        text = wording.number(given, EXACT)
        return f"{text} {unit}" if unit else text
    return wording.value(given, {"unit": unit})


def _totals(found: Explanation) -> list[float | None]:
    """The running sum from the base value on, as a waterfall has it; nothing without a base value."""
    if found.base_value is None:
        return [None] * len(found.contributions)
    total, totals = found.base_value, []
    for one in found.contributions:
        total += one["contribution"]
        totals.append(total)
    return [*totals]
