"""Every page in both themes, wide and narrow: nothing breaks, nothing scrolls sideways.

With SCREENSHOTS set to a folder, each is also kept there as a picture.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

PAGES = {
    "home": "/",
    "queues": "/queues/",
    "review": "/queues/tumours/review/",
    "predictions": "/predictions/",
    "prediction": "/predictions/{prediction}/",
    "models": "/models/",
    "model": "/models/tumours/",
    "quality": "/models/tumours/quality/",
    "delays": "/models/tumours/delays/",
    "workload": "/models/tumours/workload/",
    "workload-hours": "/models/tumours/workload/?by=hour",
    "labels": "/models/tumours/labels/",
    "policy": "/models/tumours/settings/policy/",
    "members": "/models/tumours/settings/members/",
    "keys": "/models/tumours/settings/keys/",
    "missing": "/models/secrets/",
}
SHOTS = os.environ.get("SCREENSHOTS", "")


@pytest.mark.parametrize("width", [1400, 360])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_pages_fit_and_run_clean(rich_world, open_page, width, theme):
    page = open_page("erin", "/queues/tumours/review/", width=width, theme=theme)
    page.locator("#case-title").wait_for()
    told = rich_world.model.predictions.filter(labels__source="review").exclude(decisions__rationale="").first()
    faults = []
    for name, path in PAGES.items():
        answer = page.goto(path.format(prediction=told.pk))
        expected = 404 if name == "missing" else 200
        if answer.status != expected:
            faults.append((name, answer.status))
        keep(page, f"{name}-{width}-{theme}")
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        if wide > 0:
            faults.append((name, f"{wide} px too wide"))
    assert faults == []
    assert [text for text in page.broken if "404" not in text] == []


@pytest.mark.parametrize("width", [1400, 360])
def test_the_door_fits(world, open_page, width):
    page = open_page(None, "/sign-in/", width=width)
    keep(page, f"sign-in-{width}-light")
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert page.broken == []


def keep(page, name):
    if SHOTS:
        Path(SHOTS).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=f"{SHOTS}/{name}.png", full_page=not name.startswith("review"))
