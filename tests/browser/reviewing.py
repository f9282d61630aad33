"""What the tests of the review page share: pressing keys as a person does, and making trouble on the way."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.db.models import F

from review.models import Lease, QueueItem
from tests.browser import world as makers

if TYPE_CHECKING:
    from playwright.sync_api import Page

REVIEW = "/queues/tumours/review/"
ANSWERS = "**/review/answers/"
# What this device keeps until the server has heard of it.
KEPT = """new Promise((resolve) => {
    const opening = indexedDB.open("reviewhub-outbox", 1);
    opening.onsuccess = () => {
        const asked = opening.result.transaction("decisions").objectStore("decisions").getAll();
        asked.onsuccess = () => resolve(asked.result);
    };
})"""


def case(page: Page, name: str) -> None:
    page.get_by_role("heading", name=name, level=1).wait_for()


def press(page: Page, key: str) -> None:
    """A key once the page takes keys again: a new case ignores them for a moment, so that one press is one answer."""
    page.locator("#stage[data-ready=true]").wait_for()
    page.keyboard.press(key)


def told(page: Page, text: str) -> None:
    """The line above the case says it."""
    page.locator("[data-toast]").get_by_text(text).wait_for()


def shown(page: Page) -> str:
    """The name of the case on screen."""
    page.locator("#stage[data-ready=true] #case-title").wait_for()
    return page.locator("#case-title").inner_text()


def settled(page: Page) -> None:
    """Until everything that was decided has its answer."""
    page.locator(".review-link[data-unsent='0']").wait_for()


def more(world: makers.World, upto: int) -> None:
    """More cases that wait, up to 40 in all."""
    for number in range(6, upto):
        world.predictions.append(makers.waiting(world.model, world.version, number))


def seen(page: Page) -> None:
    """Until the server knows that the case on screen is seen, which gives its lease the full time."""
    page.locator("#stage [data-lease=held]").wait_for(state="attached")


def overdue(page: Page) -> None:
    """Every lease ran out an hour ago."""
    seen(page)
    hour = timedelta(hours=1)
    QueueItem.objects.filter(lease_token__isnull=False).update(lease_expires_at=F("lease_expires_at") - hour)
    Lease.objects.update(claimed_at=F("claimed_at") - hour, expires_at=F("expires_at") - hour)


def key_event(page: Page, key: str, code: str, **more: Any) -> None:
    """A key as another layout of the keyboard tells it."""
    page.locator("#stage[data-ready=true]").wait_for()
    page.evaluate(
        """([kind]) => {
            for (const name of ["keydown", "keyup"]) {
                document.body.dispatchEvent(new KeyboardEvent(name, { bubbles: true, cancelable: true, ...kind }));
            }
        }""",
        [{"key": key, "code": code, **more}],
    )
