"""Whether predictions were sent to people as often as their stored propensities say, night by night.

Every estimate and every weight divides by a stored propensity. A review that is skipped without a trace, or
a propensity that is not the one the draw was made with, makes all of them wrong and none of them look so.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from feedback import alerts
from feedback.estimators.audit import Audit, propensity_audit
from feedback.models import Alert
from models_registry import sql
from models_registry.models import RegisteredModel

KIND = "propensity_audit"
DAYS = 30
NEWEST = 200_000

# A drawn review is one whose item is there. The choice that was written says only what was meant.
_ROUTED = """
    SELECT EXISTS (SELECT FROM review_queueitem i
                   WHERE i.prediction_id = r.prediction_id AND i.kind IN ('gate', 'audit')),
           r.propensity, r.model_guess
    FROM review_routingdecision r
    WHERE r.model_id = %(model)s AND r.routed_at > clock_timestamp() - make_interval(days => %(days)s)
    ORDER BY r.routed_at DESC LIMIT %(newest)s
"""


def measure(model: RegisteredModel, *, newest: int) -> Audit | None:
    """Reviews against stored propensities over the ``newest`` routings of DAYS days; None without routings."""
    rows = np.array(sql.rows(_ROUTED, {"model": model.pk, "days": DAYS, "newest": newest}), dtype=np.float64)
    if not len(rows):
        return None
    return propensity_audit(guess=rows[:, 2], propensity=rows[:, 1], drawn=rows[:, 0] > 0)


def audit(model: RegisteredModel) -> Audit | None:
    """Check the model's newest NEWEST routings of DAYS days and open or resolve its alert; None without routings."""
    found = measure(model, newest=NEWEST)
    if found is None:
        return None
    if found.alarm:
        title = f"Reviews do not match their stored probabilities ({_told(found)}): estimates cannot be trusted"
        detail = _evidence(found)
        alerts.raise_alert(model=model, kind=KIND, title=title, detail=detail, severity=Alert.Severity.CRITICAL)
    elif found.parts:
        # Too few rows to tell is no proof that the cause is gone.
        alerts.resolve(model=model, kind=KIND)
    return found


def _told(found: Audit) -> str:
    if found.impossible:
        return f"{found.impossible} certain ones are not as they were stored"
    return f"p = {found.p_value:.1g} over {sum(band.rows for band in found.bands):,} routings"


def _evidence(found: Audit) -> dict[str, Any]:
    return {**asdict(found), "rows": sum(band.rows for band in found.bands), "alarm": found.alarm}
