"""Keys as people's keyboards tell them, by pages that hold still while cases follow each other."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model

from review.models import Explanation, ReviewDecision, ReviewerSettings
from tests.browser.reviewing import REVIEW, case, key_event, more, press, settled, shown

SHIFTS = """
    window.shifts = [];
    new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) {
            if (entry.hadRecentInput) continue;
            const told = ({ node, previousRect: from, currentRect: to }) => (
                `${node?.outerHTML?.slice(0, 80) ?? node?.nodeName}: ${JSON.stringify({ from, to })}`
            );
            const of = entry.sources.map(told);
            window.shifts.push([entry.value, ...of].join("; "));
        }
    }).observe({ type: "layout-shift", buffered: true });
"""


@pytest.fixture
def page(world, open_page):
    page = open_page("alice", REVIEW)
    case(page, "P-2201")
    return page


LAYOUTS = [
    ("&", "Digit1", {}, "benign"),  # AZERTY prints the digits with Shift only
    ("é", "Digit2", {}, "malignant"),
    ("2", "Digit2", {"shiftKey": True}, "malignant"),
    ("ф", "KeyA", {}, "benign"),  # Cyrillic: the place of the key
    ("A", "KeyA", {"modifierCapsLock": True}, "benign"),
    ("a", "KeyQ", {}, "benign"),  # AZERTY: the printed character, wherever it is
    ("x", "KeyB", {}, "malignant"),  # Dvorak
    ("1", "Numpad1", {}, "benign"),
]
NOT_OURS = [
    ("a", "KeyQ", {"repeat": True}),
    ("a", "KeyA", {"isComposing": True}),
    ("Process", "KeyA", {}),
    ("q", "KeyA", {}),
    ("1", "Digit1", {"ctrlKey": True}),
    ("1", "Digit1", {"altKey": True}),
    ("1", "Digit1", {"metaKey": True}),
    ("A", "KeyA", {"shiftKey": True}),
    ("Backspace", "Backspace", {}),
    (" ", "Space", {}),
    ("Enter", "Enter", {}),
]


def test_keys_are_right_on_every_layout(world, open_page):
    more(world, 12)
    type(world.predictions[0]).objects.update(predicted="benign")
    page = open_page("alice", REVIEW)
    expected = {}
    for key, code, held, label in LAYOUTS:
        name = shown(page)
        expected[name] = label
        key_event(page, key, code, **held)
        page.locator("#case-title").get_by_text(name, exact=True).wait_for(state="hidden")
    settled(page)
    assert dict(ReviewDecision.objects.values_list("prediction__external_id", "label")) == expected
    assert len(expected) == len(LAYOUTS)


def test_what_is_no_key_of_ours_decides_nothing(page):
    for key, code, held in NOT_OURS:
        key_event(page, key, code, **held)
        assert shown(page) == "P-2201", (key, code, held)
    press(page, "n")
    assert page.locator(".review-link").get_attribute("data-unsent") == "0"
    assert not ReviewDecision.objects.exists()


def test_moved_keys_are_on_the_buttons_and_keys_can_be_switched_off(page):
    alice = get_user_model().objects.get(username="alice")
    ReviewerSettings.objects.update_or_create(user=alice, defaults={"bindings": {"abstain": "t"}})
    page.reload()
    case(page, "P-2201")
    assert page.get_by_role("button", name="Can’t tell").get_attribute("aria-keyshortcuts") == "t"
    press(page, "c")
    press(page, "t")
    case(page, "P-2202")
    settled(page)
    assert ReviewDecision.objects.get().abstained
    ReviewerSettings.objects.update(keys_on=False)
    page.reload()
    case(page, "P-2202")
    for key in "12acsu":
        press(page, key)
    assert shown(page) == "P-2202"
    assert page.locator("#stage kbd").count() == 0
    page.get_by_role("button", name="Can’t tell").click()
    case(page, "P-2203")


def test_the_list_of_keys_names_every_key_of_the_page(page):
    press(page, "?")
    dialog = page.get_by_role("dialog", name="Keys")
    listed = set(dialog.locator("dt kbd").all_inner_texts())
    bound = page.locator("#review [data-key]").evaluate_all("nodes => nodes.map((node) => node.dataset.key)")
    names = {"enter": "Enter"}
    assert {names.get(key, key.upper()) for key in bound if not key.isdigit()} <= listed
    assert page.locator("#stage").get_attribute("data-ready") == "true"
    page.keyboard.press("1")
    page.keyboard.press("Escape")
    assert shown(page) == "P-2201"


@pytest.mark.parametrize("width", [1400, 320])
def test_nothing_moves_over_a_whole_run_of_keys(world, open_page, width):
    more(world, 30)
    Explanation.objects.filter(prediction__in=world.predictions[1:4]).update(status="pending")
    page = open_page("alice", "/queues/", width=width)
    page.context.add_init_script(SHIFTS)
    page.goto(REVIEW)
    case(page, "P-2201")
    bar = page.locator("#stage .bar").bounding_box()
    seen = []
    for key in "12ac1s2n1u2wfg1x":
        seen.append(shown(page))
        press(page, key)
        if key in "ng":
            page.keyboard.press("Escape")
        page.locator("#stage[data-ready=true]").wait_for()
        assert page.locator("#stage .bar").bounding_box() == bar
        if len(seen) == 2:
            Explanation.objects.update(status="ready")
            page.locator("#stage .factors").first.wait_for()
    settled(page)
    assert page.evaluate("window.shifts") == []
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    focus = page.evaluate("document.activeElement.id")
    assert focus == "case-title"


def test_two_hundred_presses_without_waiting_answer_each_case_once(world, open_page):
    more(world, 40)
    page = open_page("alice", REVIEW)
    case(page, "P-2201")
    for number in range(200):
        page.keyboard.press("12"[number % 2])
    page.get_by_role("heading", name="Nothing waits for you").or_(page.locator("#case-title")).wait_for()
    settled(page)
    made = list(ReviewDecision.objects.values_list("prediction", flat=True))
    assert made
    assert len(made) == len(set(made))
