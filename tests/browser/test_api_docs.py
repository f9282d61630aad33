"""The page of the API in a real browser: it fits, and a problem's address leads to its meaning."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize(("width", "theme"), [(1400, "light"), (360, "dark")])
def test_the_page_fits_and_runs_clean(world, open_page, width, theme):
    page = open_page(None, "/api/v1/docs/#problem-lease_lost", width=width, theme=theme)
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert page.locator("#problem-lease_lost:target").inner_text().startswith("lease_lost")
    page.locator("#queues_claim_create summary").first.click()
    assert page.locator("#queues_claim_create").get_by_text("items[].lease", exact=True).is_visible()
    assert page.broken == []
