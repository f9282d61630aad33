"""Time on the review page, on the clock of the browser: leases that end, slow loading, new work, leaving."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from review.models import Lease, QueueItem, ReviewQueue
from tests.browser import world as makers
from tests.browser.reviewing import ANSWERS, REVIEW, case, overdue, press, seen, settled, shown

MINUTE = 60_000


def opened(open_page):
    """A case on screen, and known to the server as seen, of a page whose clock the test moves from then on."""
    page = open_page("alice", "/queues/")
    page.clock.install()
    page.goto(REVIEW)
    case(page, "P-2201")
    page.locator("#stage[data-ready=true]").wait_for()
    seen(page)
    return page


@pytest.fixture
def page(world, open_page):
    """Nobody touches anything on it by themselves."""
    return opened(open_page)


def test_a_case_that_goes_back_soon_is_told_and_one_key_keeps_it(page):
    before = Lease.objects.get(item__prediction__external_id="P-2201").expires_at
    # Somebody who does nothing for a minute counts as away: nothing is renewed for them.
    with page.expect_response("**/keep/"):
        page.clock.run_for(8.5 * MINUTE)
        page.locator("[data-notices]").get_by_text("This case goes back soon.").wait_for()
        press(page, "k")
    page.locator("[data-notices]").get_by_text("This case goes back soon.").wait_for(state="hidden")
    assert Lease.objects.get(item__prediction__external_id="P-2201").expires_at > before
    assert shown(page) == "P-2201"


def test_an_ended_time_dims_the_case_and_one_key_reclaims_it_with_the_note(page):
    press(page, "n")
    page.keyboard.type("so far")
    page.keyboard.press("Escape")
    overdue(page)
    page.clock.run_for(11 * MINUTE)
    page.locator("[data-notices]").get_by_text("Your time for this case has ended.").wait_for()
    assert page.locator(".slot.over").count() == 1
    press(page, "k")
    page.locator(".slot:not(.over)").wait_for()
    page.locator("[data-notices]").get_by_text("Your time for this case has ended.").wait_for(state="hidden")
    assert page.locator("#note").input_value() == "so far"
    press(page, "1")
    case(page, "P-2202")
    settled(page)


def test_what_loads_slowly_shows_its_shape_then_says_so_and_comes_by_itself(world, open_page):
    page = open_page("alice", "/queues/")
    page.clock.install()
    held = []
    page.route("**/review/cards/", lambda route: held.append(route))
    with page.expect_request("**/review/cards/"):
        page.goto(REVIEW)
    page.clock.run_for(300)
    page.locator("#stage [data-loading]").wait_for()
    page.clock.run_for(5_000)
    page.locator("[data-notices]").get_by_role("button", name="Retry").wait_for()
    for route in held:
        route.continue_()
    case(page, "P-2201")
    assert page.locator("[data-notices] > *").count() == 0


def test_new_work_is_counted_in_the_title_of_a_page_nobody_looks_at(world, open_page):
    QueueItem.objects.update(state="withdrawn", closed_at=makers.timezone.now())
    page = open_page("alice", "/queues/")
    page.clock.install()
    page.goto(REVIEW)
    page.get_by_role("heading", name="Nothing waits for you").wait_for()
    asked = []
    page.on("request", lambda request: asked.append(request.url) if request.url.endswith("/state/") else None)
    page.evaluate("Object.defineProperty(document, 'visibilityState', { get: () => 'hidden', configurable: true })")
    for number in (6, 7):
        makers.waiting(world.model, world.version, number)
    page.clock.run_for(60_000)
    expect(page).to_have_title(re.compile(r"^\(2\) Nothing waits"))
    assert len(asked) <= 60 / 15 + 1
    page.evaluate("Object.defineProperty(document, 'visibilityState', { get: () => 'visible' })")
    page.mouse.move(5, 5)
    page.clock.run_for(15_000)
    case(page, "P-2207")


def test_leaving_with_unsent_answers_asks_first(page):
    asked = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.dismiss()))
    page.route(ANSWERS, lambda route: route.abort())
    press(page, "1")
    page.locator(".review-link:not([data-unsent='0'])").wait_for()
    page.close(run_before_unload=True)
    page.wait_for_timeout(1)
    while not asked:
        page.evaluate("1")
    assert asked == ["beforeunload"]
    assert not page.is_closed()
    page.unroute(ANSWERS)
    page.clock.run_for(30_000)
    settled(page)


def test_the_lease_of_the_case_is_renewed_by_itself_while_somebody_works(world, open_page):
    ReviewQueue.objects.update(lease_seconds=60)
    page = opened(open_page)
    token = page.locator(".slot").get_attribute("data-token")
    with page.expect_response(f"**/{token}/keep/"):
        page.mouse.move(5, 5)
        page.clock.run_for(40_000)
    assert page.locator(".slot.over").count() == 0
    assert page.locator("[data-notices] > *").count() == 0
