from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from models_registry import access
from models_registry.errors import Conflict, Forbidden, NotFound
from models_registry.models import WebhookDelivery, WebhookEndpoint
from review import decisions, resolutions
from review.models import Prediction, Resolution, ReviewDecision
from reviewhub.invariants import INVARIANTS, check
from tests.conftest import Cast
from tests.review.items import make_item
from tests.review.test_deciding import claim, decide, refused, who


def undo(decision: ReviewDecision, person: Any) -> ReviewDecision:
    return decisions.undo(decision=decision, principal=who(person))


def told(prediction: Prediction) -> tuple[str, str | None, str | None]:
    said = resolutions.current(Prediction.objects.get(pk=prediction.pk))
    return said["state"], said["label"], said["by"]


@pytest.fixture
def sound() -> Any:
    yield
    broken = [i.number for i in INVARIANTS if i.number in ("I-06", "I-08", "I-10") and check(i).broken]
    assert broken == []


def test_an_undo_opens_the_item_and_makes_a_hold_pending_again(cast: Cast, sound: None) -> None:
    item = make_item(cast.model)
    made = decide(cast, cast.alice, label="fraud")

    row = undo(made, cast.alice)

    item.refresh_from_db()
    assert (row.kind, row.supersedes, row.label, row.reviewer) == ("undo", made, None, who(cast.alice).pseudonym)
    assert (item.state, item.closed_at, item.prediction.status) == ("open", None, "routed")
    assert told(item.prediction) == ("pending", None, None)


def test_deciding_again_after_an_undo_is_a_further_row_and_a_corrected_resolution(cast: Cast, sound: None) -> None:
    item = make_item(cast.model)
    WebhookEndpoint.objects.create(
        model=cast.model, url="https://example.org/hook", secret="s", created_by="test",
        events=["prediction.resolved", "review.corrected"],
    )  # fmt: skip
    row = undo(decide(cast, cast.alice, label="fraud"), cast.alice)

    again = decide(cast, cast.alice, label="fraud")

    assert again.supersedes == row
    assert told(item.prediction) == ("final", "fraud", "person")
    assert Resolution.objects.count() == 2
    events = list(WebhookDelivery.objects.order_by("id").values_list("event", flat=True))
    assert events == ["prediction.resolved", "review.corrected"]


def test_undoing_a_correction_of_an_audit_says_again_what_held_before(cast: Cast, sound: None) -> None:
    item = make_item(cast.model, kind="audit")
    made = decide(cast, cast.alice, label="fraud")
    assert told(item.prediction) == ("final", "fraud", "person")

    undo(made, cast.alice)

    assert told(item.prediction) == ("final", "ok", "model")
    decide(cast, cast.alice, label="fraud")
    assert told(item.prediction) == ("final", "fraud", "person")


def test_undoing_a_confirmed_audit_writes_no_resolution(cast: Cast, sound: None) -> None:
    make_item(cast.model, kind="audit")

    undo(decide(cast, cast.alice, label="ok"), cast.alice)

    assert Resolution.objects.count() == 1


def test_undoing_an_answer_that_came_after_the_fallback_says_the_fallback_again(cast: Cast, sound: None) -> None:
    item = make_item(cast.model, hold_until="2026-01-01T00:00:00Z", hold_fallback="refuse")
    assert resolutions.resolve_overdue(limit=10) == 1
    made = decide(cast, cast.alice, label="ok")
    assert told(item.prediction) == ("final", "ok", "person")

    undo(made, cast.alice)

    assert told(item.prediction) == ("final", None, "fallback")


def test_undo_can_be_repeated_and_not_undone(cast: Cast, sound: None) -> None:
    make_item(cast.model)
    made = decide(cast, cast.alice)

    first, second = undo(made, cast.alice), undo(made, cast.alice)

    assert first == second
    assert refused(lambda: undo(first, cast.alice)) == "already_undone"
    assert refused(lambda: undo(made, cast.erin)) == "already_undone"


def test_the_window_closes(cast: Cast, settings: Any) -> None:
    make_item(cast.model)
    made = decide(cast, cast.alice)
    settings.REVIEWHUB = {**settings.REVIEWHUB, "UNDO_SECONDS": 0}

    assert refused(lambda: undo(made, cast.alice)) == "undo_window_closed"
    assert refused(lambda: undo(made, cast.erin)) == "undo_window_closed"


def test_others_decisions_are_for_leads_and_owners_to_undo(cast: Cast, sound: None) -> None:
    make_item(cast.model)
    made = decide(cast, cast.alice)

    for person, error in ((cast.bob, Forbidden), (cast.dana, Forbidden), (cast.mallory, NotFound)):
        with pytest.raises(error):
            undo(made, person)
    undo(made, cast.erin)
    assert cast.model.audit_events.get(action="decision.undone").actor == "erin"


def test_a_key_may_undo_what_it_carried_for_a_person(cast: Cast, sound: None) -> None:
    item = make_item(cast.model)
    key, _ = access.create_service_key(name="ui", scopes=["review"], created_by="test")
    service = access.principal_of_key(key)
    from review import queue

    [held] = queue.claim(queue=item.queue, models=[cast.model], holder=service.pseudonym)
    behalf = who(cast.alice).pseudonym
    made = decisions.decide(token=held.lease_token, principal=service, label="ok", on_behalf_of=behalf)

    assert decisions.undo(decision=made, principal=service).supersedes == made


def test_an_undone_abstention_lets_its_reviewer_answer(cast: Cast, sound: None) -> None:
    item = make_item(cast.model)
    undo(decide(cast, cast.alice, abstain=True), cast.alice)

    assert claim(cast, cast.alice).pk == item.pk


def test_a_withdrawn_prediction_keeps_its_decision(cast: Cast) -> None:
    item = make_item(cast.model)
    made = decide(cast, cast.alice)
    type(item).objects.filter(pk=item.pk).update(state="withdrawn")

    assert refused(lambda: undo(made, cast.alice)) == "withdrawn"


def test_a_retried_decision_after_its_undo_does_not_decide_again(cast: Cast, sound: None) -> None:
    item = make_item(cast.model)
    token = claim(cast, cast.alice).lease_token
    made = decide(cast, cast.alice, token, label="ok")
    undo(made, cast.alice)

    assert decide(cast, cast.alice, token, label="ok") == made
    item.refresh_from_db()
    assert item.state == "open"
    with pytest.raises(Conflict):
        decide(cast, cast.alice, token, label="fraud")


def test_decisions_are_never_changed_in_place(cast: Cast) -> None:
    make_item(cast.model)
    made = decide(cast, cast.alice)
    assert ReviewDecision.objects.get().decided_at - made.claimed_at < timedelta(minutes=1)
