"""The policy that is watched without being obeyed: what it would have chosen, beside what was chosen."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import msgspec
from celery.exceptions import SoftTimeLimitExceeded
from django.db import transaction
from django.db.models import Count, F, Q

from models_registry import sql
from review import policies, policy_facts, sampling
from review.models import PolicyVersion, ShadowDecision
from review.policies import Floats

logger = logging.getLogger("reviewhub.routing")

_STORE = """
    INSERT INTO review_shadowdecision (prediction_id, policy_id, draw, p_gate, propensity, disposition, review)
    SELECT prediction_id, policy_id, draw, p_gate, propensity, disposition, review
    FROM json_to_recordset(%s::json) AS row(prediction_id bigint, policy_id bigint, draw float8, p_gate float8,
        propensity float8, disposition text, review text)
"""
# What a page and an API call count anew each time.
LAST = 20_000
REVIEWS = {"reviewed": ("gate", "audit"), "held": ("gate",), "audited": ("audit",)}


@dataclass(frozen=True)
class Summary:
    """Shares of the newest predictions that both policies saw, in [0, 1] and None where there are none.

    ``changed``: how many the shadow would have sent another way.
    """

    predictions: int
    live: dict[str, float | None]
    shadow: dict[str, float | None]
    changed: int


def watch(
    setting: policies.Setting,
    shadow: PolicyVersion,
    rows: Sequence[Mapping[str, Any]],
    draws: Floats,
    fit: sampling.Fit | None,
) -> int:
    """Store what the shadow would have chosen for rows that are being routed; how many were stored.

    Whatever goes wrong is logged and leaves routing as it was.
    """
    try:
        with transaction.atomic():
            return _watch(setting, shadow, [dict(row) for row in rows], draws, fit)
    except SoftTimeLimitExceeded:
        raise
    except Exception:
        logger.exception("shadow policy %d was not evaluated on %d predictions", shadow.number, len(rows))
        return 0


def summary(policy: PolicyVersion, *, before: datetime | None = None, fewest: int = 1) -> Summary:
    """The shadow beside the live choices on the newest LAST predictions that it was evaluated on, ``before`` a time.

    Nothing is told of fewer than ``fewest``.
    """
    counts: dict[str, Any] = {"predictions": Count("pk")}
    for name, reviews in REVIEWS.items():
        counts[f"shadow_{name}"] = Count("pk", filter=Q(review__in=reviews))
        counts[f"live_{name}"] = Count("pk", filter=Q(prediction__routing__review__in=reviews))
    counts["shadow_refused"] = Count("pk", filter=Q(disposition="refuse"))
    counts["live_refused"] = Count("pk", filter=Q(prediction__routing__disposition="refuse"))
    same = Q(review=F("prediction__routing__review"), disposition=F("prediction__routing__disposition"))
    seen = ShadowDecision.objects.filter(policy=policy)
    if before is not None:
        seen = seen.filter(prediction__received_at__lt=before, prediction__occurred_at__lt=before)
    newest = seen.order_by("-prediction_id").values("pk")[:LAST]
    found = ShadowDecision.objects.filter(pk__in=newest).aggregate(**counts, same=Count("pk", filter=same))
    total = found["predictions"]
    if total < fewest:
        nothing = dict.fromkeys((*REVIEWS, "refused"))
        return Summary(0, {**nothing}, {**nothing}, 0)

    def shares(side: str) -> dict[str, float | None]:
        return {name: found[f"{side}_{name}"] / total if total else None for name in (*REVIEWS, "refused")}

    return Summary(total, shares("live"), shares("shadow"), total - found["same"])


def _watch(
    setting: policies.Setting,
    shadow: PolicyVersion,
    rows: list[dict[str, Any]],
    draws: Floats,
    fit: sampling.Fit | None,
) -> int:
    policy = policies.parse(shadow.document)
    policy_facts.add_features(rows, {shadow.model_id: [policy]})
    temperature = 1.0 if fit is None else fit.temperature
    own = replace(setting, policy_broken=False, sampling_share=1.0)
    batch = policy_facts.batch_of(own, rows, temperature=temperature)
    choices = policies.choose_many(policy, batch, draws, fit)
    columns = (choices.draw, choices.p_gate, choices.propensity, choices.disposition, choices.review)
    cells = zip(rows, *(column.tolist() for column in columns), strict=True)
    names = ("draw", "p_gate", "propensity", "disposition", "review")
    stored = [
        {"prediction_id": row["id"], "policy_id": shadow.pk, **dict(zip(names, values, strict=True))}
        for row, *values in cells
    ]
    sql.change(_STORE, [msgspec.json.encode(stored).decode()])
    return len(stored)
