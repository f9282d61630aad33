"""What the endpoints of this app answer, as JSON Schemas for the API's description."""

from __future__ import annotations

from models_registry.serializers import DEFINITION_ANSWER
from models_registry.shapes import (
    FLAG,
    NUMBER,
    NUMBER_OR_NULL,
    OBJECT,
    TEXT,
    TEXT_OR_NULL,
    TEXTS,
    TIME,
    TIME_OR_NULL,
    WHOLE,
    document,
    page_of,
)
from review.models import Explanation, Lease, Mode, Prediction, Resolution, ReviewDecision, RoutingDecision
from review.policies import POLICY

DISPOSITION = {"enum": [*RoutingDecision.Disposition.values, None]}
MODE = {"enum": Mode.values, "description": "when the reviewer sees the model's answer"}
DECISION = document(
    id=TEXT,
    kind={"enum": ReviewDecision.Kind.values},
    label=TEXT_OR_NULL,
    abstained=FLAG,
    reviewer={**TEXT_OR_NULL, "description": "a pseudonym; null where names are hidden from you"},
    reason_codes=TEXTS,
    rationale=TEXT,
    confidence=NUMBER_OR_NULL,
    first_answer={**TEXT_OR_NULL, "description": "before the model was shown"},
    mode=MODE,
    model_shown_at={**TIME_OR_NULL, "description": "when the model's answer first went out to this reviewer"},
    model_shown_seconds={**NUMBER_OR_NULL, "description": "from then to the decision"},
    blind_share={**NUMBER_OR_NULL, "description": "the probability of the random blind arm"},
    blind_draw=NUMBER_OR_NULL,
    explanation_shown=FLAG,
    opened_at={**TIME_OR_NULL, "description": "when the case came on screen"},
    seconds_to_first_input=NUMBER_OR_NULL,
    input_kind={"enum": [*ReviewDecision.Input.values, None]},
    seconds_active=NUMBER_OR_NULL,
    claimed_at=TIME_OR_NULL,
    decided_at=TIME,
    supersedes=TEXT_OR_NULL,
)
_CONTRIBUTIONS = {"type": "array", "items": document(feature=TEXT, value={}, contribution=NUMBER)}
_CONTRAST = document(
    against={**TEXT, "description": "the runner-up"},
    base_value=NUMBER_OR_NULL,
    output={**NUMBER_OR_NULL, "description": "base value plus contributions"},
    contributions=_CONTRIBUTIONS,
)
_FLIP = document(
    feature=TEXT,
    value={},
    label={**TEXT, "description": "what the model would answer"},
    score={**NUMBER, "description": "of that answer"},
    distance={**NUMBER, "description": "in spreads of the training data, 5th to 95th percentile"},
)
EXPLANATION = document(
    status={"enum": Explanation.Status.values},
    explained_class=TEXT_OR_NULL,
    contributions={**_CONTRIBUTIONS, "description": "over the features of the contract, largest first"},
    base_value=NUMBER_OR_NULL,
    output={**NUMBER_OR_NULL, "description": "base value plus contributions"},
    space={"enum": ["probability", "margin", None]},
    origin={"enum": ["artifact", "posted", None]},
    explainer=TEXT_OR_NULL,
    mismatch={**FLAG, "description": "the output is not the posted score"},
    contrast={
        **_CONTRAST,
        "type": ["object", "null"],
        "description": "why the class rather than the runner-up: the output of one less that of the other",
    },
    flips={
        "type": ["array", "null"],
        "items": _FLIP,
        "description": "changes of one feature that turn the answer, smallest first; null where nobody looked",
    },
    similar={
        "type": "array",
        "items": document(prediction=TEXT, distance=NUMBER),
        "description": "decided cases most like it, nearest first, as they stood then",
    },
    reason={**TEXT, "description": "why there is none"},
    computed_at=TIME_OR_NULL,
)
RESOLUTION = document(
    state={"enum": ["pending", "final", None]},
    label=TEXT_OR_NULL,
    disposition=DISPOSITION,
    by={"enum": [*Resolution.By.values, None]},
    at=TIME_OR_NULL,
)
PREDICTION_ANSWER = document(
    id=TEXT,
    model=TEXT,
    version=TEXT,
    external_id=TEXT,
    entity_id=TEXT_OR_NULL,
    status={"enum": Prediction.Status.values},
    predicted={**TEXT_OR_NULL, "description": "null while it is hidden from you"},
    confidence=NUMBER_OR_NULL,
    occurred_at=TIME,
    received_at=TIME,
    disposition={**DISPOSITION, "description": "what to do at routing; `hold` until then"},
    review={"enum": RoutingDecision.Review.values},
    propensity={**NUMBER_OR_NULL, "description": "the probability with which a person looks at it"},
    draw=NUMBER_OR_NULL,
    reasons=TEXTS,
    policy={"type": ["integer", "null"], "description": "the number of the policy that routed it"},
    routed_at=TIME_OR_NULL,
    withdrawn_reason=TEXT,
    explanation={**EXPLANATION, "type": ["object", "null"]},
    decisions={"type": "array", "items": DECISION},
    labels={"type": "array", "items": OBJECT},
    resolution={**RESOLUTION, "description": "what to do now"},
    hidden={
        "type": "array",
        "items": {"enum": ["model", "colleagues"]},
        "description": "whose answers are hidden from you until your own is in; what tells them is null or empty",
    },
    masked={**TEXTS, "description": "sensitive features whose values are hidden from you"},
)
BULK_ANSWER = document(
    accepted=WHOLE,
    replayed=WHOLE,
    results={"type": "array", "items": document(external_id=TEXT, id=TEXT, status=TEXT)},
)

WARNINGS = {"type": "array", "items": document(pointer=TEXT, code=TEXT, message=TEXT)}
POLICY_ANSWER = document(
    number=WHOLE,
    document=POLICY,
    note=TEXT,
    active={**FLAG, "description": "it is the live policy"},
    shadow={**FLAG, "description": "it is watched without being obeyed"},
    created_by=TEXT,
    created_at=TIME,
    warnings={**WARNINGS, "description": "in the answers to POST and to its activation"},
)
POLICIES = page_of(POLICY_ANSWER)
_WATCHED = dict.fromkeys(("reviewed", "held", "audited", "refused"), NUMBER_OR_NULL)
SHADOW_ANSWER = document(
    number=WHOLE,
    shadow={**FLAG, "description": "it is being watched now"},
    predictions={**WHOLE, "description": "how many both policies have seen, the newest 20,000 at most"},
    live={**document(**_WATCHED), "description": "what was done with them, whichever policy was live"},
    would={**document(**_WATCHED), "description": "what the shadow would have done, by a draw of its own"},
    changed={**WHOLE, "description": "how many it would have sent another way"},
)
KILL_SWITCH_ANSWER = document(on=FLAG, reason=TEXT, expires_at=TIME_OR_NULL, changed_by=TEXT, changed_at=TIME_OR_NULL)

QUEUE_ANSWER = document(
    slug=TEXT,
    models=TEXTS,
    depth={**WHOLE, "description": "open items that nobody holds"},
    oldest_age_seconds=NUMBER_OR_NULL,
    leased={**WHOLE, "description": "items on a live lease"},
    decided={**WHOLE, "description": "closed items"},
    mode=MODE,
    required_decisions={**WHOLE, "description": "how many people decide each prediction"},
    two_keys={**FLAG, "description": "a label key selects and Enter commits"},
    lease_seconds=WHOLE,
    paused_at=TIME_OR_NULL,
    paused_by=TEXT,
    paused_reason=TEXT,
    escalated={**WHOLE, "description": "open items that wait for who leads the model, adjudications included"},
)
QUEUES = page_of(QUEUE_ANSWER)
_CASE = document(
    **PREDICTION_ANSWER["properties"],
    features=OBJECT,
    scores={"type": ["object", "null"], "additionalProperties": NUMBER},
    value=NUMBER_OR_NULL,
    groups={"type": ["object", "null"]},
    raw={},
    context={},
)
ITEM = document(
    id=TEXT,
    queue=TEXT,
    kind=TEXT,
    priority=NUMBER_OR_NULL,
    enqueued_at=TIME,
    due_at=TIME_OR_NULL,
    prediction=_CASE,
    explanation=PREDICTION_ANSWER["properties"]["explanation"],
    alternatives={"type": "array", "items": document(**{"class": TEXT, "score": NUMBER})},
    definition=document(**{
        name: DEFINITION_ANSWER["properties"][name] for name in ("number", "classes", "guidelines", "reason_codes")
    }),
    answers={
        "type": ["array", "null"],
        "items": document(label=TEXT, rationale=TEXT, reason_codes=TEXTS),
        "description": "of an adjudication: the answers that differ, without names",
    },
    mode=MODE,
    model_shown={**FLAG, "description": "whether the model's answer is in here"},
    lease=document(token=TEXT, expires_at=TIME),
)  # fmt: skip
CLAIM_ANSWER = document(items={"type": "array", "items": ITEM}, item={**ITEM, "description": "the first of them"})
LEASE = document(
    token=TEXT,
    item=TEXT,
    claimed_at=TIME,
    expires_at=TIME,
    renewals=WHOLE,
    mode=MODE,
    reserved={**FLAG, "description": "claimed ahead and not opened yet"},
    opened_at={**TIME_OR_NULL, "description": "when the case came on screen"},
    model_shown_at={**TIME_OR_NULL, "description": "when the model's answer went out under this lease"},
    first_answer=TEXT_OR_NULL,
    ended_at=TIME_OR_NULL,
    ending={"enum": [*Lease.Ending.values, None]},
    reason=TEXT,
)
LEASE_ANSWER = document(lease=LEASE)
SHOWN_ANSWER = document(lease=LEASE, item={**ITEM, "description": "the case with the model's answer"})
REVEALED_ANSWER = document(feature=TEXT, value={})
DECISION_ANSWER = document(decision=DECISION)

_RESOLVED = document(
    id={**TEXT, "description": "the cursor that comes after it"},
    prediction=TEXT,
    external_id=TEXT,
    model=TEXT,
    **RESOLUTION["properties"],
    decision=TEXT_OR_NULL,
)
RESOLUTIONS = document(**page_of(_RESOLVED)["properties"], cursor={**TEXT, "description": "`after` of the next time"})
