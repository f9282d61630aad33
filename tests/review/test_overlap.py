from __future__ import annotations

from typing import Any

import pytest
from django.db import IntegrityError, transaction

from models_registry import access
from models_registry.errors import Conflict
from review import adjudication, decisions, queue, resolutions, withdrawal
from review.models import Lease, Prediction, QueueItem, Resolution, ReviewDecision, ReviewQueue
from reviewhub.invariants import check_all
from tests.conftest import Cast
from tests.review.overlapping import asked, make_overlap, say, take, who


def again(prediction: Prediction) -> Prediction:
    return Prediction.objects.get(pk=prediction.pk)


def told(prediction: Prediction) -> tuple[str, str | None]:
    found = resolutions.current(again(prediction))
    return found["state"], found["label"]


def sound() -> bool:
    # No label has been pulled here.
    return all(verdict.broken == 0 for verdict in check_all() if verdict.invariant.number != "I-09")


def test_one_answer_of_two_decides_nothing_yet(cast: Cast) -> None:
    prediction = make_overlap(cast.model)

    say(cast.model, cast.alice, "fraud")

    assert again(prediction).status == "routed"
    assert told(prediction) == ("pending", None)
    assert sound()


def test_answers_that_agree_decide_and_tell_the_caller_once(cast: Cast) -> None:
    prediction = make_overlap(cast.model)

    say(cast.model, cast.alice, "fraud")
    last = say(cast.model, cast.bob, "fraud")

    assert again(prediction).status == "decided"
    [said] = Resolution.objects.filter(prediction=prediction)
    assert (said.label, said.by, said.decision) == ("fraud", "person", last)
    assert asked(prediction) is None
    assert sound()


def test_answers_that_differ_go_to_who_leads_and_gave_none_of_them(cast: Cast) -> None:
    prediction = make_overlap(cast.model, priority=3, due_at="2100-01-01T00:00:00Z", hold_until="2100-01-01T00:00:00Z")

    say(cast.model, cast.alice, "fraud")
    say(cast.model, cast.bob, "ok")

    item = asked(prediction)
    assert item is not None
    assert (item.slot, item.tier, item.priority, item.state) == (3, 1, 3, "open")
    assert item.due_at is not None
    assert item.hold_until is not None
    assert told(prediction) == ("pending", None)
    assert take(cast.model, cast.alice) is None
    assert sound()

    made = say(cast.model, cast.erin, "ok")

    assert again(prediction).status == "decided"
    [said] = Resolution.objects.filter(prediction=prediction)
    assert (said.label, said.decision) == ("ok", made)
    assert sound()


def test_three_answers_of_which_one_differs_are_adjudicated_too(cast: Cast) -> None:
    prediction = make_overlap(cast.model, required=3)
    for person, label in ((cast.alice, "ok"), (cast.bob, "ok")):
        say(cast.model, person, label)
    item = take(cast.model, cast.erin)
    assert item is not None
    assert item.slot == 3
    decisions.decide(token=item.lease_token, principal=who(cast.erin), label="fraud")

    assert asked(prediction) is not None
    # Erin leads the model and gave one of the answers.
    assert take(cast.model, cast.erin) is None


def test_the_adjudicator_sees_the_answers_side_by_side_without_names(cast: Cast) -> None:
    prediction = make_overlap(cast.model)
    say(cast.model, cast.alice, "ok", rationale="known customer")
    say(cast.model, cast.bob, "fraud", rationale="stolen card")
    item = asked(prediction)
    assert item is not None

    shown = adjudication.answers_of(item)

    assert shown == [
        {"label": "fraud", "rationale": "stolen card", "reason_codes": []},
        {"label": "ok", "rationale": "known customer", "reason_codes": []},
    ]
    assert adjudication.answers_of(prediction.items.get(slot=1)) is None


def test_taking_back_one_of_two_equal_answers_makes_it_pending_again(cast: Cast) -> None:
    prediction = make_overlap(cast.model)
    first = say(cast.model, cast.alice, "fraud")
    say(cast.model, cast.bob, "fraud")

    decisions.undo(decision=first, principal=who(cast.alice))

    assert again(prediction).status == "routed"
    assert told(prediction) == ("pending", None)
    assert sound()
    last = say(cast.model, cast.alice, "fraud")
    assert told(prediction) == ("final", "fraud")
    assert Resolution.objects.filter(prediction=prediction).latest("pk").decision == last


def test_taking_back_an_audits_answer_tells_again_what_the_model_had_said(cast: Cast) -> None:
    prediction = make_overlap(cast.model, kind="audit")
    first = say(cast.model, cast.alice, "fraud")
    say(cast.model, cast.bob, "fraud")
    assert told(prediction) == ("final", "fraud")

    decisions.undo(decision=first, principal=who(cast.alice))

    assert told(prediction) == ("final", "ok")


def test_an_adjudication_that_nobody_answered_goes_with_an_answer_that_is_taken_back(cast: Cast) -> None:
    prediction = make_overlap(cast.model)
    first = say(cast.model, cast.alice, "fraud")
    say(cast.model, cast.bob, "ok")
    item = take(cast.model, cast.erin)
    assert item is not None
    assert item.kind == "adjudication"

    decisions.undo(decision=first, principal=who(cast.alice))

    item.refresh_from_db()
    assert (item.state, item.lease_token) == ("withdrawn", None)
    assert Lease.objects.filter(item=item).get().ending == "withdrawn"
    say(cast.model, cast.alice, "fraud")
    assert asked(prediction) is not None
    assert sound()


def test_answers_that_somebody_has_decided_between_cannot_be_taken_back_before_that_is(cast: Cast) -> None:
    prediction = make_overlap(cast.model)
    first = say(cast.model, cast.alice, "fraud")
    say(cast.model, cast.bob, "ok")
    between = say(cast.model, cast.erin, "ok")

    with pytest.raises(Conflict) as refused:
        decisions.undo(decision=first, principal=who(cast.alice))
    assert refused.value.code == "superseded"

    decisions.undo(decision=between, principal=who(cast.erin))
    assert (again(prediction).status, told(prediction)) == ("routed", ("pending", None))
    decisions.undo(decision=first, principal=who(cast.alice))
    assert asked(prediction) is None
    assert sound()


def test_who_cannot_tell_leaves_the_slot_to_somebody_else(cast: Cast) -> None:
    prediction = make_overlap(cast.model)
    say(cast.model, cast.alice, None)
    say(cast.model, cast.bob, "fraud")

    assert take(cast.model, cast.alice) is None
    say(cast.model, cast.erin, "fraud")

    assert told(prediction) == ("final", "fraud")
    assert sound()


def test_a_withdrawal_takes_what_is_open_and_nothing_is_taken_back_after_it(cast: Cast) -> None:
    prediction = make_overlap(cast.model)
    first = say(cast.model, cast.alice, "fraud")

    withdrawal.withdraw(prediction=prediction, reason="sent twice", actor="test")

    with pytest.raises(Conflict) as refused:
        decisions.undo(decision=first, principal=who(cast.alice))
    assert refused.value.code == "withdrawn"
    assert sound()


def test_a_hold_that_runs_out_is_answered_once_however_many_decide(cast: Cast) -> None:
    make_overlap(cast.model, required=3, hold_until="2026-01-01T00:00:00Z", hold_fallback="refuse")

    while resolutions.resolve_overdue(limit=10):
        pass

    [said] = Resolution.objects.all()
    assert (said.by, said.disposition) == ("fallback", "refuse")
    for person in (cast.alice, cast.bob):
        say(cast.model, person, "ok")
    say(cast.model, cast.erin, "fraud")
    item = QueueItem.objects.get(kind="adjudication")
    assert item.hold_until is None


def test_a_gold_answer_neither_settles_nor_needs_adjudication(cast: Cast) -> None:
    prediction = make_overlap(cast.model)
    say(cast.model, cast.alice, "fraud")
    say(cast.model, cast.bob, "fraud")
    QueueItem.objects.create(
        prediction=prediction, slot=3, model=cast.model, queue=ReviewQueue.objects.get(slug="payments"), kind="gold"
    )

    say(cast.model, cast.erin, "ok")

    assert told(prediction) == ("final", "fraud")
    assert asked(prediction) is None
    assert sound()


def test_a_lead_who_lost_the_role_cannot_adjudicate(cast: Cast, client_with: Any) -> None:
    prediction = make_overlap(cast.model)
    say(cast.model, cast.alice, "fraud")
    say(cast.model, cast.bob, "ok")
    item = asked(prediction)
    assert item is not None
    principal = who(cast.erin)
    [held] = queue.claim(
        queue=item.queue, models=[cast.model], holder=principal.pseudonym, leads=[cast.model], item=item.pk
    )
    access.grant_role(user=cast.erin, model=cast.model, role="reviewer", actor="test")
    cast.model.memberships.filter(user=cast.erin).exclude(role="reviewer").delete()

    with pytest.raises(Exception, match="preview"):
        decisions.decide(token=held.lease_token, principal=principal, label="ok")


def test_the_database_refuses_a_second_answer_of_one_reviewer_whatever_the_item(cast: Cast) -> None:
    prediction = make_overlap(cast.model)
    first = say(cast.model, cast.alice, "fraud")
    other = prediction.items.get(slot=2)
    lease = Lease.objects.create(token="0" * 32, item=other, holder="x", expires_at="2100-01-01T00:00:00Z")
    values = {"prediction": prediction, "model": cast.model, "definition": first.definition, "label": "ok"}

    with pytest.raises(IntegrityError, match="has an answer"), transaction.atomic():
        ReviewDecision.objects.create(item=other, lease=lease, reviewer=first.reviewer, **values)


@pytest.mark.parametrize("slot", [3, 0])
def test_the_database_refuses_a_slot_beyond_what_is_required(cast: Cast, slot: int) -> None:
    prediction = make_overlap(cast.model)
    shared = {"prediction": prediction, "model": cast.model, "queue": ReviewQueue.objects.get(slug="payments")}

    with pytest.raises(IntegrityError, match="item_slots_as_required"), transaction.atomic():
        QueueItem.objects.create(slot=slot, kind="gate", required=2, **shared)


def test_the_database_refuses_a_second_adjudication_and_one_for_everybody(cast: Cast) -> None:
    prediction = make_overlap(cast.model)
    shared = {"prediction": prediction, "model": cast.model, "queue": ReviewQueue.objects.get(slug="payments")}
    QueueItem.objects.create(slot=3, kind="adjudication", tier=1, **shared)

    for slot, tier, name in ((4, 1, "item_adjudication_once"), (5, 0, "item_adjudication_for_leads")):
        with pytest.raises(IntegrityError, match=name), transaction.atomic():
            QueueItem.objects.create(slot=slot, kind="adjudication", tier=tier, **shared)
