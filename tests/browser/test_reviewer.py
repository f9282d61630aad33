from __future__ import annotations

import pytest

from models_registry import access
from review import queue
from review.models import Explanation, Lease, QueueItem, ReviewDecision, ReviewQueue
from tests.browser.reviewing import REVIEW, case, overdue, press, settled, told


@pytest.fixture
def page(world, open_page):
    page = open_page("alice", REVIEW)
    case(page, "P-2201")
    return page


def test_keys_decide_skip_and_undo(page):
    press(page, "2")
    case(page, "P-2202")
    told(page, "Saved: malignant.")
    press(page, "s")
    case(page, "P-2203")
    press(page, "c")
    case(page, "P-2204")
    press(page, "u")
    case(page, "P-2203")
    told(page, "Undone: Can’t tell")
    press(page, "a")
    case(page, "P-2204")
    settled(page)
    stored = list(
        ReviewDecision.objects.order_by("id").values_list("prediction__external_id", "kind", "label", "abstained")
    )
    agreed = QueueItem.objects.get(prediction__external_id="P-2203").prediction.predicted
    assert stored == [
        ("P-2201", "decision", "malignant", False),
        ("P-2203", "decision", None, True),
        ("P-2203", "undo", None, False),
        ("P-2203", "decision", agreed, False),
    ]
    # It may be claimed ahead again since, as the last of this short queue.
    assert Lease.objects.filter(item__prediction__external_id="P-2202", reason="skipped").count() == 1
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
    settled(page)
    assert ReviewDecision.objects.count() == 1


def test_combinations_of_the_browser_answer_nothing(page):
    for combination in ("Control+1", "Alt+1", "Meta+1", "Shift+A"):
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
    settled(page)
    assert ReviewDecision.objects.filter(label__isnull=False).count() == 2
    assert set(ReviewDecision.objects.values_list("input_kind", flat=True)) == {"pointer"}


def test_nothing_is_chosen_beforehand(page):
    assert page.locator("#decision :checked, #decision [aria-pressed=true]").count() == 0
    assert page.evaluate("document.activeElement.closest('#decision')") is None


def test_reason_codes_go_with_the_answer_they_belong_to(page):
    press(page, "n")
    page.get_by_label("irregular nuclei").check()
    page.get_by_label("smooth border").check()
    page.get_by_role("button", name="malignant").click()
    case(page, "P-2202")
    settled(page)
    assert ReviewDecision.objects.get().reason_codes == ["irregular_nuclei"]


def test_an_answer_whose_lease_ran_out_counts_while_nobody_else_has_the_case(page):
    press(page, "n")
    page.keyboard.type("half a thought")
    page.keyboard.press("Escape")
    overdue(page)
    press(page, "1")
    case(page, "P-2202")
    told(page, "Saved: benign.")
    assert ReviewDecision.objects.get().rationale == "half a thought"


def test_a_case_that_somebody_else_has_now_is_said_with_the_note(page, world):
    press(page, "n")
    page.keyboard.type("too late")
    page.keyboard.press("Escape")
    overdue(page)
    item = QueueItem.objects.get(prediction=world.predictions[0])
    assert queue.claim(queue=ReviewQueue.objects.get(), models=[world.model], holder="r-other", item=item.pk)
    press(page, "1")
    page.locator("[data-notices]").get_by_text("Your answer on P-2201 was not used").wait_for()
    page.locator("[data-notices]").get_by_text("too late").wait_for()
    case(page, "P-2202")
    press(page, "h")
    page.get_by_role("dialog").get_by_text("Your answer on P-2201 was not used").wait_for()


def test_late_explanations_appear_and_failed_ones_say_why(world, open_page):
    Explanation.objects.update(status="pending")
    page = open_page("alice", REVIEW)
    page.locator("#stage").get_by_text("Still being computed").wait_for()
    Explanation.objects.filter(prediction=world.predictions[0]).update(status="ready")
    page.locator("#stage").get_by_text("25 other factors together").wait_for()
    assert Lease.objects.get(item__prediction__external_id="P-2201").explanation_shown
    Explanation.objects.filter(prediction=world.predictions[1]).update(status="failed", reason="took longer than 60 s")
    press(page, "1")
    page.locator("#stage").get_by_text("Took longer than 60 s").wait_for()


def test_the_ends_of_a_queue_tell_empty_leased_and_paused_apart(world, open_page):
    line = ReviewQueue.objects.get()
    queue.claim(queue=line, models=[world.model], holder="r-other", count=6)
    page = open_page("alice", REVIEW)
    page.get_by_role("heading", name="6 cases are with colleagues").wait_for()
    page.locator("#stage").get_by_text("may come free at").wait_for()
    QueueItem.objects.update(lease_token=None, lease_holder=None, lease_expires_at=None, state="decided")
    press(page, "Enter")
    page.get_by_role("heading", name="Nothing waits for you").wait_for()
    page.locator("#stage").get_by_text("The newest prediction came").wait_for()
    queue.pause(queue=line, actor="erin", reason="training")
    page.get_by_role("button", name="Look again").click()
    page.get_by_role("heading", name="This queue is paused").wait_for()
    page.locator("#stage").get_by_text("erin paused it").wait_for()


def test_the_owner_does_not_take_what_the_reviewer_holds(page, open_page):
    other = open_page("erin", REVIEW)
    case(other, "P-2204")
    alice = access.person_of(access.Person.objects.get(user__username="alice").user).pseudonym
    assert QueueItem.objects.filter(lease_holder=alice, prediction__external_id="P-2201").exists()


def test_ten_classes_fit_a_narrow_screen_and_the_tenth_has_the_key_0(world, open_page):
    classes = [f"class number {number}" for number in range(1, 11)]
    type(world.model).objects.update(classes=classes, task="multiclass")
    type(world.predictions[0]).objects.update(scores=[0.1] * 10, predicted=classes[0], confidence=0.1)
    page = open_page("alice", REVIEW, width=320)
    case(page, "P-2201")
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert page.locator("#decision .label-button[data-key]").count() == 10
    press(page, "0")
    case(page, "P-2202")
    page.get_by_role("button", name="class number 9").click()
    case(page, "P-2203")
    settled(page)
    assert list(ReviewDecision.objects.order_by("id").values_list("label", flat=True)) == [classes[9], classes[8]]
