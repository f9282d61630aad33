"""One fit: labelled and reference rows together, gamma chosen on the labelled ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from models_registry import frames, model_files, reference
from models_registry.errors import Unprocessable
from models_registry.training import pipelines, weighting

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models_registry.training.rows import LabelledRows

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Pool:
    """What to fit on: the labelled rows first, then older rows that weigh ``discount`` each.

    ``x`` has the shape (table or matrix) that the pipeline expects and ``y`` its own class values.
    """

    labelled: LabelledRows
    older: int
    discount: float
    x: Any
    y: NDArray[Any]
    classes: list[str]

    def weight(self, of_labelled: Floats) -> Floats:
        """Weights of these labelled rows (mean 1) and of all older rows, together with mean 1."""
        together = np.concatenate([of_labelled, np.full(self.older, self.discount)])
        return together / float(together.mean())

    def positions(self, of_labelled: Integers) -> Integers:
        """Positions in the pool of these labelled rows and of all older rows."""
        return np.concatenate([of_labelled, np.arange(len(self.labelled), len(self.labelled) + self.older)])


def pool_rows(
    labelled: LabelledRows,
    older: reference.Reference | None,
    *,
    champion: Any,
    contract: dict[str, Any],
    classes: list[str],
    discount: float,
) -> Pool:
    """Put labelled and reference rows together, shaped for the champion, or for a default pipeline without one.

    Raises Unprocessable (``missing_class``) where a class has no row at all: the result could not score it.
    """
    columns = {f["name"]: [record.get(f["name"]) for record in labelled.records] for f in contract["features"]}
    answers = labelled.labels
    if older is not None:
        number = {label: index for index, label in enumerate(classes)}
        columns = {name: values + older.cells[name] for name, values in columns.items()}
        answers = np.concatenate([answers, [number[label] for label in older.labels]]).astype(np.int64)
    absent = [label for index, label in enumerate(classes) if index not in answers]
    if absent:
        message = f"no row to learn from is of class {', '.join(absent)}: a candidate could not score it"
        raise Unprocessable(message, code="missing_class")
    values, x = np.array(classes), frames.from_columns(columns, contract)
    if champion is not None:
        # The champion's own class values, so that parameters such as class weights keep their meaning.
        values = np.asarray(champion.classes_)[model_files.class_mapping(champion, classes)]
        x = frames.fitted_inputs(champion, x)
    return Pool(labelled, len(answers) - len(labelled), discount, x, values[answers], classes)


def fit(pipeline: Any, pool: Pool) -> tuple[Any, dict[str, Any]]:
    """The fitted pipeline, and what the weights did: size, cap, gamma, the losses it was chosen by, and why skipped."""
    rows = pool.labelled
    weight, limit = weighting.cap(rows.weight)
    found = weighting.report(weight, limit, rows.weight, rows.entities)
    gamma, tried = _choose_gamma(pipeline, pool, weight)
    fitted, skipped = _fit(pipeline, pool.x, pool.y, pool.weight(weighting.tempered(weight, gamma)))
    return fitted, {**found, "gamma": gamma, "log_loss_by_gamma": tried, "skipped": skipped}


def _choose_gamma(pipeline: Any, pool: Pool, weight: Floats) -> tuple[float, dict[str, float]]:
    rows = pool.labelled
    sample = np.arange(len(rows))
    if len(rows) > weighting.MAX_TEMPERING_ROWS:
        draw = np.random.default_rng(pipelines.SEED)
        sample = np.sort(draw.choice(len(rows), weighting.MAX_TEMPERING_ROWS, replace=False))

    def score(train: Integers, test: Integers, own: Floats) -> Floats:
        positions = pool.positions(sample[train])
        fitted, _ = _fit(pipeline, taken(pool.x, positions), pool.y[positions], pool.weight(own))
        scores: Floats = model_files.predict_scores(fitted, taken(pool.x, sample[test]), pool.classes)
        return scores

    entities = [rows.entities[i] for i in sample]
    return weighting.choose_gamma(score, labels=rows.labels[sample], weight=weight[sample], entities=entities)


def _fit(pipeline: Any, x: Any, y: NDArray[Any], weight: Floats) -> tuple[Any, str]:
    try:
        return weighting.fit_weighted(pipeline, x, y, weight)
    except (ValueError, TypeError, ArithmeticError) as error:
        message = f"{type(pipeline).__name__} could not be fitted to these rows: {str(error)[:300]}"
        raise Unprocessable(message, code="fit_failed") from error


def taken(x: Any, positions: Integers) -> Any:
    """The rows at these positions of a table or a matrix."""
    return x.iloc[positions] if hasattr(x, "iloc") else x[positions]
