"""A scripted reviewer at the keyboard of a real browser, on a real web server that is slow, killed, or has two tabs.

The suite takes a few cases, `make faults` two hundred.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
from django.conf import settings

from feedback import labels
from review.models import QueueItem, ReviewDecision
from reviewhub.invariants import check_all
from tests import running
from tests.browser import world as makers
from tests.browser.reviewing import settled
from tests.conftest import make_model
from tests.faults import claiming

CASES = 200 if os.environ.get("FAULTS") == "full" else 24
SAVE_DELAY_MS = 6_000
PATIENCE_MS = 45_000
REVIEW = "/queues/payments/review/"
STANDS = "#stage[data-ready=true] #case-title, #stage #empty-title"
# Every save is held back on its way, as a slow line would; claims are not.
SLOW_SAVES = """
    const straight = window.fetch;
    window.fetch = async (address, options) => {
        if (String(address).endsWith("answers/")) await new Promise((go) => setTimeout(go, DELAY));
        return straight(address, options);
    };
"""

pytestmark = pytest.mark.faults


@pytest.fixture(scope="module")
def statics(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Static files as the web server has them in production, with the manifest of their hashes."""
    folder = tmp_path_factory.mktemp("static")
    command = [sys.executable, "manage.py", "collectstatic", "--noinput", "--verbosity", "0"]
    environment = {**os.environ, "STATIC_ROOT": str(folder)}
    subprocess.run(command, cwd=settings.BASE_DIR, env=environment, check=True)
    return folder


@pytest.fixture
def server(transactional_db: None, statics: Path, tmp_path: Path) -> Iterator[running.Web]:
    model, _ = make_model("payments")
    makers.cast(model)
    claiming.waiting(model, CASES, 0)
    # What a killed server handed out and nobody heard of is free again after this.
    changes = {"STATIC_ROOT": str(statics), "REVIEWHUB_RESERVED_SECONDS": "10"}
    with running.mortal_web(tmp_path / "web.log", threads=8, **changes) as started:
        yield started


@contextmanager
def tabs(chromium: Any, server: running.Web, count: int = 1, script: str = "") -> Iterator[list[Any]]:
    """Pages of one browser in which one person has signed in."""
    context = chromium.new_context(base_url=server.url, viewport={"width": 1400, "height": 900})
    context.set_default_timeout(PATIENCE_MS)
    context.add_cookies([{"name": "sessionid", "value": makers.session_of("alice"), "url": server.url}])
    if script:
        context.add_init_script(script)
    opened = [context.new_page() for _ in range(count)]
    for page in opened:
        page.goto(REVIEW)
    try:
        yield opened
    finally:
        context.close()


class Reviewer:
    """Presses a key for each case that stands there, and remembers which."""

    def __init__(self, pages: list[Any]) -> None:
        self.pages = pages
        self.answers: dict[str, str] = {}

    def work(self, upto: int) -> None:
        """Until so many cases have their key, in one tab after the other."""
        for page in cycle(self.pages):
            if len(self.answers) >= upto:
                return
            self.one(page)

    def one(self, page: Any) -> None:
        stands = page.locator(STANDS)
        stands.wait_for()
        name = stands.inner_text()
        if page.locator("#empty-title").count():
            # What is held by an answer that nobody heard comes free by itself; a person looks again.
            page.locator("#stage [data-act=look]").click()
            return
        assert name not in self.answers, f"{name} came a second time"
        label = crc32(name.encode()) % 2
        self.answers[name] = ("ok", "fraud")[label]
        page.keyboard.press(str(label + 1))

    def everything_is_stored(self) -> None:
        for page in self.pages:
            settled(page)
        labels.pull_all()
        rows = ReviewDecision.objects.values_list("prediction__external_id", "label", "kind")
        assert len(rows) == len(self.answers)
        assert {name: label for name, label, kind in rows if kind == "decision"} == self.answers
        assert set(ReviewDecision.objects.values_list("input_kind", flat=True)) == {"key"}
        assert [verdict.invariant.number for verdict in check_all() if verdict.broken] == []


def test_every_save_is_six_seconds_late_and_every_case_is_decided_once(chromium: Any, server: running.Web):
    with tabs(chromium, server, script=SLOW_SAVES.replace("DELAY", str(SAVE_DELAY_MS))) as pages:
        reviewer = Reviewer(pages)
        reviewer.work(CASES)
        reviewer.everything_is_stored()
    assert not QueueItem.objects.open().exists()


def test_the_server_is_killed_and_comes_back_and_every_case_is_decided_once(chromium: Any, server: running.Web):
    with tabs(chromium, server) as pages:
        reviewer = Reviewer(pages)
        reviewer.work(CASES // 2)
        server.kill()
        # What was claimed ahead can be decided while nobody answers.
        reviewer.one(pages[0])
        pages[0].locator(".review-link:not([data-unsent='0'])").wait_for()
        server.start()
        reviewer.work(CASES)
        reviewer.everything_is_stored()
    assert not QueueItem.objects.open().exists()


def test_two_tabs_of_one_person_share_the_queue_and_every_case_is_decided_once(chromium: Any, server: running.Web):
    with tabs(chromium, server, count=2) as pages:
        reviewer = Reviewer(pages)
        reviewer.work(CASES)
        reviewer.everything_is_stored()
    assert not QueueItem.objects.open().exists()


def test_a_claim_that_is_lost_while_the_reviewer_already_waits_for_it_is_made_again(chromium: Any, server: running.Web):
    with tabs(chromium, server) as [page]:
        reviewer = Reviewer([page])
        reviewer.work(1)
        settled(page)
        held: list[Any] = []

        def hold(route: Any) -> None:
            held.append(route)

        page.route("**/review/cards/", hold)
        while not page.locator("#stage[aria-busy=true]").count():
            reviewer.one(page)
            page.locator("#stage[aria-busy=true], #stage[data-ready=true]").wait_for()
        for route in held:
            route.abort()
        page.unroute("**/review/cards/")
        reviewer.work(CASES)
        reviewer.everything_is_stored()
