"""What a candidate would learn from the labels of a window, beside uniform review and all labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from feedback.simulation.champion import boosting, one_thread
from models_registry.training import weighting

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]

# Each window takes dozens of fits; more windows would say little more.
WINDOWS = 3
BINS = 10
ARMS = ("champion", "naive", "weighted", "uniform", "oracle")
LEAST_SCORE = 1e-6
FEWEST_LABELS = 40


def relearn(
    inputs: pd.DataFrame,
    labels: Integers,
    *,
    drawn: Flags,
    propensity: Floats,
    uniform: Flags,
    test: tuple[pd.DataFrame, Integers, Floats],
    classes: int,
) -> dict[str, dict[str, float]]:
    """Log loss, AUC and calibration error of each arm on ``test`` (inputs, labels, the champion's scores).

    ``drawn`` and ``uniform`` (N,) are the rows whose label the policy and uniform review revealed. The
    weighted arm is fitted as a candidate is: weights capped, tempered by cross-validation. Empty where the
    labels are too few, or of one class.
    """
    revealed = (drawn, uniform)
    if any(int(rows.sum()) < FEWEST_LABELS or len(np.unique(labels[rows])) < 2 for rows in revealed):
        return {}
    other, truth, posted = test
    weight, _ = weighting.cap(1.0 / propensity[drawn])
    mine, own = inputs[drawn], labels[drawn]

    def score(train: Integers, held: Integers, part: Floats) -> Floats:
        return _scores(_fitted(mine.iloc[train], own[train], part), mine.iloc[held], classes)

    with one_thread():
        entities = [str(place) for place in range(len(own))]
        gamma, _ = weighting.choose_gamma(score, labels=own, weight=weight, entities=entities)
        fits = {
            "naive": _fitted(mine, own, np.ones(len(own))),
            "weighted": _fitted(mine, own, weighting.tempered(weight, gamma)),
            "uniform": _fitted(inputs[uniform], labels[uniform], np.ones(int(uniform.sum()))),
            "oracle": _fitted(inputs, labels, np.ones(len(labels))),
        }
        return {
            "champion": _figures(posted, truth),
            **{arm: _figures(_scores(model, other, classes), truth) for arm, model in fits.items()},
        }


def averaged(runs: list[dict[str, dict[str, float]]]) -> dict[str, Any] | None:
    """The mean of each figure over windows, and which part of naive's distance to all labels the weights closed."""
    runs = [run for run in runs if run]
    if not runs:
        return None
    found: dict[str, Any] = {
        arm: {name: float(np.mean([run[arm][name] for run in runs])) for name in runs[0][arm]} for arm in ARMS
    }
    loss = {arm: found[arm]["log_loss"] for arm in ARMS}
    gap = loss["naive"] - loss["oracle"]
    found["gap_closed"] = (loss["naive"] - loss["weighted"]) / gap if gap > 0 else None
    found["windows"] = len(runs)
    return found


def _fitted(inputs: pd.DataFrame, labels: Integers, weight: Floats) -> Any:
    return boosting(len(labels)).fit(inputs, labels, sample_weight=weight)


def _scores(model: Any, inputs: pd.DataFrame, classes: int) -> Floats:
    """In class order; a class that no label was of has the least score."""
    scores = np.full((len(inputs), classes), LEAST_SCORE)
    scores[:, model.classes_] = model.predict_proba(inputs)
    return np.asarray(scores / scores.sum(axis=1, keepdims=True))


def _figures(scores: Floats, labels: Integers) -> dict[str, float]:
    from sklearn.metrics import roc_auc_score

    rows = np.arange(labels.size)
    own = np.clip(scores[rows, labels], LEAST_SCORE, 1.0)
    ranked: Any = scores[:, 1] if scores.shape[1] == 2 else scores
    return {
        "log_loss": float(-np.log(own).mean()),
        "auc": float(roc_auc_score(labels, ranked, multi_class="ovr", labels=list(range(scores.shape[1])))),
        "ece": _calibration_error(scores.max(axis=1), scores.argmax(axis=1) == labels),
    }


def _calibration_error(confidence: Floats, right: Flags) -> float:
    """Mean distance of confidence and accuracy over bins of equal width."""
    places = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
    count = np.bincount(places, minlength=BINS)
    gaps = np.abs(np.bincount(places, confidence, BINS) - np.bincount(places, right.astype(np.float64), BINS))
    return float(gaps.sum() / count.sum())
