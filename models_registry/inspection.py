"""Whether a version does what its contract says, found out inside the child process.

One call loads the artifact, checks its classes, reads the reference rows, scores them, compares the
scores with those that were sent, and builds the reference profile. Imports no Django.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from models_registry import model_files, reference
from models_registry.errors import Invalid
from models_registry.frames import fitted_inputs, frame, from_columns, inputs
from models_registry.profiles import build_profile, sha256_of

# Beyond this a posted score and the artifact's own are said to differ.
MISMATCH = 1e-3


def inspect_version(
    *,
    contract: dict[str, Any],
    classes: list[str],
    max_rows: int,
    artifact: bytes | None = None,
    rows: bytes | None = None,
) -> dict[str, Any]:
    """``{"environment", "profile", "profile_sha256", "rows"}`` of a version that holds together.

    ``rows`` are the reference rows as uploaded; without them profile and hash are None. Raises a
    ReviewHubError with one sentence for a version that must be rejected.
    """
    environment: dict[str, Any] = {}
    estimator = None
    if artifact is not None:
        estimator = model_files.load(artifact)
        environment = model_files.environment(artifact)
        columns = model_files.class_mapping(estimator, classes)
        environment["columns_of_classes"] = dict(zip(classes, columns, strict=True))
        environment["estimator"] = type(estimator).__name__
    if rows is None:
        if estimator is not None:
            _try_made_up_row(estimator, contract, classes)
        return {"environment": environment, "profile": None, "profile_sha256": None, "rows": 0}
    found = reference.read(rows, contract, classes, max_rows=max_rows)
    environment["reference"] = {"rows": len(found), "ignored_columns": found.ignored[:100]}
    scores = found.scores
    if estimator is not None:
        prepared = fitted_inputs(estimator, from_columns(found.cells, contract))
        own = model_files.predict_scores(estimator, prepared, classes)
        environment["reference"]["agreement"] = agreement(own, scores)
        scores = own if scores is None else scores
    columns_found = found.profile_columns(contract)
    document = build_profile(contract, columns_found, labels=found.labels, classes=classes, scores=scores)
    return {"environment": environment, "profile": document, "profile_sha256": sha256_of(document), "rows": len(found)}


def score(
    *, artifact: bytes, contract: dict[str, Any], classes: list[str], rows: list[dict[str, Any]]
) -> list[list[float]]:
    """Scores (rows, classes) of records that have passed the contract, in the order of ``classes``."""
    estimator = model_files.loaded(artifact)
    if not rows:
        return []
    scores = model_files.predict_scores(estimator, inputs(estimator, rows, contract), classes)
    return [list(map(float, row)) for row in scores]


def agreement(own: Any, posted: Any) -> dict[str, Any] | None:
    """How far the artifact's scores are from those sent beside the reference rows; None if none were sent."""
    if posted is None:
        return None
    differences = np.abs(own - posted).max(axis=1)
    differing = int((differences > MISMATCH).sum())
    return {"largest_difference": float(differences.max()), "rows_differing": differing, "mismatch": differing > 0}


def _try_made_up_row(estimator: Any, contract: Mapping[str, Any], classes: Sequence[str]) -> None:
    """Without reference rows, one row that the contract would accept shows whether model and contract fit.

    A category without declared values can only be guessed at, so then a failure is no evidence.
    """
    row = {feature["name"]: _made_up(feature) for feature in contract["features"]}
    prepared = fitted_inputs(estimator, frame([row], contract))
    try:
        model_files.predict_scores(estimator, prepared, classes)
    except Invalid:
        if all(feature["dtype"] != "category" or feature.get("values") for feature in contract["features"]):
            raise


def _made_up(feature: Mapping[str, Any]) -> Any:
    kind = feature["dtype"]
    if kind in ("int", "float"):
        low, high = feature.get("min"), feature.get("max")
        known = [bound for bound in (low, high) if bound is not None]
        middle = sum(known) / len(known) if known else 1
        return int(middle) if kind == "int" else float(middle)
    made_up: dict[str, Any] = {"bool": False, "text": "text", "timestamp": "2026-01-01T00:00:00Z"}
    return made_up.get(kind, (feature.get("values") or ["value"])[0])
