"""Every page in both themes, wide and narrow: nothing breaks, nothing scrolls sideways."""

from __future__ import annotations

from itertools import product

import pytest

PAGES = {
    "home": "/",
    "queues": "/queues/",
    "escalated": "/queues/escalated/",
    "review": "/queues/tumours/review/",
    "predictions": "/predictions/",
    "prediction": "/predictions/{prediction}/",
    "models": "/models/",
    "model": "/models/tumours/",
    "quality": "/models/tumours/quality/",
    "delays": "/models/tumours/delays/",
    "reliance": "/models/tumours/reliance/",
    "behaviour": "/models/tumours/behaviour/",
    "me": "/me/",
    "workload": "/models/tumours/workload/",
    "workload-hours": "/models/tumours/workload/?by=hour",
    "labels": "/models/tumours/labels/",
    "policy": "/models/tumours/settings/policy/",
    "members": "/models/tumours/settings/members/",
    "overrides": "/models/tumours/settings/overrides/",
    "keys": "/models/tumours/settings/keys/",
    "queue-settings": "/queues/tumours/settings/",
    "practice": "/practice/tumours/",
    "gold": "/models/tumours/gold/",
    "settings": "/settings/",
    "docs": "/api/v1/docs/",
    "missing": "/models/secrets/",
}
FIT_320 = {"quality", "delays", "workload", "reliance", "behaviour", "me"}


def test_pages_fit_and_run_clean(rich_world, open_page):
    told = rich_world.model.predictions.filter(labels__source="review").exclude(decisions__rationale="").first()
    faults = []
    for width, theme in product((1400, 360), ("light", "dark")):
        page = open_page("erin", "/queues/tumours/review/", width=width, theme=theme)
        page.locator("#case-title").wait_for()
        for name, path in PAGES.items():
            answer = page.goto(path.format(prediction=told.pk))
            if answer.status != (404 if name == "missing" else 200):
                faults.append((name, answer.status))
            for narrowest in {width, min(width, 320 if name in FIT_320 else width)}:
                page.set_viewport_size({"width": narrowest, "height": 900})
                wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
                if wide > 0:
                    faults.append((name, f"{wide} px wider than {narrowest}"))
            page.set_viewport_size({"width": width, "height": 900})
        page.goto(PAGES["policy"])
        page.get_by_label("Hold when the score is below").fill("0.9")
        page.get_by_label("Interval wanted").fill("0.03")
        page.get_by_role("button", name="Preview", exact=True).click()
        page.get_by_role("heading", name="What would change").wait_for()
        page.locator(".preview details").evaluate_all("folds => folds.forEach((fold) => { fold.open = true; })")
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        if wide > 0:
            faults.append(("preview", f"{wide} px too wide"))
        assert [text for text in page.broken if "404" not in text] == []
    assert faults == []


@pytest.mark.parametrize("width", [1400, 360])
def test_the_door_fits(world, open_page, width):
    page = open_page(None, "/sign-in/", width=width)
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert page.broken == []
