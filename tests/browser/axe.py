"""What axe-core finds wrong with a page, in words that lead to the element."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

from axe_playwright_python.base import AXE_SCRIPT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from playwright.sync_api import Page

# Every rule of levels A and AA up to WCAG 2.2, target size among them, and those axe calls best practice.
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa", "best-practice"]
VIEWS = tuple(product((1400, 320), ("light", "dark")))
# A theme changes colours and nothing else, so the second theme is asked only what colours decide.
OF_COLOURS = ["color-contrast", "link-in-text-block"]
RUN = "runOnly => axe.run(document, {runOnly, resultTypes: ['violations']})"


def violations(page: Page, *, colours: bool = False) -> list[str]:
    """One line for each element that breaks a rule, as the page stands now; of all rules or of those about colours."""
    if not page.evaluate("'axe' in window"):
        # Through the debugger, which the page's own policy does not bind; no page is served with less of it.
        page.evaluate(AXE_SCRIPT)
    only = {"type": "rule", "values": OF_COLOURS} if colours else {"type": "tag", "values": TAGS}
    found: list[dict[str, Any]] = page.evaluate(RUN, only)["violations"]
    return [f"{rule['id']}: {target(node)} {why(node)}" for rule in found for node in rule["nodes"]]


def in_every_view(page: Page, name: str, views: Iterable[tuple[int, str]] = VIEWS) -> list[str]:
    """The faults of one page wide and narrow, light and dark; also whether it scrolls sideways."""
    faults = []
    widths = set()
    # The review page shows nothing for the moment in which a case comes at once.
    page.locator("h1").first.wait_for(state="attached")
    for width, theme in views:
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        faults += [f"{name} {width} {theme}: {fault}" for fault in violations(page, colours=width in widths)]
        widths.add(width)
        beyond = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        if beyond > 0:
            faults.append(f"{name} {width} {theme}: {beyond} px wider than the screen")
    return faults


def target(node: dict[str, Any]) -> str:
    return " ".join(map(str, node["target"]))


def why(node: dict[str, Any]) -> str:
    checks = [*node["any"], *node["all"], *node["none"]]
    return "; ".join(check["message"] for check in checks)[:300]
