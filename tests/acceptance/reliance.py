"""A14: the arm that does not see the model. What 3,000 reviews tell of an effect of 6.3 points, and of none."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from feedback.estimators.reliance import gap
from tests.acceptance.checks import Check, Size, measured
from tests.feedback.arms import EFFECT, reviews

REVIEWS, RUNS = 3_000, 200


def hidden_suggestions(size: Size) -> list[Check]:
    """Power and false alarms of the interval that leaves out no difference."""

    def run(count: int) -> Iterator[Check]:
        for effect, what in ((EFFECT, "power at +6.3 points"), (0.0, "false alarms without an effect")):
            found = [_told(effect, number) for number in range(count)]
            told = float(np.mean([low > 0 or high < 0 for low, high in found]))
            bars = {"low": 0.85 - size.slack} if effect else {"high": 0.06 + size.slack}
            yield Check("A14", f"hidden-suggestion arm: {what}", told, **bars)
            covered = float(np.mean([low <= effect <= high for low, high in found]))
            yield Check("A14", f"hidden-suggestion arm, {100 * effect:g} points: coverage", covered, 0.92 - size.slack)

    return measured(run, Size(RUNS if size.again else size.replications, size.again, size.slack))


def _told(effect: float, number: int) -> tuple[float, float]:
    found = reviews(np.random.default_rng([14, number, round(1e4 * effect)]), REVIEWS, effect)
    one = gap(found.agree, found.hidden, np.zeros(REVIEWS))
    assert one.low is not None
    assert one.high is not None
    return one.low, one.high
