"""Verdicts on a candidate from evidence handed in. A gate that did not pass blocks promotion, never fitting.

The evidence is what ``training.fit_candidate`` returns about the held-out labelled rows::

    {"rows", "effective_n", "champion": {"cost", …} | None,
     "differences": {"champion": {"log_loss": …, "cost": …} | None, "constant": {"log_loss": …}}}

where each difference is ``{"estimate", "low", "high", "effective_n"}``, candidate minus the other, with a
95 % interval; negative is better.

===================  ========  =====================================================================
gate                 blocking  passes when
===================  ========  =====================================================================
better_log_loss      yes       the whole interval of the log loss difference to the champion is below 0
not_worse_cost       yes       the interval of the cost difference ends at most COST_MARGIN of the
                               champion's own cost above 0 (non-inferiority)
better_than_constant yes       log loss is below that of the best constant prediction
effective_sample     no        the held-out rows are worth at least EFFECTIVE_SAMPLE independent ones
===================  ========  =====================================================================
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

PASSED, FAILED, INSUFFICIENT = "passed", "failed", "insufficient_data"

# Below this nothing is published, so nothing is promoted on it either.
MINIMUM_SAMPLE = 30
# Below this the verdicts stand, with a warning beside them.
EFFECTIVE_SAMPLE = 100
COST_MARGIN = 0.1


@dataclass(frozen=True)
class Verdict:
    """One gate's answer, with the sentence a person reads and the figures behind it."""

    gate: str
    verdict: str
    reason: str
    blocking: bool = True
    evidence: dict[str, Any] = field(default_factory=dict)


def judge(evidence: dict[str, Any]) -> list[Verdict]:
    """Every gate's verdict on the evidence, in a fixed order."""
    return [
        better_log_loss(evidence),
        not_worse_cost(evidence),
        better_than_constant(evidence),
        effective_sample(evidence),
    ]


def better_log_loss(evidence: dict[str, Any]) -> Verdict:
    found = _of_champion(evidence, "log_loss")
    if (why := _too_little(evidence, found)) is not None:
        return Verdict("better_log_loss", INSUFFICIENT, why, evidence=found or {})
    figures = f"log loss {_signed(found)} against the champion on {_rows(evidence)}"
    if found["high"] < 0:
        return Verdict("better_log_loss", PASSED, f"{figures}: better beyond chance", evidence=found)
    why = "worse beyond chance" if found["low"] > 0 else "an improvement is not shown"
    return Verdict("better_log_loss", FAILED, f"{figures}: {why}", evidence=found)


def not_worse_cost(evidence: dict[str, Any]) -> Verdict:
    found = _of_champion(evidence, "cost")
    if (why := _too_little(evidence, found)) is not None:
        return Verdict("not_worse_cost", INSUFFICIENT, why, evidence=found or {})
    margin = COST_MARGIN * float(evidence["champion"]["cost"])
    known = {**found, "margin": margin}
    figures = f"cost per prediction {_signed(found)} against the champion on {_rows(evidence)}, {margin:.4f} allowed"
    if found["high"] <= margin:
        return Verdict("not_worse_cost", PASSED, f"{figures}: not worse", evidence=known)
    if found["low"] <= 0:
        why = "these rows are too few to rule out that it is worse by more"
        return Verdict("not_worse_cost", INSUFFICIENT, f"{figures}: {why}", evidence=known)
    return Verdict("not_worse_cost", FAILED, f"{figures}: worse beyond chance", evidence=known)


def better_than_constant(evidence: dict[str, Any]) -> Verdict:
    found = evidence["differences"]["constant"]["log_loss"]
    if (why := _too_little(evidence, found)) is not None:
        return Verdict("better_than_constant", INSUFFICIENT, why, evidence=found)
    figures = f"log loss {_signed(found)} against predicting the class shares for every row"
    if found["estimate"] < 0:
        return Verdict(
            "better_than_constant", PASSED, f"{figures}: lower than a constant on these rows", evidence=found
        )
    return Verdict("better_than_constant", FAILED, f"{figures}: no lower than a constant on these rows", evidence=found)


def effective_sample(evidence: dict[str, Any]) -> Verdict:
    size = float(evidence["effective_n"])
    verdict = PASSED if size >= EFFECTIVE_SAMPLE else INSUFFICIENT
    reason = f"{_rows(evidence)}; {EFFECTIVE_SAMPLE} or more make the comparison dependable"
    return Verdict("effective_sample", verdict, reason, blocking=False, evidence={"effective_n": size})


def _of_champion(evidence: dict[str, Any], loss: str) -> dict[str, Any]:
    compared: dict[str, Any] = evidence["differences"].get("champion") or {}
    found: dict[str, Any] = compared.get(loss) or {}
    return found


def _too_little(evidence: dict[str, Any], found: dict[str, Any]) -> str | None:
    if evidence["rows"] and not found:
        return "there is nothing to compare with: the champion has no artifact and posted no score of a held-out row"
    if not evidence["rows"] or found["high"] is None or found["effective_n"] < MINIMUM_SAMPLE:
        return f"{_rows(evidence)}; at least {MINIMUM_SAMPLE} are needed: review more predictions or send outcomes"
    return None


def _rows(evidence: dict[str, Any]) -> str:
    return f"{evidence['rows']} held-out labelled rows (effective n {float(evidence['effective_n']):.0f})"


def _signed(found: dict[str, Any]) -> str:
    return f"{found['estimate']:+.4f} (95 % interval {found['low']:+.4f} to {found['high']:+.4f})"
