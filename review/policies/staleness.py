"""Which groups of features were too old when they were used."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from review.rules import time_of


def stale_groups(
    contract: Mapping[str, Any],
    as_of: Mapping[str, Any] | None,
    feature_sets: Mapping[str, Any] | None,
    received_at: datetime,
) -> dict[str, bool]:
    """Per group of the contract with a ``max_age_seconds``: was it older than that on arrival?

    The older of ``as_of`` and the feature set's ``computed_at`` counts, against the shortest age of the
    group. A group for which no time was sent is left out: nothing is known.

    >>> contract = {"features": [{"name": "score", "group": "bureau", "max_age_seconds": 60}]}
    >>> noon = datetime.fromisoformat("2026-01-01T12:00:00+00:00")
    >>> stale_groups(contract, {"bureau": "2026-01-01T11:58:00Z"}, None, noon)
    {'bureau': True}
    """
    ages: dict[str, float] = {}
    for feature in contract["features"]:
        if "group" in feature and "max_age_seconds" in feature:
            group = feature["group"]
            ages[group] = min(ages.get(group, feature["max_age_seconds"]), feature["max_age_seconds"])
    found = {}
    for group, most in ages.items():
        sent = ((as_of or {}).get(group), ((feature_sets or {}).get(group) or {}).get("computed_at"))
        times = [time for time in map(time_of, sent) if time is not None]
        if times:
            found[group] = (received_at - min(times)).total_seconds() > most
    return found
