"""From whom what is hidden: the table of docs/decisions/blind-reviewers.md, case by case."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from models_registry import access
from review import decisions, exposure, queue
from review.models import Prediction, QueueItem, ReviewQueue
from review.veil import NOTHING, Veil, veil, veils, without_gold
from tests.conftest import Cast
from tests.review.items import make_item, make_prediction

HIDDEN, SHOWN = True, False
MODES = [("assisted", SHOWN), ("blind_first", HIDDEN), ("blind", HIDDEN), ("on_request", HIDDEN)]


def person(user: Any) -> access.Principal:
    return access.principal_of_user(user)


def key(cast: Cast, *scopes: str) -> access.Principal:
    made, _ = access.create_service_key(name="t", scopes=list(scopes), model=cast.model, created_by="test")
    return access.principal_of_key(made)


def mode(name: str) -> None:
    ReviewQueue.objects.filter(slug="payments").update(mode=name)


def claim(item: QueueItem, holder: access.Principal) -> Any:
    line = ReviewQueue.objects.get(pk=item.queue_id)
    leads = [item.model] if "preview" in holder.abilities(item.model) else []
    [held] = queue.claim(queue=line, models=[item.model], holder=holder.pseudonym, item=item.pk, leads=leads)
    return held.lease_token


def second(item: QueueItem, **fields: Any) -> QueueItem:
    values = {"prediction": item.prediction, "model": item.model, "queue": item.queue, "kind": "gate", "slot": 2}
    return QueueItem.objects.create(**{**values, "required": 2, **fields})


@pytest.mark.parametrize(("name", "hidden"), MODES)
def test_a_reviewer_who_could_answer_sees_the_model_only_under_assisted(cast: Cast, name: str, hidden: bool):
    mode(name)
    item = make_item(cast.model)
    for user in (cast.alice, cast.erin):
        found = veil(person(user), item.prediction)
        assert (found.model, found.colleagues) == (hidden, hidden)


def test_a_drawn_item_is_blind_whatever_the_queue_says(cast: Cast):
    item = make_item(cast.model, blind_share=0.3, blind_draw=0.1)
    assert veil(person(cast.alice), item.prediction).model


@pytest.mark.parametrize("user", ["dana", "mallory"])
def test_who_never_reviews_the_model_is_bound_by_nothing(cast: Cast, user: str):
    mode("blind")
    item = make_item(cast.model, required=2)
    assert veil(person(getattr(cast, user)), item.prediction) == NOTHING


@pytest.fixture
def final(settings: Any) -> None:
    """No answer can be undone, so each is final at once."""
    settings.REVIEWHUB = {**settings.REVIEWHUB, "UNDO_SECONDS": 0}


def test_what_needs_no_person_or_has_one_s_final_answer_is_open(cast: Cast, final: None):
    mode("blind")
    alice = person(cast.alice)
    assert veil(alice, make_prediction(cast.model, "free", status="routed")) == NOTHING
    item = make_item(cast.model, required=2)
    second(item)
    decisions.decide(token=claim(item, alice), principal=alice, label="ok")
    assert veil(alice, item.prediction) == NOTHING
    assert veil(person(cast.bob), item.prediction).model


def test_taking_the_answer_back_draws_the_veil_again(cast: Cast):
    mode("blind")
    item, alice = make_item(cast.model), person(cast.alice)
    made = decisions.decide(token=claim(item, alice), principal=alice, label="ok")
    assert not veil(alice, item.prediction).model
    decisions.undo(decision=made, principal=alice)
    assert veil(alice, item.prediction).model


def test_a_first_answer_lifts_the_model_s_veil_but_not_the_colleagues(cast: Cast):
    mode("blind_first")
    item, alice = make_item(cast.model), person(cast.alice)
    exposure.first_answer(token=claim(item, alice), principal=alice, label="ok")
    assert veil(alice, item.prediction) == Veil(model=False, colleagues=True)
    assert veil(person(cast.bob), item.prediction).model


def test_the_lease_s_own_mode_counts_whatever_the_queue_is_set_to_later(cast: Cast):
    item, alice = make_item(cast.model), person(cast.alice)
    claim(item, alice)
    mode("blind")
    assert not veil(alice, item.prediction).model
    assert veil(person(cast.bob), item.prediction).model


def test_where_more_than_one_decides_they_are_blind_to_each_other_in_every_mode(cast: Cast):
    item = make_item(cast.model, required=2)
    assert veil(person(cast.alice), item.prediction) == Veil(colleagues=True)


def test_an_adjudicator_sees_both_answers_without_names(cast: Cast, final: None):
    item = make_item(cast.model, required=2)
    others = [item, second(item)]
    for one, user in zip(others, (cast.alice, cast.bob), strict=True):
        decisions.decide(token=claim(one, person(user)), principal=person(user), label="ok")
    QueueItem.objects.filter(prediction=item.prediction, state="open").delete()
    second(item, kind="adjudication", slot=5, tier=1)
    assert veil(person(cast.erin), item.prediction) == Veil(names=True)
    assert veil(person(cast.alice), item.prediction) == NOTHING


def test_an_escalated_case_stays_veiled_for_all_because_it_can_come_back(cast: Cast):
    mode("blind")
    item = make_item(cast.model, tier=1)
    assert veil(person(cast.erin), item.prediction).model
    assert veil(person(cast.alice), item.prediction).model


def test_an_adjudication_is_open_to_who_may_not_take_it(cast: Cast):
    mode("blind")
    item = make_item(cast.model, kind="adjudication", tier=1)
    assert veil(person(cast.erin), item.prediction).model
    assert veil(person(cast.alice), item.prediction) == NOTHING


@pytest.mark.parametrize("name", ["blind", "assisted"])
def test_while_an_answer_can_be_undone_only_the_model_is_shown_of_what_was_hidden(cast: Cast, settings: Any, name: str):
    mode(name)
    item, alice = make_item(cast.model, required=2), person(cast.alice)
    second(item)
    decisions.decide(token=claim(item, alice), principal=alice, label="ok")
    assert veil(alice, item.prediction) == Veil(colleagues=True)
    settings.REVIEWHUB = {**settings.REVIEWHUB, "UNDO_SECONDS": 0}
    assert veil(alice, item.prediction) == NOTHING


def test_an_abstention_that_can_be_undone_hides_the_same(cast: Cast):
    item, alice = make_item(cast.model, required=2), person(cast.alice)
    decisions.decide(token=claim(item, alice), principal=alice, abstain=True)
    assert veil(alice, item.prediction) == Veil(colleagues=True)


def test_what_one_person_decides_with_the_model_in_sight_is_open_at_once(cast: Cast):
    item, alice = make_item(cast.model), person(cast.alice)
    decisions.decide(token=claim(item, alice), principal=alice, label="ok")
    assert veil(alice, item.prediction) == NOTHING


@pytest.mark.parametrize("several", [1, 2])
@pytest.mark.parametrize(("name", "label"), [("assisted", "ok"), ("blind", "fraud"), ("assisted", None)])
def test_gold_and_audits_have_one_face_before_and_after_the_answer(
    cast: Cast, name: str, label: str | None, several: int
):
    ReviewQueue.objects.filter(slug="payments").update(mode=name, required_decisions=several)
    gold, audit = make_item(cast.model, kind="gold"), make_item(cast.model, "p-2", kind="audit", required=several)
    alice, faces = person(cast.alice), []
    for _ in range(2):
        pair = [veil(alice, item.prediction) for item in (gold, audit)]
        assert [found.gold for found in pair] == [True, False]
        faces.append(pair)
        assert pair[0].parts == pair[1].parts
        assert pair[0].draw is pair[1].draw is True
        assert pair[0].resolution == pair[1].resolution
        if len(faces) == 1:
            for item in (gold, audit):
                answer: dict[str, Any] = {"abstain": True} if label is None else {"label": label}
                decisions.decide(token=claim(item, alice), principal=alice, **answer)
    assert all(found.labels for found in faces[1])


def test_a_gold_item_is_told_as_an_audit_and_kept_out_of_lists(cast: Cast, settings: Any):
    gold = make_item(cast.model, kind="gold")
    audit = make_item(cast.model, "p-2", kind="audit")
    alice = person(cast.alice)
    assert veil(alice, gold.prediction) == Veil(draw=True, gold=True)
    assert veil(alice, gold.prediction).parts == []
    assert veil(alice, audit.prediction) == Veil(draw=True)
    listed = without_gold(Prediction.objects.all(), alice)
    assert [row.pk for row in listed] == [audit.prediction_id]
    assert without_gold(Prediction.objects.all(), person(cast.dana)).count() == 2
    decisions.decide(token=claim(gold, alice), principal=alice, label="ok")
    assert veil(alice, gold.prediction) == Veil(colleagues=True, draw=True, gold=True)
    assert [row.pk for row in without_gold(Prediction.objects.all(), alice)] == [audit.prediction_id]
    settings.REVIEWHUB = {**settings.REVIEWHUB, "UNDO_SECONDS": 0}
    assert (veil(alice, gold.prediction), without_gold(Prediction.objects.all(), alice).count()) == (NOTHING, 2)


def test_a_key_that_only_reviews_is_bound_until_no_person_is_left_to_ask(cast: Cast):
    mode("blind")
    item, reviewing = make_item(cast.model, required=2), key(cast, "review", "read")
    second(item)
    assert veil(reviewing, item.prediction).model
    behalf = person(cast.alice).pseudonym
    decisions.decide(token=claim(item, reviewing), principal=reviewing, label="ok", on_behalf_of=behalf)
    assert veil(reviewing, item.prediction).model


@pytest.mark.parametrize("scopes", [("admin",), ("ingest", "review", "read")])
def test_a_system_s_key_is_bound_by_the_leases_it_took_alone(cast: Cast, scopes: tuple[str, ...]):
    mode("blind")
    item, other, system = make_item(cast.model), make_item(cast.model, "p-2"), key(cast, *scopes)
    assert veil(system, item.prediction) == NOTHING
    token = claim(item, system)
    assert veil(system, item.prediction).model
    assert veil(system, other.prediction) == NOTHING
    decisions.decide(token=token, principal=system, label="ok")
    assert veil(system, item.prediction) == NOTHING


def test_a_key_that_cannot_review_asks_nothing(cast: Cast):
    item, reading = make_item(cast.model), key(cast, "read", "ingest")
    with CaptureQueriesContext(connection) as asked:
        assert veil(reading, item.prediction) == NOTHING
    assert len(asked) == 0


@pytest.mark.parametrize(("name", "hidden"), MODES)
def test_what_is_not_routed_yet_is_hidden_where_it_may_become_a_blind_item(cast: Cast, name: str, hidden: bool):
    mode(name)
    waiting = make_prediction(cast.model, "new", status="received")
    assert veil(person(cast.alice), waiting).model is hidden


def test_a_page_of_predictions_costs_as_many_queries_as_one(cast: Cast):
    mode("blind")
    rows = [make_item(cast.model, f"p-{i}", required=2).prediction for i in range(20)]
    costs = []
    for page in (rows[:1], rows):
        with CaptureQueriesContext(connection) as asked:
            assert all(found.model for found in veils(person(cast.alice), page).values())
        costs.append(len(asked))
    assert costs[0] == costs[1] <= 5
