"""What GET …/quality/ and …/delays/ answer, as JSON Schemas for the API's description."""

from __future__ import annotations

from feedback.estimators import METRICS, State
from feedback.estimators.questions import HEADLINES
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
)

_TIMES = document(
    **{"from": TIME_OR_NULL, "to": TIME},
    holds_until={**TIME, "description": "figures are of predictions made before; younger ones have too few labels yet"},
    cut={**NUMBER_OR_NULL, "description": "so many of the newest predictions were read, which cut the window"},
)
_FIGURE = document(
    estimate=NUMBER_OR_NULL,
    low={**NUMBER_OR_NULL, "description": "95 % interval, for one look"},
    high=NUMBER_OR_NULL,
    effective_n=NUMBER,
    state={"enum": [str(state) for state in State]},
    labels=WHOLE,
    naive={**NUMBER_OR_NULL, "description": "the plain mean of labelled rows, biased by their choice"},
    naive_low=NUMBER_OR_NULL,
    naive_high=NUMBER_OR_NULL,
    sequence={**document(low=NUMBER_OR_NULL, high=NUMBER_OR_NULL), "description": "may be looked at every day"},
    truth={**NUMBER_OR_NULL, "description": "of simulated models only"},
)
_ENDS = {"type": ["object", "null"], "properties": {"low": NUMBER, "high": NUMBER}}
_HEADLINE = document(
    **_FIGURE["properties"],
    label_free={**NUMBER_OR_NULL, "description": "the model's own guess, from all rows and no label"},
    departs={**FLAG, "description": "that guess lies outside the interval"},
    bounds={**_ENDS, "description": "at worst and at best, where a share could never be labelled"},
    unsupported_share=NUMBER,
    nonresponse={**_ENDS, "description": "if all drawn rows that will never be answered were wrong, or right"},
    constant={**NUMBER_OR_NULL, "description": "what always giving the best one answer would score"},
)
_ESTIMATE = document(
    **{name: _FIGURE["properties"][name] for name in ("estimate", "low", "high", "effective_n", "state", "labels")}
)
_BESIDE = document(
    labels={**_ESTIMATE, "description": "reviewers' labels taken for the truth, of this window"},
    corrected={**_ESTIMATE, "description": "one answer of each drawn case, for what it is worth by the gold answers"},
    hidden_arm={**_ESTIMATE, "description": "by answers of the random blind arm alone, whose share is in the weights"},
)
_REVIEWERS = document(
    window=document(
        **{"from": TIME_OR_NULL, "to": TIME},
        cut={**NUMBER_OR_NULL, "description": "so many of the newest labels were read, which cut the window"},
    ),
    labels=document(
        shown={**WHOLE, "description": "answers to drawn cases of who saw the model's answer first"},
        hidden=WHOLE,
        drawn_hidden={**WHOLE, "description": "of items that the random blind share took"},
    ),
    gold={
        "type": "array",
        "description": "the gold answers by what was on screen and what is true",
        "items": document(
            screen={"enum": ["shown", "hidden"]},
            suggestion=TEXT,
            truth=TEXT,
            answers=WHOLE,
            right=WHOLE,
            rate={**NUMBER_OR_NULL, "description": "share of right answers: sensitivity, or specificity"},
            low=NUMBER_OR_NULL,
            high=NUMBER_OR_NULL,
            missing={**WHOLE, "description": "how many more it takes before labels of this screen can be corrected"},
            labels={**WHOLE, "description": "answers to drawn cases of the window under this screen"},
        ),
    },
    hidden_arm={
        **document(**{"from": TIME_OR_NULL}, share=NUMBER),
        "type": ["object", "null"],
        "description": "since when each review could fall into the blind arm, and with which mean share",
    },
    metrics=document(**dict.fromkeys(HEADLINES, _BESIDE)),
)
_FIGURES = document(**dict.fromkeys(METRICS, _FIGURE))
_HEADLINES = document(**dict.fromkeys(HEADLINES, _HEADLINE))
_SHORT = document(estimate=NUMBER_OR_NULL, low=NUMBER_OR_NULL, high=NUMBER_OR_NULL)
_MATRIX = {"type": "array", "items": {"type": "array", "items": NUMBER}}
_RATE = {"rate": NUMBER_OR_NULL, "low": NUMBER_OR_NULL, "high": NUMBER_OR_NULL}
_ARRIVAL = document(
    drawn=by_name(WHOLE),
    labelled=by_name(WHOLE),
    mature_seconds={**by_name(NUMBER_OR_NULL), "description": "age of complete cohorts; null while there is none"},
    holds_from_seconds={**NUMBER, "description": "figures hold for predictions of this age and more"},
    shifted={**FLAG, "description": "labels no longer arrive as in mature cohorts: read those"},
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
            **dict.fromkeys(("low", "high", "mean_score", "share_low", "share_high"), NUMBER),
            n=WHOLE,
            labels=WHOLE,
            share=NUMBER_OR_NULL,
        ),
    },
    ece=NUMBER_OR_NULL,
    ece_noise={**NUMBER_OR_NULL, "description": "what a perfect score would read on average"},
    ece_limit={**NUMBER_OR_NULL, "description": "what a perfect score would read above once in a hundred times"},
    miscalibrated={"type": ["boolean", "null"], "description": "the error is above its limit"},
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
    mature={**FLAG, "description": "old enough for nearly all labels"},
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
        accuracy_may_lead={**FLAG, "description": "the rarest class that counts is at least a tenth"},
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
    reviewers={**_REVIEWERS, "description": "how much of the figures is reviewers' own error"},
    restated=_RESTATED,
    simulated=FLAG,
    series={"type": "array", "items": _POINT, "description": "where `series` was asked for"},
    changes={"type": "array", "items": document(at=TIME, kind=TEXT, text=TEXT)},
    classes={**by_name(document(precision=_FIGURE, recall=_FIGURE)), "description": "with more than two classes"},
    groups={**by_name(document(predictions=WHOLE, metrics=_HEADLINES)), "description": "where a group was named"},
)
_HOP = document(n=WHOLE, **dict.fromkeys(("p50", "p90", "p99", "max"), NUMBER_OR_NULL))
_CURVE = {"type": "array", "items": document(seconds=NUMBER, share=NUMBER)}
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
        "items": document(source=TEXT, mapped=FLAG, n=WHOLE, agree=WHOLE, unmapped=WHOLE, **_RATE),
    },
)
