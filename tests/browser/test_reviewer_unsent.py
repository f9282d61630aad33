"""What a person decided is kept until the server itself has said what became of it, whatever else answers."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.contrib.auth import get_user_model

from models_registry import access
from models_registry.models import Membership
from review.models import QueueItem, ReviewDecision, ReviewQueue
from tests.browser.reviewing import ANSWERS, KEPT, REVIEW, case, press, settled


@pytest.fixture
def page(world, open_page):
    page = open_page("alice", REVIEW)
    case(page, "P-2201")
    return page


@pytest.mark.parametrize("status", [400, 403, 404, 409, 413, 422, 200])
def test_a_refusal_by_something_on_the_way_loses_no_decision(page, status):
    """A proxy, a wall that asks for consent, a deployment half done: none of them is the server's word."""
    page.route(ANSWERS, lambda route: route.fulfill(status=status, body="<h1>gone</h1>", content_type="text/html"))
    press(page, "2")
    page.get_by_role("alert").get_by_text("Not saved yet, retrying").wait_for()
    case(page, "P-2202")
    assert len(page.evaluate(KEPT)) == 1
    page.unroute(ANSWERS)
    page.get_by_role("button", name="Retry now").click()
    settled(page)
    assert ReviewDecision.objects.get().label == "malignant"


def test_an_answer_that_leaves_one_of_the_decisions_out_keeps_that_one(page):
    page.route(ANSWERS, lambda route: route.fulfill(json={"results": [], "waiting": 1, "done": 1}))
    press(page, "2")
    page.get_by_role("alert").get_by_text("Not saved yet, retrying").wait_for()
    page.unroute(ANSWERS)
    page.get_by_role("button", name="Retry now").click()
    settled(page)
    assert ReviewDecision.objects.get().label == "malignant"


def test_a_role_that_was_taken_away_keeps_the_decision_until_it_is_given_again(page, world):
    Membership.objects.get(model=world.model, user__username="alice").delete()
    press(page, "2")
    page.get_by_role("heading", name="no longer yours to review").wait_for()
    page.get_by_role("alert").get_by_text("Not saved yet.", exact=True).wait_for()
    assert len(page.evaluate(KEPT)) == 1
    alice = get_user_model().objects.get(username="alice")
    access.grant_role(user=alice, model=world.model, role="reviewer", actor="test")
    page.get_by_role("button", name="Retry now").click()
    settled(page)
    assert ReviewDecision.objects.get().label == "malignant"


def test_what_one_queue_left_unsent_goes_out_from_the_page_of_any_other(page, world):
    other = ReviewQueue.objects.create(slug="second-look")
    other.models.add(world.model)
    page.route(ANSWERS, lambda route: route.abort())
    press(page, "2")
    page.locator("[data-waits]").get_by_text("1 decision waits.").wait_for()
    page.on("dialog", lambda dialog: dialog.accept())
    page.goto("/queues/")
    page.unroute(ANSWERS)
    page.goto("/queues/second-look/review/")
    page.locator("#empty-title").wait_for()
    settled(page)
    assert ReviewDecision.objects.get().prediction.external_id == "P-2201"
    assert page.evaluate(KEPT) == []


LEAVE_BEHIND = """(entry) => new Promise((resolve) => {
    const me = document.getElementById("review").dataset.me;
    const opening = indexedDB.open("reviewhub-outbox", 1);
    opening.onsuccess = () => {
        const change = opening.result.transaction("decisions", "readwrite");
        change.objectStore("decisions").put({ ...entry, me });
        change.oncomplete = resolve;
    };
})"""


def test_trouble_at_one_queue_holds_up_no_other(world, open_page):
    other = ReviewQueue.objects.create(slug="second-look")
    other.models.add(world.model)
    QueueItem.objects.filter(prediction=world.predictions[4]).update(queue=other)
    page = open_page("alice", "/queues/second-look/review/")
    case(page, "P-2205")
    left = {"token": str(uuid4()), "slug": "tumours", "tab": "gone", "at": 1, "answer": "label:0", "note": ""}
    page.evaluate(LEAVE_BEHIND, left)
    page.route("**/tumours/review/answers/", lambda route: route.fulfill(status=503, body="down"))
    page.reload()
    page.get_by_role("alert").get_by_text("Not saved yet, retrying").wait_for()
    case(page, "P-2205")
    press(page, "1")
    page.locator("[data-toast]").get_by_text("Saved: benign.").wait_for()
    assert ReviewDecision.objects.get().prediction.external_id == "P-2205"
    assert [row["slug"] for row in page.evaluate(KEPT)] == ["tumours"]
