"""Candidate against champion and against a constant, on the same held-out labelled rows with full weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from models_registry import evaluation, frames, model_files

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models_registry.training.rows import LabelledRows

    Floats = NDArray[np.float64]

COMPARED = ("log_loss", "cost", "zero_one", "brier")


def scores_of(estimator: Any, rows: LabelledRows, contract: dict[str, Any], classes: list[str]) -> Floats:
    """The estimator's scores (n, k) in the registered class order."""
    if not len(rows):
        return np.zeros((0, len(classes)))
    found: Floats = model_files.predict_scores(estimator, frames.inputs(estimator, rows.records, contract), classes)
    return found


def evidence(
    candidate: Any,
    champion: Any,
    held_out: LabelledRows,
    *,
    contract: dict[str, Any],
    classes: list[str],
    costs: Floats,
    champion_version: str,
) -> dict[str, Any]:
    """What ``gates.judge`` takes.

    The champion's artifact scores every held-out row. A champion without one is judged by the scores it
    posted, so then only rows of its own version are compared; with none of those there is no comparison.
    """
    rows, compared, origin = held_out, None, None
    if champion is not None:
        compared, origin = scores_of(champion, rows, contract, classes), "artifact"
    else:
        posted = np.isfinite(rows.scores).all(axis=1) & (np.array(rows.versions, dtype=object) == champion_version)
        if posted.any():
            rows = held_out.take(np.flatnonzero(posted).tolist())
            compared, origin = rows.scores, "posted"
    own = evaluation.losses(scores_of(candidate, rows, contract, classes), rows.labels, costs)
    others = {"constant": evaluation.constant_scores(rows.labels, rows.weight, len(classes))}
    if compared is not None:
        others["champion"] = compared
    found: dict[str, Any] = {
        "rows": len(rows),
        "effective_n": evaluation.effective_n(rows.weight, rows.entities),
        "champion_scores": origin,
        "candidate": evaluation.summary(own, rows.weight),
        "champion": None,
        "differences": {"champion": None},
    }
    for name, scores in others.items():
        theirs = evaluation.losses(scores, rows.labels, costs)
        found[name] = evaluation.summary(theirs, rows.weight)
        found["differences"][name] = differences(own, theirs, rows)
    return found


def differences(own: evaluation.Losses, theirs: evaluation.Losses, rows: LabelledRows) -> dict[str, dict[str, Any]]:
    """Own minus theirs for each loss, with a 95 % interval; negative is better."""
    return {
        loss: evaluation.paired_difference(
            getattr(own, loss), getattr(theirs, loss), rows.weight, rows.entities
        ).document()
        for loss in COMPARED
    }
