"""Whether predictions were sent to people as often as their stored propensities say, night by night.

Every estimate and every weight divides by a stored propensity. A review that is skipped without a trace, or
a propensity that is not the one the draw was made with, makes all of them wrong and none of them look so.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from django.db import connection
from numpy.typing import NDArray
from scipy.special import chdtrc

from feedback import alerts
from feedback.models import Alert
from models_registry.models import RegisteredModel

KIND = "propensity_audit"
DAYS = 30
NEWEST = 200_000
ALARM_BELOW = 0.001
# Of a group's expected variance; below it the number of drawn rows is not yet normal.
LEAST_VARIANCE = 5.0
GROUPS = 10

# A drawn review is one whose item is there. The choice that was written says only what was meant.
_ROUTED = """
    SELECT EXISTS (SELECT FROM review_queueitem i
                   WHERE i.prediction_id = r.prediction_id AND i.kind IN ('gate', 'audit')),
           r.propensity, r.model_guess
    FROM review_routingdecision r
    WHERE r.model_id = %(model)s AND r.routed_at > clock_timestamp() - make_interval(days => %(days)s)
    ORDER BY r.routed_at DESC LIMIT %(newest)s
"""


def audit(model: RegisteredModel) -> dict[str, Any] | None:
    """Check the model's newest NEWEST routings of DAYS days and open or resolve its alert; None without routings."""
    with connection.cursor() as cursor:
        cursor.execute(_ROUTED, {"model": model.pk, "days": DAYS, "newest": NEWEST})
        rows = np.array(cursor.fetchall(), dtype=np.float64)
    if not len(rows):
        return None
    found = propensity_audit(rows[:, 0] > 0, rows[:, 1], rows[:, 2])
    if found["alarm"]:
        title = f"Reviews do not match their stored probabilities ({_told(found)}): estimates cannot be trusted"
        alerts.raise_alert(model=model, kind=KIND, title=title, detail=found, severity=Alert.Severity.CRITICAL)
    elif found["degrees"]:
        # Too few rows to tell is no proof that the cause is gone.
        alerts.resolve(model=model, kind=KIND)
    return found


def _told(found: dict[str, Any]) -> str:
    if found["contradictions"]:
        return f"{found['contradictions']} certain ones are not as they were stored"
    return f"p = {found['p_value']:.1g} over {found['rows']:,} routings"


def propensity_audit(
    drawn: NDArray[np.bool_], propensity: NDArray[np.float64], guess: NDArray[np.float64]
) -> dict[str, Any]:
    """Per decile of the model's guess: chi2 = sum over deciles of (sum (xi - pi))^2 / sum pi (1 - pi).

    ``drawn`` xi, ``propensity`` pi, ``guess`` m, each of one length. ``contradictions`` counts rows that were
    certain to be drawn and were not, or the reverse: one is an alarm. Deciles whose variance is below 5
    say nothing yet and are left out.

    >>> pi = np.full(1000, 0.2)
    >>> honest = propensity_audit(np.arange(1000) % 5 == 0, pi, np.linspace(0.5, 1, 1000))
    >>> honest["alarm"], propensity_audit(np.arange(1000) % 8 == 0, pi, np.linspace(0.5, 1, 1000))["alarm"]
    (False, True)
    """
    contradictions = int(((propensity <= 0) & drawn).sum() + ((propensity >= 1) & ~drawn).sum())
    edges = np.unique(np.quantile(guess, np.arange(1, GROUPS) / GROUPS)) if len(guess) else np.zeros(0)
    group = np.searchsorted(edges, guess, side="left")

    def summed(values: Any) -> Any:
        return np.bincount(group, weights=values, minlength=len(edges) + 1)

    expected, variance, seen = summed(propensity), summed(propensity * (1 - propensity)), summed(drawn)
    told = variance >= LEAST_VARIANCE
    chi2 = float((((seen - expected) ** 2)[told] / variance[told]).sum())
    p_value = float(chdtrc(int(told.sum()), chi2)) if told.any() else 1.0
    if contradictions:
        p_value = 0.0
    deciles = [
        {"rows": int(n), "drawn": int(d), "expected": round(float(e), 3)}
        for n, d, e in zip(summed(np.ones(len(guess))), seen, expected, strict=True)
    ]
    measured = {"rows": len(guess), "chi2": chi2, "degrees": int(told.sum()), "contradictions": contradictions}
    return {**measured, "p_value": p_value, "alarm": p_value < ALARM_BELOW, "deciles": deciles}
