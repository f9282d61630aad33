"""Undo answers at once in every state of the page: while a save fails, and while one has paused."""

from __future__ import annotations

import pytest

from review.models import QueueItem, ReviewDecision
from tests.browser.reviewing import ANSWERS, KEPT, REVIEW, case, more, press, settled, shown


@pytest.fixture
def page(world, open_page):
    more(world, 10)
    page = open_page("alice", REVIEW)
    case(page, "P-2201")
    return page


def standing():
    rows = ReviewDecision.objects.filter(kind="decision", superseded_by__isnull=True)
    return dict(rows.values_list("prediction__external_id", "label"))


def test_undo_during_a_save_that_then_fails_brings_the_case_back_and_keys_go_on(page):
    on_the_way = []
    fails = []
    page.route(ANSWERS, lambda route: route.abort() if fails else on_the_way.append(route))
    with page.expect_request(ANSWERS):
        press(page, "1")
    case(page, "P-2202")
    press(page, "u")
    page.locator("[data-toast]").get_by_text("Taking it back").wait_for()
    fails.append("from now on")
    for route in on_the_way:
        route.abort()
    case(page, "P-2201")
    press(page, "2")
    case(page, "P-2202")
    page.unroute(ANSWERS)
    page.get_by_role("button", name="Retry now").click()
    settled(page)
    assert standing() == {"P-2201": "malignant"}


def test_undo_after_a_reload_says_that_what_waits_goes_first(page):
    page.route(ANSWERS, lambda route: route.abort())
    press(page, "1")
    page.locator("[data-waits]").get_by_text("1 decision waits.").wait_for()
    page.on("dialog", lambda dialog: dialog.accept())
    page.reload()
    case(page, "P-2202")
    page.locator("[data-waits]").get_by_text("1 decision waits.").wait_for()
    press(page, "u")
    page.locator("[data-toast]").get_by_text("Decisions still wait to be sent.").wait_for()
    press(page, "1")
    assert shown(page) == "P-2203"


@pytest.fixture
def undone_but_stored(page):
    """An answer that arrived without a word coming back, and was undone meanwhile; nothing more gets through."""

    def deliver_but_fall_silent(route):
        route.fetch()
        route.abort()

    page.route(ANSWERS, deliver_but_fall_silent)
    press(page, "1")
    page.locator("[data-waits]").get_by_text("1 decision waits.").wait_for()
    assert standing() == {"P-2201": "benign"}
    page.route("**/take-back/", lambda route: route.abort())
    press(page, "u")
    case(page, "P-2201")
    page.locator("#stage[data-ready=true]").wait_for()
    page.unroute(ANSWERS)
    return page


def test_what_was_undone_stays_undone_where_the_page_is_left_before_another_answer(undone_but_stored):
    page = undone_but_stored
    page.goto("/queues/")
    page.unroute("**/take-back/")
    page.goto(REVIEW)
    assert any(page.evaluate(KEPT) == [] or page.wait_for_timeout(20) for _ in range(400))
    assert standing() == {}


def test_skipping_a_case_whose_answer_was_undone_takes_the_answer_back(undone_but_stored):
    page = undone_but_stored
    page.unroute("**/take-back/")
    with page.expect_response("**/give-back/"):
        press(page, "s")
    case(page, "P-2202")
    assert standing() == {}
    assert not QueueItem.objects.leased().filter(prediction__external_id="P-2201").exists()


def test_pausing_after_undo_takes_the_answer_back(undone_but_stored):
    page = undone_but_stored
    page.unroute("**/take-back/")
    with page.expect_response("**/take-back/"):
        press(page, "p")
    page.get_by_role("heading", name="You have paused").wait_for()
    assert standing() == {}


@pytest.mark.parametrize("saved", [True, False])
def test_undo_in_a_pause_ends_the_pause_and_the_work_goes_on(page, saved):
    if not saved:
        page.route(ANSWERS, lambda route: route.abort())
    press(page, "1")
    case(page, "P-2202")
    if saved:
        settled(page)
    press(page, "n")
    page.keyboard.type("draft")
    page.keyboard.press("Escape")
    with page.expect_response("**/give-back/"):
        press(page, "p")
    page.get_by_role("heading", name="You have paused").wait_for()
    with page.expect_response("**/cards/"):
        press(page, "Control+z")
    case(page, "P-2201")
    page.unroute(ANSWERS)
    seen = []
    for key in "2121":
        seen.append(shown(page))
        press(page, key)
    shown(page)
    assert len(set(seen)) == 4
    assert "P-2202" in seen
    settled(page)
    assert standing()["P-2201"] == "malignant"
    assert ReviewDecision.objects.get(prediction__external_id="P-2202").rationale == "draft"


def test_reading_ones_history_in_a_pause_comes_back_to_the_pause(page):
    press(page, "1")
    case(page, "P-2202")
    settled(page)
    press(page, "p")
    page.get_by_role("heading", name="You have paused").wait_for()
    press(page, "[")
    case(page, "P-2201")
    press(page, "]")
    page.get_by_role("heading", name="You have paused").wait_for()
    press(page, "Enter")
    case(page, "P-2202")
