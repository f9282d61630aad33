"""Weights for fitting: capped, tempered, and handed to the estimator that can take them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from models_registry.evaluation import SMALLEST_SCORE, effective_n

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Fold = tuple[NDArray[np.int64], NDArray[np.int64]]

GAMMAS = (0.0, 0.25, 0.5, 0.75, 1.0)
FOLDS = 4
# Below this, cross-validation would choose gamma by chance; the middle is taken instead.
TEMPERING_ROWS = 200
UNTESTED_GAMMA = 0.5
# Cross-validation fits 20 models; on more rows than this they take a sample.
MAX_TEMPERING_ROWS = 20_000
# Under this ratio of effective to labelled rows, weights cost more than they give.
LOW_SHARE = 0.2


def cap(weight: Floats) -> tuple[Floats, float]:
    """Weights cut at the larger of 20 medians and the 99th percentile, with that value.

    For fitting only: in an estimate a cut weight is a bias.

    >>> cap(np.array([1.0, 1.0, 1.0, 1.0]))[1]
    20.0
    """
    limit = max(20.0 * float(np.median(weight)), float(np.quantile(weight, 0.99)))
    return np.minimum(weight, limit), limit


def tempered(weight: Floats, gamma: float) -> Floats:
    """w^gamma with mean 1; gamma 0 is the unweighted fit.

    >>> tempered(np.array([1.0, 4.0]), 0.5).round(3).tolist()
    [0.667, 1.333]
    """
    power: Floats = weight**gamma
    mean = float(power.mean())
    return power / mean


def report(weight: Floats, limit: float, raw: Floats, entities: Sequence[str]) -> dict[str, Any]:
    """What the weights are worth: effective rows, their share, the largest single share, what was cut."""
    size = effective_n(weight, entities)
    share = size / len(weight)
    found: dict[str, Any] = {
        "rows": len(weight),
        "ess": size,
        "ess_share": share,
        "max_share": float(weight.max() / weight.sum()),
        "cap": limit,
        "capped_share": float((raw > limit).mean()),
    }
    if share < LOW_SHARE:
        found["advice"] = "few rows carry most of the weight: raise the audit floor to explore more"
    return found


def choose_gamma(
    score: Callable[[NDArray[np.int64], NDArray[np.int64], Floats], Floats],
    *,
    labels: NDArray[np.int64],
    weight: Floats,
    entities: Sequence[str],
) -> tuple[float, dict[str, float]]:
    """The gamma with the smallest full-weight validation log loss over 4 folds (Sugiyama et al. 2007).

    ``score(train, test, weight_of_train)`` fits on the rows at ``train`` and returns scores of ``test``.
    The tests carry the full weights, so that each gamma is judged on the whole population; entities stay
    on one side of a fold. Returns gamma and the loss of each, or the middle gamma where rows are too few.
    """
    if np.allclose(weight, weight[0]):
        return 1.0, {}
    if len(labels) < TEMPERING_ROWS or np.bincount(labels)[np.unique(labels)].min() < FOLDS:
        return UNTESTED_GAMMA, {}
    total = dict.fromkeys(GAMMAS, 0.0)
    for train, test in _folds(labels, entities):
        for gamma in GAMMAS:
            scores = score(train, test, tempered(weight[train], gamma))
            own = np.clip(scores[np.arange(len(test)), labels[test]], SMALLEST_SCORE, 1.0)
            total[gamma] -= float(weight[test] @ np.log(own))
    losses = {gamma: loss / float(weight.sum()) for gamma, loss in total.items()}
    return min(GAMMAS, key=lambda gamma: losses[gamma]), {str(gamma): loss for gamma, loss in losses.items()}


def _folds(labels: NDArray[np.int64], entities: Sequence[str]) -> list[Fold]:
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    rows = np.zeros((len(labels), 1))
    if len(set(entities)) < len(entities):
        folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=0).split(rows, labels, np.asarray(entities))
    else:
        folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0).split(rows, labels)
    return list(folds)


def fit_weighted(estimator: Any, x: Any, y: Any, weight: Floats) -> tuple[Any, str]:
    """A fitted copy, with the weights wherever in it a classifier takes them; and "", or why it took none.

    scikit-learn's metadata routing carries the weights through pipelines and calibration to the classifiers,
    and to nothing else: a scaler that centres by weight would not be the champion's own pipeline. The
    requests are taken off again, because the stored model has no use for them.
    """
    import sklearn
    from sklearn.base import clone, is_classifier

    plain, weighted = clone(estimator), clone(estimator)
    parts = [(part, is_classifier(part)) for part in _takers(weighted)]
    if not any(wants for _, wants in parts):
        return plain.fit(x, y), f"{_last_step(estimator)} takes no sample weights: it was fitted without"
    try:
        with sklearn.config_context(enable_metadata_routing=True):
            for part, wants in parts:
                part.set_fit_request(sample_weight=wants)
            weighted.fit(x, y, sample_weight=weight)
    except NotImplementedError as error:
        why = f"{type(estimator).__name__} passes no sample weights on ({error}): it was fitted without"
        return plain.fit(x, y), why
    _forget_requests(weighted, seen=set())
    return weighted, ""


def _takers(estimator: Any) -> list[Any]:
    """The estimator and those inside it whose fit takes sample weights."""
    from sklearn.utils.validation import has_fit_parameter

    everything = [estimator, *estimator.get_params(deep=True).values()]
    return [
        part
        for part in everything
        if hasattr(part, "fit") and not isinstance(part, type) and has_fit_parameter(part, "sample_weight")
    ]


def _last_step(estimator: Any) -> str:
    steps = getattr(estimator, "steps", None)
    return type(steps[-1][1] if steps else estimator).__name__


def _forget_requests(value: Any, *, seen: set[int]) -> None:
    """Take the routing requests off every estimator that the value holds, the fitted copies too."""
    if id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, list | tuple):
        inner = list(value)
    elif isinstance(value, dict):
        inner = list(value.values())
    elif type(value).__module__.startswith("sklearn.") and hasattr(value, "__dict__"):
        value.__dict__.pop("_metadata_request", None)
        inner = list(value.__dict__.values())
    else:
        return
    for part in inner:
        _forget_requests(part, seen=seen)
