"""Are predictions reviewed as often as their stored propensity says? Counted per decile of propensity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from review.policies import Floats, choose_many, draws, least_propensity, parse, solve
from tests.review.columns import traffic

POLICY: dict[str, Any] = {
    "review": [
        {"name": "low_confidence", "when": {"field": "confidence", "lt": 0.53}, "p": 1.0, "kind": "gate"},
        {"name": "costly", "when": {"field": "risk", "gte": 2.1}, "p": 0.4, "kind": "audit"},
    ],
    "sampling": {
        "kind": "active",
        "budget": 0.25,
        "tau": 0.5,
        "floors": [{"when": {"field": "margin", "gte": 0.98}, "p": 0.3}],
    },
    "audit_floor": 0.05,
}
KEY = b"the key of this experiment"
DECILES = 10


@dataclass(frozen=True)
class Decile:
    """One tenth of the rows, by propensity: how many were reviewed, and how many the propensities speak of."""

    rows: int
    expected: float
    reviewed: int
    deviation: float

    @property
    def sigmas(self) -> float:
        """How many standard deviations the count is off; 0 where nothing was left to chance."""
        off = abs(self.reviewed - self.expected)
        return off / self.deviation if self.deviation > 0 else float(off > 1e-9) * np.inf


def deciles(propensity: Floats, reviewed: np.ndarray[Any, np.dtype[np.bool_]]) -> list[Decile]:
    """Rows in order of propensity, cut into ten parts of equal size."""
    order = np.argsort(propensity, kind="stable")
    return [
        Decile(
            rows=part.size,
            expected=float(propensity[part].sum()),
            reviewed=int(reviewed[part].sum()),
            deviation=float(np.sqrt((propensity[part] * (1 - propensity[part])).sum())),
        )
        for part in np.array_split(order, DECILES)
    ]


def review_frequency(rows: int, *, seed: int = 0, document: dict[str, Any] | None = None) -> list[Decile]:
    """Route ``rows`` predictions by keyed draws, with a sampler solved on other rows before them."""
    policy = parse(POLICY if document is None else document)
    past, batch = traffic(5_000, seed=seed + 1), traffic(rows, seed=seed)
    fit = solve(policy, guess=past.guess, least=least_propensity(policy, past))
    keyed = draws(KEY, "payments", (f"case-{number}" for number in range(rows)), 1)
    choices = choose_many(policy, batch, keyed, fit)
    return deciles(choices.propensity, choices.review != "none")
