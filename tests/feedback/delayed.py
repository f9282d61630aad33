"""Sixty days of traffic whose reviews take their time: what delays do to figures is known here."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from feedback.delays import AGREE, OVERRIDE, UNKNOWN, Reviews, Strata, bands
from feedback.estimators import Outputs

DAY = 86_400.0
MEAN_DAYS = np.array([1.0, 2.0, 3.5, 5.0])


@dataclass(frozen=True)
class Traffic:
    """N predictions; ``age`` and ``latency`` in seconds, ``drawn`` and ``arrived`` flags, ``strata`` of all rows."""

    outputs: Outputs
    truth: np.ndarray
    propensity: np.ndarray
    drawn: np.ndarray
    age: np.ndarray
    latency: np.ndarray
    strata: Strata

    @property
    def arrived(self) -> np.ndarray:
        return self.drawn & (self.latency <= self.age)

    @property
    def labels(self) -> np.ndarray:
        return np.where(self.arrived, self.truth, -1)

    @property
    def right(self) -> np.ndarray:
        return self.outputs.predicted == self.truth

    @property
    def verdict(self) -> np.ndarray:
        return np.where(self.arrived, np.where(self.right, AGREE, OVERRIDE), UNKNOWN)

    def reviews(self) -> Reviews:
        latency = np.where(self.arrived, self.latency, np.nan)
        return Reviews(self.strata, self.verdict, self.age, latency).where(self.drawn)

    def where(self, keep: np.ndarray) -> Traffic:
        outputs = Outputs(self.outputs.scores[keep], self.outputs.predicted[keep], self.outputs.positive)
        columns = (self.truth, self.propensity, self.drawn, self.age, self.latency)
        return Traffic(outputs, *(column[keep] for column in columns), self.strata.where(keep))


def traffic(
    rng: np.random.Generator, *, n: int = 30_000, slower: float = 2.5, lately: float = 1.0, worse: float = 0.0
) -> Traffic:
    """Exponential latencies with a mean of 1 to 5 days by confidence band; overrides take ``slower`` times as long.

    Rows of the last 20 days take ``lately`` times as long; in the same days the answer is wrong ``worse`` more often.
    The scores are too sure of themselves, so they cannot make up for what is missing.
    """
    confidence = 0.5 + 0.5 * rng.beta(2.5, 1.3, n)
    age = rng.uniform(0, 60 * DAY, n)
    recent = age < 20 * DAY
    wrong = rng.random(n) < np.clip(0.05 + 0.85 * (1 - confidence) + worse * recent, 0, 1)
    predicted = rng.integers(0, 2, n)
    scores = np.empty((n, 2))
    scores[np.arange(n), predicted], scores[np.arange(n), 1 - predicted] = confidence, 1 - confidence
    propensity = np.clip(0.05 + 0.45 * (1 - confidence), 0.05, 1.0)
    band = bands(confidence)
    latency = rng.exponential(MEAN_DAYS[band] * DAY) * np.where(wrong, slower, 1.0) * np.where(recent, lately, 1.0)
    words = np.full(n, "audit", dtype=object)
    lines = np.full(n, "payments/0", dtype=object)
    return Traffic(
        outputs=Outputs(scores, predicted, 1),
        truth=np.where(wrong, 1 - predicted, predicted),
        propensity=propensity,
        drawn=rng.random(n) < propensity,
        age=age,
        latency=latency,
        strata=Strata(words, lines, band),
    )
