"""Reviewers who are shown the model or not, at random: what the reliance gap is measured on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

# How often the model is right, how often a reviewer who does not see it is, and the arm that does not.
RIGHT, SKILL, SHARE = 0.836, 0.92, 0.2
# Followed in so many of the cases in which they would differ, they agree 6.3 points more often.
EFFECT = 0.063


@dataclass(frozen=True)
class Reviews:
    """Rows (n,): whether the model was right, which arm was drawn, whether the reviewer agreed."""

    right: np.ndarray[Any, np.dtype[np.bool_]]
    hidden: np.ndarray[Any, np.dtype[np.bool_]]
    agree: np.ndarray[Any, np.dtype[np.bool_]]
    would: np.ndarray[Any, np.dtype[np.bool_]]


def alone() -> float:
    """How often a reviewer who does not see the model agrees with it."""
    return RIGHT * SKILL + (1 - RIGHT) * (1 - SKILL)


def reviews(rng: np.random.Generator, n: int, effect: float = EFFECT, share: float = SHARE) -> Reviews:
    """Two classes: whoever is wrong agrees with a wrong model. Shown, some of those who differ follow it."""
    right, hidden = rng.random(n) < RIGHT, rng.random(n) < share
    would = np.where(rng.random(n) < SKILL, right, ~right)
    follows = rng.random(n) < effect / (1 - alone())
    return Reviews(right, hidden, would | (follows & ~hidden), would)
