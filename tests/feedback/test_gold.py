"""Gold items by the real steps: what they tell of reviewers, and that they do nothing else."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from feedback import gold, labels
from feedback.estimators import Estimate, State, measure
from feedback.models import GoldTruth, Label
from feedback.monitoring.population import load
from models_registry import access
from models_registry.errors import Invalid
from models_registry.models import AuditEvent
from review import decisions, queue, resolutions
from review.models import Prediction, QueueItem, ReviewDecision, ReviewQueue
from review.serializers import item_body
from reviewhub.invariants import check_all
from tests.conftest import Cast
from tests.feedback.cases import NOON, ask, make_case, make_item

OK, FRAUD = "ok", "fraud"
# (what the model says, what is true): rows reviewed, and the share that reviewers get wrong under this screen.
CELLS = {(OK, OK): (40, 0.05), (OK, FRAUD): (20, 0.40), (FRAUD, OK): (10, 0.10), (FRAUD, FRAUD): (40, 0.05)}
GOLD_EACH = 40
LONG_AGO = NOON - timedelta(days=60)


def _answer(cast: Cast, item: QueueItem, person: Any, label: str | None) -> ReviewDecision:
    principal = access.principal_of_user(person)
    line = ReviewQueue.objects.get(slug=cast.model.slug)
    [taken] = queue.claim(queue=line, models=[cast.model], holder=principal.pseudonym, item=item.pk)
    return decisions.decide(token=taken.lease_token, principal=principal, label=label, abstain=label is None)


def _answer_all(cast: Cast, person: Any, said: dict[int, str]) -> None:
    """Everything that waits, claimed by twenties."""
    principal = access.principal_of_user(person)
    line = ReviewQueue.objects.get(slug=cast.model.slug)
    while taken := queue.claim(queue=line, models=[cast.model], holder=principal.pseudonym, count=20):
        for item in taken:
            decisions.decide(token=item.lease_token, principal=principal, label=said[item.prediction_id])


def _case(cast: Cast, name: str, says: str = OK, **fields: Any) -> Prediction:
    return make_case(cast.model, name, scores=[0.8, 0.2] if says == OK else [0.2, 0.8], **fields)


def _gold(cast: Cast, name: str, says: str = OK, truth: str = FRAUD) -> QueueItem:
    prediction = _case(cast, name, says, review="none", occurred_at=LONG_AGO)
    gold.set_gold(prediction=prediction, value=truth, actor="erin")
    return ask(prediction)


def _given(truth: str, place: int, wrong: int) -> str:
    return {OK: FRAUD, FRAUD: OK}[truth] if place < wrong else truth


def _accuracy(cast: Cast, *, corrected: bool) -> Estimate:
    # All of them are reviewed with certainty, and all have answered.
    rows = load(cast.model, [((NOON - timedelta(days=1)).timestamp(), float("inf"))])
    reviewers = gold.confusion_of(cast.model) if corrected else None
    return measure("accuracy", rows.outputs(cast.model), rows.label, rows.propensity, reviewers=reviewers)


def test_gold_answers_bring_the_figure_back(cast: Cast) -> None:
    said: dict[int, str] = {}
    for (says, truth), (count, share) in CELLS.items():
        for place in range(count):
            made = _case(cast, f"{says}-{truth}-{place}", says, review="gate", propensity=1.0)
            said[made.pk] = _given(truth, place, round(share * count))
    _answer_all(cast, cast.alice, said)
    for (says, truth), (_, share) in CELLS.items():
        for place in range(GOLD_EACH):
            item = _gold(cast, f"gold-{says}-{truth}-{place}", says, truth)
            said[item.prediction_id] = _given(truth, place, round(share * GOLD_EACH))
    _answer_all(cast, cast.bob, said)
    labels.pull_all()

    plain, found = _accuracy(cast, corrected=False), _accuracy(cast, corrected=True)
    right = 80 / 110
    assert plain.point is not None
    assert plain.point - right > 0.04
    assert found.point == pytest.approx(right, abs=1e-9)
    assert (found.labels, found.naive, found.state) == (110, plain.point, State.OK)
    assert found.high - found.low > 1.2 * (plain.high - plain.low)
    assert Label.objects.filter(selection="gold", propensity=None, retired_at__isnull=False).count() == 4 * GOLD_EACH
    assert Label.objects.filter(retired_at__isnull=True).count() == 110
    assert [verdict.invariant.number for verdict in check_all() if verdict.broken] == []


def test_without_gold_nothing_is_corrected_and_with_too_little_there_is_no_figure(cast: Cast) -> None:
    for place in range(40):
        made = _case(cast, f"p-{place}", review="gate", propensity=1.0)
        _answer(cast, made.items.get(), cast.alice, OK)
    labels.pull_all()
    assert not gold.confusion_of(cast.model).counts.any()
    _answer(cast, _gold(cast, "g"), cast.bob, OK)
    found = _accuracy(cast, corrected=True)
    assert (found.state, found.point, found.naive) == (State.INSUFFICIENT, None, 1.0)


def _told(prediction: Prediction) -> tuple[Any, ...]:
    fresh = Prediction.objects.get(pk=prediction.pk)
    said = resolutions.current(fresh)
    return fresh.status, said["disposition"], said["label"], said["by"]


def test_a_gold_answer_tells_the_caller_nothing_even_when_it_is_undone_and_given_again(cast: Cast) -> None:
    item = _gold(cast, "g")
    before = _told(item.prediction)
    made = _answer(cast, item, cast.bob, FRAUD)
    decisions.undo(decision=made, principal=access.principal_of_user(cast.bob))
    assert gold.confusion_of(cast.model).counts.sum() == 0
    _answer(cast, item, cast.bob, FRAUD)
    assert _told(item.prediction) == before == ("routed", "proceed", None, "model")
    assert [verdict.invariant.number for verdict in check_all() if verdict.broken] == []


def test_a_gold_answer_that_is_undone_leaves_a_decided_prediction_decided(cast: Cast) -> None:
    prediction = _case(cast, "p", review="gate")
    _answer(cast, prediction.items.get(), cast.alice, FRAUD)
    before = _told(prediction)
    gold.set_gold(prediction=prediction, value=FRAUD, actor="erin")
    made = _answer(cast, ask(prediction), cast.bob, OK)
    decisions.undo(decision=made, principal=access.principal_of_user(cast.bob))
    assert _told(prediction) == before
    assert before[0::3] == ("decided", "person")
    assert [verdict.invariant.number for verdict in check_all() if verdict.broken] == []


def test_the_same_answer_on_an_item_of_another_kind_does_tell_the_caller(cast: Cast) -> None:
    prediction = _case(cast, "p", review="none")
    item = make_item(prediction, kind="manual")
    _answer(cast, item, cast.bob, FRAUD)
    assert _told(prediction)[0::3] == ("decided", "person")


def test_an_open_gold_item_does_not_keep_a_prediction_from_being_decided(cast: Cast) -> None:
    prediction = _case(cast, "p", review="audit")
    make_item(prediction, kind="gold", slot=2)
    _answer(cast, prediction.items.get(slot=1), cast.alice, FRAUD)
    assert _told(prediction)[0] == "decided"


@pytest.mark.parametrize("together", [True, False])
def test_a_gold_answer_takes_nothing_from_the_label_of_the_draw(cast: Cast, together: bool) -> None:
    prediction = _case(cast, "p", review="audit", propensity=0.25)
    _answer(cast, prediction.items.get(), cast.alice, FRAUD)
    if not together:
        labels.pull_all()
    gold.set_gold(prediction=prediction, value=FRAUD, actor="erin")
    _answer(cast, ask(prediction), cast.bob, OK)
    labels.pull_all()
    standing = Label.objects.get(retired_at__isnull=True)
    assert (standing.value, standing.selection, standing.propensity) == (FRAUD, "draw", 0.25)
    other = Label.objects.get(retired_at__isnull=False)
    assert (other.value, other.selection, other.propensity) == (OK, "gold", None)
    rows = load(cast.model, [(float("-inf"), float("inf"))])
    assert (rows.label.tolist(), rows.manual.tolist()) == ([1], [False])


def test_answers_are_counted_by_suggestion_truth_and_answer(cast: Cast) -> None:
    for name, says, truth, said in (("a", OK, FRAUD, OK), ("b", FRAUD, FRAUD, FRAUD), ("c", FRAUD, OK, FRAUD)):
        _answer(cast, _gold(cast, name, says, truth), cast.bob, said)
    counted = gold.confusion_of(cast.model).counts
    assert counted.reshape(2, 2, 2, 2).sum(axis=0).tolist() == [[[0, 0], [1, 0]], [[0, 1], [0, 1]]]
    assert gold.confusion_of(cast.model, timezone.now() - timedelta(hours=1)).counts.sum() == 0
    assert not gold.confusion_of(cast.other_model).counts.any()


def test_abstentions_own_truths_and_other_items_are_no_gold_answers(cast: Cast) -> None:
    _answer(cast, _gold(cast, "a"), cast.bob, None)
    # Erin said what is true, so her answer proves nothing.
    _answer(cast, _gold(cast, "b"), cast.erin, FRAUD)
    known = _case(cast, "c", review="audit")
    gold.set_gold(prediction=known, value=OK, actor="erin")
    _answer(cast, known.items.get(), cast.bob, FRAUD)
    assert gold.confusion_of(cast.model).counts.sum() == 0
    item = QueueItem.objects.get(prediction__external_id="a")
    _answer(cast, item, cast.alice, OK)
    assert gold.confusion_of(cast.model).counts[[0, 2], 1, 0].sum() == 1


def test_a_truth_that_was_wrong_is_corrected_for_past_answers_and_on_record(cast: Cast) -> None:
    item = _gold(cast, "a", truth=FRAUD)
    _answer(cast, item, cast.bob, OK)
    gold.set_gold(prediction=item.prediction, value=OK, actor="dana")
    again = gold.set_gold(prediction=item.prediction, value=OK, actor="erin")
    assert gold.confusion_of(cast.model).counts[[0, 2]].sum(axis=0).tolist() == [[1, 0], [0, 0]]
    assert (again.value, again.set_by) == (OK, "dana")
    changes = AuditEvent.objects.filter(action="gold.set").order_by("id").values_list("actor", "detail")
    assert list(changes) == [
        ("erin", {"value": FRAUD, "before": None}),
        ("dana", {"value": OK, "before": FRAUD}),
    ]


def test_several_reviewers_answer_one_gold_item_each_once(cast: Cast) -> None:
    item = _gold(cast, "a")
    _answer(cast, item, cast.bob, OK)
    second = ask(item.prediction)
    assert second.slot == 2
    line, bob = ReviewQueue.objects.get(slug=cast.model.slug), access.principal_of_user(cast.bob)
    assert queue.claim(queue=line, models=[cast.model], holder=bob.pseudonym) == []
    _answer(cast, second, cast.alice, FRAUD)
    assert gold.confusion_of(cast.model).counts[[0, 2], 1].sum(axis=0).tolist() == [1, 1]


def test_what_is_no_class_cannot_be_true(cast: Cast) -> None:
    with pytest.raises(Invalid) as found:
        gold.set_gold(prediction=_case(cast, "p"), value="cat", actor="erin")
    assert [(fault.pointer, fault.code) for fault in found.value.errors] == [("/value", "unknown_class")]
    assert not GoldTruth.objects.exists()


def test_a_reviewer_cannot_tell_a_gold_item_from_an_audit(cast: Cast, client: Client) -> None:
    item = _gold(cast, "g")
    client.force_login(cast.bob)
    principal = access.principal_of_user(cast.bob)
    line = ReviewQueue.objects.get(slug=cast.model.slug)
    [taken] = queue.claim(queue=line, models=[cast.model], holder=principal.pseudonym, item=item.pk)
    assert item_body(taken, taken.leases.get(), principal)["kind"] == "audit"
    page = client.get(f"/queues/{line.slug}/review/?plain").content.decode()
    assert "check afterwards" in page
    assert "gold" not in page.lower()
