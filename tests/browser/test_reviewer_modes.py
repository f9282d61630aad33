"""One's own judgement first: what is hidden is not in the page, and what comes out comes out when it may."""

from __future__ import annotations

import pytest

from models_registry import access
from review.models import Comment, Explanation, Lease, QueueItem, ReviewDecision, ReviewQueue
from tests.browser.reviewing import REVIEW, case, press, settled, told

# What the page of a hidden case must not hold, in any attribute or text.
TELLING = ("0.62", "0.59", "0.56", "The model says", "What moved it", "towards malignant", "the caller waits", "Agree")


@pytest.fixture
def page_of(world, open_page):
    def make(mode, **more):
        ReviewQueue.objects.update(mode=mode, **more)
        page = open_page("alice", REVIEW)
        case(page, "P-2201")
        return page

    return make


@pytest.mark.parametrize("mode", ["blind", "blind_first", "on_request"])
def test_a_hidden_model_is_nowhere_in_the_page_nor_in_the_cases_ahead(page_of, mode):
    bodies = []
    page = page_of(mode)
    page.on("response", lambda answer: bodies.append(answer.text()) if "/cards/" in answer.url else None)
    page.reload()
    case(page, "P-2201")
    page.locator("#stage[data-ready=true]").wait_for()
    bodies.append(page.locator("#stage").inner_html())
    found = [word for body in bodies for word in TELLING if word in body]
    assert found == []
    assert len(bodies) > 1


def test_keys_of_agreement_do_nothing_while_the_model_is_hidden(page_of):
    page = page_of("blind")
    press(page, "a")
    press(page, "x")
    press(page, "r")
    press(page, "2")
    case(page, "P-2202")
    settled(page)
    made = ReviewDecision.objects.get()
    assert (made.label, made.mode, made.model_shown_at, made.explanation_shown) == ("malignant", "blind", None, False)


@pytest.mark.parametrize(("second", "label"), [("Enter", "benign"), ("2", "malignant")])
def test_first_an_answer_then_the_model_then_it_is_kept_or_changed(page_of, second, label):
    page = page_of("blind_first")
    press(page, "n")
    page.keyboard.type("my reason")
    page.keyboard.press("Escape")
    before = page.locator(".bar").bounding_box()
    press(page, "1")
    page.get_by_role("heading", name="The model says").wait_for()
    page.locator("[data-prompt]").get_by_text("Enter keeps it").wait_for()
    assert page.locator(".bar").bounding_box() == before
    assert page.locator("#note").input_value() == "my reason"
    press(page, second)
    case(page, "P-2202")
    settled(page)
    made = ReviewDecision.objects.get()
    assert (made.first_answer, made.label, made.rationale, made.mode) == ("benign", label, "my reason", "blind_first")
    assert made.model_shown_at is not None


def test_on_request_the_model_comes_by_key_and_the_record_says_so(page_of):
    page = page_of("on_request")
    press(page, "r")
    page.get_by_role("heading", name="The model says").wait_for()
    press(page, "x")
    case(page, "P-2202")
    press(page, "1")
    case(page, "P-2203")
    settled(page)
    asked, unasked = ReviewDecision.objects.order_by("id")
    assert asked.model_shown_at is not None
    assert asked.label != asked.prediction.predicted
    assert unasked.model_shown_at is None


def test_two_keys_choose_and_store(page_of):
    page = page_of("assisted", two_keys=True)
    assert page.locator("[aria-pressed=true]").count() == 0
    press(page, "Enter")
    press(page, "1")
    press(page, "2")
    assert page.locator(".label-button[aria-pressed=true]").inner_text().split() == ["2", "malignant"]
    assert not ReviewDecision.objects.exists()
    press(page, "Enter")
    case(page, "P-2202")
    settled(page)
    assert ReviewDecision.objects.get().label == "malignant"


def test_a_case_is_escalated_handed_over_and_flagged(page_of, world):
    page = page_of("assisted")
    with page.expect_response("**/flag/") as answer:
        press(page, "f")
    assert answer.value.status == 200
    assert Comment.objects.get().kind == "flag"
    press(page, "e")
    page.get_by_role("dialog", name="Escalate this case").get_by_label("Note").fill("too hard")
    page.get_by_role("dialog").get_by_role("button", name="Escalate").click()
    case(page, "P-2202")
    told(page, "Escalated.")
    assert QueueItem.objects.get(prediction=world.predictions[0]).tier == 1
    press(page, "o")
    dialog = page.get_by_role("dialog", name="Hand this case over")
    dialog.get_by_label("Colleague").select_option("bob")
    dialog.get_by_label("Note").fill("yours")
    dialog.get_by_role("button", name="Hand over").click()
    case(page, "P-2203")
    bob = access.Person.objects.get(user__username="bob").pseudonym
    assert QueueItem.objects.get(prediction=world.predictions[1]).assigned_to == bob


def test_folding_the_reasons_is_remembered_for_the_person(page_of):
    page = page_of("assisted")
    page.locator(".factors").first.wait_for()
    with page.expect_response("**/fold/"):
        press(page, "w")
    assert page.locator(".factors").first.is_hidden()
    page.reload()
    case(page, "P-2201")
    assert page.locator(".factors").first.is_hidden()


def test_an_explanation_that_comes_late_is_not_counted_before_it_is_shown(page_of, world):
    Explanation.objects.update(status="pending")
    page = page_of("blind_first")
    Explanation.objects.filter(prediction=world.predictions[0]).update(status="ready")
    assert not Lease.objects.filter(explanation_shown=True).exists()
    press(page, "1")
    page.locator(".factors").first.wait_for()
    assert Lease.objects.get(explanation_shown=True).item.prediction == world.predictions[0]
