"""What the endpoints of this app answer, as JSON Schemas for the API's description."""

from __future__ import annotations

from typing import Any

from feedback.estimators import METRICS, State
from feedback.estimators.questions import HEADLINES
from models_registry.serializers import GATE_ANSWER, page_of
from review import previews
from review.api import bodies
from review.api.bodies import NUMBER_OR_NULL, TEXT, TEXT_OR_NULL, TIME, TIME_OR_NULL, WHOLE, document

_FLAG = {"type": "boolean"}
_NUMBER = {"type": "number"}
_TIMES = document(
    **{"from": TIME_OR_NULL, "to": TIME},
    holds_until={**TIME, "description": "figures are of predictions made before; younger ones have too few labels yet"},
    cut={**NUMBER_OR_NULL, "description": "only so many of the newest predictions were read"},
)


def by_name(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of an object with one such value per name."""
    return {"type": "object", "additionalProperties": schema}


LABEL = document(
    id=TEXT,
    label=TEXT,
    source={"enum": ["review", "outcome"]},
    selection={"enum": ["draw", "outcome", "manual", "appeal", "gold"]},
    propensity=NUMBER_OR_NULL,
    definition=WHOLE,
    observed_at=TIME,
    created_at=TIME,
)
PREDICTION_ANSWER = document(
    **{**bodies.PREDICTION_ANSWER["properties"], "labels": {"type": "array", "items": LABEL}},
)
PREDICTIONS = page_of(PREDICTION_ANSWER)
OUTCOME_ANSWER = document(
    id=TEXT,
    prediction=TEXT,
    value=TEXT,
    observed_at=TIME,
    before_prediction={**_FLAG, "description": "earlier than the prediction: kept, and in no delay curve"},
    replayed={**_FLAG, "description": "the same report had come before"},
)
OUTCOMES_ANSWER = document(accepted=WHOLE, replayed=WHOLE, results={"type": "array", "items": OUTCOME_ANSWER})

_FIGURE = document(
    estimate=NUMBER_OR_NULL,
    low={**NUMBER_OR_NULL, "description": "95 % interval, for one look"},
    high=NUMBER_OR_NULL,
    effective_n=_NUMBER,
    state={"enum": [str(state) for state in State]},
    labels=WHOLE,
    naive={**NUMBER_OR_NULL, "description": "the plain mean of labelled rows, biased by their choice"},
    naive_low=NUMBER_OR_NULL,
    naive_high=NUMBER_OR_NULL,
    sequence={**document(low=NUMBER_OR_NULL, high=NUMBER_OR_NULL), "description": "may be looked at every day"},
    truth={**NUMBER_OR_NULL, "description": "of simulated models only"},
)
_ENDS = {"type": ["object", "null"], "properties": {"low": _NUMBER, "high": _NUMBER}}
_HEADLINE = document(
    **_FIGURE["properties"],
    label_free={**NUMBER_OR_NULL, "description": "the model's own guess, from all rows and no label"},
    departs={**_FLAG, "description": "that guess lies outside the interval"},
    bounds={**_ENDS, "description": "at worst and at best, where a share could never be labelled"},
    unsupported_share=_NUMBER,
    nonresponse={**_ENDS, "description": "if all drawn rows that will never be answered were wrong, or right"},
    constant={**NUMBER_OR_NULL, "description": "what always giving the best one answer would score"},
)
_FIGURES = document(**dict.fromkeys(METRICS, _FIGURE))
_HEADLINES = document(**dict.fromkeys(HEADLINES, _HEADLINE))
_SHORT = document(estimate=NUMBER_OR_NULL, low=NUMBER_OR_NULL, high=NUMBER_OR_NULL)
_MATRIX = {"type": "array", "items": {"type": "array", "items": _NUMBER}}
_RATE = {"rate": NUMBER_OR_NULL, "low": NUMBER_OR_NULL, "high": NUMBER_OR_NULL}
_ARRIVAL = document(
    drawn=by_name(WHOLE),
    labelled=by_name(WHOLE),
    mature_seconds={**by_name(NUMBER_OR_NULL), "description": "age of complete cohorts; null while there is none"},
    holds_from_seconds={**_NUMBER, "description": "figures hold for predictions of this age and more"},
    shifted={**_FLAG, "description": "labels no longer arrive as in mature cohorts: read those"},
    shift_p_value=NUMBER_OR_NULL,
    shift_ratio=NUMBER_OR_NULL,
)
_LIST = {"type": "array"}
_RESTATED = {
    **_LIST,
    "description": "days whose labels came or went in the last day",
    "items": document(day=TEXT, reviews=WHOLE, outcomes=WHOLE, retired=WHOLE),
}
_CALIBRATION = document(
    of={**TEXT, "description": "the class whose score it is; `answer` for more than two classes"},
    bins={
        **_LIST,
        "items": document(
            **dict.fromkeys(("low", "high", "mean_score", "share_low", "share_high"), _NUMBER),
            n=WHOLE,
            labels=WHOLE,
            share=NUMBER_OR_NULL,
        ),
    },
    ece=NUMBER_OR_NULL,
    ece_noise={**NUMBER_OR_NULL, "description": "what a perfect score would read on average"},
    slope=NUMBER_OR_NULL,
    intercept=NUMBER_OR_NULL,
    state={"enum": [str(state) for state in State]},
)
_POINT = document(
    **{"from": TIME, "to": TIME},
    **{name: _FIGURE["properties"][name] for name in ("estimate", "low", "high", "state")},
    **{name: _FIGURE["properties"][name] for name in ("naive", "naive_low", "naive_high")},
    predictions=WHOLE,
    labels=WHOLE,
    label_free=NUMBER_OR_NULL,
    outcomes=document(**_SHORT["properties"], state=TEXT),
    maturity={**NUMBER_OR_NULL, "description": "share of drawn predictions that are labelled"},
    mature={**_FLAG, "description": "old enough for nearly all labels"},
    restated={**WHOLE, "description": "labels that came or went in the last day"},
)
_ARRIVED = {"drawn": WHOLE, "decided": WHOLE, "share": NUMBER_OR_NULL}
QUALITY_ANSWER = document(
    window=_TIMES,
    version=TEXT_OR_NULL,
    group={"type": ["string", "object", "null"]},
    metrics=_HEADLINES,
    baseline=document(
        prevalence=by_name(_SHORT),
        constant_class=TEXT_OR_NULL,
        no_better_than_constant={"type": ["boolean", "null"], "description": "accuracy, paired on the same rows"},
        accuracy_may_lead={**_FLAG, "description": "the rarest class that counts is at least a tenth"},
    ),
    calibration=_CALIBRATION,
    confusion=document(
        classes={"type": "array", "items": TEXT},
        counts={**_MATRIX, "description": "labelled predictions by answer and true class"},
        weighted={**_MATRIX, "description": "all predictions that they stand for"},
    ),
    outcomes=document(
        population={"enum": ["none", "proceeded", "all"]},
        horizon_days=NUMBER_OR_NULL,
        predictions=WHOLE,
        unsupported={**WHOLE, "description": "predictions that can never show an outcome"},
        mature=WHOLE,
        observed=WHOLE,
        metrics=_FIGURES,
    ),
    maturity=document(**_ARRIVED, review=document(gate=document(**_ARRIVED), audit=document(**_ARRIVED))),
    arrival=_ARRIVAL,
    population=document(
        predictions=WHOLE,
        too_young={**WHOLE, "description": "made after `holds_until`, in no figure yet"},
        review=by_name(WHOLE),
        labelled=WHOLE,
        labelled_without_draw=WHOLE,
        unsupported=WHOLE,
        unrouted=WHOLE,
        withdrawn=WHOLE,
        withdrawn_labelled=WHOLE,
    ),
    conflicts=document(both=WHOLE, conflicts=WHOLE, **_RATE),
    restated=_RESTATED,
    simulated=_FLAG,
    series={"type": "array", "items": _POINT, "description": "where `series` was asked for"},
    changes={"type": "array", "items": document(at=TIME, kind=TEXT, text=TEXT)},
    classes={**by_name(document(precision=_FIGURE, recall=_FIGURE)), "description": "with more than two classes"},
    groups={**by_name(document(predictions=WHOLE, metrics=_HEADLINES)), "description": "where a group was named"},
)
_HOP = document(n=WHOLE, **dict.fromkeys(("p50", "p90", "p99", "max"), NUMBER_OR_NULL))
_CURVE = {"type": "array", "items": document(seconds=_NUMBER, share=_NUMBER)}
_COHORTS = {
    **_LIST,
    "description": "by week; a point is null while the curve has not reached it",
    "items": document(week=TEXT, n=WHOLE, ended=WHOLE, p50=NUMBER_OR_NULL, p90=NUMBER_OR_NULL, curve=_CURVE),
}
_REVIEWS = document(drawn=WHOLE, decided=WHOLE, curve=_CURVE, cohorts=_COHORTS)
_LOST = {**WHOLE, "description": "not expected to be labelled any more"}
_CAUSE = document(count=WHOLE, lost=_LOST, **_RATE)
_UNANSWERED = document(drawn=WHOLE, labelled=WHOLE, lost=_LOST, pending=WHOLE, causes=by_name(_CAUSE))
DELAYS_ANSWER = document(
    hops={**by_name(_HOP), "description": "seconds of each step from the event to its label"},
    reviews=document(gate=_REVIEWS, audit=_REVIEWS),
    outcomes=document(observed=WHOLE, curve=_CURVE, cohorts=_COHORTS),
    arrival=_ARRIVAL,
    nonresponse={**document(gate=_UNANSWERED, audit=_UNANSWERED), "description": "drawn rows without a label"},
    restated=document(
        since=TIME,
        days=_RESTATED,
    ),
    implicit={
        **_LIST,
        "description": "how often implicit feedback agrees with the labels of the same predictions",
        "items": document(source=TEXT, mapped=_FLAG, n=WHOLE, agree=WHOLE, unmapped=WHOLE, **_RATE),
    },
)

_SHARES = dict.fromkeys(previews.FIGURES, NUMBER_OR_NULL)
_GUESSED = {
    "estimate": NUMBER_OR_NULL,
    "low": {**NUMBER_OR_NULL, "description": "95 % interval"},
    "high": NUMBER_OR_NULL,
    "state": {"enum": [str(state) for state in State]},
    "guess": {**NUMBER_OR_NULL, "description": "by the model's own word, not measured"},
}
_SHARE = document(**_GUESSED)
_DAILY = document(**_GUESSED, per_day={**_SHARE, "type": ["object", "null"]})
_COMPARED = {
    **dict.fromkeys(("reviewed", "held", "automatic"), NUMBER_OR_NULL),
    "reviews_per_day": NUMBER_OR_NULL,
    "reviewer_hours_per_day": NUMBER_OR_NULL,
    "errors_passed": {**_DAILY, "description": "wrong answers that nobody looks at, per prediction"},
    "errors_caught": {**_DAILY, "description": "wrong answers that a person meets, per prediction"},
    "cost": {**_SHARE, "type": ["object", "null"], "description": "per decision; null without declared costs"},
}
_HALF_WIDTH = document(week=NUMBER_OR_NULL, rows=NUMBER_OR_NULL, of={**WHOLE, "description": "how many rows"})
_SIDE = document(**_COMPARED, half_width={**_HALF_WIDTH, "description": "planned, of the interval of live accuracy"})
_POINT = document(automatic=_NUMBER, error=_SHARE)
PREVIEW_ANSWER = document(
    predictions={**WHOLE, "description": "how many were replayed"},
    **_SHARES,
    live={**document(number=WHOLE, **_SHARES), "type": ["object", "null"]},
    difference={**document(**_SHARES), "type": ["object", "null"]},
    changed={"type": ["integer", "null"], "description": "how many would go another way than under the live policy"},
    warnings=bodies.WARNINGS,
    basis=document(
        source={"enum": ["predictions", "reference", "none"], "description": "what the figures are read from"},
        rows=WHOLE,
        **{"from": TIME_OR_NULL, "to": TIME_OR_NULL},
        per_day={**NUMBER_OR_NULL, "description": "predictions a day; null for less than an hour of them"},
        labels=WHOLE,
        measured={**_FLAG, "description": "labels carry the errors; else they are the model's own word"},
        seconds_per_review=NUMBER_OR_NULL,
        reviews_timed=WHOLE,
    ),
    figures=document(
        new=_SIDE,
        live={**_SIDE, "type": ["object", "null"]},
        difference={**document(**_COMPARED), "type": ["object", "null"]},
    ),
    curve={"type": "array", "items": document(threshold=_NUMBER, automatic=_NUMBER, error=_SHARE)},
    points=document(new=_POINT, live={**_POINT, "type": ["object", "null"]}),
    recall={"type": "array", "items": document(budget=_NUMBER, share=_SHARE)},
    budget={
        **document(half_width=_NUMBER, budget=NUMBER_OR_NULL),
        "type": ["object", "null"],
        "description": "what buys the half width that was asked for",
    },
    proposal={
        **document(risk=NUMBER_OR_NULL, confidence=NUMBER_OR_NULL, saved=_NUMBER, reviewed=_NUMBER),
        "type": ["object", "null"],
        "description": "the threshold of declared prices, by the scores' word; `saved` per 1,000 decisions",
    },
    moves={
        "type": "array",
        "items": document(**{"from": TEXT, "to": TEXT}, count=WHOLE, examples={"type": "array", "items": TEXT}),
    },
)

SNAPSHOT_ANSWER = document(
    id=TEXT,
    model=TEXT,
    status={"enum": ["queued", "running", "ready", "failed"]},
    sha256={**TEXT_OR_NULL, "description": "of the content, whatever the codec"},
    row_count={"type": ["integer", "null"]},
    schema={"type": ["object", "array", "null"], "description": "columns and their types"},
    query={"type": "object"},
    parts={"type": "array", "items": document(number=WHOLE, url=TEXT, row_count=WHOLE, size=WHOLE, sha256=TEXT)},
    failure=TEXT_OR_NULL,
    created_by=TEXT,
    created_at=TIME,
    ready_at=TIME_OR_NULL,
)
SNAPSHOTS = page_of(SNAPSHOT_ANSWER)
RETRAINING_ANSWER = document(
    id=TEXT,
    model=TEXT,
    status={"enum": ["queued", "running", "succeeded", "failed", "cancelled"]},
    reason=TEXT,
    estimator=TEXT_OR_NULL,
    snapshot=TEXT_OR_NULL,
    champion=TEXT_OR_NULL,
    candidate=TEXT_OR_NULL,
    weights={"type": ["object", "null"], "description": "what the labels were worth: ess, cap, gamma, …"},
    metrics={"type": ["object", "null"], "description": "candidate, champion and constant on the held-out rows"},
    gates={"type": "array", "items": GATE_ANSWER},
    progress=TEXT,
    failure=TEXT_OR_NULL,
    requested_by=TEXT,
    requested_at=TIME,
    started_at=TIME_OR_NULL,
    finished_at=TIME_OR_NULL,
)
RETRAININGS = page_of(RETRAINING_ANSWER)

ALERT_ANSWER = document(
    id=TEXT,
    kind=TEXT,
    subject={**TEXT_OR_NULL, "description": "what tells causes of one kind apart"},
    severity={"enum": ["warning", "critical"]},
    title=TEXT,
    detail={"type": "object", "description": "the evidence, as last seen"},
    state={"enum": ["open", "acknowledged", "resolved"]},
    times_seen=WHOLE,
    opened_at=TIME,
    last_seen_at=TIME,
    acknowledged_at=TIME_OR_NULL,
    acknowledged_by=TEXT_OR_NULL,
    resolved_at=TIME_OR_NULL,
)
ALERTS = page_of(ALERT_ANSWER)
