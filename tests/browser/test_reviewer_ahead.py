"""What the page claims ahead of its person: by tokens alone, as much as the pace asks for, kept no more than needed."""

from __future__ import annotations

import pytest

from tests.browser.reviewing import REVIEW, case, more, press


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
