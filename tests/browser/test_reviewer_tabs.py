"""Tabs, reloads and leaving: each tab has its own cases, what nobody saw goes back, undo works from anywhere."""

from __future__ import annotations

import pytest

from review.models import Lease, QueueItem, ReviewDecision
from tests.browser.reviewing import REVIEW, case, more, press, settled, shown, told


@pytest.fixture
def page(world, open_page):
    page = open_page("alice", REVIEW)
    case(page, "P-2201")
    return page


def another(page):
    tab = page.context.new_page()
    tab.goto(REVIEW)
    tab.locator("#case-title").wait_for()
    return tab


def until(page, holds):
    """Whether it holds before the page's patience ends."""
    return any(holds() or page.wait_for_timeout(20) for _ in range(400))


def test_a_reload_finds_the_case_of_its_tab_again(page):
    token = page.locator(".slot").get_attribute("data-token")
    page.reload()
    case(page, "P-2201")
    assert page.locator(".slot").get_attribute("data-token") == token


def test_two_tabs_of_a_person_never_show_the_same_case(page, world):
    more(world, 20)
    tab = another(page)
    seen = [shown(page), shown(tab)]
    for number in range(8):
        one = (page, tab)[number % 2]
        one.bring_to_front()
        press(one, "1")
        seen.append(shown(one))
    assert len(seen) == len(set(seen))
    for one in (page, tab):
        settled(one)
        one.reload()
        assert shown(one) in seen[-2:]
    assert ReviewDecision.objects.count() == 8


def test_the_case_of_a_closed_tab_comes_first_in_the_next_one(page):
    tab = another(page)
    left = shown(tab)
    assert left != "P-2201"
    tab.close()
    assert shown(another(page)) == left


def test_cases_claimed_ahead_but_never_seen_go_back_when_the_page_is_left(page):
    page.locator("#stage[data-ready=true]").wait_for()
    ahead = Lease.objects.filter(reserved=True, ending=None)
    assert until(page, lambda: ahead.count() == 2)
    tokens = list(ahead.values_list("pk", flat=True))
    page.goto("/queues/")
    assert until(page, lambda: not Lease.objects.filter(pk__in=tokens, ending=None).exists())
    assert not Lease.objects.filter(pk__in=tokens).exclude(ending="released").exists()
    assert not Lease.objects.filter(pk__in=tokens, opened_at__isnull=False).exists()
    assert QueueItem.objects.leased().count() == 1


def test_undo_works_after_a_reload_and_from_another_tab(page, world):
    # Enough for another tab too, however many a slow server makes this one claim ahead.
    more(world, 20)
    press(page, "n")
    page.keyboard.type("as I said")
    page.keyboard.press("Escape")
    press(page, "2")
    case(page, "P-2202")
    settled(page)
    page.reload()
    case(page, "P-2202")
    press(page, "Control+z")
    case(page, "P-2201")
    page.get_by_role("button", name="malignant your answer before").wait_for()
    assert page.locator("#note").input_value() == "as I said"
    press(page, "1")
    case(page, "P-2202")
    settled(page)
    tab = another(page)
    press(tab, "u")
    case(tab, "P-2201")
    told(tab, "Undone: benign.")
    standing = ReviewDecision.objects.filter(kind="decision", superseded_by__isnull=True)
    assert not standing.exists()


def test_pausing_gives_the_cases_back_and_going_on_takes_the_same_one(page):
    press(page, "n")
    page.keyboard.type("draft")
    page.keyboard.press("Escape")
    with page.expect_response("**/give-back/"):
        press(page, "p")
    page.get_by_role("heading", name="You have paused").wait_for()
    assert not QueueItem.objects.leased().exists()
    press(page, "Enter")
    case(page, "P-2201")
    assert page.locator("#note").input_value() == "draft"


def test_ones_history_is_read_only_until_enter_takes_the_decision_back(page):
    for key in "12":
        press(page, key)
    case(page, "P-2203")
    settled(page)
    press(page, "[")
    case(page, "P-2202")
    press(page, "[")
    case(page, "P-2201")
    press(page, "2")
    press(page, "]")
    case(page, "P-2202")
    assert ReviewDecision.objects.count() == 2
    press(page, "Enter")
    page.get_by_role("button", name="malignant your answer before").wait_for()
    press(page, "1")
    case(page, "P-2203")
    settled(page)
    standing = ReviewDecision.objects.filter(kind="decision", superseded_by__isnull=True).order_by("id")
    assert [(row.prediction.external_id, row.label) for row in standing] == [("P-2201", "benign"), ("P-2202", "benign")]


def test_the_drawer_reopens_a_decision_in_two_clicks(page):
    press(page, "2")
    case(page, "P-2202")
    settled(page)
    press(page, "h")
    page.get_by_role("button", name="Decide again P-2201").click()
    case(page, "P-2201")
    press(page, "g")
    page.get_by_role("dialog").get_by_text("Malignant only where the largest nuclei").wait_for()
