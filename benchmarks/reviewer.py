"""A reviewer at the keyboard: from the key to the next case painted, in a real Chromium on the real web server.

`python -m benchmarks.reviewer --items 1000000` makes a database of its own with that many open items, starts the
web server, decides CASES of them by key, and prints one JSON line per figure: p50 and p95 (milliseconds) of key to
next case painted and of each kind of request as the browser saw it, and the layout shift of the whole run.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import apart, queue

CASES = 200
WARM_UP = 5
# After the page takes keys again: four decisions a second and fewer, faster than anybody reads.
THINKING_MS = 150
START_SECONDS, PAINT_SECONDS = 60, 30
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
# A figure is taken when the browser has painted: the frame after the one in which the case was swapped in.
WATCH = """
() => {
  const stage = document.getElementById("stage");
  const name = () => document.querySelector("#case-title")?.textContent.trim() ?? "";
  const watched = { times: [], shift: 0, shifts: [], pressed: 0, waited: false, from: "" };
  window.watched = watched;
  document.addEventListener("keydown", (event) => {
    if (event.repeat || stage.dataset.ready !== "true") return;
    watched.pressed = event.timeStamp;
    watched.from = name();
  }, { capture: true });
  new MutationObserver(() => {
    if (!watched.pressed) return;
    watched.waited ||= !name();
    if (!name() || name() === watched.from) return;
    const { pressed, waited } = watched;
    Object.assign(watched, { pressed: 0, waited: false });
    requestAnimationFrame(() => requestAnimationFrame(() => watched.times.push([performance.now() - pressed, waited])));
  }).observe(stage, { childList: true, subtree: true });
  // What moves within half a second of a key press moves by that key; it is counted all the same.
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      watched.shift += entry.value;
      watched.shifts.push(entry.value);
    }
  }).observe({ type: "layout-shift", buffered: false });
}
"""


def main() -> None:
    apart.run(__doc__, "items", 20_000, measure)


def measure(items: int) -> Iterator[dict[str, Any]]:
    began = time.monotonic()
    queue.fill(items)
    session = signed_in()
    print(f"filled {items} items in {time.monotonic() - began:.0f} s", file=sys.stderr)
    with web() as url:
        watched, requests = review(url, session)
    times = watched["times"][WARM_UP:]
    ahead = [taken for taken, waited in times if not waited]
    yield {
        "benchmark": "key to next case painted, claimed ahead",
        "items": items,
        "cases": len(ahead),
        **percentiles(ahead),
    }
    every = [taken for taken, _ in times]
    yield {"benchmark": "key to next case painted, any", "items": items, "cases": len(every), **percentiles(every)}
    shift = round(watched["shift"], 4)
    yield {"benchmark": "layout shift of the run", "items": items, "shift": shift, "shifts": len(watched["shifts"])}
    for path, taken in sorted(requests.items()):
        if len(taken) > 1:
            yield {"benchmark": f"request {path}", "items": items, "requests": len(taken), **percentiles(taken)}


def percentiles(times: list[float]) -> dict[str, float]:
    ordered = sorted(times)
    return {f"p{share}_ms": round(ordered[int((len(ordered) - 1) * share / 100)], 1) for share in (50, 95, 99)}


def signed_in() -> str:
    """The session of a reviewer of the one model."""
    from django.conf import settings
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.sessions.backends.db import SessionStore

    from models_registry import access
    from models_registry.models import RegisteredModel

    user = access.create_user(username="reviewer", password="a-long-password-1")  # noqa: S106 - of a throw-away database
    access.grant_role(user=user, model=RegisteredModel.objects.get(), role="reviewer", actor="bench")
    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.create()
    return str(session.session_key)


@contextlib.contextmanager
def web() -> Iterator[str]:
    """The web server as `make run` starts it; gives its address."""
    from django.conf import settings
    from django.core.management import call_command

    from reviewhub.processes import commands

    call_command("collectstatic", verbosity=0, interactive=False)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    log = Path(settings.HOME) / "web.log"
    with log.open("wb") as out:
        server = subprocess.Popen(
            commands(port, settings.REVIEWHUB["WEB_THREADS"])["web"],
            stdout=out, stderr=out, cwd=settings.BASE_DIR, start_new_session=True,
        )  # fmt: skip
    try:
        deadline = time.monotonic() + START_SECONDS
        while not answers(url):
            if server.poll() is not None or time.monotonic() > deadline:
                raise TimeoutError(log.read_text())
            time.sleep(0.1)
        yield url
    finally:
        server.terminate()
        server.wait()


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url + "/health/ready", timeout=5):  # noqa: S310 - an address of our own
            return True
    except (urllib.error.URLError, OSError):
        return False


def review(url: str, session: str) -> tuple[dict[str, Any], dict[str, list[float]]]:
    """Decide CASES by key; what the page watched of itself, and the milliseconds of requests by their last word."""
    from playwright.sync_api import sync_playwright

    # Playwright keeps an event loop in this thread; the database is reached from it all the same.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    requests: dict[str, list[float]] = {}

    def finished(request: Any) -> None:
        if "/review/" in request.url and request.method == "POST":
            taken = request.timing["responseEnd"]
            requests.setdefault(request.url.rstrip("/").rpartition("/")[2], []).append(taken)

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"])
        context = browser.new_context(base_url=url, viewport={"width": 1400, "height": 900})
        context.add_cookies([{"name": "sessionid", "value": session, "url": url}])
        page = context.new_page()
        page.on("requestfinished", finished)
        page.goto("/queues/bench/review/")
        ready = page.locator("#stage[data-ready=true] #case-title")
        ready.wait_for()
        page.evaluate(WATCH)
        for number in range(CASES + WARM_UP):
            ready.wait_for()
            page.wait_for_timeout(THINKING_MS)
            page.keyboard.press("12"[number % 2])
        deadline = time.monotonic() + PAINT_SECONDS
        while page.evaluate("window.watched.times.length") < CASES + WARM_UP:
            if time.monotonic() > deadline:
                raise TimeoutError("the last case was not painted")
            page.wait_for_timeout(50)
        page.locator(".review-link[data-unsent='0']").wait_for()
        watched = page.evaluate("window.watched")
        browser.close()
    return watched, requests


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    main()
