"""What a person decided is kept until the server itself has said what became of it, whatever else answers."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model

from models_registry import access
from models_registry.models import Membership
from review.models import ReviewDecision
from tests.browser.reviewing import ANSWERS, REVIEW, case, press, settled

KEPT = """new Promise((resolve) => {
    const opening = indexedDB.open("reviewhub-outbox", 1);
    opening.onsuccess = () => {
        const asked = opening.result.transaction("decisions").objectStore("decisions").getAll();
        asked.onsuccess = () => resolve(asked.result);
    };
})"""


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
