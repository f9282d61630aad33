"""What the page claims ahead of its person: by tokens alone, as much as the pace asks for, kept no more than needed."""

from __future__ import annotations

from urllib.parse import parse_qs

import pytest

from review.models import Lease
from tests.browser.reviewing import REVIEW, case, more, press, settled

LATE = """
    const send = window.fetch;
    window.fetch = async (url, options) => {
        if (String(url).endsWith("PATH")) await new Promise((resolve) => setTimeout(resolve, DELAY));
        return send(url, options);
    };
"""


def late(page, path, milliseconds):
    """The page anew, with such requests held back on their way for so long."""
    page.context.add_init_script(LATE.replace("PATH", path).replace("DELAY", str(milliseconds)))
    page.on("dialog", lambda dialog: dialog.accept())
    page.reload()
    case(page, "P-2201")


@pytest.fixture
def page(world, open_page):
    more(world, 30)
    page = open_page("alice", REVIEW)
    case(page, "P-2201")
    return page


def test_a_case_on_the_page_carries_no_number_that_tells_when_it_was_queued(page):
    """An old case with a new number is a known one, put there to measure whoever answers it."""
    kept = page.locator(".slot").evaluate("(node) => Object.keys(node.dataset)")
    assert set(kept) <= {"token", "name", "left", "span", "mode", "hidden", "twoKeys", "first"}
    with page.expect_response("**/answers/") as found:
        press(page, "1")
    [result] = found.value.json()["results"]
    assert set(result) == {"token", "name", "status", "decision", "lease", "label"}


def test_who_is_faster_than_claims_gets_more_claimed_ahead_and_waits_no_more(page):
    """Claims take a second, the person far less: with two ahead every other case would be waited for."""
    late(page, "/cards/", 1_000)
    counts = []
    page.on("request", lambda sent: counts.append(sent) if sent.url.endswith("/cards/") else None)
    for number in range(24):
        press(page, "12"[number % 2])
    asked = [int(parse_qs(sent.post_data)["count"][0]) for sent in counts]
    assert max(asked) > 2
    assert max(asked) <= 6
    assert len(asked) < 18


def test_who_takes_time_gets_no_more_ahead_than_wished(world, open_page):
    more(world, 30)
    page = open_page("alice", "/queues/")
    page.clock.install()
    page.goto(REVIEW)
    case(page, "P-2201")
    for key in "1212":
        page.locator("#stage[data-ready=true]").wait_for()
        page.clock.run_for(20_000)
        press(page, key)
        settled(page)
    ahead = Lease.objects.filter(reserved=True, ending=None, item__state="open")
    assert any(ahead.count() == 2 or page.wait_for_timeout(20) for _ in range(400))


def test_a_person_at_work_sends_no_renewals_that_the_leases_do_not_need(page):
    kept = []
    page.on("request", lambda sent: kept.append(sent.url) if sent.url.endswith("/keep/") else None)
    late(page, "/open/", 300)
    for number in range(8):
        page.locator("#stage[data-ready=true]").wait_for()
        page.mouse.move(300 + number, 300)
        press(page, "12"[number % 2])
    settled(page)
    assert kept == []


def test_a_case_whose_opening_went_unheard_is_opened_again_and_not_lost(world, open_page):
    page = open_page("alice", "/queues/")
    page.clock.install()
    page.route("**/open/", lambda route: route.abort())
    page.goto(REVIEW)
    case(page, "P-2201")
    page.locator("#stage[data-ready=true]").wait_for()
    assert Lease.objects.get(item__prediction__external_id="P-2201").reserved
    page.unroute("**/open/")
    with page.expect_response("**/open/"):
        page.clock.run_for(6_000)
    assert not Lease.objects.get(item__prediction__external_id="P-2201").reserved
