"""The people and the world of a simulation: what reviewers answer, how long that takes, and what drifts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]

REVIEWERS = ("perfect", "noisy", "anchored")
DRIFTS = ("none", "concept")
LATENCIES = ("none", "verdict")
# A noisy reviewer finds so many of the positives and of the negatives; of more than two classes, the mean.
SENSITIVITY, SPECIFICITY = 0.92, 0.96
# An anchored reviewer gives in to the model's answer in so many of the cases where they differ.
GIVES_IN = 0.25
# Concept drift: among the rows where the champion is surest, from the middle of the window on, so many labels change.
SUREST, CHANGED = 0.3, 0.25
# Mean days from draw to label of an agreement, for the sure and the unsure half; an override takes SLOWER times as
# long. The past lasts PAST days before the window of WINDOW days, at whose end one looks.
MEAN_DAYS, SLOWER = (1.0, 3.0), 2.5
PAST, WINDOW = 50.0, 10.0
DAY = 86_400.0


def drifted(
    labels: Integers, confidence: Floats, classes: int, rng: np.random.Generator, *, since: float = 0.5
) -> Integers:
    """The labels of rows in time order once the concept has drifted where the champion is surest.

    ``since``: after which share of the rows.
    """
    sure = confidence >= np.quantile(confidence, 1 - SUREST)
    late = np.arange(labels.size) >= round(since * labels.size)
    changed = sure & late & (rng.random(labels.size) < CHANGED)
    return np.where(changed, _other(labels, classes, rng), labels)


def answers(
    kind: str, labels: Integers, predicted: Integers, *, classes: int, positive: int | None, rng: np.random.Generator
) -> Integers:
    """What a reviewer of that kind says about each row when shown the model's answer."""
    if kind == "perfect":
        return labels
    if positive is None:
        right = np.full(labels.size, (SENSITIVITY + SPECIFICITY) / 2)
    else:
        right = np.where(labels == positive, SENSITIVITY, SPECIFICITY)
    said = np.where(rng.random(labels.size) < right, labels, _other(labels, classes, rng))
    if kind == "anchored":
        said = np.where((said != predicted) & (rng.random(labels.size) < GIVES_IN), predicted, said)
    return said


def latencies(confidence: Floats, overridden: Flags, rng: np.random.Generator) -> Floats:
    """Seconds from the draw to the label of each row, if it is drawn (N,): exponential, overrides slower."""
    mean = np.where(confidence < np.median(confidence), MEAN_DAYS[1], MEAN_DAYS[0]) * DAY
    return rng.exponential(mean * np.where(overridden, SLOWER, 1.0))


def ages(rows: int, *, youngest: float, oldest: float) -> Floats:
    """Seconds since rows in time order were routed, evenly between two numbers of days; the first is the oldest."""
    return np.linspace(oldest, youngest, rows) * DAY


def _other(labels: Integers, classes: int, rng: np.random.Generator) -> Integers:
    """Another class than the row's, each as likely."""
    return (labels + rng.integers(1, classes, labels.size)) % classes
