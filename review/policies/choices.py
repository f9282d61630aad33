"""What was chosen for predictions, in columns, and one row of it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from review.policies.batch import Floats, Integers, Setting
from review.policies.policy import Hold
from review.policies.reasons import Reason, collected

Words = NDArray[np.str_]


@dataclass(frozen=True, slots=True)
class Choice:
    """What happens to a prediction, why, and with which probabilities."""

    disposition: str
    review: str
    draw: float
    p_gate: float
    propensity: float
    reasons: tuple[str, ...]
    by: str
    queue: str
    priority: int = 0
    due_seconds: float | None = None
    hold_seconds: float | None = None
    hold_fallback: str = ""


@dataclass(frozen=True, slots=True)
class Choices:
    """The choices for N predictions, each column (N,).

    ``sampled`` is what sampling alone asked for; ``due_seconds`` is nan where nothing says so. ``hold`` is
    what every hold of the batch is told, None where there is no policy.
    """

    setting: Setting
    disposition: Words
    review: Words
    draw: Floats
    p_gate: Floats
    propensity: Floats
    sampled: Floats
    by: Words
    queue: Words
    priority: Integers
    due_seconds: Floats
    hold: Hold | None
    causes: tuple[Reason, ...]
    details: tuple[tuple[str, ...], ...] | None = None

    def __len__(self) -> int:
        return int(self.draw.size)

    def reasons(self) -> list[list[str]]:
        """Per row the names of what spoke: routing's own, the rule, the branches, what the draw fell under."""
        return collected(self.causes, self.details, len(self))

    def row(self, place: int) -> Choice:
        return self.rows()[place]

    def rows(self) -> list[Choice]:
        seconds = None if self.hold is None else self.hold.timeout_seconds
        fallback = "" if self.hold is None else fallback_of(self.hold, self.setting)
        names = ("disposition", "review", "draw", "p_gate", "propensity", "by", "queue", "priority", "due_seconds")
        columns = [getattr(self, name).tolist() for name in names]
        return [
            Choice(
                disposition=disposition,
                review=review,
                draw=draw,
                p_gate=p_gate,
                propensity=propensity,
                reasons=tuple(reasons),
                by=by,
                queue=queue,
                priority=priority,
                due_seconds=None if math.isnan(due) else due,
                hold_seconds=seconds if review == "gate" else None,
                hold_fallback=fallback if review == "gate" else "",
            )
            for disposition, review, draw, p_gate, propensity, by, queue, priority, due, reasons in zip(
                *columns, self.reasons(), strict=True
            )
        ]


def fallback_of(hold: Hold, setting: Setting) -> str:
    """What a hold resolves to when its time is over; where a person must decide it never proceeds without one."""
    if hold.on_timeout == "proceed" and (setting.kill_switch or setting.oversight_always):
        return "hold"
    return hold.on_timeout
