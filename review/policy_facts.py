"""What the rows of a model mean to its policy: the facts a document is checked by, the setting it runs in."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models_registry.models import ModelVersion, ReferenceProfile, RegisteredModel
from review import policies, sampling
from review.models import PredictionPayload, ReviewQueue, RoutingControl
from review.novelties import novelty_for
from review.vocabulary import Vocabulary

# What ``batch_of`` and ``add_features`` read of a prediction.
COLUMNS = ("id", "model_id", "version_id", "scores", "predicted", "confidence", "value", "groups", "received_at")


def facts_of(model: RegisteredModel) -> policies.Facts:
    """What the model's policy documents may name."""
    contracts = [version.contract.document for version in versions_in_use(model)]
    return facts_with(model, contracts)


def facts_with(model: RegisteredModel, contracts: list[dict[str, Any]]) -> policies.Facts:
    """``facts_of`` as if versions with these contracts were in use."""
    return policies.Facts(
        vocabulary=Vocabulary(model.classes, contracts),
        queues=frozenset(ReviewQueue.objects.filter(models=model).values_list("slug", flat=True)),
        oversight_always=model.oversight == RegisteredModel.Oversight.ALWAYS,
    )


def versions_in_use(model: RegisteredModel) -> list[ModelVersion]:
    """The champion; before the first activation every version that may still become it."""
    versions = model.versions.select_related("contract")
    if model.champion_id is not None:
        return list(versions.filter(pk=model.champion_id))
    return list(versions.exclude(state=ModelVersion.State.REJECTED))


def setting_of(
    model: RegisteredModel, *, kill_switch: bool = False, policy_broken: bool = False, sampling_share: float = 1.0
) -> policies.Setting:
    """What holds for all predictions of the model right now."""
    return policies.Setting(
        classes=model.classes,
        costs={predicted: [model.cost(predicted, actual) for actual in model.classes] for predicted in model.classes},
        disposition_of=model.disposition_of,
        queue=model.slug,
        oversight_always=model.oversight == RegisteredModel.Oversight.ALWAYS,
        kill_switch=kill_switch,
        policy_broken=policy_broken,
        sampling_share=sampling_share,
    )


def is_stopped(control: RoutingControl, now: datetime) -> bool:
    """Whether the kill switch holds at that moment."""
    expires = control.kill_switch_expires_at
    return control.kill_switch and (expires is None or expires > now)


def add_features(rows: Sequence[dict[str, Any]], asking: Mapping[int, Sequence[policies.Policy | None]]) -> None:
    """Put ``features``, ``stale`` and ``novelty`` into those rows of predictions whose policies ask for them.

    ``rows`` hold COLUMNS; ``asking`` is by model id. Two queries at most, none where no policy asks.
    """
    wanted = {row["id"]: row for row in rows if _asks(asking[row["model_id"]], "feature", "stale", "novelty")}
    if not wanted:
        return
    columns = ("prediction_id", "features", "as_of", "feature_sets")
    payloads = list(PredictionPayload.objects.filter(pk__in=wanted).values(*columns))
    ages = {row["version_id"] for row in wanted.values() if _asks(asking[row["model_id"]], "stale")}
    versions = ModelVersion.objects.select_related("contract").in_bulk(ages) if ages else {}
    for payload in payloads:
        row = wanted[payload["prediction_id"]]
        row["features"] = payload["features"]
        if (version := versions.get(row["version_id"])) is not None:
            row["stale"] = policies.stale_groups(
                version.contract.document, payload["as_of"], payload["feature_sets"], row["received_at"]
            )
    novel = [row for row in wanted.values() if _asks(asking[row["model_id"]], "novelty")]
    scores, unusual = novelty_of([row["version_id"] for row in novel], [row.get("features") for row in novel])
    for row, score, names in zip(novel, scores.tolist(), unusual, strict=True):
        row["novelty"], row["unusual"] = score, names


def novelty_of(
    version_ids: Sequence[int], records: Sequence[Mapping[str, Any] | None]
) -> tuple[NDArray[np.float64], Sequence[Sequence[str]]]:
    """Per prediction how unlike the reference rows of its version it is, nan for unknown, and by which features."""
    scores = np.full(len(version_ids), np.nan)
    unusual: list[Sequence[str]] = [()] * len(records)
    for version_id, compiled in novelty_for(version_ids).items():
        places = [n for n, record in enumerate(records) if version_ids[n] == version_id and record is not None]
        if compiled is None or not places:
            continue
        found, names = compiled.novelty_of([records[place] or {} for place in places])
        scores[places] = found
        for place, strange in zip(places, names, strict=True):
            unusual[place] = strange
    return scores, unusual


def novelty_known(model: RegisteredModel) -> bool:
    """Whether the champion has reference rows, which novelty is measured by."""
    return model.champion_id is not None and ReferenceProfile.objects.filter(version_id=model.champion_id).exists()


def batch_of(
    setting: policies.Setting, rows: Sequence[Mapping[str, Any]], *, temperature: float = 1.0
) -> policies.Batch:
    """Predictions of one model as the policy sees them, from rows of COLUMNS; m is read at that temperature."""
    place = {name: index for index, name in enumerate(setting.classes)}
    scores = np.array([row["scores"] for row in rows], dtype=np.float64).reshape(len(rows), len(place))
    predicted = np.array([place[row["predicted"]] for row in rows], dtype=np.int64)
    return policies.Batch(
        setting=setting,
        scores=scores,
        predicted=predicted,
        confidence=np.array([row["confidence"] for row in rows], dtype=np.float64),
        guess=sampling.guess_of(scores, predicted, temperature),
        value=np.array([math.nan if row["value"] is None else row["value"] for row in rows], dtype=np.float64),
        features=[row.get("features") for row in rows],
        groups=[row["groups"] for row in rows],
        stale=[row.get("stale") for row in rows],
        novelty=np.array([row.get("novelty", math.nan) for row in rows], dtype=np.float64),
        unusual=[row.get("unusual", ()) for row in rows],
    )


def _asks(asking: Sequence[policies.Policy | None], *kinds: str) -> bool:
    return any(policy is not None and any(policy.asks(kind) for kind in kinds) for policy in asking)
