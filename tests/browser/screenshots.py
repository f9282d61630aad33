"""`make screenshots`: pictures of every page and of every state of the review page, and the index of them.

Not collected by the suite. Rows are drawn with fixed seeds: a picture changes only where a page did, times apart.
"""

from __future__ import annotations

import io
import os
import shutil
from pathlib import Path

import pytest
from django.template.loader import render_to_string
from PIL import Image

from models_registry import access
from review.views.states import GROUPS, STATES
from tests.browser.test_every_page import PAGES

FOLDER = Path(os.environ.get("SCREENSHOTS") or "docs/screenshots")
THEMES = ("light", "dark")
WIDE, NARROW = 1400, 320
# A page is cut off below, so that no picture is endless.
TALLEST = 2600
# Those are also taken narrow.
MAIN = {"home", "queues", "review", "predictions", "prediction", "models", "model", "quality", "settings", "sign-in"}
MAIN_STATES = {"assisted", "blind", "blind-first-after", "ten-classes", "images", "offline", "lease-expired", "keys"}
ERRORS = ("400", "403", "404", "500")


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
        page = open_page("erin", "/queues/tumours/review/", width=width, theme=theme)
        page.locator("#case-title").wait_for()
        for name, path in PAGES.items():
            if width == WIDE or name in MAIN:
                page.goto(path.format(prediction=told.pk))
                if name == "review":
                    page.locator("#stage[data-ready=true]").wait_for()
                keep(page, name, width, theme, whole=name != "review")
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
    """One picture of at most 256 colours; of a page with a bar at the bottom only what is on screen."""
    page.evaluate("document.fonts.ready")
    page.evaluate("document.activeElement?.blur()")
    height = page.evaluate("document.documentElement.scrollHeight")
    clip = {"x": 0, "y": 0, "width": width, "height": min(height, TALLEST)} if whole else None
    taken = page.screenshot(full_page=whole, clip=clip, animations="disabled", caret="hide")
    picture = Image.open(io.BytesIO(taken)).convert("RGB")
    picture.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(
        FOLDER / f"{name}-{width}-{theme}.png", optimize=True
    )


def render_index() -> str:
    """The index: each page and state with its pictures, light, dark and, of the main ones, narrow."""
    lines = ["# Screenshots", "", "Made by `make screenshots`; do not edit.", "", "## Pages", ""]
    named = {path.name.rsplit("-", 2)[0] for path in FOLDER.glob("*.png")}
    pages = [*PAGES, "preview", "sign-in", "invitation", *(f"error-{name}" for name in ERRORS), "gallery"]
    lines += table([(name, name.replace("-", " ")) for name in pages if name in named])
    for group, states in GROUPS.items():
        lines += [
            "",
            f"## {group}",
            "",
            *table([(f"state-{state.name}", f"{state.title}: {state.words}") for state in states]),
        ]
    return "\n".join(lines) + "\n"


def table(rows: list[tuple[str, str]]) -> list[str]:
    lines = ["| page | light | dark | narrow |", "| --- | --- | --- | --- |"]
    for name, words in rows:
        wide = " | ".join(shown(name, WIDE, theme, words, 280) for theme in THEMES)
        narrow = " ".join(shown(name, NARROW, theme, words, 90) for theme in THEMES)
        lines.append(f"| {words} | {wide} | {narrow} |")
    return lines


def shown(name: str, width: int, theme: str, words: str, size: int) -> str:
    file = f"{name}-{width}-{theme}.png"
    if not (FOLDER / file).exists():
        return ""
    return f'<a href="{file}"><img src="{file}" width="{size}" alt="{words}, {theme}, {width} px"></a>'
