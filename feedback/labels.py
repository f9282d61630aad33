"""Labels, pulled from what people decided and what the world said. The only module that writes them.

One puller at a time holds an advisory lock, so label ids grow in commit order and a reader of
``id > cursor`` misses nothing. A pull that is repeated, or run twice at once, changes nothing more.
"""

from __future__ import annotations

from django.db import transaction

from feedback.known_tables import count_unknown
from models_registry import sql

# The key of the advisory lock under which label ids are taken.
LOCK = 0x4C41_4245_4C53
BATCH = 1000

# A prediction whose answers settle nothing: one is missing, an adjudicator's too, or it was withdrawn before that.
_UNSETTLED = """
    (EXISTS (SELECT FROM review_prediction p WHERE p.id = {of}.prediction_id AND p.status = 'withdrawn' OFFSET 0)
     OR EXISTS (
        SELECT FROM review_queueitem w
        WHERE w.prediction_id = {of}.prediction_id AND w.kind <> 'gold' AND w.state <> 'withdrawn'
          AND NOT EXISTS (
              SELECT FROM review_reviewdecision a WHERE a.item_id = w.id AND a.kind = 'decision' AND NOT a.abstained
                AND NOT EXISTS (SELECT FROM review_reviewdecision s WHERE s.supersedes_id = a.id))
        OFFSET 0))
"""
# A label ends with its decision, and with the agreement it was part of: another's undo leaves the prediction undecided.
_RETIRE_SUPERSEDED = f"""
    UPDATE feedback_label l SET retired_at = clock_timestamp()
    FROM review_reviewdecision s
    WHERE s.supersedes_id IS NOT NULL AND l.prediction_id = s.prediction_id AND l.source = 'review'
      AND l.retired_at IS NULL AND (s.supersedes_id = l.decision_id OR {_UNSETTLED.format(of="s")})
"""  # noqa: S608
# One answer of a decided prediction is its label: the adjudicator's, else the last of those that agreed, with which it
# was settled. What only took part in that feeds none. Every gold answer is kept, as retired.
_FRESH_DECISIONS = f"""
    SELECT d.id FROM review_reviewdecision d
    JOIN review_queueitem i ON i.id = d.item_id
    WHERE d.kind = 'decision' AND NOT d.abstained
      AND NOT EXISTS (SELECT FROM review_reviewdecision s WHERE s.supersedes_id = d.id)
      AND NOT EXISTS (SELECT FROM feedback_label l WHERE l.decision_id = d.id)
      AND (i.kind = 'gold' OR (
          NOT {_UNSETTLED.format(of="d")}
          AND NOT EXISTS (
              SELECT FROM review_reviewdecision o JOIN review_queueitem j ON j.id = o.item_id
              WHERE o.prediction_id = d.prediction_id AND j.kind <> 'gold' AND o.kind = 'decision' AND NOT o.abstained
                AND (j.kind = 'adjudication', o.id) > (i.kind = 'adjudication', d.id)
                AND NOT EXISTS (SELECT FROM review_reviewdecision s WHERE s.supersedes_id = o.id)
              OFFSET 0)))
    ORDER BY d.id LIMIT %(limit)s
"""  # noqa: S608
# What settled the prediction before gives way. A gold answer is retired from the start: it tells of its reviewer, and
# what is true of its prediction is known.
_RETIRE_BEFORE_DECISIONS = """
    UPDATE feedback_label l SET retired_at = clock_timestamp()
    FROM review_reviewdecision d JOIN review_queueitem i ON i.id = d.item_id AND i.kind <> 'gold'
    WHERE d.id = ANY(%(ids)s) AND l.prediction_id = d.prediction_id AND l.source = 'review' AND l.retired_at IS NULL
"""
# Drawn where the items are those that the logged draw made; anything else has no known probability. An adjudication
# is what the draw leads to where its answers differ.
_LABEL_DECISIONS = """
    INSERT INTO feedback_label
        (prediction_id, model_id, source, value, definition_id, selection, propensity, decision_id,
         observed_at, retired_at)
    SELECT d.prediction_id, d.model_id, 'review', d.label, d.definition_id,
           CASE WHEN drawn.propensity IS NOT NULL THEN 'draw' WHEN i.kind = 'gold' THEN 'gold' ELSE 'manual' END,
           drawn.propensity, d.id, d.decided_at, CASE WHEN i.kind = 'gold' THEN clock_timestamp() END
    FROM review_reviewdecision d
    JOIN review_queueitem i ON i.id = d.item_id
    LEFT JOIN review_routingdecision drawn ON drawn.prediction_id = d.prediction_id
         AND drawn.review IN ('gate', 'audit') AND i.kind IN (drawn.review, 'adjudication')
    WHERE d.id = ANY(%(ids)s)
    ORDER BY d.id
"""
# A prediction's explicit outcome that counts: a final one before a provisional one, then the latest observed.
_FRESH_OUTCOMES = """
    SELECT o.id FROM feedback_outcomeevent o
    WHERE o.kind = 'explicit'
      AND NOT EXISTS (SELECT FROM feedback_label l WHERE l.outcome_id = o.id)
      AND NOT EXISTS (
          SELECT FROM feedback_outcomeevent b
          WHERE b.prediction_id = o.prediction_id AND b.kind = 'explicit'
            AND (b.final, b.observed_at, b.id) > (o.final, o.observed_at, o.id))
    ORDER BY o.id LIMIT %(limit)s
"""
_RETIRE_BEFORE_OUTCOMES = """
    UPDATE feedback_label l SET retired_at = clock_timestamp()
    FROM feedback_outcomeevent o
    WHERE o.id = ANY(%(ids)s) AND l.prediction_id = o.prediction_id AND l.source = 'outcome' AND l.retired_at IS NULL
"""
_LABEL_OUTCOMES = """
    INSERT INTO feedback_label
        (prediction_id, model_id, source, value, definition_id, selection, outcome_id, observed_at)
    SELECT o.prediction_id, o.model_id, 'outcome', o.value, o.definition_id, 'outcome', o.id, o.observed_at
    FROM feedback_outcomeevent o
    WHERE o.id = ANY(%(ids)s)
    ORDER BY o.id
"""


def pull(*, limit: int = BATCH) -> int:
    """Retire labels of superseded decisions, then label at most ``limit`` settled predictions and as many outcomes.

    Returns how many label rows were made or retired; 0 means that everything is pulled.
    """
    with transaction.atomic():
        sql.change("SELECT pg_advisory_xact_lock(%s)", [LOCK])
        count_unknown()
        changed = sql.change(_RETIRE_SUPERSEDED)
        # Ids first: each statement sees newer commits than the one before.
        for fresh, retire, label in (
            (_FRESH_DECISIONS, _RETIRE_BEFORE_DECISIONS, _LABEL_DECISIONS),
            (_FRESH_OUTCOMES, _RETIRE_BEFORE_OUTCOMES, _LABEL_OUTCOMES),
        ):
            if ids := _ids(fresh, limit):
                changed += sql.change(retire, {"ids": ids}) + sql.change(label, {"ids": ids})
    return changed


def pull_all() -> int:
    """Pull until nothing is left that was committed before this call; returns the rows changed."""
    total = 0
    while changed := pull():
        total += changed
    return total


def _ids(statement: str, limit: int) -> list[int]:
    return [int(row[0]) for row in sql.rows(statement, {"limit": limit})]
