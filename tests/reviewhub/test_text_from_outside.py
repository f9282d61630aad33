"""Signs that override the direction of text reorder nothing of ours; an address for forms alone has a page too."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from models_registry.models import RegisteredModel
from reviewhub.pages import plain
from tests.review.items import make_item

SIGNS = [*range(0x202A, 0x202F), *range(0x2066, 0x206A)]


@pytest.fixture
def erin(cast):
    client = Client()
    client.force_login(cast.erin)
    return client


@pytest.mark.parametrize("sign", SIGNS)
def test_a_sign_that_reorders_is_shown_by_name(sign):
    assert plain(f"<p>a{chr(sign)}b</p>") == f"<p>a[U+{sign:04X}]b</p>"


def test_text_that_is_set_apart_and_what_one_types_stay_as_they_are():
    kept = '<p class="break as-sent">a\u202eb</p><textarea name="note">\u2067c</textarea>'
    assert plain(kept) == kept
    assert plain(f"{kept}<b>\u202e</b>") == f"{kept}<b>[U+202E]</b>"


def test_what_a_form_sends_back_is_what_came():
    assert plain('<option value="\u202ea">x</option>') == '<option value="\u202ea">x</option>'


def test_no_page_holds_such_a_sign_in_its_own_words(erin, cast):
    RegisteredModel.objects.filter(pk=cast.model.pk).update(name="pay\u202ements")
    item = make_item(cast.model)
    type(item.prediction).objects.filter(pk=item.prediction_id).update(external_id="p\u202e1", entity_id="e\u20671")
    erin.post("/queues/payments/review/claim/")
    for path in ("/queues/payments/review/?plain", f"/predictions/{item.prediction_id}/", "/predictions/", "/models/"):
        answer = erin.get(path)
        text = re.sub(r"<[^>]*>", "", answer.content.decode())
        assert answer.status_code == 200, path
        assert not re.search("[\u202a-\u202e\u2066-\u2069]", text), path
        assert "[U+202E]" in text, path
        assert int(answer["Content-Length"]) == len(answer.content)


def test_the_api_gives_text_as_it_came(erin, cast):
    RegisteredModel.objects.filter(pk=cast.model.pk).update(name="pay\u202ements")
    assert erin.get("/api/v1/models/payments/").json()["name"] == "pay\u202ements"


@pytest.mark.parametrize("path", ["/queues/payments/pause/", "/sign-out/", "/models/payments/rollback/"])
def test_an_address_for_forms_alone_has_a_page_with_a_way_back(erin, path):
    answer = erin.get(path)
    assert answer.status_code == 405
    assert answer["Allow"]
    html = answer.content.decode()
    for part in (
        '<html lang="en">',
        "<title>Nothing to read here",
        "<h1>",
        "<main",
        'href="/"',
        answer["X-Request-ID"],
    ):
        assert part in html


def test_signing_in_ends_at_no_address_of_another_site():
    answer = Client().get("/sign-in/?next=https://evil.example/")
    assert (answer.status_code, answer["Location"]) == (302, "/sign-in/")
    assert Client().get("/sign-in/?next=/queues/").status_code == 200


def test_a_reason_too_long_is_told_at_its_field_and_pauses_nothing(erin, cast):
    answer = erin.post("/queues/payments/pause/", {"on": "1", "reason": "x" * 9_999})
    assert answer.status_code == 422
    html = answer.content.decode()
    field = re.search(r'<input[^>]*id="id_payments_reason"[^>]*>', html)[0]
    assert 'aria-invalid="true"' in field
    assert 'aria-describedby="id_payments_reason_errors"' in field
    assert "at most 500 characters" in html
    line = cast.model.queues.get()
    assert line.paused_at is None
    assert erin.post("/queues/payments/pause/", {"reason": "on is missing"}).status_code == 422
    assert erin.post("/queues/payments/pause/", {"on": "1", "reason": "training"}).status_code == 302
    line.refresh_from_db()
    assert line.paused_reason == "training"
