"""axe finds nothing on any page: in both themes, wide and at 320 px, also empty, refused and with all folds open."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from django.template.loader import render_to_string
from django.test import Client
from django.urls import resolve

from models_registry import access
from tests.browser import world as makers
from tests.browser.axe import in_every_view
from tests.browser.test_every_page import PAGES
from tests.routes import address, routes

# What a page asks for to put into itself, by route; it is looked at there.
FRAGMENTS = {
    "models/<slug:slug>/runs/",
    "models/<slug:slug>/snapshots/",
    "predictions/<int:pk>/images/<int:place>/",
    "queues/<slug:slug>/review/history/",
    "queues/<slug:slug>/review/history/<int:pk>/",
    "queues/<slug:slug>/review/<uuid:token>/colleagues/",
    "queues/<slug:slug>/review/<uuid:token>/explanation/",
}
# Looked at by a test of their own.
ELSEWHERE = {"sign-in/", "invitations/<str:token>/", "gallery/", "gallery/<slug:name>/", "api/v1/docs/"}
PROBES = ("health/", "metrics", "api/v1/")
EMPTY = ["", "quality/", "delays/", "workload/", "labels/", "settings/policy/", "settings/members/", "settings/keys/"]


@pytest.fixture
def visit(open_page):
    """``visit("erin", {"models": "/models/"})``: the faults of those pages."""

    def look(name, pages):
        page = open_page(name)
        faults = []
        for title, path in pages.items():
            page.goto(path)
            faults += in_every_view(page, title)
        return faults

    return look


def test_every_page(rich_world, open_page, visit):
    told = rich_world.model.predictions.filter(labels__source="review").exclude(decisions__rationale="").first()
    held = open_page("erin", "/queues/tumours/review/")
    held.locator("#case-title").wait_for()
    pages = {name: path.format(prediction=told.pk) for name, path in PAGES.items() if name != "docs"}
    faults = visit("erin", pages)
    assert not faults, "\n".join(faults)


def test_the_description_of_the_api(world, open_page):
    page = open_page(None, "/api/v1/docs/")
    page.locator("details").evaluate_all("folds => folds.slice(0, 6).forEach((fold) => { fold.open = true; })")
    # By far the longest page: each width and each theme once.
    faults = in_every_view(page, "docs", ((1400, "light"), (320, "dark")))
    assert not faults, "\n".join(faults)


def test_no_page_is_left_out(cast):
    """A new route that answers a browser with a page fails here until it is in the list."""
    looked_at = (
        {resolve(urlsplit(path.format(prediction=1)).path).route for path in PAGES.values()} | FRAGMENTS | ELSEWHERE
    )
    erin = Client()
    erin.force_login(cast.erin)
    missing = []
    for route, _ in routes():
        if route.startswith(PROBES) or route in looked_at:
            continue
        answer = erin.get(address(route))
        if answer.status_code != 405 and "json" not in answer["Content-Type"]:
            missing.append(route)
    assert missing == []


def test_the_door(world, open_page):
    _, token = access.invite(model=world.model, role="reviewer", note="Frida", actor="erin", days=7)
    page = open_page(None, "/sign-in/")
    faults = in_every_view(page, "sign-in")
    page.get_by_label("Name").fill("alice")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_text("do not belong together").wait_for()
    faults += in_every_view(page, "sign-in refused")
    page.goto(f"/invitations/{token}/")
    faults += in_every_view(page, "invitation")
    page.get_by_label("Name").fill("alice")
    page.get_by_label("Password", exact=True).fill("short")
    page.get_by_label("Password again").fill("other")
    page.get_by_role("button", name="Create account and join").click()
    page.locator(".errorlist").first.wait_for()
    faults += in_every_view(page, "invitation refused")
    page.goto("/invitations/nothing/")
    faults += in_every_view(page, "invitation closed")
    joins = open_page("mallory", f"/invitations/{token}/")
    faults += in_every_view(joins, "invitation of a member")
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("name", ["400", "403", "403_csrf", "404", "500"])
def test_what_an_error_looks_like(world, open_page, name):
    page = open_page("alice")
    html = render_to_string(f"{name}.html", {"exception": "this needs 'admin' here", "request_id": "0123456789abcdef"})
    page.route("**/broken/", lambda route: route.fulfill(body=html, content_type="text/html", status=int(name[:3])))
    page.goto("/broken/")
    faults = in_every_view(page, name)
    assert not faults, "\n".join(faults)
    assert page.get_by_role("link", name="Back to the start").count() == 1


def test_pages_without_anything_on_them(transactional_db, visit):
    model, _ = makers.tumours()
    makers.cast(model)
    pages = {f"model {tab}": f"/models/tumours/{tab}" for tab in EMPTY}
    pages |= {"home": "/", "queues": "/queues/", "predictions": "/predictions/", "review": "/queues/tumours/review/"}
    faults = visit("erin", pages)
    nobody = {"home": "/", "queues": "/queues/", "predictions": "/predictions/", "models": "/models/"}
    faults += visit("mallory", {f"nobody's {name}": path for name, path in nobody.items()})
    faults += visit("erin", {"nothing found": "/predictions/?q=nowhere"})
    assert not faults, "\n".join(faults)


def test_forms_that_were_refused_and_secrets_that_are_shown_once(rich_world, open_page):
    page = open_page("erin", "/settings/")
    page.get_by_label("Cases claimed ahead").fill("9")
    page.get_by_label("Skip:").fill("a")
    page.get_by_role("radio", name="At most once a day").check()
    page.get_by_role("button", name="Store").click()
    page.get_by_text("Nothing was stored").wait_for()
    faults = in_every_view(page, "settings refused")
    page.goto("/models/tumours/settings/policy/")
    page.get_by_label("Hold when the score is below").fill("0.9")
    page.get_by_label("Interval wanted").fill("0.03")
    page.get_by_role("button", name="Preview", exact=True).click()
    page.get_by_role("heading", name="What would change").wait_for()
    page.locator("details").evaluate_all("folds => folds.forEach((fold) => { fold.open = true; })")
    faults += in_every_view(page, "preview")
    page.goto("/models/tumours/settings/members/")
    page.get_by_role("button", name="Make a link").click()
    page.get_by_label("Invitation link").wait_for()
    faults += in_every_view(page, "invitation link")
    page.goto("/models/tumours/settings/keys/")
    page.get_by_label("Name", exact=True).fill("without a scope")
    page.locator("[name=scopes]").evaluate_all("boxes => boxes.forEach((box) => { box.checked = false; })")
    page.get_by_role("button", name="Mint key").click()
    page.locator(".errorlist").first.wait_for()
    faults += in_every_view(page, "key refused")
    assert not faults, "\n".join(faults)


def test_folds_and_menus_that_are_open(rich_world, open_page):
    faults = []
    page = open_page("erin")
    for name in ("prediction", "model", "quality", "policy", "delays"):
        page.goto(PAGES[name].format(prediction=rich_world.predictions[0].pk))
        page.locator("details").evaluate_all("folds => folds.forEach((fold) => { fold.open = true; })")
        faults += in_every_view(page, f"{name} unfolded")
    assert not faults, "\n".join(faults)
