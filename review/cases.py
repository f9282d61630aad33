"""One prediction as a person sees it: features in groups against the reference, scores, factors, and why it is here.

Reads only. The review page and a prediction's own page show the same thing, so both ask here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from models_registry import wording
from models_registry.frames import as_text
from models_registry.models import ReferenceProfile
from review import case_explanation, drawings, figures, redaction, sensitive, sentences
from review.models import RoutingDecision
from review.policies.reasons import PREFIXES
from review.policies.staleness import stale_groups
from review.veil import NOTHING, Veil

if TYPE_CHECKING:
    from models_registry.access import Principal
    from review.models import Prediction

UNGROUPED = "Features"
STANDOUTS = 4
# The reasons that routing itself gives; all others are names of the policy's own branches.
REASONS = {
    "low_confidence": "the model is unsure",
    "high_risk": "being wrong here would be expensive",
    "audit_floor": "chosen at random, as a share of all cases is",
    "sampling": "chosen at random, to learn from",
    "sampling_floor": "chosen at random, to learn from",
    "kill_switch": "the kill switch is on: every case comes to a person",
    "oversight_always": "a person decides every case of this model",
    "no_active_policy": "no policy is active, so every case comes to a person",
    "policy_error": "the policy could not be evaluated for this case",
    "missing_value": "a rule asks for a value that this case does not have",
}


# What of a case is shown while its model is hidden.
WITHOUT_MODEL = (
    "groups", "has_profile", "standouts", "unusual_count", "unusual_more", "feature_count", "context", "veil",
    "may_reveal",
)  # fmt: skip


def case(
    prediction: Prediction, veil: Veil = NOTHING, viewer: Principal | None = None, revealed: Collection[str] = ()
) -> dict[str, Any]:
    """What a template needs to show a prediction with its version, contract, payload, routing and explanation.

    Behind the veil, and with the sensitive features masked for this viewer but for those just ``revealed``. While
    the model is hidden all that speaks of it is absent or empty, ``explanation.state`` is ``hidden`` and
    ``prediction`` a copy without the answer.
    """
    masked = sensitive.hidden_from(viewer, prediction) - set(revealed)
    shown = redaction.row(prediction, veil)
    if veil.model:
        found = _without_model(prediction, masked)
    else:
        found = _whole(prediction, masked, redaction.routing(getattr(prediction, "routing", None), veil))
    if veil.colleagues:
        # What others said of cases like this one is close to what they would say of it.
        found["similar"] = []
    return {**found, "prediction": shown, "veil": veil}


def _without_model(prediction: Prediction, masked: Collection[str]) -> dict[str, Any]:
    found = _whole(prediction, masked, None)
    kept = {name: found[name] for name in WITHOUT_MODEL if name in found}
    nothing = {name: type(value)() if isinstance(value, list | str | dict) else None for name, value in found.items()}
    return {**nothing, **kept, "explanation": {"state": "hidden"}, "why": why(None)}


def _whole(prediction: Prediction, masked: Collection[str], routing: RoutingDecision | None) -> dict[str, Any]:
    contract = prediction.version.contract.document
    profile = ReferenceProfile.objects.filter(version_id=prediction.version_id).first()
    groups = _groups(prediction, contract["features"], profile, masked)
    rows = [row for group in groups for row in group["rows"]]
    named = {row["name"]: row for row in rows}
    unusual = sorted((row for row in rows if row["unusual"]), key=lambda row: not row["outside"])
    bars = figures.score_bars(prediction.model.classes, prediction.scores)
    return {
        "groups": groups,
        "has_profile": any(row["strip"] or row["words"] for row in rows),
        "standouts": unusual[:STANDOUTS],
        "unusual_count": len(unusual),
        "unusual_more": max(0, len(unusual) - STANDOUTS),
        "feature_count": len(rows),
        "badges": badges(prediction, routing, named),
        "scores": bars,
        "alternatives": figures.alternatives(bars),
        "frequency": case_explanation.frequency(prediction),
        "margin": sentences.margin(prediction.model.classes, prediction.scores, prediction.predicted),
        "explanation": case_explanation.explanation(prediction, named),
        "similar": case_explanation.alike(prediction, named, profile),
        "context": drawings.shown(prediction.payload.context, masked),
        "why": why(routing),
    }


def badges(prediction: Prediction, routing: RoutingDecision | None, rows: Mapping[str, dict[str, Any]]) -> list[str]:
    """What is too old or unusual about the inputs, in words, as routing found it and as the times sent say."""
    payload, contract = prediction.payload, prediction.version.contract.document
    stale = stale_groups(contract, payload.as_of, payload.feature_sets, prediction.received_at)
    groups = {group for group, old in stale.items() if old}
    told = [code.partition(":")[::2] for code in (routing.reasons if routing else []) if code.startswith(PREFIXES)]
    groups |= {name for kind, name in told if kind == "stale"}
    unusual = [str(rows[name]["title"]) if name in rows else name.replace("_", " ") for kind, name in told
               if kind == "unusual"]  # fmt: skip
    found = [f"inputs are stale: {group}" for group in sorted(groups)]
    return found + ([f"unusual: {', '.join(unusual)}"] if unusual else [])


def why(routing: RoutingDecision | None) -> dict[str, Any]:
    """The reasons of a routing decision as words, and how likely it was that this case comes to a person."""
    if routing is None:
        return {"reasons": [], "chance": "", "number": None}
    # What is stale or unusual has words of its own.
    named = [code for code in routing.reasons if not code.startswith(PREFIXES)]
    return {
        "reasons": [{"code": code, "words": REASONS.get(code, code.replace("_", " "))} for code in named],
        "chance": "" if routing.propensity is None else chance(routing.propensity),
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


def _groups(
    prediction: Prediction, features: list[dict[str, Any]], profile: ReferenceProfile | None, masked: Collection[str]
) -> list[dict[str, Any]]:
    """The contract's groups in its own order, so that a feature is always found in the same place."""
    given = prediction.payload.features
    grouped: dict[str, list[dict[str, Any]]] = {}
    for feature in features:
        hidden = feature["name"] in masked
        row = _row(feature, given.get(feature["name"]), None if hidden else profile)
        if hidden:
            row |= {"text": sensitive.MASK, "missing": False, "hidden": True}
        grouped.setdefault(feature.get("group") or UNGROUPED, []).append(row)
    labels = Counter(row["label"] for rows in grouped.values() for row in rows)
    for row in (row for rows in grouped.values() for row in rows):
        # Two groups may have a feature of one label; outside its group it needs both to be told apart.
        both = labels[row["label"]] > 1 and row["group"]
        row["title"] = f"{row['label']} ({row['group']})" if both else row["label"]
    return [{"name": name, "rows": rows} for name, rows in grouped.items()]


def _row(feature: dict[str, Any], given: Any, profile: ReferenceProfile | None) -> dict[str, Any]:
    row: dict[str, Any] = {
        "name": feature["name"],
        "label": wording.label_of(feature),
        "group": feature.get("group", ""),
        "text": wording.value(given, feature),
        "unit": feature.get("unit", ""),
        "missing": given is None,
        "sensitive": bool(feature.get("sensitive")),
        "hidden": False,
        "strip": None,
        "words": "",
        "short": "",
        "unusual": False,
        "outside": False,
        "side": "",
    }
    reference = profile.feature(feature["name"]) if profile else None
    if reference is None:
        return row
    if given is None:
        row["words"] = f"missing in {wording.share(reference.get('null_share', 0.0))} of training cases"
        row["unusual"] = reference.get("null_share", 0.0) < figures.LOW
    elif reference["kind"] == "category":
        shares = {name: part for (name, _), part in zip(reference["values"], reference["shares"], strict=True)}
        row["words"], row["unusual"], row["outside"] = figures.category_words(as_text(given), shares)
    elif isinstance(given, int | float) and not isinstance(given, bool):
        quantiles = _quantiles(reference)
        if quantiles is not None:
            found = figures.strip(float(given), quantiles)
            row |= {"strip": found, "words": found.words, "unusual": found.unusual}
            row |= {"outside": found.outside, "side": found.side, "short": found.short}
    return row


def _quantiles(reference: dict[str, Any]) -> figures.Quantiles | None:
    if reference["kind"] != "numeric" or reference["min"] is None:
        return None
    inner = reference["quantiles"]
    levels = [0.0, *(point / 100 for point, _ in inner), 1.0]
    return figures.Quantiles(levels, [reference["min"], *(value for _, value in inner), reference["max"]])
