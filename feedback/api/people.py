"""What GET …/reliance/ and …/behaviour/ answer, as JSON Schemas for the API's description."""

from __future__ import annotations

from feedback.estimators import State
from models_registry.shapes import (
    FLAG,
    NUMBER,
    NUMBER_OR_NULL,
    TEXT,
    TIME,
    WHOLE,
    document,
)

_STATE = {"enum": [str(state) for state in State]}
_CUT = {**NUMBER_OR_NULL, "description": "so many of the newest were read, which cut the window"}
_WINDOW = document(**{"from": TIME, "to": TIME}, cut=_CUT)
_ENDS = {
    "estimate": NUMBER_OR_NULL,
    "low": {**NUMBER_OR_NULL, "description": "95 % interval"},
    "high": NUMBER_OR_NULL,
}
_ARM = document(
    n=WHOLE,
    agree=WHOLE,
    share={**NUMBER_OR_NULL, "description": "weighted over strata of one chance of the arms"},
    effective_n=NUMBER,
)
_GAP = {**_ENDS, "state": _STATE, "shown": _ARM, "hidden": _ARM}
_SHARE = {"n": WHOLE, "k": WHOLE, **_ENDS}
_FATE = document(
    items=WHOLE, answered=WHOLE, otherwise={**WHOLE, "description": "answers for which the screen was not as drawn"}
)
RELIANCE_ANSWER = document(
    window=_WINDOW,
    gap={**document(**_GAP), "description": "P(agree | model shown) - P(agree | hidden), by the arm as drawn"},
    naive={**document(**_GAP), "description": "by what was seen, whoever chose it: not to be taken for the gap"},
    queues={"type": "array", "items": document(queue=TEXT, **_GAP)},
    modes={"type": "array", "items": document(mode=TEXT, **_GAP)},
    by_truth=document(
        right={**document(**_GAP), "description": "where the model proved right"},
        wrong=document(**_GAP),
        sources=document(outcome=WHOLE, gold=WHOLE, adjudication=WHOLE),
        depends_on_answers={**FLAG, "description": "which cases have a known truth may follow from the answers"},
    ),
    gold=document(
        n=WHOLE,
        basis={"enum": ["draw", "mode", None], "description": "what parts shown from hidden"},
        over_reliance={**document(**_GAP), "description": "wrong as suggested: shown less hidden"},
        under_reliance={**document(**_GAP), "description": "against a right suggestion: shown less hidden"},
    ),
    answer_first=document(
        rair={**document(**_SHARE), "description": "wrong at first, the model right: came to the right answer"},
        rsr={**document(**_SHARE), "description": "right at first, the model wrong: kept the right answer"},
    ),
    reviewers={
        "type": "array",
        "description": "for leads and owners; one's own row alone for others. Partially pooled, alphabetical",
        "items": document(reviewer=TEXT, **_ENDS, unpooled=NUMBER_OR_NULL, state=_STATE, n_shown=WHOLE, n_hidden=WHOLE),
    },
    arms=document(shown=_FATE, hidden=_FATE),
)
_RATE = {"rate": NUMBER_OR_NULL, "low": NUMBER_OR_NULL, "high": NUMBER_OR_NULL}
_TREND = {
    **document(days=WHOLE, n=WHOLE, z=NUMBER, begin=NUMBER, end=NUMBER, alarm=FLAG),
    "type": ["object", "null"],
    "description": "the window that says most, by Mann and Kendall; null while there are too few days",
}
_COUNTS = (
    *("predictions", "passed", "held", "refused", "audited", "decisions", "abstained", "undone"),
    *("escalated", "skipped", "handed_over", "fallbacks", "overrides"),
)
BEHAVIOUR_ANSWER = document(
    window=_WINDOW,
    days={
        "type": "array",
        "items": document(
            day=TEXT,
            **dict.fromkeys(_COUNTS, WHOLE),
            passed_share=document(**_RATE),
            override={**document(n=WHOLE, k=WHOLE, **_RATE), "description": "of answers, whose cases routing chose"},
            override_weighted={
                **document(n=WHOLE, effective_n=NUMBER, **_RATE),
                "description": "of all traffic: each drawn answer weighs 1 / propensity",
            },
            seconds={**NUMBER_OR_NULL, "description": "median time to decision"},
        ),
    },
    queues={"type": "array", "items": document(queue=TEXT, decisions=WHOLE, undone=WHOLE, **_RATE)},
    counters={
        "type": "array",
        "items": document(
            counter=TEXT,
            days={"type": "array", "items": document(day=TEXT, mean=NUMBER, n=WHOLE)},
            trend=_TREND,
        ),
    },
    trends=document(override_rate=_TREND),
)
