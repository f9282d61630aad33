"""What the rows of a model mean to its policy: the facts a document is checked by, the setting it runs in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from models_registry.models import ModelVersion, RegisteredModel
from review import policies
from review.models import PredictionPayload, ReviewQueue, RoutingControl, RoutingDecision
from review.vocabulary import Vocabulary

# What ``case_of`` and ``add_features`` read of a prediction.
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


def sampling_share(model: RegisteredModel, policy: policies.Policy | None, now: datetime) -> float:
    """1 while the policy's capacity for reviews in 24 hours is not used up, then 0.

    It looks at the past only, so that a draw never depends on its own outcome.
    """
    if policy is None or policy.per_day is None or policy.sampling.kind == "none":
        return 1.0
    recent = RoutingDecision.objects.filter(model=model, routed_at__gt=now - timedelta(days=1))
    used = recent.exclude(review=RoutingDecision.Review.NONE)[: policy.per_day].count()
    return float(used < policy.per_day)


def add_features(rows: Sequence[dict[str, Any]], asking: Mapping[int, policies.Policy | None]) -> None:
    """Put ``features`` and ``stale`` into those rows of predictions whose policy asks for them.

    ``rows`` hold COLUMNS; ``asking`` is by model id. Two queries at most, none where no policy asks.
    """
    wanted = {row["id"]: row for row in rows if _asks(asking[row["model_id"]], "feature", "stale")}
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


def case_of(setting: policies.Setting, row: Mapping[str, Any]) -> policies.Case:
    """One prediction as the policy sees it, from a row of COLUMNS."""
    return policies.Case(
        setting=setting,
        scores=row["scores"],
        predicted=row["predicted"],
        confidence=row["confidence"],
        value=row["value"],
        features=row.get("features"),
        groups=row["groups"],
        stale=row.get("stale"),
    )


def _asks(policy: policies.Policy | None, *kinds: str) -> bool:
    return policy is not None and any(policy.asks(kind) for kind in kinds)
