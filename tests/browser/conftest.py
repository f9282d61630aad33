"""A real Chromium on a live server. Pages are made by the product; rows come from ``world``."""

from __future__ import annotations

import os
import shutil
import threading
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import sync_playwright

from tests.browser import world as makers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, Page

# Playwright keeps an event loop in this thread; the tests reach the database from it all the same.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/browser/" in str(item.path):
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
        )
        yield browser
        browser.close()


@pytest.fixture
def world(transactional_db: None) -> makers.World:
    return makers.small()


@pytest.fixture
def rich_world(transactional_db: None) -> makers.World:
    return makers.rich()


@pytest.fixture
def open_page(chromium: Browser, live_server: Any) -> Iterator[Callable[..., Page]]:
    """``open_page("erin", "/models/")``: a page of a fresh browser session, signed in when a name is given."""
    contexts = []

    def make(name: str | None = None, path: str = "/", *, width: int = 1400, theme: str = "light") -> Page:
        context = chromium.new_context(
            base_url=live_server.url, viewport={"width": width, "height": 900}, color_scheme=theme, locale="en-GB"
        )
        contexts.append(context)
        context.set_default_timeout(30_000)
        page = context.new_page()
        page.broken = []
        page.on("pageerror", lambda error: page.broken.append(str(error)))
        page.on("console", lambda said: page.broken.append(said.text) if said.type == "error" else None)
        if name is not None:
            context.add_cookies([{"name": "sessionid", "value": makers.session_of(name), "url": live_server.url}])
        page.goto(path)
        return page

    yield make
    for context in contexts:
        context.close()
    # A page that is left gives its cases back; the rows stay until the server has done so.
    for thread in threading.enumerate():
        if "process_request_thread" in thread.name:
            thread.join(timeout=10)
