"""Known cases among the real ones: planted by a draw of their own, balanced, once each, and no part of traffic."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.test import override_settings
from django.utils import timezone

from feedback import gold, labels, monitoring, planting
from feedback.models import GoldPlanting, GoldTruth, Label, PracticeAnswer
from models_registry import access
from review import capacity, decisions, policies, queue
from review.models import Explanation, Prediction, QueueItem, ReviewQueue, RoutingDecision
from review.terms import draw_key
from reviewhub.invariants import check_all
from tests.conftest import Cast
from tests.feedback.cases import NOON, ask, make_case, make_item
from tests.threads import in_threads

OK, FRAUD = "ok", "fraud"


def known(cast: Cast, name: str, says: str = OK, truth: str = FRAUD, **fields: Any) -> Prediction:
    scores = [0.8, 0.2] if says == OK else [0.2, 0.8]
    made = make_case(cast.model, name, review="none", scores=scores, occurred_at=NOON - timedelta(days=60))
    gold.set_gold(prediction=made, value=truth, actor="dana", **fields)
    return made


def drawn(
    cast: Cast, name: str, *, share: float = 1.0, review: str = "audit", blind: float = 0.0, age: float = 0.0
) -> RoutingDecision:
    """A reviewed prediction, routed so many days ago, whose gold draw is 0.5."""
    at = timezone.now() - timedelta(days=age)
    said = {"gold_share": share, "gold_draw": 0.5, "routed_at": at}
    made = make_case(cast.model, name, review=review, propensity=0.5, routing=said)
    made.items.update(blind_share=blind, blind_draw=0.9 if blind else None)
    return RoutingDecision.objects.get(pk=made.pk)


def answer(cast: Cast, item: QueueItem, person: Any, label: str = FRAUD) -> Any:
    principal = access.principal_of_user(person)
    [taken] = queue.claim(queue=item.queue, models=[cast.model], holder=principal.pseudonym, item=item.pk)
    return decisions.decide(token=taken.lease_token, principal=principal, label=label)


def test_each_draw_below_its_share_is_followed_once(cast: Cast) -> None:
    for place in range(3):
        known(cast, f"k-{place}")
    drawn(cast, "a")
    drawn(cast, "b", share=0.4)
    assert planting.plant() == 1
    assert planting.plant() == 0
    item = QueueItem.objects.get(kind="gold")
    assert item.prediction.external_id.startswith("k-")
    assert GoldPlanting.objects.get().routing.prediction.external_id == "a"
    assert GoldPlanting.objects.get().item == item


def test_what_was_not_reviewed_or_was_routed_long_ago_is_not_followed(cast: Cast) -> None:
    known(cast, "k")
    drawn(cast, "a", review="none")
    drawn(cast, "b", age=2)
    assert planting.plant() == 0


@pytest.mark.django_db(transaction=True)
def test_two_workers_plant_one_item_for_each_draw(cast: Cast) -> None:
    for place in range(12):
        known(cast, f"k-{place}")
    for place in range(6):
        drawn(cast, f"a-{place}")
    found = in_threads(4, lambda _: planting.plant())
    assert sum(found) == 6
    assert QueueItem.objects.filter(kind="gold").count() == 6
    assert len(set(QueueItem.objects.filter(kind="gold").values_list("prediction", flat=True))) == 6


def test_truths_and_suggestions_come_equally_often_whatever_the_queue_holds(cast: Cast) -> None:
    for says in (OK, FRAUD):
        for truth in (OK, FRAUD):
            for place in range(10 if says == truth else 3):
                known(cast, f"{says}-{truth}-{place}", says, truth)
    for place in range(8):
        drawn(cast, f"a-{place}")
    assert planting.plant() == 8
    rows = QueueItem.objects.filter(kind="gold").values_list("prediction__predicted", "prediction__gold__value")
    assert set(Counter(rows).values()) == {2}
    assert len(Counter(rows)) == 4


def test_within_a_cell_the_case_that_was_asked_least_comes_next(cast: Cast) -> None:
    first, second = known(cast, "k-1"), known(cast, "k-2")
    for place in range(2):
        routing = drawn(cast, f"a-{place}")
        item = planting.plant_after(routing_id=routing.pk)
        assert item is not None
        answer(cast, item, cast.bob)
    assert {first.items.count(), second.items.count()} == {1}


def test_a_case_for_practice_is_never_planted(cast: Cast) -> None:
    known(cast, "k", practice=True)
    drawn(cast, "a")
    assert planting.plant() == 0
    assert GoldPlanting.objects.get().item is None


def test_a_case_that_everybody_has_answered_is_not_planted(cast: Cast) -> None:
    case = known(cast, "k")
    for person in (cast.alice, cast.bob, cast.erin):
        answer(cast, ask(case), person)
    drawn(cast, "a")
    assert planting.plant() == 0
    access.grant_role(user=cast.mallory, model=cast.model, role="reviewer", actor="test")
    drawn(cast, "b")
    assert planting.plant() == 1


def test_who_said_what_is_true_or_practised_on_it_is_nobody_to_ask(cast: Cast) -> None:
    case = known(cast, "k")
    GoldTruth.objects.update(set_by="alice")
    for person in (cast.bob, cast.erin):
        pseudonym = access.principal_of_user(person).pseudonym
        PracticeAnswer.objects.create(prediction=case, model=cast.model, reviewer=pseudonym, label=OK, truth=FRAUD)
    drawn(cast, "a")
    assert planting.plant() == 0


def test_a_case_with_an_open_item_or_withdrawn_is_not_planted(cast: Cast) -> None:
    make_item(known(cast, "k-1"), kind="manual", slot=1)
    Prediction.objects.filter(pk=known(cast, "k-2").pk).update(status="withdrawn")
    drawn(cast, "a")
    assert planting.plant() == 0


def test_it_waits_and_looks_as_the_audit_that_it_follows(cast: Cast) -> None:
    case = known(cast, "k")
    routing = drawn(cast, "a", blind=0.3)
    behind = QueueItem.objects.get(prediction=routing.pk)
    due = behind.enqueued_at + timedelta(hours=5)
    QueueItem.objects.filter(pk=behind.pk).update(priority=4, due_at=due)
    item = planting.plant_after(routing_id=routing.pk)
    assert item is not None
    item.refresh_from_db()
    assert (item.queue, item.priority, item.shown_kind, item.hold_until) == (behind.queue, 4, "audit", None)
    assert item.due_at - item.enqueued_at == pytest.approx(timedelta(hours=5), abs=timedelta(seconds=1))
    assert Explanation.objects.get(prediction=case).status == "pending"
    expected = policies.arm_draw(draw_key(settings.SECRET_KEY), "payments", "k", 0, f"gold blind {routing.pk}")
    assert (item.blind_share, item.blind_draw) == (0.3, expected)


def test_behind_a_gate_it_is_an_audit_all_the_same(cast: Cast) -> None:
    known(cast, "k")
    routing = drawn(cast, "a", review="gate")
    QueueItem.objects.filter(prediction=routing.pk).update(priority=9, hold_until=timezone.now())
    item = planting.plant_after(routing_id=routing.pk)
    assert item is not None
    item.refresh_from_db()
    assert (item.priority, item.hold_until, item.shown_kind) == (0, None, "audit")
    assert item.due_at is not None


def test_behind_a_gate_it_waits_as_the_newest_audit_of_the_queue_does(cast: Cast) -> None:
    known(cast, "k")
    for name, priority, hours in (("old", 1, 9), ("new", 3, 6)):
        audit = QueueItem.objects.get(prediction=drawn(cast, name, share=0.0).pk)
        due = audit.enqueued_at + timedelta(hours=hours)
        QueueItem.objects.filter(pk=audit.pk).update(priority=priority, due_at=due)
    item = planting.plant_after(routing_id=drawn(cast, "a", review="gate").pk)
    assert item is not None
    item.refresh_from_db()
    assert item.priority == 3
    assert item.due_at - item.enqueued_at == pytest.approx(timedelta(hours=6), abs=timedelta(seconds=1))


def test_behind_gates_that_never_end_it_is_claimed_in_the_share_of_audits(cast: Cast) -> None:
    known(cast, "k")
    for place in range(30):
        gate = make_case(cast.model, f"g-{place}", review="gate")
        gate.items.update(priority=9)
    routing = drawn(cast, "a", review="gate")
    gold_item = planting.plant_after(routing_id=routing.pk)
    assert gold_item is not None
    line, who = ReviewQueue.objects.get(slug="payments"), access.principal_of_user(cast.bob)
    taken = [queue.claim(queue=line, models=[cast.model], holder=who.pseudonym)[0] for _ in range(10)]
    assert gold_item in taken
    # It takes no more than that share: the gates keep the rest.
    assert sum(item.kind == "gate" for item in taken) == 9


def test_a_gold_item_is_due_as_every_audit_is_where_there_is_none_like_it(cast: Cast) -> None:
    known(cast, "k")
    item = planting.plant_after(routing_id=drawn(cast, "a", review="gate").pk)
    item.refresh_from_db()
    seconds = settings.REVIEWHUB["AUDIT_DUE_SECONDS"]
    assert (item.due_at - item.enqueued_at).total_seconds() == pytest.approx(seconds, abs=5)


def test_nobody_gets_a_gold_case_that_they_have_answered_nor_answers_one_again(cast: Cast) -> None:
    line, bob = ReviewQueue.objects.get(slug="payments"), access.principal_of_user(cast.bob)
    real = make_case(cast.model, "real", review="audit")
    answer(cast, real.items.get(), cast.bob)
    gold.set_gold(prediction=real, value=OK, actor="dana")
    asked = ask(real)
    assert queue.claim(queue=line, models=[cast.model], holder=bob.pseudonym) == []
    answer(cast, asked, cast.alice)
    manual = make_item(real, kind="manual", slot=7)
    alice = access.principal_of_user(cast.alice)
    assert queue.claim(queue=line, models=[cast.model], holder=alice.pseudonym, item=manual.pk) == []


def test_gold_that_nobody_answers_is_taken_back_and_what_is_held_is_not(cast: Cast) -> None:
    line, bob = ReviewQueue.objects.get(slug="payments"), access.principal_of_user(cast.bob)
    old, held, fresh = (ask(known(cast, f"k-{n}")) for n in range(3))
    queue.claim(queue=line, models=[cast.model], holder=bob.pseudonym, item=held.pk)
    QueueItem.objects.filter(pk__in=[old.pk, held.pk]).update(enqueued_at=timezone.now() - timedelta(days=8))
    assert planting.expire() == 1
    assert dict(QueueItem.objects.values_list("pk", "state")) == {
        old.pk: "withdrawn", held.pk: "open", fresh.pk: "open",
    }  # fmt: skip
    with override_settings(REVIEWHUB={**settings.REVIEWHUB, "GOLD_DAYS": 9}):
        assert planting.expire() == 0
    assert [verdict.invariant.number for verdict in check_all() if verdict.broken] == []


@pytest.mark.parametrize("how", ["practice", "removed"])
def test_what_waits_is_taken_back_with_its_truth(cast: Cast, how: str) -> None:
    case = known(cast, "k")
    item = ask(case)
    line, bob = ReviewQueue.objects.get(slug="payments"), access.principal_of_user(cast.bob)
    [taken] = queue.claim(queue=line, models=[cast.model], holder=bob.pseudonym, item=item.pk)
    if how == "practice":
        gold.set_gold(prediction=case, value=FRAUD, actor="erin", practice=True)
        assert GoldTruth.objects.get().set_by == "dana"
    else:
        assert gold.unset_gold(prediction=case, actor="erin")
        assert not gold.unset_gold(prediction=case, actor="erin")
    item.refresh_from_db()
    assert (item.state, item.lease_token) == ("withdrawn", None)
    assert taken.leases.get().ending == "withdrawn"
    assert [verdict.invariant.number for verdict in check_all() if verdict.broken] == []


def test_gold_enters_no_figure_of_traffic(cast: Cast) -> None:
    for place in range(4):
        known(cast, f"k-{place}")
    drawn(cast, "a")
    before = _figures(cast)
    assert planting.plant() == 1
    item = QueueItem.objects.get(kind="gold")
    answer(cast, item, cast.bob)
    labels.pull_all()
    assert Label.objects.get().selection == "gold"
    assert _figures(cast) == before
    # It took of the share of audits, as it looks like one.
    assert item.leases.get().audit


def _figures(cast: Cast) -> Any:
    now = timezone.now() + timedelta(days=1)
    found = monitoring.quality(model=cast.model, now=now)
    said = {name: found[name] for name in ("population", "maturity", "conflicts", "confusion")}
    delays = monitoring.delays(model=cast.model, now=now)
    routed = capacity._reviewed_since(cast.model, NOON - timedelta(days=99), at_most=99)
    said["population"].pop("too_young")
    return said, delays["nonresponse"], delays["reviews"], routed


def test_what_was_known_is_told_once_the_answer_can_not_be_changed(cast: Cast) -> None:
    case = known(cast, "k")
    made = answer(cast, ask(case), cast.bob, OK)
    real = answer(cast, make_case(cast.model, "real").items.get(), cast.bob)
    assert gold.told([made, real]) == {}
    with override_settings(REVIEWHUB={**settings.REVIEWHUB, "UNDO_SECONDS": -1}):
        assert gold.told([made, real]) == {made.pk: gold.Told(FRAUD, right=False)}
