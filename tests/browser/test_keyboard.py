"""The main pages by keyboard alone: nothing but Tab, Enter, Escape and typing, and one always sees where one is."""

from __future__ import annotations

import pytest

from review.models import ReviewDecision

# Of what holds the focus: is it on screen, not covered, and marked by an outline or a border of its own?
FOCUS = """() => {
  const at = document.activeElement;
  if (!at || at === document.body) return null;
  const box = at.getBoundingClientRect();
  const style = getComputedStyle(at);
  const x = Math.min(Math.max(box.left + Math.min(box.width / 2, 40), 1), innerWidth - 2);
  const y = Math.min(Math.max(box.top + box.height / 2, 1), innerHeight - 2);
  const over = document.elementFromPoint(x, y);
  return {
    words: (at.getAttribute("aria-label") ?? at.textContent ?? "").trim().replace(/\\s+/g, " ").slice(0, 60) || at.id,
    tag: at.tagName,
    ring: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
    seen: box.bottom > 0 && box.top < innerHeight && box.width > 0,
    free: Boolean(over) && (at.contains(over) || over.contains(at)),
    bar: Boolean(at.closest(".bar")),
  };
}"""


def tab_to(page, words, *, most=60):
    """Tab until that is focused; what is focused on the way must be seen."""
    for _ in range(most):
        page.keyboard.press("Tab")
        at = page.evaluate(FOCUS)
        if at is None:
            continue
        assert at["ring"], f"no ring on {at['words']}"
        assert at["seen"], f"off the screen: {at['words']}"
        assert at["free"], f"covered: {at['words']}"
        if words in at["words"]:
            return at
    raise AssertionError(f"{words!r} is not reached by Tab")


def test_from_signing_in_to_signing_out(world, open_page):
    page = open_page(None, "/sign-in/")
    page.locator("#id_username").focus()
    page.keyboard.type("alice")
    page.keyboard.press("Tab")
    page.keyboard.type("alice-password-1")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Queues", exact=True).wait_for()
    tab_to(page, "Skip to the content", most=1)
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.goto("/")
    tab_to(page, "Queues")
    page.keyboard.press("Enter")
    page.wait_for_url("**/queues/")
    tab_to(page, "Review tumours")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="P-2201").wait_for()
    page.locator("#stage[data-ready=true]").wait_for()
    # The buttons, not the keys: whoever switched those off goes this way.
    tab_to(page, "malignant")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="P-2202").wait_for()
    page.locator("#stage[data-ready=true]").wait_for()
    assert page.evaluate("document.activeElement.id") == "case-title"
    page.get_by_text("Saved: malignant").first.wait_for()
    assert ReviewDecision.objects.get().label == "malignant"
    page.goto("/queues/")
    tab_to(page, "alice")
    page.keyboard.press("Enter")
    tab_to(page, "Settings", most=3)
    tab_to(page, "Sign out", most=1)
    page.keyboard.press("Enter")
    page.wait_for_url("**/sign-in/")


@pytest.fixture
def open_page(open_page):
    """Without smooth scrolling: what is focused is where it is at once."""

    def make(name, path):
        page = open_page(name)
        page.emulate_media(reduced_motion="reduce")
        page.goto(path)
        return page

    return make


@pytest.mark.parametrize("path", ["/", "/queues/", "/predictions/", "/models/tumours/", "/settings/"])
def test_tab_goes_through_a_page_and_out_of_it_again(world, open_page, path):
    page = open_page("erin", path)
    steps = page.locator("a[href], button, input, select, textarea, summary, [tabindex='0']").count() + 3
    seen = []
    for _ in range(steps):
        page.keyboard.press("Tab")
        at = page.evaluate(FOCUS)
        seen.append(at and at["words"])
        if at:
            assert at["ring"], f"no ring on {at['words']}"
            assert at["free"], f"covered: {at['words']}"
    assert "Skip to the content" in seen[0]
    # No trap: the browser's own part, or the first link again.
    assert None in seen or seen.count(seen[0]) > 1


def test_the_account_menu_closes_on_escape_and_keeps_the_focus(world, open_page):
    page = open_page("alice", "/queues/")
    tab_to(page, "alice")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Escape")
    assert page.locator("details.account[open]").count() == 0
    assert page.evaluate("document.activeElement.tagName") == "SUMMARY"


def test_settings_are_changed_by_keyboard_and_their_faults_are_read_out(world, open_page):
    page = open_page("alice", "/settings/")
    page.get_by_label("Cases claimed ahead").focus()
    page.keyboard.press("Control+a")
    page.keyboard.type("7")
    page.keyboard.press("Enter")
    page.get_by_text("Nothing was stored").wait_for()
    field = page.get_by_label("Cases claimed ahead")
    assert field.get_attribute("aria-invalid") == "true"
    assert "id_ahead_errors" in field.get_attribute("aria-describedby")
    field.focus()
    page.keyboard.press("Control+a")
    page.keyboard.type("3")
    page.keyboard.press("Enter")
    page.get_by_text("Your settings are stored").wait_for()
