"""Every view of a case is written down before it goes out, and its timeline tells who looked."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from feedback import disclosure, labels
from feedback.models import Label, OutcomeEvent
from feedback.timelines import timeline
from models_registry import access
from models_registry.models import DatabaseNow
from review import decisions, queue
from review.models import CaseView, QueueItem, ReviewDecision, ReviewQueue
from tests.conftest import Cast
from tests.review.items import make_item, make_prediction

API = "/api/v1"


def signed_in(user: Any) -> Client:
    client = Client()
    client.force_login(user)
    return client


def views(user: Any) -> list[tuple[str, str]]:
    who = access.person_of(user).pseudonym
    return sorted(CaseView.objects.filter(viewer=who).values_list("what", "where"))


@pytest.mark.parametrize(("address", "where"), [("/predictions/{}/", "page"), (API + "/predictions/{}/", "api")])
def test_opening_a_case_is_recorded_with_what_was_shown(cast: Cast, address: str, where: str):
    item = make_item(cast.model)
    signed_in(cast.alice).get(address.format(item.prediction_id))
    assert views(cast.alice) == [("case", where), ("model", where)]
    ReviewQueue.objects.update(mode="blind")
    signed_in(cast.bob).get(address.format(item.prediction_id))
    assert views(cast.bob) == [("case", where)]


def test_a_list_records_the_first_sight_of_each_model_s_answer(cast: Cast):
    for number in range(3):
        make_prediction(cast.model, f"p-{number}")
    for _ in range(2):
        signed_in(cast.alice).get("/predictions/")
    assert views(cast.alice) == [("model", "page")] * 3


def test_who_never_reviews_leaves_no_trace_in_lists_but_where_they_open_a_case(cast: Cast):
    made = make_prediction(cast.model)
    client = signed_in(cast.dana)
    client.get("/predictions/")
    assert views(cast.dana) == []
    client.get(f"/predictions/{made.pk}/")
    assert views(cast.dana) == [("case", "page"), ("model", "page")]


@pytest.mark.parametrize(("scopes", "written"), [(("read",), 0), (("admin",), 0), (("review", "read"), 2)])
def test_of_keys_only_those_that_review_for_persons_are_recorded(
    cast: Cast, client_with: Any, scopes: tuple[str, ...], written: int
):
    made = make_prediction(cast.model)
    client_with(*scopes).get(f"{API}/predictions/{made.pk}/")
    assert CaseView.objects.count() == written


def test_the_timeline_tells_who_looked_and_what_they_saw(cast: Cast):
    made = make_prediction(cast.model)
    for _ in range(2):
        signed_in(cast.dana).get(f"/predictions/{made.pk}/")
    made.refresh_from_db()
    [event] = [event for event in timeline(made) if event.kind == "seen"]
    assert (event.title, event.who) == ("Looked at on a page", access.person_of(cast.dana).pseudonym)
    assert event.facts == [("times", "2"), ("saw", "the model’s answer")]


def test_a_list_costs_the_same_however_long_it_is(cast: Cast):
    client, costs = signed_in(cast.alice), []
    ReviewQueue.objects.update(mode="blind", required_decisions=2)
    for upto in (2, 25):
        for number in range(upto):
            make_item(cast.model, f"p-{upto}-{number}", required=2)
        for address in ("/predictions/", f"{API}/predictions/?page_size=100", f"{API}/resolutions/"):
            with CaptureQueriesContext(connection) as asked:
                client.get(address)
            costs.append(len(asked))
    assert costs[:3] == costs[3:]


def test_a_polling_key_pays_for_no_veil(cast: Cast, client_with: Any):
    ReviewQueue.objects.update(mode="blind")
    item, client = make_item(cast.model), client_with("read", "ingest")
    client.get(f"{API}/predictions/{item.prediction_id}/")
    with CaptureQueriesContext(connection) as asked:
        client.get(f"{API}/predictions/{item.prediction_id}/")
    named = " ".join(query["sql"] for query in asked)
    assert "review_caseview" not in named
    assert "review_lease" not in named
    assert "review_queueitem" not in named


def test_examples_leave_out_the_cases_that_the_viewer_may_have_to_answer(cast: Cast):
    ReviewQueue.objects.update(mode="blind")
    waiting, free = make_item(cast.model).prediction_id, make_prediction(cast.model, "p-2").pk
    seen = {
        name: disclosure.visible([waiting, free], access.principal_of_user(getattr(cast, name)))
        for name in ("alice", "erin", "dana")
    }
    assert seen == {"alice": {free}, "erin": {free}, "dana": {waiting, free}}


def test_a_file_that_cannot_be_masked_makes_the_next_answer_of_who_fetched_it_a_shown_one(cast: Cast):
    ReviewQueue.objects.update(mode="blind")
    item = make_item(cast.model, required=2)
    second = QueueItem.objects.create(
        prediction=item.prediction, model=cast.model, queue=item.queue, kind="gate", slot=2, required=2
    )
    bob, erin = (access.principal_of_user(user) for user in (cast.bob, cast.erin))
    answer(item, bob)
    OutcomeEvent.objects.create(
        prediction=item.prediction, model=cast.model, value="ok", source="s", kind="explicit",
        definition=cast.model.definitions.get(), observed_at=DatabaseNow(),
    )  # fmt: skip
    labels.pull(limit=10)
    last = Label.objects.latest("id").pk
    disclosure.give_file(model=cast.model, snapshot=1, last_label=last, viewer=erin)
    assert views(cast.erin) == [("colleagues", "export"), ("model", "export")]
    assert answer(second, erin).model_shown_at is not None


def answer(item: QueueItem, person: access.Principal) -> ReviewDecision:
    [held] = queue.claim(queue=item.queue, models=[item.model], holder=person.pseudonym, item=item.pk)
    return decisions.decide(token=held.lease_token, principal=person, label="ok")
