"""Where two sources speak of one prediction: implicit feedback against labels, reviews against outcomes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from feedback.monitoring.nonresponse import rate
from models_registry import sql
from models_registry.models import RegisteredModel

EXAMPLES = 20
# The newest implicit events that are compared with labels.
NEWEST = 100_000

# An explicit outcome before a review where both stand; of each source the event that was observed last.
_IMPLICIT = """
    SELECT source, value, label, count(*) FROM (
        SELECT DISTINCT ON (o.prediction_id, o.source) o.source, o.value, truth.value AS label
        FROM (SELECT * FROM feedback_outcomeevent WHERE model_id = %(model)s AND kind = 'implicit'
              ORDER BY id DESC LIMIT %(newest)s) o
        CROSS JOIN LATERAL (
            SELECT l.value FROM feedback_label l
            WHERE l.prediction_id = o.prediction_id AND l.retired_at IS NULL ORDER BY l.source LIMIT 1) truth
        ORDER BY o.prediction_id, o.source, o.observed_at DESC, o.id DESC
    ) pairs GROUP BY source, value, label ORDER BY source
"""
_PAIRS = """
    FROM feedback_label r
    JOIN feedback_label o ON o.prediction_id = r.prediction_id AND o.source = 'outcome' AND o.retired_at IS NULL
    JOIN review_prediction p ON p.id = r.prediction_id AND p.status <> 'withdrawn'
    WHERE r.model_id = %(model)s AND r.source = 'review' AND r.retired_at IS NULL
      AND (%(start)s::timestamptz IS NULL OR p.occurred_at >= %(start)s)
      AND (%(end)s::timestamptz IS NULL OR p.occurred_at < %(end)s)
"""
_COUNTED = f"SELECT count(*), count(*) FILTER (WHERE r.value <> o.value) {_PAIRS}"
_NEWEST_CONFLICTS = f"""
    SELECT p.id, p.external_id, r.value, o.value {_PAIRS} AND r.value <> o.value
    ORDER BY p.occurred_at DESC, p.id DESC LIMIT %(examples)s
"""


def reliability(*, model: RegisteredModel, newest: int = NEWEST) -> list[dict[str, Any]]:
    """Per source of implicit feedback, how often it says what the label of the same prediction says.

    Values are read by the mapping of the newest label definition; a source without one is read as if its values
    were classes and marked ``mapped`` false: it may be measured so, and never exported. ``unmapped`` counts pairs
    whose value the mapping does not name.
    """
    definition = model.definitions.order_by("-number").first()
    mapping: dict[str, dict[str, str]] = {} if definition is None else definition.implicit
    rows = sql.rows(_IMPLICIT, {"model": model.pk, "newest": newest})
    found = []
    for source in sorted({row[0] for row in rows}):
        meaning = mapping.get(source, {name: name for name in model.classes})
        pairs = [(meaning.get(value), label, count) for name, value, label, count in rows if name == source]
        n = sum(count for value, _, count in pairs if value is not None)
        agree = sum(count for value, label, count in pairs if value == label)
        unmapped = sum(count for value, _, count in pairs if value is None)
        found.append(
            {"source": source, "mapped": source in mapping, "n": n, "agree": agree, "unmapped": unmapped}
            | rate(agree, n)
        )
    return found


def conflicts(*, model: RegisteredModel, start: datetime | None = None, end: datetime | None = None) -> dict[str, Any]:
    """Predictions made in [start, end) whose standing review label and explicit outcome differ; both are kept.

    ``both`` have the two labels, ``conflicts`` of them differ, with the rate (Wilson, 95 %) and the newest examples.
    """
    values = {"model": model.pk, "start": start, "end": end, "examples": EXAMPLES}
    [(both, differ)] = sql.rows(_COUNTED, values)
    examples = [
        {"id": str(pk), "external_id": name, "review": review, "outcome": outcome}
        for pk, name, review, outcome in sql.rows(_NEWEST_CONFLICTS, values)
    ]
    return {"both": both, "conflicts": differ, **rate(differ, both), "examples": examples}
