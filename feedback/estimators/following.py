"""Does somebody follow the model more than a person who looks would? Two signals for a talk, neither a proof.

Agreement. An attentive reviewer agrees with probability p_i at most, known before the answer: how often the model is
right at such a score, never less than 0.93. Against that stands a reviewer who agrees always (or nearly so), from some
item on. The likelihood ratio, mixed over where it began and how strict it is, is a supermartingale for every reviewer
whose chance stays below p_i, so by Ville's inequality it reaches 20 within 500 items with a probability below 5 %,
however often one looks (Howard et al. 2021; e-processes: Ramdas et al., Statistical Science 2023).

Haste. Decisions faster than the reviewer's own floor, the 5 % point of their earlier times: a likelihood ratio of the
newest ones, 80 % below it against 25 %.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

ALARM = 20.0
QUIET = 1.0
# Nobody is expected to agree less than this, whatever the scores: who differs in a tenth is far from a rubber stamp.
LEAST = 0.93
# With a suggestion that is known to be wrong (a gold item) people who look agree in a half at most.
WRONG = 0.50
# Agreement of a reviewer who follows, with their weights.
FOLLOWING = ((1.0, 0.8), (0.98, 0.2))
# Following from the first item on, and from any later one: together 1 over HORIZON items.
FROM_THE_START = 0.7
HORIZON = 500
LATER = (1 - FROM_THE_START) / HORIZON

FLOOR = 0.05
FASTEST, EXPECTED = 0.80, 0.25
# Own times that make a floor, and the newest that are held against it.
BASELINE, RECENT = 40, 30


@dataclass(frozen=True)
class Following:
    """``evidence`` now, the item at which it first reached the alarm (from 1), and the present streak of agreement."""

    n: int
    agreed: int
    expected: float | None
    evidence: float
    alarm_at: int | None
    streak: int

    @property
    def alarm(self) -> bool:
        return self.evidence >= ALARM

    @property
    def over(self) -> bool:
        return self.evidence < QUIET


def following(agree: Flags, most: Floats) -> Following:
    """The evidence along answers in time order; ``most`` (n,) is the chance that a person who looks agrees, at most.

    >>> following(np.ones(60, dtype=bool), np.full(60, 0.93)).alarm_at
    48
    >>> following(np.ones(60, dtype=bool), np.full(60, 0.97)).alarm
    False
    """
    chance = np.clip(most, 1e-6, 1 - 1e-9)
    running = {q: FROM_THE_START for q, _ in FOLLOWING}
    evidence, first, streak = 0.0, None, 0
    for place, (yes, p) in enumerate(zip(agree.tolist(), chance.tolist(), strict=True), start=1):
        for q, _ in FOLLOWING:
            # The model of a follower never expects less agreement than the one of a person who looks.
            strict = max(q, p)
            started = running[q] + (LATER if place > 1 else 0.0)
            running[q] = started * (strict / p if yes else (1 - strict) / (1 - p))
        evidence = sum(weight * running[q] for q, weight in FOLLOWING)
        streak = streak + 1 if yes else 0
        if first is None and evidence >= ALARM:
            first = place
    n = int(agree.size)
    return Following(n, int(agree.sum()), float(most.mean()) if n else None, evidence, first, streak)


def attentive(right: Floats) -> Floats:
    """How often a person who looks agrees at most, from how often the model is right.

    >>> attentive(np.array([0.6, 0.97])).tolist()
    [0.93, 0.97]
    """
    return np.maximum(LEAST, right)


@dataclass(frozen=True)
class Haste:
    """``below`` of the newest ``n`` decisions were faster than ``floor`` seconds; None where there is no floor yet."""

    n: int
    below: int
    floor: float | None
    evidence: float

    @property
    def alarm(self) -> bool:
        return self.evidence >= ALARM

    @property
    def over(self) -> bool:
        return self.floor is not None and self.evidence < QUIET


def haste(seconds: Sequence[float]) -> Haste:
    """Times of one reviewer, oldest first: the newest 30 against the floor of those before, of which 40 are needed.

    >>> haste([8.0, 12.0] * 30 + [1.0] * 30).alarm, haste([8.0, 12.0] * 45).alarm, haste([1.0] * 50).floor
    (True, False, None)
    """
    times = np.asarray(seconds, dtype=np.float64)
    if times.size < BASELINE + RECENT:
        return Haste(0, 0, None, 0.0)
    floor = float(np.quantile(times[:-RECENT], FLOOR))
    newest = times[-RECENT:]
    below = int((newest < floor).sum())
    log = below * math.log(FASTEST / EXPECTED) + (RECENT - below) * math.log((1 - FASTEST) / (1 - EXPECTED))
    return Haste(RECENT, below, floor, math.exp(log))
