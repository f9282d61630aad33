"""Practice, known cases and what comes of them, in a real browser: by keyboard, by buttons, clean in every view."""

from __future__ import annotations

import os
import re
from itertools import count
from pathlib import Path

import pytest

from feedback import gold
from feedback.models import PracticeAnswer
from review.models import Lease, QueueItem, ReviewDecision
from tests.browser import axe
from tests.browser.world import waiting

PAGE = "/practice/tumours/"
SHOTS = os.environ.get("PRACTICE_SHOTS")
CASES = 12
TOKENS = count(10**9)


def shot(page, name):
    if SHOTS:
        for width, theme in axe.VIEWS:
            page.set_viewport_size({"width": width, "height": 900})
            page.emulate_media(color_scheme=theme)
            page.screenshot(path=Path(SHOTS) / f"{name}-{width}-{theme}.png", full_page=True)


def known(world, first, number, *, practice, explained="ready"):
    """So many past cases of which the truth is known; the model errs in every second one."""
    found = []
    for place in range(first, first + number):
        case = waiting(world.model, world.version, place, explained=explained)
        case.items.update(state="withdrawn")
        other = next(label for label in world.model.classes if label != case.predicted)
        value = other if place % 2 else case.predicted
        gold.set_gold(prediction=case, value=value, actor="erin", practice=practice)
        found.append(case)
    return found


@pytest.fixture
def practised(world):
    known(world, 6, CASES, practice=True)
    return world


def told(page):
    return page.locator("#told-title").inner_text()


def test_a_newcomer_learns_the_keys_case_by_case_and_is_told_how_it_went(practised, open_page):
    page = open_page("alice", PAGE)
    pressed = ["1", "a", "o", "x"]
    for place in range(CASES):
        page.get_by_role("heading", name=f"case {place + 1} of {CASES}").wait_for()
        page.wait_for_timeout(150)
        offered = page.locator(".practice-bar [data-key]").evaluate_all("all => all.map(one => one.dataset.key)")
        key = pressed[place] if place < len(pressed) and pressed[place] in offered else "2"
        if page.locator("#note").count():
            page.keyboard.press(page.locator("#note").get_attribute("data-note-key"))
            page.keyboard.type("1a")
            page.keyboard.press("Escape")
        page.keyboard.press(key)
        page.locator("#told-title").wait_for()
        assert page.evaluate("document.activeElement.id") == "told-title"
        page.wait_for_timeout(150)
        page.keyboard.press("Enter")
    page.get_by_role("heading", name=re.compile("of 12 right at the first try")).wait_for()
    assert page.locator("tbody tr").count() == CASES
    assert PracticeAnswer.objects.count() == CASES
    assert not ReviewDecision.objects.exists()
    assert not Lease.objects.exists()
    assert page.broken == []
    page.get_by_role("link", name="Go to the queue").click()
    page.locator("#case-title").wait_for()


def test_one_press_held_down_answers_one_case(practised, open_page):
    page = open_page("alice", PAGE)
    page.wait_for_timeout(150)
    page.keyboard.down("1")
    page.locator("#told-title").wait_for()
    page.keyboard.down("1")
    page.keyboard.up("1")
    assert PracticeAnswer.objects.count() == 1


def test_buttons_alone_do_it_without_any_script(practised, chromium, live_server, open_page):
    cookie = open_page("alice", PAGE).context.cookies()
    context = chromium.new_context(base_url=live_server.url, java_script_enabled=False)
    context.add_cookies(cookie)
    page = context.new_page()
    page.goto(PAGE)
    for place in range(CASES):
        assert f"case {place + 1} of {CASES}" in page.locator("h1").inner_text()
        page.locator(".label-button").nth(place % 2).click()
        assert told(page)
        page.get_by_role("link", name=re.compile("Next case|See how it went")).click()
    assert page.locator("h1").inner_text().endswith("right at the first try")
    context.close()


def test_skip_and_undo_are_pressed_and_keep_nothing(practised, open_page):
    page = open_page("alice", f"{PAGE}?case=8")
    page.get_by_role("button", name="Skip").click()
    page.get_by_role("heading", name="case 9 of 12").wait_for()
    page.get_by_role("button", name=re.compile("Undo")).click()
    page.get_by_role("heading", name="case 8 of 12").wait_for()
    assert not PracticeAnswer.objects.exists()


def test_practice_is_clean_in_every_view(practised, open_page):
    page = open_page("alice", PAGE)
    faults = axe.in_every_view(page, "first")
    shot(page, "first")
    page.goto(f"{PAGE}?case=12")
    faults += axe.in_every_view(page, "last")
    shot(page, "last")
    for name, place in (("right", 0), ("wrong", 1), ("abstained", 2)):
        page.goto(f"{PAGE}?case={12 - place}")
        answer = {"right": ".label-button >> nth=1", "wrong": ".label-button >> nth=0", "abstained": "[value=abstain]"}
        page.locator(answer[name]).first.click()
        page.locator("#told-title").wait_for()
        faults += axe.in_every_view(page, name)
        shot(page, name)
    for place in range(12):
        page.goto(f"{PAGE}?case={place + 1}")
        page.locator(".label-button").first.click()
    page.goto(PAGE)
    faults += axe.in_every_view(page, "end")
    shot(page, "end")
    assert faults == []


def test_known_cases_and_quality_are_clean_in_every_view(rich_world, open_page):
    first = rich_world.model.predictions.filter(routing__review="none")[:6]
    cases = list(first)
    for place, case in enumerate(cases):
        value = rich_world.model.classes[place % 2]
        gold.set_gold(prediction=case, value=value, actor="nobody")
        for slot in range(40):
            _answered(rich_world, case, 50 + slot, value if slot % 9 else case.predicted)
    page = open_page("erin", "/models/tumours/gold/")
    faults = axe.in_every_view(page, "gold")
    shot(page, "gold")
    page.goto("/models/tumours/quality/?window=all")
    page.locator("details").evaluate_all("folds => folds.forEach((fold) => { fold.open = true; })")
    faults += axe.in_every_view(page, "quality")
    shot(page, "quality")
    assert faults == []
    assert page.broken == []


def _answered(world, case, slot, label):
    """A gold answer as the steps would have left it."""
    kind = {"kind": "gold", "state": "decided", "slot": slot}
    item = QueueItem.objects.create(prediction=case, model=world.model, queue=world.model.queues.get(), **kind)
    token = f"00000000-0000-0000-0000-{next(TOKENS):012d}"
    lease = Lease.objects.create(token=token, item=item, holder=f"r-{slot}", expires_at=item.enqueued_at)
    ReviewDecision.objects.create(
        item=item, prediction=case, model=world.model, lease=lease, reviewer=f"r-{slot}", label=label,
        definition=world.model.definitions.get(), model_shown_at=case.received_at, mode="assisted",
    )  # fmt: skip
