from __future__ import annotations

import random
import threading
from collections import Counter
from typing import Any
from uuid import uuid4

import pytest
from django.db import IntegrityError, connection

from models_registry import access
from models_registry.errors import Conflict
from review import decisions, leases, queue, settling
from review.models import Lease, Prediction, QueueItem, ReviewDecision, ReviewQueue
from reviewhub.invariants import INVARIANTS, check
from tests.conftest import make_model
from tests.review.overlapping import make_overlap
from tests.threads import in_threads

ONE_ANSWER = next(invariant for invariant in INVARIANTS if invariant.number == "I-08")
BOOKS = [invariant for invariant in INVARIANTS if invariant.number in ("I-06", "I-08", "I-10", "I-12", "I-18")]
PREDICTIONS, PEOPLE = 60, 16


def keys(count: int) -> list[access.Principal]:
    made = [access.create_service_key(name=f"k{n}", scopes=["admin"], created_by="test")[0] for n in range(count)]
    return [access.principal_of_key(key) for key in made]


@pytest.mark.django_db(transaction=True)
def test_sixteen_people_give_each_case_its_answers_and_none_beyond_and_strand_none() -> None:
    model, _ = make_model("payments")
    for number in range(PREDICTIONS):
        make_overlap(model, f"p-{number}", required=1 + number % 3)
    line = ReviewQueue.objects.get()
    people = keys(PEOPLE)

    def work(number: int) -> int:
        dice, claims, principal = random.Random(number), 0, people[number]
        for _ in range(60):
            leads = [model] if number < 4 else []
            found = queue.claim(
                queue=line, models=[model], holder=principal.pseudonym, leads=leads, reserved=dice.random() < 0.5,
                count=dice.choice([1, 1, 2]),
            )  # fmt: skip
            for item in found:
                claims += 1
                answered = act(item, principal, dice)
                if answered is not None and dice.random() < 0.1:
                    undo(answered, principal)
        return claims

    def act(item: QueueItem, principal: access.Principal, dice: random.Random) -> ReviewDecision | None:
        assert item.lease_token is not None
        if dice.random() < 0.1:
            queue.release(token=item.lease_token, holder=principal.pseudonym)
            return None
        if dice.random() < 0.5:
            queue.open_case(token=item.lease_token, holder=principal.pseudonym)
        label = "ok" if dice.random() < 0.8 else "fraud"
        try:
            return decisions.decide(token=item.lease_token, principal=principal, label=label)
        except Conflict as error:
            # Withdrawn under the adjudicator's hands by an undo.
            if error.code != "lease_lost":
                raise
            return None

    def undo(answered: ReviewDecision, principal: access.Principal) -> None:
        try:
            decisions.undo(decision=answered, principal=principal)
        except Conflict as error:
            if error.code != "superseded":
                raise

    found = in_threads(PEOPLE, work)

    assert all(isinstance(claims, int) for claims in found), found
    assert sum(found) >= PREDICTIONS
    assert [invariant.number for invariant in BOOKS if check(invariant).broken] == []
    # What is left is handed out to whoever has not answered it: nothing is stranded.
    fresh = keys(4)
    for principal in fresh * 2:
        while items := queue.claim(queue=line, models=[model], holder=principal.pseudonym, leads=[model], count=5):
            for item in items:
                assert item.lease_token is not None
                decisions.decide(token=item.lease_token, principal=principal, label="ok")
    assert set(Prediction.objects.values_list("status", flat=True)) == {"decided"}
    standing = ReviewDecision.objects.filter(kind="decision", superseded_by__isnull=True)
    drawn = standing.exclude(item__kind="adjudication").values_list("prediction__external_id", flat=True)
    assert Counter(drawn) == {f"p-{number}": 1 + number % 3 for number in range(PREDICTIONS)}
    assert Lease.objects.filter(ending=None).count() == 0


def answer_twice(prediction: Prediction) -> list[object]:
    """One reviewer answers both slots of a prediction at the same moment, past every step."""
    items = list(prediction.items.order_by("slot"))
    definition = prediction.model.definitions.get()

    def write(number: int) -> str:
        lease = Lease.objects.create(token=uuid4(), item=items[number], holder="r", expires_at="2100-01-01T00:00:00Z")
        ReviewDecision.objects.create(
            item=items[number], prediction=prediction, model=prediction.model, definition=definition, lease=lease,
            reviewer="alice", label="ok",
        )  # fmt: skip
        QueueItem.objects.filter(pk=items[number].pk).update(state="decided")
        return "written"

    return in_threads(2, write)


@pytest.mark.django_db(transaction=True)
def test_two_answers_of_one_reviewer_at_the_same_moment_are_one() -> None:
    model, _ = make_model("payments")

    for number in range(10):
        found = answer_twice(make_overlap(model, f"p-{number}"))
        assert found.count("written") == 1, found
        assert any(isinstance(one, IntegrityError) for one in found)

    assert check(ONE_ANSWER).broken == 0


@pytest.mark.django_db(transaction=True)
def test_looking_for_the_second_answer_before_writing_is_not_enough_and_is_noticed() -> None:
    model, _ = make_model("payments")
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE review_reviewdecision DISABLE TRIGGER review_reviewdecision_one_answer")
    try:
        assert answer_twice(make_overlap(model)) == ["written", "written"]
        assert check(ONE_ANSWER).broken == 1
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE review_reviewdecision ENABLE TRIGGER review_reviewdecision_one_answer")


@pytest.mark.django_db
def test_slots_that_nobody_asked_for_are_noticed() -> None:
    model, _ = make_model("payments")
    prediction = make_overlap(model)
    assert check(ONE_ANSWER).broken == 0

    QueueItem.objects.create(
        prediction=prediction, slot=3, required=3, kind="gate", model=model, queue=ReviewQueue.objects.get()
    )

    assert check(ONE_ANSWER).broken == 1


@pytest.mark.django_db(transaction=True)
def test_last_answers_at_the_same_moment_settle_once() -> None:
    model, _ = make_model("payments")
    line, people = ReviewQueue.objects.get(), keys(2)
    for number in range(12):
        prediction = make_overlap(model, f"p-{number}")
        held = [queue.claim(queue=line, models=[model], holder=principal.pseudonym, count=1)[0] for principal in people]
        labels = ["ok", "ok" if number % 2 else "fraud"]
        answers = list(zip(held, people, labels, strict=True))

        def answer(place: int, answers: list[Any] = answers) -> str:
            item, principal, label = answers[place]
            decisions.decide(token=item.lease_token, principal=principal, label=label)
            return "decided"

        assert in_threads(2, answer) == ["decided", "decided"]
        settled = Prediction.objects.get(pk=prediction.pk).status == "decided"
        asked = prediction.items.filter(kind="adjudication").count()
        assert (settled, asked, prediction.resolutions.count()) == ((True, 0, 1) if number % 2 else (False, 1, 0))
        QueueItem.objects.filter(kind="adjudication", state="open").update(state="withdrawn")


@pytest.mark.django_db(transaction=True)
def test_settling_without_the_lock_of_the_prediction_leaves_it_undecided_and_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model, _ = make_model("payments")
    line, people, prediction = ReviewQueue.objects.get(), keys(2), make_overlap(model)
    held = [queue.claim(queue=line, models=[model], holder=principal.pseudonym)[0] for principal in people]
    both_have_written, settle = threading.Barrier(2), settling.settle
    monkeypatch.setattr(leases, "CLOSE", leases.CLOSE.replace("FOR NO KEY UPDATE", ""))

    def after_both(prediction: Prediction) -> None:
        both_have_written.wait()
        settle(prediction)

    monkeypatch.setattr(settling, "settle", after_both)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE review_reviewdecision DISABLE TRIGGER review_reviewdecision_one_answer")
    try:
        in_threads(2, lambda n: decisions.decide(token=held[n].lease_token, principal=people[n], label="ok").pk)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE review_reviewdecision ENABLE TRIGGER review_reviewdecision_one_answer")

    # Neither saw the other's answer, so neither settled it.
    assert Prediction.objects.get(pk=prediction.pk).status == "routed"
    assert "I-12" in [invariant.number for invariant in INVARIANTS if check(invariant).broken]
