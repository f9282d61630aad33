"""What must never be false in a live database: one read-only query per invariant, each row a breach.

The numbers are those of the reliability chapter in docs/invariants.md. Every query runs on a live
system under load; the ones that compare counts take one snapshot.
"""

from __future__ import annotations

from dataclasses import dataclass

from models_registry import sql

EXAMPLES = 5


@dataclass(frozen=True)
class Invariant:
    """``query`` selects the ids of what breaks it; none when it holds."""

    number: str
    name: str
    query: str


@dataclass(frozen=True)
class Verdict:
    invariant: Invariant
    broken: int
    examples: list[str]


INVARIANTS = [
    Invariant(
        "I-02",
        "every routed prediction has exactly one routing decision, every received one none",
        """
        SELECT 'prediction ' || p.id FROM review_prediction p
        LEFT JOIN review_routingdecision r ON r.prediction_id = p.id
        WHERE (p.status IN ('routed', 'decided') AND r.prediction_id IS NULL)
           OR (p.status = 'received' AND r.prediction_id IS NOT NULL)
        UNION ALL
        SELECT 'prediction ' || prediction_id FROM review_routingdecision GROUP BY prediction_id HAVING count(*) > 1
        UNION ALL
        SELECT 'prediction ' || r.prediction_id || ' without item' FROM review_routingdecision r
        WHERE r.review <> 'none' AND NOT EXISTS (SELECT FROM review_queueitem q WHERE q.prediction_id = r.prediction_id)
        """,
    ),
    Invariant(
        "I-03",
        "one prediction per model and external id",
        """
        SELECT 'model ' || model_id || ' external id ' || external_id FROM review_prediction
        GROUP BY model_id, external_id HAVING count(*) > 1
        """,
    ),
    Invariant(
        "I-06",
        "at most one live lease per item at any moment",
        """
        SELECT 'item ' || a.item_id FROM review_lease a JOIN review_lease b
          ON a.item_id = b.item_id AND a.token < b.token
         AND a.claimed_at < least(coalesce(b.ended_at, b.expires_at), b.expires_at)
         AND b.claimed_at < least(coalesce(a.ended_at, a.expires_at), a.expires_at)
        """,
    ),
    Invariant(
        "I-08",
        "as many slots as required, one standing decision on each, one item of a prediction per reviewer",
        """
        WITH standing AS (
            SELECT d.* FROM review_reviewdecision d
            WHERE d.kind = 'decision' AND NOT EXISTS (SELECT FROM review_reviewdecision s WHERE s.supersedes_id = d.id)
        )
        SELECT 'item ' || item_id FROM standing GROUP BY item_id HAVING count(*) > 1
        UNION ALL
        SELECT 'prediction ' || prediction_id || ' reviewer ' || reviewer FROM standing
        WHERE NOT abstained GROUP BY prediction_id, reviewer HAVING count(*) > 1
        UNION ALL
        SELECT 'prediction ' || prediction_id || ' slots' FROM review_queueitem WHERE kind IN ('gate', 'audit')
        GROUP BY prediction_id HAVING count(*) <> max(required) OR min(required) <> max(required)
        """,
    ),
    Invariant(
        "I-09",
        "what was decided has one review label that stands, from the answer that settled it, and nothing else has one",
        """
        SELECT 'decision ' || decision_id FROM feedback_label
        WHERE decision_id IS NOT NULL AND retired_at IS NULL GROUP BY decision_id HAVING count(*) > 1
        UNION ALL
        SELECT 'label ' || l.id FROM feedback_label l JOIN review_reviewdecision d ON d.id = l.decision_id
        WHERE l.retired_at IS NULL AND (d.abstained OR d.kind <> 'decision' OR l.value <> d.label)
        UNION ALL
        SELECT 'label ' || l.id FROM feedback_label l JOIN review_reviewdecision s ON s.supersedes_id = l.decision_id
        WHERE l.retired_at IS NULL AND s.decided_at < clock_timestamp() - interval '60 seconds'
        UNION ALL
        SELECT 'prediction ' || p.id FROM review_prediction p
        WHERE p.status = 'decided' AND NOT EXISTS (
            SELECT FROM feedback_label l
            WHERE l.prediction_id = p.id AND l.source = 'review' AND l.retired_at IS NULL)
          AND NOT EXISTS (SELECT FROM review_reviewdecision d
                          WHERE d.prediction_id = p.id AND d.decided_at > clock_timestamp() - interval '60 seconds')
        UNION ALL
        SELECT 'label ' || l.id FROM feedback_label l JOIN review_prediction p ON p.id = l.prediction_id
        WHERE l.source = 'review' AND l.retired_at IS NULL AND p.status <> 'decided'
          AND NOT EXISTS (SELECT FROM review_reviewdecision d
                          WHERE d.prediction_id = p.id AND d.decided_at > clock_timestamp() - interval '60 seconds')
        UNION ALL
        SELECT 'decision ' || d.id FROM review_reviewdecision d JOIN review_queueitem i ON i.id = d.item_id
        WHERE i.kind = 'gold' AND d.kind = 'decision' AND NOT d.abstained
          AND d.decided_at < clock_timestamp() - interval '60 seconds'
          AND NOT EXISTS (SELECT FROM review_reviewdecision s WHERE s.supersedes_id = d.id)
          AND NOT EXISTS (SELECT FROM feedback_label l WHERE l.decision_id = d.id)
        """,
    ),
    Invariant(
        "I-10",
        "an item is decided exactly when a labelling decision stands on it",
        """
        WITH standing AS (
            SELECT d.item_id FROM review_reviewdecision d
            WHERE d.kind = 'decision' AND NOT d.abstained
              AND NOT EXISTS (SELECT FROM review_reviewdecision s WHERE s.supersedes_id = d.id)
        )
        SELECT 'item ' || i.id FROM review_queueitem i LEFT JOIN standing s ON s.item_id = i.id
        WHERE i.state <> 'withdrawn' AND (i.state = 'decided') <> (s.item_id IS NOT NULL)
        """,
    ),
    Invariant(
        "I-12",
        "nothing is lost or doubled: what was sent to a person has its item, what has its decisions is decided",
        """
        SELECT 'model ' || model_id || ': reviewed ' || reviewed || ', items ' || items FROM (
            SELECT r.model_id, count(*) AS reviewed,
                   count(*) FILTER (WHERE EXISTS (
                       SELECT FROM review_queueitem i WHERE i.prediction_id = r.prediction_id
                   )) AS items
            FROM review_routingdecision r WHERE r.review <> 'none' GROUP BY r.model_id
        ) sent WHERE reviewed <> items
        UNION ALL
        SELECT 'prediction ' || p.id || ' is ' || p.status FROM review_prediction p
        WHERE (p.status = 'decided') <> (
                  EXISTS (SELECT FROM review_queueitem i
                          WHERE i.prediction_id = p.id AND i.state = 'decided' AND i.kind <> 'gold')
              AND NOT EXISTS (SELECT FROM review_queueitem i
                              WHERE i.prediction_id = p.id AND i.state = 'open' AND i.kind <> 'gold'))
          AND p.status <> 'withdrawn'
        UNION ALL
        SELECT 'prediction ' || p.id || ' has no payload' FROM review_prediction p
        WHERE NOT EXISTS (SELECT FROM review_predictionpayload y WHERE y.prediction_id = p.id)
        """,
    ),
    Invariant(
        "I-14",
        "history is guarded against change by the database itself",
        """
        SELECT 'table ' || name FROM unnest(ARRAY[
            'models_registry_auditevent', 'models_registry_promotion', 'models_registry_datacontract',
            'review_routingdecision', 'review_reviewdecision', 'review_policyversion', 'review_resolution',
            'feedback_outcomeevent', 'feedback_practiceanswer', 'models_registry_gateresult',
            'models_registry_evaluation', 'review_caseview', 'review_comment']) AS name
        WHERE NOT EXISTS (
            SELECT FROM pg_trigger t WHERE t.tgrelid = to_regclass(name) AND t.tgname = name || '_append_only'
               AND t.tgenabled IN ('O', 'A'))
        """,
    ),
    Invariant(
        "I-18",
        "only differing answers are adjudicated, and never by somebody who gave one of them",
        """
        WITH answers AS (
            SELECT d.prediction_id, d.reviewer, d.label, i.kind FROM review_reviewdecision d
            JOIN review_queueitem i ON i.id = d.item_id AND i.kind <> 'gold'
            WHERE d.kind = 'decision' AND NOT d.abstained
              AND NOT EXISTS (SELECT FROM review_reviewdecision s WHERE s.supersedes_id = d.id)
        )
        SELECT 'prediction ' || a.prediction_id || ' adjudicated by ' || a.reviewer FROM answers a
        JOIN answers b ON b.prediction_id = a.prediction_id AND b.reviewer = a.reviewer AND b.kind <> 'adjudication'
        WHERE a.kind = 'adjudication'
        UNION ALL
        SELECT 'prediction ' || i.prediction_id FROM review_queueitem i
        WHERE i.kind = 'adjudication' AND i.state <> 'withdrawn' AND NOT EXISTS (
            SELECT FROM review_prediction p WHERE p.id = i.prediction_id AND p.status = 'withdrawn') AND (
            SELECT count(DISTINCT a.label) FROM answers a
            WHERE a.prediction_id = i.prediction_id AND a.kind <> 'adjudication') < 2
        UNION ALL
        SELECT 'prediction ' || prediction_id || ' is decided by answers that differ' FROM answers
        JOIN review_prediction p ON p.id = prediction_id AND p.status = 'decided' AND kind <> 'manual'
        GROUP BY prediction_id HAVING count(DISTINCT label) > 1 AND NOT bool_or(kind = 'adjudication')
        """,
    ),
    Invariant(
        "I-19",
        "no answer is told as given without the model by who had been shown it; a drawn blind case is a blind one",
        """
        SELECT 'decision ' || d.id FROM review_reviewdecision d JOIN review_lease own ON own.token = d.lease_id
        WHERE d.kind = 'decision' AND d.model_shown_at IS NULL AND (
            EXISTS (SELECT FROM review_caseview v
                    WHERE v.prediction_id = d.prediction_id AND v.viewer IN (d.reviewer, own.holder)
                      AND v.what = 'model' AND v.at < d.decided_at)
            OR EXISTS (SELECT FROM review_queueitem i JOIN review_lease l ON l.item_id = i.id
                       WHERE i.prediction_id = d.prediction_id AND l.holder IN (d.reviewer, own.holder)
                         AND l.model_shown_at < d.decided_at))
        UNION ALL
        SELECT 'decision ' || d.id || ' and its item' FROM review_reviewdecision d
        JOIN review_queueitem i ON i.id = d.item_id
        WHERE d.kind = 'decision' AND i.blind_draw IS NOT NULL
          AND (d.blind_draw, d.blind_share) IS DISTINCT FROM (i.blind_draw, i.blind_share)
        UNION ALL
        SELECT 'lease ' || l.token FROM review_lease l JOIN review_queueitem i ON i.id = l.item_id
        WHERE (i.blind_draw < i.blind_share AND l.mode <> 'blind')
           OR (l.mode = 'blind' AND l.model_shown_at IS NOT NULL)
           OR (l.first_answer IS NOT NULL AND (l.mode <> 'blind_first' OR l.model_shown_at < l.first_answer_at))
        """,
    ),
]


def check(invariant: Invariant) -> Verdict:
    """Run one invariant's query: a single SELECT, so it sees one snapshot of all tables."""
    counted = f"SELECT count(*), (array_agg(what))[1:{EXAMPLES}] FROM ({invariant.query}) AS breaches(what)"  # noqa: S608  the queries are constants of this module
    [(broken, examples)] = sql.rows(counted)
    return Verdict(invariant, broken, list(examples or []))


def check_all() -> list[Verdict]:
    return [check(invariant) for invariant in INVARIANTS]
