"""What would have come out if every prediction had proceeded, from the outcomes of those that did.

An outcome shows only under the disposition that was taken, so that nothing is known where proceeding had no chance:
whatever a rule or a class refuses, whatever is always held.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from feedback.estimators.dispositions import Valued, value_of
from feedback.estimators.metrics import Flags, Floats, Integers
from feedback.estimators.rows import UNKNOWN
from feedback.whatif.past import beliefs
from models_registry import sql
from models_registry.models import RegisteredModel
from review import policy_facts

NEWEST = 100_000
# Rows times classes, each of which is an object for a while.
MOST_SCORES = 1_000_000
PROCEEDED, OTHERWISE = range(2)
_ROWS = """
    SELECT coalesce(array_position(%(classes)s::text[], p.predicted), 1) - 1, r.disposition, r.p_gate,
           coalesce(array_position(%(classes)s::text[], l.value), 0) - 1, p.scores
    FROM review_prediction p JOIN review_routingdecision r ON r.prediction_id = p.id
    LEFT JOIN feedback_label l ON l.prediction_id = p.id AND l.source = 'outcome' AND l.retired_at IS NULL
    WHERE p.model_id = %(model)s AND p.status <> 'withdrawn'
      AND p.occurred_at <= clock_timestamp() - make_interval(secs => %(horizon)s)
      AND (%(before)s::timestamptz IS NULL OR (p.received_at < %(before)s AND p.occurred_at < %(before)s))
    ORDER BY p.id DESC LIMIT %(last)s
"""


@dataclass(frozen=True)
class EverythingProceeded:
    """Of ``predictions`` that are old enough to show an outcome: the share of each class among the outcomes.

    ``outcomes`` of ``proceeded`` are known; ``population`` says for which predictions the model declares them
    complete. ``shares`` is empty where for none: nobody knows then which outcomes are told.
    """

    population: str
    predictions: int
    proceeded: int
    outcomes: int
    shares: dict[str, Valued]


@dataclass(frozen=True)
class _Rows:
    """N rows; ``outcome`` is a class index, -1 where unknown, ``chance`` the logged probability of proceeding."""

    proceeded: Flags
    chance: Floats
    outcome: Integers
    beliefs: Floats


def everything_proceeded(
    *, model: RegisteredModel, last: int = NEWEST, before: datetime | None = None
) -> EverythingProceeded:
    """The newest predictions that are old enough, as if each had proceeded whatever its policy said."""
    population, rows = model.outcomes_complete_for, _read(model, last, before)
    told = rows.proceeded & (rows.outcome != UNKNOWN)
    found = EverythingProceeded(population, rows.chance.size, int(rows.proceeded.sum()), int(told.sum()), {})
    if population == model.CompleteFor.NONE or not rows.chance.size:
        return found
    n = rows.chance.size
    always = np.zeros((n, 2))
    always[:, PROCEEDED] = 1.0
    logged = np.stack([rows.chance, 1.0 - rows.chance], axis=1)
    taken = np.where(rows.proceeded, PROCEEDED, OTHERWISE)
    arrived = found.outcomes / found.proceeded if found.outcomes else 1.0
    for place, name in enumerate(model.classes):
        outcome = np.where(told, (rows.outcome == place).astype(np.float64), np.nan)
        guess = np.repeat(rows.beliefs[place][:, None], 2, axis=1)
        found.shares[name] = value_of(taken, logged, outcome, always, guess, arrived)
    return found


def _read(model: RegisteredModel, last: int, before: datetime | None) -> _Rows:
    last = min(last, MOST_SCORES // len(model.classes))
    horizon = (model.outcomes_horizon_days or 0.0) * 86_400
    named: dict[str, Any] = {"classes": model.classes, "model": model.pk, "horizon": horizon}
    cells = sql.rows(_ROWS, named | {"last": last, "before": before})
    predicted, dispositions, gates, outcomes, scores = zip(*cells, strict=True) if cells else ((), (), (), (), ())
    taken, p_gate = np.array(dispositions, dtype=object), np.array(gates, dtype=np.float64)
    # What a held row would have met without its gate is not stored. A rule leaves no chance to a draw, so where there
    # was one the class of the answer decided.
    meaning = policy_facts.setting_of(model).disposition_of
    means = np.array([meaning.get(name, "proceed") == "proceed" for name in model.classes])
    answer = means[np.array(predicted, dtype=np.int64)]
    proceeds = np.where(taken == "hold", answer, taken == "proceed").astype(bool)
    table = np.array([[score or 0.0 for score in row] for row in scores], dtype=np.float64)
    return _Rows(
        proceeded=np.asarray(taken == "proceed", dtype=bool),
        chance=np.where(proceeds, 1.0 - p_gate, 0.0),
        outcome=np.array(outcomes, dtype=np.int64),
        beliefs=beliefs(table.reshape(len(cells), len(model.classes))),
    )
