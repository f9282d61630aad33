"""What is asked of a window of predictions: the metrics, each class alone, base rates, and the best constant."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from feedback.estimators.metrics import AUTO_ACCEPTED_ERROR, DIFFERENCE, METRICS, Outputs, Ratio, ratios

HEADLINES = (*METRICS, AUTO_ACCEPTED_ERROR)


@dataclass(frozen=True)
class Question:
    """``ratios`` makes the tables of one question; its estimate follows the rules of ``metric``."""

    name: str
    metric: str
    parts: int
    ratios: Callable[[Outputs], list[Ratio]]


def questions(classes: int, positive: int | None) -> tuple[Question, ...]:
    """Every question about a model of so many classes, in a fixed order.

    ``precision/k`` and ``recall/k`` are of class k against the rest, ``share/k`` is its base rate and ``ahead/k``
    the accuracy of the model less that of always answering k.

    >>> [question.name for question in questions(2, 1)][-4:]
    ['share/0', 'ahead/0', 'share/1', 'ahead/1']
    """
    macro = classes if positive is None else 1
    found = []
    for metric in HEADLINES:
        parts = macro if metric in ("precision", "recall") else 1
        found.append(Question(metric, metric, parts, partial(ratios, metric)))
    for k in range(classes):
        if positive is None:
            found += [Question(f"{name}/{k}", name, 1, partial(_of_class, name, k)) for name in ("precision", "recall")]
        found.append(Question(f"share/{k}", "accuracy", 1, partial(_share, k)))
        found.append(Question(f"ahead/{k}", "accuracy" + DIFFERENCE, 1, partial(_ahead, k)))
    return tuple(found)


def _of_class(metric: str, k: int, outputs: Outputs) -> list[Ratio]:
    return ratios(metric, replace(outputs, positive=k))


def _share(k: int, outputs: Outputs) -> list[Ratio]:
    table = np.zeros_like(outputs.scores)
    table[:, k] = 1.0
    return [Ratio(table, np.ones_like(table))]


def _ahead(k: int, outputs: Outputs) -> list[Ratio]:
    [own] = ratios("accuracy", outputs)
    table = own.numerator.copy()
    table[:, k] -= 1.0
    return [Ratio(table, own.denominator)]
