"""One prediction as a person sees it: features in groups against the reference, scores, factors, and why it is here.

Reads only. The review page and a prediction's own page show the same thing, so both ask here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from models_registry import wording
from models_registry.models import ReferenceProfile
from review import arrays, drawings, figures
from review.models import Explanation, RoutingDecision

if TYPE_CHECKING:
    from collections.abc import Iterable

    from review.models import Prediction

UNGROUPED = "Features"
STANDOUTS = 4
# The reasons that routing itself gives; all others are names of the policy's own branches.
REASONS = {
    "low_confidence": "the model is unsure",
    "high_risk": "being wrong here would be expensive",
    "audit_floor": "chosen at random, as a share of all cases is",
    "sampling": "chosen at random, to learn from",
    "kill_switch": "the kill switch is on: every case comes to a person",
    "oversight_always": "a person decides every case of this model",
    "no_active_policy": "no policy is active, so every case comes to a person",
    "policy_error": "the policy could not be evaluated for this case",
    "missing_value": "a rule asks for a value that this case does not have",
}


def case(prediction: Prediction) -> dict[str, Any]:
    """What a template needs to show a prediction with its version, contract, payload, routing and explanation."""
    features = prediction.version.contract.document["features"]
    groups = _groups(prediction, features)
    rows = [row for group in groups for row in group["rows"]]
    unusual = sorted((row for row in rows if row["unusual"]), key=lambda row: not row["outside"])
    return {
        "prediction": prediction,
        "groups": groups,
        "has_profile": any(row["strip"] or row["words"] for row in rows),
        "standouts": unusual[:STANDOUTS],
        "unusual_count": len(unusual),
        "feature_count": len(rows),
        "scores": figures.score_bars(prediction.model.classes, prediction.scores),
        "explanation": explanation(prediction, {feature["name"]: feature for feature in features}),
        "context": drawings.shown(prediction.payload.context, _sensitive(features)),
        "why": why(getattr(prediction, "routing", None)),
    }


def why(routing: RoutingDecision | None) -> dict[str, Any]:
    """The reasons of a routing decision as words, and how likely it was that this case comes to a person."""
    if routing is None:
        return {"reasons": [], "chance": "", "number": None}
    return {
        "reasons": [{"code": code, "words": REASONS.get(code, code.replace("_", " "))} for code in routing.reasons],
        "chance": chance(routing.propensity),
        "number": routing.policy.number if routing.policy else None,
    }


def chance(propensity: float) -> str:
    """A propensity as a sentence.

    >>> chance(1.0), chance(0.05), chance(0.4)
    ('Every case like this comes to a person.', 'About 1 in 20 cases like this comes to a person.', \
'40 % of cases like this come to a person.')
    """
    if propensity >= 1:
        return "Every case like this comes to a person."
    if propensity <= 0:
        return "No case like this comes to a person."
    if propensity <= 0.25:
        return f"About 1 in {round(1 / propensity)} cases like this comes to a person."
    return f"{wording.share(propensity)} of cases like this come to a person."


def explanation(prediction: Prediction, features: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The factor table, or what stands in its place: pending, failed with the reason, or not asked for."""
    found: Explanation | None = getattr(prediction, "explanation", None)
    if found is None:
        return {"state": "none"}
    if found.status != Explanation.Status.READY:
        return {"state": found.status, "reason": found.reason}
    table = figures.factors(found.contributions, probability=found.space == "probability")
    for row in table["rows"]:
        feature = features.get(row["feature"], {"name": row["feature"]})
        row["label"], row["text"] = wording.label_of(feature), wording.value(row.get("value"), feature)
        row["group"] = feature.get("group", "")
    label = found.explained_class or prediction.predicted
    hidden = _sensitive(features.values())
    drawn = arrays.factors(prediction.payload.context, found.contributions, label, hidden)
    return {"state": "ready", "row": found, "label": label, "drawing": drawn, **table}


def _sensitive(features: Iterable[dict[str, Any]]) -> set[str]:
    """Features that no drawing shows, whoever looks: a value is revealed in its row alone."""
    return {feature["name"] for feature in features if feature.get("sensitive")}


def _groups(prediction: Prediction, features: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The contract's groups in its own order, so that a feature is always found in the same place."""
    profile = ReferenceProfile.objects.filter(version_id=prediction.version_id).first()
    given = prediction.payload.features
    grouped: dict[str, list[dict[str, Any]]] = {}
    for feature in features:
        row = _row(feature, given.get(feature["name"]), profile)
        grouped.setdefault(feature.get("group") or UNGROUPED, []).append(row)
    return [{"name": name, "rows": rows} for name, rows in grouped.items()]


def _row(feature: dict[str, Any], given: Any, profile: ReferenceProfile | None) -> dict[str, Any]:
    row: dict[str, Any] = {
        "name": feature["name"],
        "label": wording.label_of(feature),
        "group": feature.get("group", ""),
        "text": wording.value(given, feature),
        "missing": given is None,
        "sensitive": bool(feature.get("sensitive")),
        "strip": None,
        "words": "",
        "unusual": False,
        "outside": False,
    }
    reference = profile.feature(feature["name"]) if profile else None
    if reference is None:
        return row
    if given is None:
        row["words"] = f"missing in {wording.share(reference.get('null_share', 0.0))} of training cases"
        row["unusual"] = reference.get("null_share", 0.0) < figures.LOW
    elif reference["kind"] == "category":
        shares = {name: part for (name, _), part in zip(reference["values"], reference["shares"], strict=True)}
        row["words"], row["unusual"], row["outside"] = figures.category_words(str(given), shares)
    elif isinstance(given, int | float) and not isinstance(given, bool):
        quantiles = _quantiles(reference)
        if quantiles is not None:
            found = figures.strip(float(given), quantiles)
            row |= {"strip": found, "words": found.words, "unusual": found.unusual, "outside": found.outside}
    return row


def _quantiles(reference: dict[str, Any]) -> figures.Quantiles | None:
    if reference["kind"] != "numeric" or reference["min"] is None:
        return None
    inner = reference["quantiles"]
    levels = [0.0, *(point / 100 for point, _ in inner), 1.0]
    return figures.Quantiles(levels, [reference["min"], *(value for _, value in inner), reference["max"]])
