"""What colleagues and the page tell each other: comments, hidden values, escalated cases, known cases, two browsers."""

from __future__ import annotations

import pytest

from feedback import gold
from models_registry import access
from review import comments
from review.models import CaseView, Comment, QueueItem, ReviewDecision, ReviewQueue
from tests.browser import world as makers
from tests.browser.reviewing import REVIEW, case, press, seen, settled, shown, told


def principal(name):
    return access.principal_of_user(access.Person.objects.get(user__username=name).user)


@pytest.fixture
def commented(world):
    comments.comment(prediction=world.predictions[0], principal=principal("bob"), text="the smear <b>looks</b> torn")
    return world


def test_colleagues_comments_stand_on_the_card_and_an_own_one_joins_them(commented, open_page):
    page = open_page("alice", REVIEW)
    case(page, "P-2201")
    section = page.locator("[data-comments]")
    section.get_by_text("the smear <b>looks</b> torn").wait_for()
    section.get_by_text("Write a comment").click()
    page.get_by_label("For colleagues").fill("I asked for another one")
    page.keyboard.press("Escape")
    assert page.get_by_label("For colleagues").input_value() == "I asked for another one"
    page.get_by_role("button", name="Keep comment").click()
    section.get_by_text("I asked for another one").wait_for()
    assert Comment.objects.get(author=principal("alice").pseudonym).text == "I asked for another one"
    press(page, "f")
    told(page, "Flagged.")
    page.reload()
    case(page, "P-2201")
    assert page.locator("[data-act=flag]").get_attribute("aria-pressed") == "true"
    press(page, "2")
    settled(page)
    assert ReviewDecision.objects.get().label == "malignant"


def test_what_colleagues_wrote_is_nowhere_in_a_case_that_asks_for_ones_own_judgement(commented, open_page):
    ReviewQueue.objects.update(mode="blind")
    page = open_page("alice", REVIEW)
    case(page, "P-2201")
    page.get_by_text("What colleagues write is shown once you have answered.").wait_for()
    assert "torn" not in page.content()
    page.get_by_text("Write a comment").click()
    page.get_by_label("For colleagues").fill("mine")
    page.get_by_role("button", name="Keep comment").click()
    page.locator("[data-comments] li").get_by_text("mine").wait_for()
    assert "torn" not in page.content()


def test_a_value_hidden_by_policy_is_shown_in_its_place_on_request_and_the_look_recorded(
    transactional_db, monkeypatch, open_page
):
    document = makers.contract()
    document["features"][0]["sensitive"] = True
    monkeypatch.setattr(makers, "contract", lambda: document)
    world = makers.small()
    value = world.predictions[0].payload.features["mean_radius"]
    page = open_page("alice", REVIEW)
    case(page, "P-2201")
    row = page.locator(".features tr", has=page.locator("th[title=mean_radius]"))
    assert "hidden by policy" in row.inner_text()
    assert str(value) not in page.locator("#stage").inner_html()
    row.get_by_role("button", name="Show Radius").click()
    page.locator(".features tr", has_text=f"{value:.4g}").first.wait_for()
    assert "hidden by policy" not in row.inner_text()
    look = CaseView.objects.get(what=CaseView.What.SENSITIVE)
    assert (look.viewer, look.detail, look.where) == (principal("alice").pseudonym, "mean_radius", "review")


def test_who_leads_reviews_the_escalated_cases_first_with_the_note_on_top(world, open_page):
    reviewer = open_page("alice", REVIEW)
    case(reviewer, "P-2201")
    press(reviewer, "e")
    reviewer.get_by_role("dialog").get_by_label("Note").fill("a damaged smear")
    reviewer.get_by_role("dialog").get_by_role("button", name="Escalate").click()
    case(reviewer, "P-2202")
    page = open_page("erin", "/queues/escalated/")
    page.get_by_role("link", name="Review one after the other").click()
    case(page, "P-2201")
    page.get_by_role("heading", name="Escalated with a note").wait_for()
    page.locator(".passed-on").get_by_text("a damaged smear").wait_for()
    assert shown(reviewer) == "P-2202"


def test_the_drawer_tells_of_a_known_case_once_the_answer_cannot_be_undone(world, open_page, settings):
    gold.set_gold(prediction=world.predictions[0], value="benign", actor="erin")
    QueueItem.objects.filter(prediction=world.predictions[0]).update(kind="gold", hold_until=None, hold_fallback="")
    page = open_page("alice", REVIEW)
    while shown(page) != "P-2201":
        press(page, "s")
    press(page, "2")
    settled(page)
    made = ReviewDecision.objects.get()
    assert made.prediction == world.predictions[0]
    press(page, "h")
    page.locator("[data-made]").first.wait_for()
    assert "known case" not in page.locator("#drawer").inner_text()
    page.keyboard.press("Escape")
    settings.REVIEWHUB = {**settings.REVIEWHUB, "UNDO_SECONDS": 0}
    press(page, "h")
    page.locator("[data-history]").get_by_text("known case: it is benign").wait_for()


def test_two_browsers_of_one_person_with_one_case_store_one_answer_and_tell_the_other(world, open_page):
    first = open_page("alice", REVIEW)
    case(first, "P-2201")
    seen(first)
    second = open_page("alice", REVIEW)
    case(second, "P-2201")
    press(first, "1")
    case(first, "P-2202")
    settled(first)
    press(second, "n")
    second.keyboard.type("not so")
    second.keyboard.press("Escape")
    press(second, "2")
    second.locator("[data-notices]").get_by_text("you decided it at").wait_for()
    second.locator("[data-notices]").get_by_text("as benign").wait_for()
    press(second, "h")
    late = second.locator("[data-late]")
    late.get_by_text("malignant").wait_for()
    late.get_by_text("not so").wait_for()
    assert ReviewDecision.objects.get().label == "benign"
