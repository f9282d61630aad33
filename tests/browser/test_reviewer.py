from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models import F

from models_registry import access
from review import queue
from review.models import Explanation, Lease, QueueItem, ReviewDecision, ReviewQueue

REVIEW = "/queues/tumours/review/"


@pytest.fixture
def page(world, open_page):
    page = open_page("alice", REVIEW)
    case(page, "P-2201")
    return page


def case(page, name):
    page.get_by_role("heading", name=name, level=1).wait_for()


def press(page, key):
    """A key once the page takes keys again: a new case ignores them for a moment, so that one press is one answer."""
    page.locator("#stage[data-ready=true]").wait_for()
    page.keyboard.press(key)


def test_keys_decide_skip_and_undo(page):
    press(page, "2")
    case(page, "P-2202")
    page.locator("#stage").get_by_text("Saved: malignant.").wait_for()
    press(page, "s")
    case(page, "P-2203")
    press(page, "c")
    case(page, "P-2204")
    press(page, "u")
    case(page, "P-2203")
    page.locator("#stage").get_by_text("Undone: can’t tell").wait_for()
    press(page, "a")
    case(page, "P-2204")
    told = list(
        ReviewDecision.objects.order_by("id").values_list("prediction__external_id", "kind", "label", "abstained")
    )
    agreed = QueueItem.objects.get(prediction__external_id="P-2203").prediction.predicted
    assert told == [
        ("P-2201", "decision", "malignant", False),
        ("P-2203", "decision", None, True),
        ("P-2203", "undo", None, False),
        ("P-2203", "decision", agreed, False),
    ]
    assert Lease.objects.get(item__prediction__external_id="P-2202").reason == "skipped"
    assert page.broken == []


def test_undo_brings_the_case_back_with_the_answer_marked_and_its_note(page):
    press(page, "n")
    page.keyboard.type("smooth 1 a s u")
    page.keyboard.press("Escape")
    press(page, "1")
    case(page, "P-2202")
    press(page, "u")
    case(page, "P-2201")
    page.get_by_role("button", name="benign your answer before").wait_for()
    assert page.locator("#note").input_value() == "smooth 1 a s u"


def test_a_key_held_down_is_one_answer(page):
    page.locator("#stage[data-ready=true]").wait_for()
    page.keyboard.down("1")
    case(page, "P-2202")
    for _ in range(5):
        page.keyboard.down("1")
    page.keyboard.up("1")
    case(page, "P-2202")
    assert ReviewDecision.objects.count() == 1


@pytest.mark.parametrize("combination", ["Control+1", "Alt+1", "Meta+1", "Shift+A"])
def test_combinations_of_the_browser_answer_nothing(page, combination):
    page.locator("#stage[data-ready=true]").wait_for()
    page.keyboard.press(combination)
    press(page, "n")
    page.locator("#note").wait_for(state="visible")
    assert ReviewDecision.objects.count() == 0


def test_buttons_do_what_their_keys_do(page):
    page.get_by_role("button", name="malignant").click()
    case(page, "P-2202")
    page.get_by_role("button", name="Agree").click()
    case(page, "P-2203")
    assert ReviewDecision.objects.filter(label__isnull=False).count() == 2


def test_nothing_is_chosen_beforehand(page):
    assert page.locator("#decision :checked, #decision [aria-pressed=true]").count() == 0
    assert page.evaluate("document.activeElement.closest('#decision')") is None


def test_reason_codes_go_with_the_answer_they_belong_to(page):
    press(page, "n")
    page.get_by_label("irregular nuclei").check()
    page.get_by_label("smooth border").check()
    page.get_by_role("button", name="malignant").click()
    case(page, "P-2202")
    assert ReviewDecision.objects.get().reason_codes == ["irregular_nuclei"]


def test_a_lease_that_ran_out_keeps_the_note_and_gives_the_case_again(page):
    press(page, "n")
    page.keyboard.type("half a thought")
    page.keyboard.press("Escape")
    overdue()
    press(page, "1")
    page.locator("#stage").get_by_text("Your hold on this case had ended").wait_for()
    case(page, "P-2201")
    assert page.locator("#note").input_value() == "half a thought"
    press(page, "1")
    case(page, "P-2202")
    assert ReviewDecision.objects.get().rationale == "half a thought"


def test_a_case_that_somebody_else_has_now_is_said_with_the_note(page, world):
    press(page, "n")
    page.keyboard.type("too late")
    page.keyboard.press("Escape")
    overdue()
    item = QueueItem.objects.get(prediction=world.predictions[0])
    assert queue.claim(queue=ReviewQueue.objects.get(), models=[world.model], holder="r-other", item=item.pk)
    press(page, "1")
    page.locator("#stage").get_by_text("Your answer on P-2201 was not used").wait_for()
    page.locator("#stage").get_by_text("too late").wait_for()
    case(page, "P-2202")


def test_late_explanations_appear_and_failed_ones_say_why(world, open_page):
    Explanation.objects.update(status="pending")
    page = open_page("alice", REVIEW)
    page.locator("#stage").get_by_text("Still being computed").wait_for()
    Explanation.objects.filter(prediction=world.predictions[0]).update(status="ready")
    page.locator("#stage").get_by_text("25 other factors together").wait_for()
    assert Lease.objects.get().explanation_shown
    Explanation.objects.filter(prediction=world.predictions[1]).update(status="failed", reason="took longer than 60 s")
    press(page, "1")
    page.locator("#stage").get_by_text("Took longer than 60 s").wait_for()


def test_the_ends_of_a_queue_tell_empty_leased_and_paused_apart(world, open_page):
    line = ReviewQueue.objects.get()
    queue.claim(queue=line, models=[world.model], holder="r-other", count=6)
    page = open_page("alice", REVIEW)
    page.get_by_role("heading", name="6 cases are with colleagues").wait_for()
    QueueItem.objects.update(lease_token=None, lease_holder=None, lease_expires_at=None, state="decided")
    page.get_by_role("button", name="Look again").click()
    page.get_by_role("heading", name="Nothing waits for you").wait_for()
    queue.pause(queue=line, actor="erin", reason="training")
    page.get_by_role("button", name="Look again").click()
    page.get_by_role("heading", name="This queue is paused").wait_for()
    page.locator("#stage").get_by_text("erin paused it").wait_for()


def test_an_ended_session_leads_to_signing_in(page):
    page.context.clear_cookies()
    page.get_by_role("button", name="malignant").click()
    page.get_by_text("open for too long").or_(page.get_by_role("heading", name="Sign in")).wait_for()
    assert ReviewDecision.objects.count() == 0


def test_the_owner_does_not_take_what_the_reviewer_holds(page, open_page):
    other = open_page("erin", REVIEW)
    case(other, "P-2202")
    alice = access.person_of(access.Person.objects.get(user__username="alice").user).pseudonym
    assert QueueItem.objects.filter(lease_holder=alice).count() == 1


def overdue():
    hour = timedelta(hours=1)
    QueueItem.objects.filter(lease_token__isnull=False).update(lease_expires_at=F("lease_expires_at") - hour)
    Lease.objects.update(claimed_at=F("claimed_at") - hour, expires_at=F("expires_at") - hour)


def test_ten_classes_fit_a_narrow_screen_and_the_tenth_has_a_button_without_a_key(world, open_page):
    classes = [f"class number {number}" for number in range(1, 11)]
    type(world.model).objects.update(classes=classes, task="multiclass")
    type(world.predictions[0]).objects.update(scores=[0.1] * 10, predicted=classes[0], confidence=0.1)
    page = open_page("alice", REVIEW, width=360)
    case(page, "P-2201")
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert page.locator("#decision .label-button[data-key]").count() == 9
    page.get_by_role("button", name="class number 10").click()
    case(page, "P-2202")
    assert ReviewDecision.objects.get().label == "class number 10"
