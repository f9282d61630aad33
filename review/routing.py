"""Route what was received: one choice for each prediction, written with all that follows from it.

A batch is one transaction. The rows are locked with SKIP LOCKED, so no other worker sees them, and a
worker that dies gives them back. Policy, kill switch and queues are read anew for every batch.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.db import InterfaceError, OperationalError, transaction
from django.db.models import F

from models_registry import sql
from review import policies, policy_facts, resolutions, shadows
from review.models import Prediction, RoutingDecision
from review.terms import Terms, draws_of, terms_of

logger = logging.getLogger("reviewhub.routing")

# How many people decide a prediction that fell into the random overlap.
OVERLAP_DECISIONS = 2
COLUMNS = (*policy_facts.COLUMNS, "external_id", "routing_attempts")

_STORE = """
    WITH sent AS MATERIALIZED (
        SELECT * FROM json_to_recordset(%s::json) AS row(
            prediction_id bigint, model_id bigint, policy_id bigint, draw float8, p_gate float8, propensity float8,
            disposition text, review text, reasons jsonb, model_guess float8, sampler_fit_id bigint,
            sampler_c float8, sampler_tau float8, oversight_always boolean,
            overlap_share float8, overlap_draw float8, gold_share float8, gold_draw float8,
            required smallint, blind_share float8, blind_draws jsonb,
            queue_id bigint, priority smallint, due_seconds float8, hold_seconds float8, hold_fallback text)
    ), clock AS MATERIALIZED (
        SELECT clock_timestamp() AS now
    ), moved AS (
        UPDATE review_prediction p SET status = 'routed' FROM sent WHERE p.id = sent.prediction_id
    ), items AS (
        INSERT INTO review_queueitem (prediction_id, slot, model_id, queue_id, kind, state, priority, enqueued_at,
            due_at, hold_until, hold_fallback, required, blind_share, blind_draw)
        SELECT prediction_id, arm.slot, model_id, queue_id, review, 'open', priority, now,
            now + make_interval(secs => due_seconds), now + make_interval(secs => hold_seconds), hold_fallback,
            required, blind_share, arm.draw::float8
        FROM sent CROSS JOIN LATERAL jsonb_array_elements_text(blind_draws) WITH ORDINALITY AS arm(draw, slot), clock
        WHERE review <> 'none' ORDER BY prediction_id, arm.slot
    ), explanations AS (
        INSERT INTO review_explanation (prediction_id, status, explained_class, origin, space, explainer,
            contributions, mismatch, reason, attempts, requested_at)
        SELECT prediction_id, 'pending', '', '', '', '', '[]', false, '', 0, now
        FROM sent, clock WHERE review <> 'none'
    )
    INSERT INTO review_routingdecision (prediction_id, model_id, policy_id, draw, p_gate, propensity, disposition,
        review, reasons, model_guess, sampler_fit_id, sampler_c, sampler_tau, oversight_always,
        overlap_share, overlap_draw, gold_share, gold_draw, routed_at)
    SELECT prediction_id, model_id, policy_id, draw, p_gate, propensity, disposition, review, reasons, model_guess,
        sampler_fit_id, sampler_c, sampler_tau, oversight_always,
        overlap_share, overlap_draw, gold_share, gold_draw, now FROM sent, clock
"""

Row = dict[str, Any]


def route_batch(*, limit: int) -> int:
    """Route up to ``limit`` of the predictions that have waited longest; returns how many were routed.

    A row that cannot be routed never holds up the others: it is tried alone, ROUTING_ATTEMPTS times, and
    then held for a person with the reason ``policy_error``.
    """
    rows: list[Row] = []
    try:
        with transaction.atomic():
            # Rows that failed before never stand before those that did not.
            fresh = _claim(limit, routing_attempts=0)
            rows = fresh + _claim(limit - len(fresh), routing_attempts__gt=0)
            _route(fresh)
    except (OperationalError, InterfaceError, SoftTimeLimitExceeded):
        raise
    except Exception:
        logger.exception("a batch of %d could not be routed; each of its rows is tried alone", len(rows))
        fresh = []
    done = {row["id"] for row in fresh}
    return len(done) + sum(_route_alone(row["id"]) for row in rows if row["id"] not in done)


def _claim(limit: int, **only: Any) -> list[Row]:
    """Lock up to so many of the predictions that have waited longest and that nobody else has locked."""
    if limit <= 0:
        return []
    waiting = Prediction.objects.filter(status=Prediction.Status.RECEIVED, **only).order_by("id")
    return list(waiting.select_for_update(skip_locked=True, no_key=True).values(*COLUMNS)[:limit])


def _route(rows: Sequence[Row]) -> None:
    """Choose for locked rows and write what follows. Call it in the transaction that locked them."""
    if not rows:
        return
    terms = terms_of({row["model_id"] for row in rows})
    policy_facts.add_features(rows, {pk: [term.policy] for pk, term in terms.items()})
    chosen: dict[int, tuple[policies.Choice, float]] = {}
    for pk, term in terms.items():
        ours = [row for row in rows if row["model_id"] == pk]
        names = [row["external_id"] for row in ours]
        batch = policy_facts.batch_of(term.setting, ours, temperature=term.temperature)
        choices = policies.choose_many(term.policy, batch, term.draws(names), term.fit)
        pairs = zip(choices.rows(), batch.guess.tolist(), strict=True)
        chosen.update(zip((row["id"] for row in ours), pairs, strict=True))
        if term.shadow is not None:
            draws = draws_of(term.model, names, term.shadow.number)
            shadows.watch(term.setting, term.shadow, ours, draws, term.shadow_fit)
    _store(rows, [chosen[row["id"]] for row in rows], terms)


def _route_alone(prediction_id: int) -> int:
    """Route one row that failed with others; after the last attempt a person gets it. Returns 1 if it was routed."""
    try:
        with transaction.atomic():
            rows = _claim(1, pk=prediction_id)
            _route(rows)
        return len(rows)
    except (OperationalError, InterfaceError, SoftTimeLimitExceeded):
        raise
    except Exception:
        logger.exception("prediction %d could not be routed", prediction_id)
    most = settings.REVIEWHUB["ROUTING_ATTEMPTS"]
    with transaction.atomic():
        rows = _claim(1, pk=prediction_id)
        tried = Prediction.objects.filter(pk__in=[row["id"] for row in rows], routing_attempts__lt=most)
        tried.update(routing_attempts=F("routing_attempts") + 1)
    if not rows or rows[0]["routing_attempts"] + 1 < most:
        return 0
    try:
        return _give_up(prediction_id)
    except (OperationalError, InterfaceError, SoftTimeLimitExceeded):
        raise
    except Exception:
        # Whatever is wrong with its model, the others' predictions are not held up; it is tried again.
        logger.exception("prediction %d could not even be held", prediction_id)
        return 0


def _give_up(prediction_id: int) -> int:
    """Hold a row for a person without asking the policy that failed on it."""
    with transaction.atomic():
        rows = _claim(1, pk=prediction_id)
        terms = terms_of({row["model_id"] for row in rows})
        choices = []
        for row in rows:
            term = terms[row["model_id"]]
            choices += policies.gate_unrouted(term.setting, term.draws([row["external_id"]])).rows()
        # Whatever is wrong with the row may be wrong with its scores: its own word is taken as it came.
        _store(rows, [(choice, row["confidence"]) for choice, row in zip(choices, rows, strict=True)], terms)
    return len(rows)


def _store(rows: Sequence[Row], chosen: Sequence[tuple[policies.Choice, float]], terms: Mapping[int, Terms]) -> None:
    """Write the choices for rows, each with m, the guess that its answer is right."""
    pairs = [(row, choice) for row, (choice, _) in zip(rows, chosen, strict=True)]
    decided = [
        _decision(row, choice, guess, terms[row["model_id"]]) for row, (choice, guess) in zip(rows, chosen, strict=True)
    ]
    sql.change(_STORE, [msgspec.json.encode(decided).decode()])
    # Last: from here until commit no other worker can write a resolution.
    resolutions.resolve_many(
        [
            resolutions.Draft(
                prediction_id=row["id"],
                model_id=row["model_id"],
                external_id=row["external_id"],
                label=row["predicted"],
                disposition=choice.disposition,
                by=choice.by,
            )
            for row, choice in pairs
            if choice.disposition != RoutingDecision.Disposition.HOLD
        ]
    )


def _decision(row: Row, choice: policies.Choice, guess: float, term: Terms) -> dict[str, Any]:
    return {
        "prediction_id": row["id"],
        "model_id": row["model_id"],
        "policy_id": term.policy_id,
        "draw": choice.draw,
        "p_gate": choice.p_gate,
        "propensity": choice.propensity,
        "disposition": choice.disposition,
        "review": choice.review,
        "reasons": choice.reasons,
        "model_guess": guess,
        "sampler_fit_id": term.fit_id,
        "sampler_c": None if term.fit is None else term.fit.scale,
        "sampler_tau": None if term.fit is None else term.fit.tau,
        "oversight_always": term.setting.oversight_always,
        **_arms(row["external_id"], choice, term),
        "queue_id": term.queue_id(choice.queue),
        "priority": choice.priority,
        "due_seconds": _due_seconds(choice),
        "hold_seconds": choice.hold_seconds,
        "hold_fallback": choice.hold_fallback,
    }


def _arms(external_id: str, choice: policies.Choice, term: Terms) -> dict[str, Any]:
    """How many people decide it, who of them sees no model, and whether a gold item follows: draws of their own."""
    policy = term.policy
    blind, overlap, gold = (
        (0.0, 0.0, 0.0) if policy is None else (policy.blind_share, policy.overlap_share, policy.gold_share)
    )
    reviewed = choice.review != RoutingDecision.Review.NONE

    def drawn(share: float, arm: str) -> float | None:
        return term.arm_draw(external_id, arm) if reviewed and share > 0 else None

    shared = drawn(overlap, "overlap")
    required = term.required_of(choice.queue)
    if shared is not None and shared < overlap:
        required = max(required, OVERLAP_DECISIONS)
    return {
        "overlap_share": overlap,
        "overlap_draw": shared,
        "gold_share": gold,
        "gold_draw": drawn(gold, "gold"),
        "required": required,
        "blind_share": blind,
        "blind_draws": [drawn(blind, f"blind {slot}") for slot in range(1, required + 1)],
    }


def _due_seconds(choice: policies.Choice) -> float | None:
    """When the item is due; an audit always is, or priority would select a second time, unlogged."""
    if choice.due_seconds is None and choice.review == "audit":
        return float(settings.REVIEWHUB["AUDIT_DUE_SECONDS"])
    return choice.due_seconds
