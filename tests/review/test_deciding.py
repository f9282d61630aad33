from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import IntegrityError, connection, connections, transaction

from models_registry import access
from models_registry.errors import Conflict, Forbidden, Invalid, NotFound
from models_registry.models import DatabaseNow, LabelDefinition, ServiceKey
from review import decisions, queue, resolutions
from review.models import Lease, Prediction, QueueItem, Resolution, ReviewDecision, ReviewQueue
from reviewhub.invariants import INVARIANTS, check
from tests.conftest import Cast, make_model
from tests.review.items import expire, make_item


def who(person: Any) -> access.Principal:
    return access.principal_of_user(person)


def claim(cast: Cast, person: Any) -> QueueItem:
    line = ReviewQueue.objects.get(slug=cast.model.slug)
    [item] = queue.claim(queue=line, models=[cast.model], holder=who(person).pseudonym)
    return item


def decide(cast: Cast, person: Any, token: Any = None, **answer: Any) -> ReviewDecision:
    token = token or claim(cast, person).lease_token
    return decisions.decide(token=token, principal=who(person), **(answer or {"label": "fraud"}))


def refused(call: Any) -> str:
    with pytest.raises(Conflict) as found:
        call()
    return found.value.code


def sound() -> bool:
    return all(check(i).broken == 0 for i in INVARIANTS if i.number in ("I-06", "I-08", "I-10"))


def test_a_decision_closes_the_item_and_tells_the_caller(cast: Cast) -> None:
    cast.model.disposition_of = {"fraud": "refuse"}
    cast.model.save()
    item = make_item(cast.model)

    made = decide(cast, cast.alice, label="fraud", rationale="  stolen card ", confidence=0.9, seconds_active=12.5)

    item.refresh_from_db()
    assert (item.state, item.lease_token) == ("decided", None)
    assert item.closed_at is not None
    assert item.prediction.status == "decided"
    assert (made.label, made.rationale, made.confidence, made.mode) == ("fraud", "stolen card", 0.9, "assisted")
    assert (made.reviewer, made.user, made.service_key) == (who(cast.alice).pseudonym, cast.alice, None)
    assert made.claimed_at == made.lease.claimed_at
    assert Lease.objects.get(pk=made.lease_id).ending == "decided"
    told = resolutions.current(Prediction.objects.get())
    assert (told["state"], told["label"], told["disposition"], told["by"]) == ("final", "fraud", "refuse", "person")
    assert sound()


@pytest.mark.parametrize(
    ("answer", "pointers"),
    [
        ({}, ["/label"]),
        ({"label": "cat"}, ["/label"]),
        ({"label": "ok", "abstain": True}, ["/abstain"]),
        ({"label": "ok", "first_answer": "dog"}, ["/first_answer"]),
        ({"label": "ok", "reason_codes": ["stolen"]}, ["/reason_codes/0"]),
        ({"label": "fraud", "reason_codes": ["stolen", "stolen"]}, ["/reason_codes/1"]),
        ({"abstain": True, "reason_codes": ["stolen"]}, ["/reason_codes/0"]),
        ({"label": "ok", "confidence": 1.1}, ["/confidence"]),
        ({"label": "ok", "confidence": float("nan"), "seconds_active": -1.0}, ["/confidence", "/seconds_active"]),
        ({"label": "ok", "rationale": "x" * 10_001}, ["/rationale"]),
    ],
)
def test_an_answer_outside_the_definition_is_refused_with_every_fault(cast: Cast, answer: Any, pointers: Any) -> None:
    make_item(cast.model)
    codes = {"fraud": ["stolen", "account"]}
    LabelDefinition.objects.create(
        model=cast.model, number=2, classes=cast.model.classes, reason_codes=codes, created_by="t"
    )
    token = claim(cast, cast.alice).lease_token

    with pytest.raises(Invalid) as found:
        decisions.decide(token=token, principal=who(cast.alice), **answer)

    assert [fault.pointer for fault in found.value.errors] == pointers
    made = decisions.decide(token=token, principal=who(cast.alice), label="fraud", reason_codes=["account"])
    assert made.reason_codes == ["account"]
    assert made.definition.number == 2


def test_the_definition_that_was_shown_counts_not_one_that_came_later(cast: Cast) -> None:
    make_item(cast.model)
    token = claim(cast, cast.alice).lease_token
    LabelDefinition.objects.create(model=cast.model, number=2, classes=cast.model.classes, created_by="test")

    assert decide(cast, cast.alice, token, label="ok").definition.number == 1


def test_the_same_answer_again_is_the_same_decision_and_another_is_refused(cast: Cast) -> None:
    make_item(cast.model)
    token = claim(cast, cast.alice).lease_token

    first, second = (decide(cast, cast.alice, token, label="fraud", seconds_active=3.0) for _ in range(2))

    assert first == second
    assert refused(lambda: decide(cast, cast.alice, token, label="ok")) == "already_decided"
    assert (ReviewDecision.objects.count(), Resolution.objects.count()) == (1, 1)


def test_only_the_holder_with_the_current_token_decides(cast: Cast) -> None:
    make_item(cast.model)
    token = claim(cast, cast.alice).lease_token

    assert refused(lambda: decide(cast, cast.bob, token)) == "lease_lost"
    assert refused(lambda: decide(cast, cast.erin, token)) == "lease_lost"
    assert refused(lambda: decide(cast, cast.alice, uuid4())) == "lease_lost"
    with pytest.raises(Forbidden):
        decide(cast, cast.dana, token)
    with pytest.raises(NotFound):
        decide(cast, cast.mallory, token)
    assert not ReviewDecision.objects.exists()


def test_each_end_of_a_lease_is_told_apart(cast: Cast) -> None:
    item = make_item(cast.model)
    old = claim(cast, cast.alice).lease_token
    expire(item)
    assert refused(lambda: decide(cast, cast.alice, old)) == "lease_expired"

    newer = claim(cast, cast.bob).lease_token
    assert refused(lambda: decide(cast, cast.alice, old)) == "lease_lost"

    decide(cast, cast.bob, newer)
    assert refused(lambda: decide(cast, cast.alice, old)) == "already_decided"


def test_a_released_lease_is_lost(cast: Cast) -> None:
    make_item(cast.model)
    token = claim(cast, cast.alice).lease_token
    queue.release(token=token, holder=who(cast.alice).pseudonym)

    assert refused(lambda: decide(cast, cast.alice, token)) == "lease_lost"


def test_an_item_has_one_chain_with_one_root_and_no_branches(cast: Cast) -> None:
    make_item(cast.model)
    first = decide(cast, cast.alice)
    row = {"item": first.item, "prediction": first.prediction, "model": cast.model, "definition": first.definition}

    with pytest.raises(IntegrityError, match="decision_chain_one_root"), transaction.atomic():
        lease = Lease.objects.create(token=uuid4(), item=first.item, holder="x", expires_at="2100-01-01T00:00:00Z")
        ReviewDecision.objects.create(**row, reviewer="x", label="ok", lease=lease)
    ReviewDecision.objects.create(**row, reviewer="x", kind="undo", supersedes=first)
    with pytest.raises(IntegrityError, match="supersedes"), transaction.atomic():
        ReviewDecision.objects.create(**row, reviewer="y", kind="undo", supersedes=first)


def test_an_abstention_leaves_the_item_open_for_others_without_an_answer(cast: Cast) -> None:
    item = make_item(cast.model)

    said = decide(cast, cast.alice, abstain=True, rationale="unreadable")

    item.refresh_from_db()
    assert (said.abstained, said.label, item.state, item.prediction.status) == (True, None, "open", "routed")
    assert resolutions.current(item.prediction)["state"] == "pending"
    answer = decide(cast, cast.bob, label="fraud")
    assert answer.supersedes == said
    assert refused(lambda: decisions.undo(decision=said, principal=who(cast.alice))) == "superseded"
    assert sound()


def test_confirming_an_audit_says_nothing_new_and_correcting_it_does(cast: Cast) -> None:
    agreed, corrected = make_item(cast.model, "p-1", kind="audit"), make_item(cast.model, "p-2", kind="audit")

    decide(cast, cast.alice, label="ok")
    decide(cast, cast.alice, label="fraud")

    assert Resolution.objects.filter(prediction=agreed.prediction).count() == 1
    assert resolutions.current(corrected.prediction)["label"] == "fraud"


def test_a_key_decides_on_behalf_of_a_reviewer_of_the_model_only(cast: Cast) -> None:
    for number in range(3):
        make_item(cast.model, f"p-{number}")
    key, _ = access.create_service_key(name="ui", scopes=["review"], created_by="test")
    service = access.principal_of_key(key)
    line = ReviewQueue.objects.get(slug="payments")
    first, second = queue.claim(queue=line, models=[cast.model], holder=service.pseudonym, count=2)
    alice = who(cast.alice).pseudonym

    made = decisions.decide(token=first.lease_token, principal=service, label="ok", on_behalf_of=alice)

    assert (made.reviewer, made.user, made.service_key) == (alice, cast.alice, key)
    for name in ("nobody", who(cast.dana).pseudonym, who(cast.mallory).pseudonym):
        with pytest.raises(Invalid) as found:
            decisions.decide(token=second.lease_token, principal=service, label="ok", on_behalf_of=name)
        assert [fault.pointer for fault in found.value.errors] == ["/on_behalf_of"]
    with pytest.raises(Invalid):
        decide(cast, cast.bob, label="ok", on_behalf_of=alice)
    assert decisions.decide(token=second.lease_token, principal=service, label="ok").reviewer == f"k-{key.prefix}"
    assert ServiceKey.objects.count() == 1


def test_nobody_answers_a_prediction_twice_by_way_of_a_key(cast: Cast) -> None:
    make_item(cast.model)
    decide(cast, cast.alice, abstain=True)
    key, _ = access.create_service_key(name="ui", scopes=["review"], created_by="test")
    service = access.principal_of_key(key)
    line = ReviewQueue.objects.get(slug="payments")
    [item] = queue.claim(queue=line, models=[cast.model], holder=service.pseudonym)

    def again() -> None:
        behalf = who(cast.alice).pseudonym
        decisions.decide(token=item.lease_token, principal=service, label="ok", on_behalf_of=behalf)

    assert refused(again) == "already_decided"
    assert QueueItem.objects.get().lease_token == item.lease_token


@pytest.mark.django_db(transaction=True)
def test_a_decision_that_waited_for_a_row_lock_past_its_lease_is_refused() -> None:
    model, _ = make_model("payments")
    item = make_item(model)
    key, _ = access.create_service_key(name="ui", scopes=["review"], created_by="test")
    service = access.principal_of_key(key)
    [held] = queue.claim(queue=item.queue, models=[model], holder=service.pseudonym)
    found: list[str] = []

    def late() -> None:
        try:
            found.append(refused(lambda: decisions.decide(token=held.lease_token, principal=service, label="ok")))
        finally:
            connections.close_all()

    ends = QueueItem.objects.annotate(soon=DatabaseNow() + timedelta(seconds=1.5)).get().soon
    QueueItem.objects.update(lease_expires_at=ends)
    with transaction.atomic():
        # The lease ends while another transaction holds the row; the waiting statement began before its end.
        QueueItem.objects.select_for_update().get()
        waiting = threading.Thread(target=late)
        waiting.start()
        began = until("SELECT clock_timestamp() FROM pg_locks WHERE NOT granted LIMIT 1")
        until("SELECT 1 WHERE clock_timestamp() > %s", ends)
    waiting.join()

    assert began < ends
    assert found == ["lease_expired"]
    assert QueueItem.objects.get().state == "open"


def until(query: str, *values: Any) -> Any:
    """The first value that the query gives, asked again and again until it gives one."""
    with connection.cursor() as cursor:
        while True:
            cursor.execute(query, values)
            if row := cursor.fetchone():
                return row[0]


@pytest.mark.django_db(transaction=True)
def test_a_double_click_is_one_decision() -> None:
    model, _ = make_model("payments")
    item = make_item(model)
    key, _ = access.create_service_key(name="ui", scopes=["review"], created_by="test")
    service = access.principal_of_key(key)
    [held] = queue.claim(queue=item.queue, models=[model], holder=service.pseudonym)
    start, made = threading.Barrier(4), []

    def click() -> None:
        try:
            start.wait()
            made.append(decisions.decide(token=held.lease_token, principal=service, label="ok").pk)
        finally:
            connections.close_all()

    clicks = [threading.Thread(target=click) for _ in range(4)]
    for one in clicks:
        one.start()
    for one in clicks:
        one.join()

    assert len(made) == 4
    assert len(set(made)) == 1
    assert (ReviewDecision.objects.count(), Resolution.objects.count()) == (1, 1)
