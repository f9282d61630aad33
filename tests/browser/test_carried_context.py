"""Content from outside on the pages of a real browser: it is shown, and it does nothing."""

from __future__ import annotations

import base64

import pytest

from models_registry import schemas
from review import context, pictures
from review.models import PredictionPayload
from tests.review import made_pictures as made

EVIL = "https://evil.example"
SCRIPT = (
    f"<script src='{EVIL}/x.js'></script><img src='{EVIL}/a.png' onerror='window.hit=1'><svg onload='window.hit=1'>"
)
POLYGLOT = made.png() + SCRIPT.encode() + b"*/window.hit=1;//"
HOSTILE = {
    "text": SCRIPT + "\u202e\u2066\u202b" + "a\u0301\u0302\u0303\u0304\u0305\u0306" * 40 + "W" * 3_000 + "{{ 7*7 }}",
    "links": [
        {"title": "\u202ehttps://bank.example " + SCRIPT, "url": f"{EVIL}/" + "x" * 1_500},
        {"title": "W" * 200, "url": "https://" + "long-name." * 20 + "example/"},
    ],
    "images": [
        {"data": made.text(POLYGLOT), "title": SCRIPT[:200], "alt": "'\"><script>window.hit=1</script>"},
        {"data": made.text(made.claiming(4_000, 1_000)), "title": "W" * 200},
    ],
    "array": {
        "values": [[(61 * x + 97 * y * y) % 256 for x in range(64)] for y in range(64)],
        "title": "</title></svg>" + SCRIPT[:180],
    },
    SCRIPT[:90]: {"<style>*{display:none}</style>": [SCRIPT] * 30},
    "W" * 900: "W" * 9_000,
    **{f"key {number}": number for number in range(60)},
}


@pytest.fixture
def hostile(world):
    """Every open case carries the worst that is taken."""
    assert schemas.faults(context.SCHEMA, HOSTILE) == []
    assert context.faults(HOSTILE) == []
    PredictionPayload.objects.update(context=HOSTILE)
    return world


@pytest.mark.parametrize("path", ["/queues/tumours/review/", "/predictions/{prediction}/"])
@pytest.mark.parametrize("width", [1400, 320])
def test_hostile_content_is_shown_and_does_nothing(hostile, open_page, path, width):
    page = open_page("alice", "/queues/", width=width)
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("dialog", lambda dialog: page.broken.append(dialog.message))
    page.goto(path.format(prediction=hostile.predictions[0].pk))
    box = page.locator(".context")
    box.wait_for()
    page.locator(".context details").evaluate_all("folds => folds.forEach((fold) => { fold.open = true; })")
    page.locator("img").evaluate_all("images => Promise.all(images.map((image) => image.decode().catch(() => null)))")
    home = page.evaluate("location.origin")
    assert [url for url in asked if not url.startswith((home, "data:"))] == []
    assert page.evaluate("window.hit") is None
    assert box.locator("script, iframe, object, embed, style, [onerror], [onload]").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert [said for said in page.broken if "the server responded" not in said] == []
    assert box.get_by_text("{{ 7*7 }}").count() == 1


def test_links_show_their_host_and_open_apart(hostile, open_page):
    page = open_page("alice", "/queues/tumours/review/")
    link = page.locator(".context-links a").first
    link.wait_for()
    assert link.get_attribute("rel") == "noopener noreferrer nofollow"
    assert link.get_attribute("target") == "_blank"
    assert link.locator(".host").inner_text() == "evil.example"
    assert "\u202e" not in link.inner_text()


def test_a_polyglot_opened_by_itself_is_a_picture_and_nothing_runs(hostile, open_page):
    page = open_page("alice", f"/predictions/{hostile.predictions[0].pk}/images/0/")
    assert page.evaluate("document.contentType") == "image/png"
    assert page.evaluate("document.images.length") == 1
    assert page.evaluate("window.hit") is None


def test_pictures_keep_their_place_before_they_are_there(hostile, open_page):
    page = open_page("alice", "/queues/tumours/review/")
    page.locator(".context img").first.wait_for()
    sizes = page.locator(".context img").evaluate_all(
        "all => all.map((image) => [image.getAttribute('width'), image.getAttribute('height')])"
    )
    assert sizes == [["192", "192"], ["640", "160"]]


@pytest.mark.parametrize("kind", ["image/png", "image/jpeg", "image/webp"])
def test_what_a_browser_draws_is_read_as_the_browser_made_it(open_page, transactional_db, kind):
    page = open_page(None, "/sign-in/")
    made_there = page.evaluate(
        """(kind) => {
          const canvas = document.createElement("canvas");
          canvas.width = 37; canvas.height = 21;
          canvas.getContext("2d").fillRect(3, 3, 9, 9);
          return canvas.toDataURL(kind);
        }""",
        kind,
    )
    assert context.faults({"images": [{"data": made_there}]}) == []
    found = pictures.read(base64.b64decode(made_there.partition(",")[2]))
    assert (found.content_type, found.width, found.height, found.moves) == (kind, 37, 21, False)
