"""`make screenshots`: pictures of every page and of every state of the review page, and the index of them.

Not collected by the suite. Rows are drawn with fixed seeds: a picture changes only where a page did, times apart, for
the database tells the time.
"""

from __future__ import annotations

import io
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from django.template.loader import render_to_string
from PIL import Image

from models_registry import access
from review.views.states import GROUPS, STATES
from tests.browser.test_every_page import PAGES

FOLDER = Path(os.environ.get("SCREENSHOTS") or "docs/screenshots")
THEMES = ("light", "dark")
WIDE, NARROW = 1400, 320
# A longer page is cut below the last part that fits, so that no picture is endless.
TALLEST = 2000
LAST = """(tallest) => Math.max(0, ...[...document.querySelectorAll(".panel, .version, .event, .table-wrap tr")]
    .map((part) => part.getBoundingClientRect().bottom + scrollY + 16).filter((end) => end <= tallest))"""
# The server of a run has a port of its own.
ADDRESS = """() => {
    const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walk.nextNode()) walk.currentNode.data = walk.currentNode.data.replaceAll(location.origin, "https://reviewhub.example");
}"""
# Of those with a bar at the bottom only what is on screen.
BARRED = {"review", "practice"}
# By who has most to see there; all others by the owner.
SEEN_BY = {"me": "alice", "practice": "alice"}
# Those are also taken narrow.
MAIN = {"home", "queues", "review", "predictions", "prediction", "models", "model", "quality", "settings", "sign-in"}
MAIN_STATES = {"assisted", "blind", "blind-first-after", "ten-classes", "images", "offline", "lease-expired", "keys"}
ERRORS = ("400", "403", "404", "500")
HEAD = (
    "# Screenshots",
    "",
    "Every page, and every state of the review page, in both themes at 1400 px; the main ones at 320 px too. What they "
    "show is made up, by fixed seeds. A picture opens by a click; long pages are cut.",
    "",
    "Made by `make screenshots`; do not edit.",
)
# Group: file, title, what the picture shows.
SHOWN = {
    "Reviewing": [
        ("home", "Home", "what needs you: candidates, queues, models"),
        ("queues", "Queues", "how much waits, for how long; a lead pauses one with a reason"),
        ("review", "Review", "one case, what the model says and why, one key an answer"),
        ("escalated", "Escalated cases", "what colleagues left to a lead"),
        ("practice", "Practice", "known cases that teach the keys"),
        ("me", "Your own figures", "seen by nobody else, compared with nobody"),
        ("settings", "Your settings", "keys, time, mail"),
        ("queue-settings", "Settings of a queue", "when the model's answer is shown, how many decide"),
    ],
    "Predictions": [
        ("predictions", "Predictions", "found by id, newest first"),
        ("prediction", "A prediction", "its whole timeline, from the case to the training"),
    ],
    "Models": [
        ("models", "Models", "each with its champion"),
        ("model", "A model", "alerts, versions with their gates, training runs"),
        ("quality", "Quality", "weighted by how each case came to be reviewed, with intervals"),
        ("quality-over-time", "Quality over time", "the same day by day, with what changed"),
        ("delays", "Delays", "when labels and outcomes come"),
        ("workload", "Workload", "what comes, what is done, when it will be too late"),
        ("workload-hours", "Workload by hour", "the last two days"),
        ("reliance", "Reliance", "how much more often people agree where the model is shown"),
        ("behaviour", "Behaviour", "what model and people do, day by day"),
        ("labels", "Labels", "what is held to be true, and exports"),
        ("gold", "Known cases", "how often reviewers err"),
    ],
    "Settings of a model": [
        ("policy", "Policy", "who waits for a person, who is checked afterwards; the kill switch"),
        ("preview", "What would change", "a policy tried on past predictions before it is live"),
        ("overrides", "Overrides", "of a case or a segment, with who and why"),
        ("members", "Members", "roles and invitations"),
        ("keys", "Service keys", "which service may do what"),
    ],
    "The door": [
        ("sign-in", "Sign in", "name and password"),
        ("invitation", "Invitation", "a link that works once"),
        ("missing", "Nothing here", "also for what one has no role on"),
        *((f"error-{name}", f"Error {name}", "with the number of the request") for name in ERRORS),
    ],
    "For developers": [
        ("docs", "HTTP API", "every endpoint with an example"),
        ("gallery", "Gallery", "every state below at an address of its own"),
    ],
}


@pytest.fixture(scope="session", autouse=True)
def fresh_folder():
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    yield
    index = render_index()
    (FOLDER / "README.md").write_text(index)


@pytest.mark.parametrize("theme", THEMES)
def test_pages(rich_world, open_page, theme):
    told = rich_world.model.predictions.filter(labels__source="review").exclude(decisions__rationale="").first()
    for width in (WIDE, NARROW):
        people = {name: open_page(name, width=width, theme=theme) for name in ("erin", "alice")}
        for name, path in PAGES.items():
            if width == WIDE or name in MAIN:
                page = people[SEEN_BY.get(name, "erin")]
                page.goto(path.format(prediction=told.pk))
                if name == "review":
                    page.locator("#stage[data-ready=true]").wait_for()
                if name == "queues":
                    page.locator("details.fold > summary").first.click()
                keep(page, name, width, theme, whole=name not in BARRED)
                if name == "quality" and width == WIDE:
                    store(page.locator("#history").screenshot(animations="disabled"), "quality-over-time", width, theme)
    preview(open_page("erin", PAGES["policy"], theme=theme), theme)


@pytest.mark.parametrize("theme", THEMES)
def test_the_door(world, open_page, theme):
    _, token = access.invite(model=world.model, role="reviewer", note="Frida", actor="erin", days=7)
    for width in (WIDE, NARROW):
        keep(open_page(None, "/sign-in/", width=width, theme=theme), "sign-in", width, theme)
    keep(open_page(None, f"/invitations/{token}/", theme=theme), "invitation", WIDE, theme)
    page = open_page("alice", theme=theme)
    for name in ERRORS:
        page.route("**/broken/", broken(name))
        page.goto("/broken/")
        keep(page, f"error-{name}", WIDE, theme)
        page.unroute("**/broken/")


@pytest.mark.parametrize("theme", THEMES)
def test_states(world, settings, open_page, theme):
    settings.REVIEWHUB = {**settings.REVIEWHUB, "GALLERY": True}
    for width in (WIDE, NARROW):
        page = open_page("alice", "/gallery/", width=width, theme=theme)
        if width == WIDE:
            keep(page, "gallery", width, theme)
        for name in STATES:
            if width == WIDE or name in MAIN_STATES:
                page.goto(f"/gallery/{name}/")
                page.locator("#review[data-state=ready]").wait_for()
                keep(page, f"state-{name}", width, theme, whole=False)


def broken(name):
    """An answer with that error page, styled by the server it pretends to come from."""
    html = render_to_string(f"{name}.html", {"request_id": "0123456789abcdef"})
    return lambda route: route.fulfill(body=html, content_type="text/html")


def preview(page, theme):
    page.get_by_label("Hold when the score is below").fill("0.9")
    page.get_by_label("Interval wanted").fill("0.03")
    page.get_by_role("button", name="Preview", exact=True).click()
    page.get_by_role("heading", name="What would change").wait_for()
    page.locator(".preview details").evaluate_all("folds => folds.forEach((fold) => { fold.open = true; })")
    keep(page, "preview", WIDE, theme)


def keep(page, name, width, theme, *, whole=True):
    """One picture: of the page as a whole, or of what is on screen."""
    page.evaluate("document.fonts.ready")
    page.evaluate("document.activeElement?.blur()")
    page.evaluate(ADDRESS)
    height = page.evaluate("document.documentElement.scrollHeight")
    if height > TALLEST:
        height = page.evaluate(LAST, TALLEST) or TALLEST
    clip = {"x": 0, "y": 0, "width": width, "height": height} if whole else None
    taken = page.screenshot(full_page=whole, clip=clip, animations="disabled", caret="hide")
    store(taken, name, width, theme)


def store(taken, name, width, theme):
    fewer(Image.open(io.BytesIO(taken)).convert("RGB")).save(FOLDER / f"{name}-{width}-{theme}.png", optimize=True)


def fewer(picture):
    """The picture in 72 colours: what fills most of it and its bright ones as they are, the rest by what comes near."""
    pixels = np.asarray(picture, dtype=np.int32) @ [1 << 16, 1 << 8, 1]
    found, place, count = np.unique(pixels, return_inverse=True, return_counts=True)
    colours = np.stack([found >> 16, found >> 8 & 255, found & 255], axis=1)
    order = np.argsort(-count, kind="stable")
    bright = order[np.ptp(colours[order], axis=1) > 60]
    near = picture.quantize(32, method=Image.Quantize.FASTOCTREE).getpalette()
    palette = np.concatenate([colours[order[:20]], colours[bright[:20]], np.reshape(near, (-1, 3))])
    nearest = ((colours[:, None] - palette[None]) ** 2).sum(axis=2).argmin(axis=1).astype(np.uint8)
    made = Image.fromarray(nearest[place].reshape(pixels.shape), mode="P")
    made.putpalette(palette.astype(np.uint8).tobytes())
    return made


def render_index() -> str:
    """The index: each page and state in words, with its pictures: light, dark and, of the main ones, narrow."""
    lines = [*HEAD]
    for group, pages in SHOWN.items():
        lines += ["", f"## {group}", "", *table([(name, f"**{title}**: {words}") for name, title, words in pages])]
    for group, states in GROUPS.items():
        rows = [(f"state-{state.name}", f"**{state.title}**: {state.words}") for state in states]
        lines += ["", f"## States of the review page: {group.lower()}", "", *table(rows)]
    return "\n".join(lines) + "\n"


def table(rows: list[tuple[str, str]]) -> list[str]:
    lines = ["| what it shows | light | dark | narrow |", "| --- | --- | --- | --- |"]
    for name, words in rows:
        wide = " | ".join(shown(name, WIDE, theme, words, 280) for theme in THEMES)
        narrow = " ".join(shown(name, NARROW, theme, words, 90) for theme in THEMES)
        lines.append(f"| {words} | {wide} | {narrow} |")
    return lines


def shown(name: str, width: int, theme: str, words: str, size: int) -> str:
    file = f"{name}-{width}-{theme}.png"
    if not (FOLDER / file).exists():
        return ""
    title = words.split("**")[1]
    return f'<a href="{file}"><img src="{file}" width="{size}" alt="{title}, {theme}, {width} px wide"></a>'
