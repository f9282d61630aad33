"""What the endpoints of this app answer, as JSON Schemas for the API's description."""

from __future__ import annotations

from feedback.estimators import State
from feedback.models import Label
from models_registry.serializers import GATE_ANSWER
from models_registry.shapes import (
    FLAG,
    NUMBER,
    NUMBER_OR_NULL,
    TEXT,
    TEXT_OR_NULL,
    TIME,
    TIME_OR_NULL,
    WHOLE,
    by_name,
    document,
    page_of,
)
from review import previews
from review.api import bodies

LABEL = document(
    id=TEXT,
    label=TEXT,
    source={"enum": Label.Source.values},
    selection={"enum": Label.Selection.values},
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
    before_prediction={**FLAG, "description": "earlier than the prediction: kept, and in no delay curve"},
    replayed={**FLAG, "description": "the same report had come before"},
)
OUTCOMES_ANSWER = document(accepted=WHOLE, replayed=WHOLE, results={"type": "array", "items": OUTCOME_ANSWER})
GOLD_TRUTH = document(
    prediction=TEXT,
    external_id=TEXT,
    suggestion={**TEXT, "description": "what the model answered"},
    value={**TEXT_OR_NULL, "description": "what is true; null where nothing is known any more"},
    practice={**FLAG, "description": "for the practice queue alone"},
    set_by=TEXT_OR_NULL,
    set_at=TIME_OR_NULL,
    asked={**WHOLE, "description": "gold items of it so far, those taken back apart"},
    answered={**WHOLE, "description": "answers that count"},
    right={**WHOLE, "description": "of these, how many were right"},
)
GOLD_TRUTHS = page_of(GOLD_TRUTH)
GOLD_ANSWER = document(results={"type": "array", "items": GOLD_TRUTH})

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
_POINT = document(automatic=NUMBER, error=_SHARE)
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
        measured={**FLAG, "description": "labels carry the errors; else they are the model's own word"},
        seconds_per_review=NUMBER_OR_NULL,
        reviews_timed=WHOLE,
    ),
    figures=document(
        new=_SIDE,
        live={**_SIDE, "type": ["object", "null"]},
        difference={**document(**_COMPARED), "type": ["object", "null"]},
    ),
    curve={"type": "array", "items": document(threshold=NUMBER, automatic=NUMBER, error=_SHARE)},
    points=document(new=_POINT, live={**_POINT, "type": ["object", "null"]}),
    recall={"type": "array", "items": document(budget=NUMBER, share=_SHARE)},
    budget={
        **document(half_width=NUMBER, budget=NUMBER_OR_NULL),
        "type": ["object", "null"],
        "description": "what buys the half width that was asked for",
    },
    proposal={
        **document(risk=NUMBER_OR_NULL, confidence=NUMBER_OR_NULL, saved=NUMBER, reviewed=NUMBER),
        "type": ["object", "null"],
        "description": "the threshold of declared prices, by the scores' word; `saved` per 1,000 decisions",
    },
    moves={
        "type": "array",
        "items": document(**{"from": TEXT, "to": TEXT}, count=WHOLE, examples={"type": "array", "items": TEXT}),
    },
)

_KNOWN = document(
    estimate=NUMBER_OR_NULL,
    low={**NUMBER_OR_NULL, "description": "95 % interval"},
    high=NUMBER_OR_NULL,
    state={"enum": [str(state) for state in State]},
    unsupported={**NUMBER, "description": "share of the predictions that it needs and nothing could tell of"},
)
COUNTERFACTUAL_ANSWER = document(
    answers={
        **document(
            threshold=NUMBER,
            positive=TEXT,
            predictions={**WHOLE, "description": "the newest, 100,000 at most"},
            labels=WHOLE,
            changed={**WHOLE, "description": "how many would have been answered otherwise"},
            unsupported={**NUMBER, "description": "share of the predictions whose propensity is 0"},
            metrics=by_name(document(candidate=_KNOWN, live=_KNOWN, difference=_KNOWN)),
        ),
        "type": ["object", "null"],
        "description": "with `threshold`: candidate, live and candidate less live, paired",
    },
    dispositions={
        **document(
            population={"enum": ["none", "proceeded", "all"], "description": "for which outcomes are complete"},
            predictions={**WHOLE, "description": "the newest that are old enough, 100,000 at most"},
            proceeded=WHOLE,
            outcomes={**WHOLE, "description": "of those that proceeded"},
            shares=by_name(
                document(
                    unsupported={**NUMBER, "description": "share of the predictions that could not have proceeded"},
                    effective_n=NUMBER,
                    observed={**_KNOWN, "description": "of those that did proceed"},
                    **dict.fromkeys(("ips", "self_normalised", "doubly_robust"), _KNOWN),
                )
            ),
        ),
        "type": ["object", "null"],
        "description": "with `disposition=proceed`: shares of the classes among outcomes had everything gone on",
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
