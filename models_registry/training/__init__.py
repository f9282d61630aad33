"""Fitting a candidate on weighted labels and comparing it with the champion. Runs in the child process.

The recipe: 1/π weights, capped and tempered (``weighting``), on the train side of a snapshot (``rows``); the
champion's reference rows pooled at a discount (``fitting``); the champion's own pipeline, or a default one
(``pipelines``). Candidate and champion are then scored on the same held-out rows (``comparison``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from models_registry import evaluation, frames, model_files, reference
from models_registry.errors import Unprocessable
from models_registry.training import comparison, fitting, pipelines
from models_registry.training.rows import Split, split_snapshot, to_parquet

if TYPE_CHECKING:
    from collections.abc import Mapping

# Reference rows were counted and checked when the champion was registered.
ALREADY_COUNTED = 2**40

__all__ = ["evaluate_version", "fit_candidate"]


def fit_candidate(
    *,
    contract: dict[str, Any],
    classes: list[str],
    costs: list[list[float]],
    champion_version: str,
    estimator: str = "",
    discount: float = 0.25,
    artifact: bytes | None = None,
    reference_rows: bytes | None = None,
    **parts: bytes,
) -> dict[str, Any]:
    """Fit a candidate and compare it with the champion; what goes in and comes out is plain.

    ``parts`` are the snapshot's Parquet parts, ``part_0``, ``part_1`` and so on; ``artifact`` and
    ``reference_rows`` are the champion's files; ``costs[predicted][actual]``. Returns ``artifact`` (bytes of
    the candidate's model file), ``reference`` (its reference rows as Parquet, None where the champion has
    none), ``weights``, ``evidence`` (what ``gates.judge`` takes) and ``pipeline``, the one that was used.
    Raises Unprocessable: ``no_rows``, ``one_class``, ``missing_class``, ``invalid_snapshot``, ``fit_failed``.
    """
    split = _split(parts, contract, classes)
    _require_something_to_fit(split, classes)
    champion = model_files.load(artifact) if artifact is not None else None
    chosen = estimator or ("champion" if champion is not None else "default")
    older = _reference_rows(reference_rows, contract, classes)
    parent = champion if chosen == "champion" else None
    # Rows of no weight stay out of the fit, as some estimators would not know that they have none.
    pooled = older if discount > 0 else None
    pool = fitting.pool_rows(
        split.train, pooled, champion=parent, contract=contract, classes=classes, discount=discount
    )
    if chosen == "champion":
        pipeline = pipelines.cloned(champion)
    else:
        pipeline = pipelines.default_pipeline(contract, rows=len(pool.y), estimator=chosen)
    fitted, weights = fitting.fit(pipeline, pool)
    content = model_files.dump(fitted)
    # Judged as it was stored: what is compared is what would be served.
    stored = model_files.load(content)
    prices, held_out = np.asarray(costs, dtype=np.float64), split.held_out
    found = comparison.evidence(
        stored, champion, held_out, contract=contract, classes=classes, costs=prices, champion_version=champion_version
    )
    return {
        "artifact": content,
        "reference": None if older is None else _rescored(stored, older, contract, classes),
        "weights": {**weights, "reference_rows": pool.older, "reference_discount": discount, "snapshot": split.counts},
        "evidence": found,
        "pipeline": chosen,
    }


def evaluate_version(
    *, contract: dict[str, Any], classes: list[str], costs: list[list[float]], artifact: bytes, **parts: bytes
) -> dict[str, Any]:
    """One artifact on the held-out labelled rows of a snapshot: ``rows``, ``effective_n`` and the weighted losses."""
    held_out = _split(parts, contract, classes).held_out
    scores = comparison.scores_of(model_files.load(artifact), held_out, contract, classes)
    found = evaluation.losses(scores, held_out.labels, np.asarray(costs, dtype=np.float64))
    size = evaluation.effective_n(held_out.weight, held_out.entities)
    return {"rows": len(held_out), "effective_n": size, **evaluation.summary(found, held_out.weight)}


def _split(parts: Mapping[str, bytes], contract: dict[str, Any], classes: list[str]) -> Split:
    ordered = [parts[f"part_{number}"] for number in range(len(parts))]
    return split_snapshot(ordered, contract=contract, classes=classes)


def _require_something_to_fit(split: Split, classes: list[str]) -> None:
    counts = split.counts
    if not len(split.train):
        message = (
            f"nothing to fit: of {counts['rows']} labels in the snapshot, {counts['without_weight']} have no weight, "
            f"{counts['other_class']} are of a class unknown to the model and {counts['held_out']} are held out"
        )
        raise Unprocessable(message, code="no_rows")
    present = [classes[index] for index in np.unique(split.train.labels)]
    if len(present) < 2:
        message = (
            f"nothing to fit: all {len(split.train)} labels to learn from are {present[0]!r}; two classes are needed"
        )
        raise Unprocessable(message, code="one_class")


def _reference_rows(content: bytes | None, contract: dict[str, Any], classes: list[str]) -> reference.Reference | None:
    return None if content is None else reference.read(content, contract, classes, max_rows=ALREADY_COUNTED)


def _rescored(estimator: Any, older: reference.Reference, contract: dict[str, Any], classes: list[str]) -> bytes:
    """The champion's reference rows with the candidate's scores: what drift of the candidate is measured against.

    Labelled rows stay out: a policy chose them, so their shares are not those of the traffic.
    """
    table = frames.from_columns(older.cells, contract)
    scores = model_files.predict_scores(estimator, frames.fitted_inputs(estimator, table), classes)
    posted = {f"score.{label}": scores[:, index].tolist() for index, label in enumerate(classes)}
    return to_parquet({**older.cells, "label": older.labels, **posted})
