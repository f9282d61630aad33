"""The bar of answers: as many ways to answer, as many keys; everything within reach, however narrow the window."""

from __future__ import annotations

import pytest

from review.models import Prediction, ReviewDecision, ReviewQueue
from review.views import states
from review.views.staging import case as staged
from tests.browser import world as makers
from tests.browser.reviewing import REVIEW, case, press, settled

TWELVE = [f"class {number}" for number in range(1, 13)]
TEN = [f"digit {number}" for number in range(10)]
# By its own box, and not covered by another one there.
IN_VIEW = """(node) => {
    const box = node.getBoundingClientRect();
    const there = document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2);
    return box.left >= 0 && box.right <= innerWidth && box.bottom <= innerHeight && node.contains(there);
}"""


@pytest.fixture
def state(transactional_db, settings, monkeypatch, open_page):
    """``state(classes)``: a case with these labels, shown by the page's own script."""
    settings.REVIEWHUB = {**settings.REVIEWHUB, "GALLERY": True}
    model, _ = makers.tumours()
    makers.cast(model)

    def make(classes, width, height):
        shown = states.State("ten-classes", "Labels", "many", staged(classes=classes))
        monkeypatch.setitem(states.STATES, "ten-classes", shown)
        page = open_page("alice", "/gallery/", width=width)
        page.set_viewport_size({"width": width, "height": height})
        page.goto("/gallery/ten-classes/")
        page.locator("#review[data-state=ready]").wait_for()
        return page

    return make


@pytest.mark.parametrize(("key", "label"), [("a", "malignant"), ("x", "benign"), ("2", "malignant"), ("c", None)])
def test_with_two_keys_no_answer_is_a_shorter_way_than_another(world, open_page, key, label):
    Prediction.objects.update(predicted="malignant")
    ReviewQueue.objects.update(two_keys=True)
    page = open_page("alice", REVIEW)
    case(page, "P-2201")
    press(page, key)
    chosen = page.locator("#decision [aria-pressed=true][name=answer]")
    chosen.wait_for()
    assert chosen.get_attribute("data-label") == (label or "Can’t tell")
    assert page.locator("#case-title").inner_text() == "P-2201"
    assert page.locator(".review-link").get_attribute("data-unsent") == "0"
    assert not ReviewDecision.objects.exists()
    press(page, "Enter")
    case(page, "P-2202")
    settled(page)
    assert ReviewDecision.objects.get().label == label


def test_the_list_of_keys_says_what_two_keys_mean_and_begins_at_its_heading(world, open_page):
    ReviewQueue.objects.update(two_keys=True)
    page = open_page("alice", REVIEW)
    case(page, "P-2201")
    press(page, "?")
    dialog = page.get_by_role("dialog", name="Keys")
    dialog.get_by_text("nothing is stored before Enter").wait_for()
    assert page.evaluate("document.activeElement.id") == "keys-title"
    assert dialog.get_by_role("button", name="Close").evaluate(IN_VIEW)


def test_ten_short_labels_stand_in_one_row(state):
    page = state(TEN, 1400, 900)
    tops = {round(button.bounding_box()["y"]) for button in page.locator(".label-button").all()}
    assert len(tops) == 1
    assert page.locator(".label-button").last.evaluate(IN_VIEW)


def test_on_a_small_screen_undo_and_the_way_to_all_the_rest_are_always_in_view(state):
    page = state(TWELVE, 320, 640)
    bar = page.locator(".bar").bounding_box()
    assert bar["height"] < 200
    for left in (0, 200, 2_000):
        page.locator(".acts-row").evaluate("(row, left) => { row.scrollLeft = left; }", left)
        for act in ("undo", "more"):
            assert page.locator(f".bar [data-act={act}]").evaluate(IN_VIEW), (act, left)
    for button in page.locator(".bar button:visible").all():
        box = button.bounding_box()
        assert box["height"] >= 44, button.inner_text()
        assert box["width"] >= 44, button.inner_text()
    assert page.locator("#case-title").evaluate(IN_VIEW)
    assert page.locator("#features-title").bounding_box()["y"] < bar["y"]


def test_one_press_shows_every_label_and_every_act_on_a_small_screen(world, open_page):
    page = open_page("alice", REVIEW, width=320)
    page.set_viewport_size({"width": 320, "height": 640})
    case(page, "P-2201")
    page.locator("#stage[data-ready=true]").wait_for()
    more = page.get_by_role("button", name="More labels and actions")
    more.click()
    assert more.get_attribute("aria-expanded") == "true"
    for button in page.locator(".bar button:visible").all():
        assert button.evaluate(IN_VIEW), button.inner_text()
    more.click()
    assert page.locator(".bar").bounding_box()["height"] < 200
