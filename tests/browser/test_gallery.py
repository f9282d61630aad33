"""axe finds nothing on any state of the review page, in both themes, wide and at 320 px; no state breaks its script."""

from __future__ import annotations

import pytest

from review.views.states import GROUPS, STATES
from tests.browser import world as makers
from tests.browser.axe import in_every_view


@pytest.fixture
def page(transactional_db, settings, open_page):
    settings.REVIEWHUB = {**settings.REVIEWHUB, "GALLERY": True}
    model, _ = makers.tumours()
    makers.cast(model)
    return open_page("alice", "/gallery/")


def test_the_index(page):
    faults = in_every_view(page, "gallery")
    assert not faults, "\n".join(faults)
    assert page.broken == []


@pytest.mark.parametrize("group", GROUPS)
def test_every_state(page, group):
    faults = []
    for state in GROUPS[group]:
        page.goto(f"/gallery/{state.name}/")
        page.locator("#review[data-state=ready]").wait_for()
        faults += in_every_view(page, state.name)
        faults += [f"{state.name}: {said}" for said in page.broken]
        page.broken.clear()
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("name", [name for name, state in STATES.items() if "open" in state.client])
def test_what_is_open_takes_the_focus_and_gives_it_back_on_escape(page, name):
    page.goto(f"/gallery/{name}/")
    page.locator("#review[data-state=ready]").wait_for()
    inside = "document.activeElement.closest('dialog')?.id"
    assert page.evaluate(inside) == STATES[name].client["open"]
    for _ in range(12):
        page.keyboard.press("Tab")
        assert page.evaluate(
            "document.activeElement === document.body || Boolean(document.activeElement.closest('dialog'))"
        )
    page.keyboard.press("Escape")
    assert page.locator("dialog[open]").count() == 0
