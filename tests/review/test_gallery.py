"""The gallery: every state by the page's own templates, nothing stored, off unless an installation wants it."""

from __future__ import annotations

import pytest
from django.apps import apps
from django.test import Client

from review.views.states import STATES


@pytest.fixture
def on(settings):
    settings.REVIEWHUB = {**settings.REVIEWHUB, "GALLERY": True}


@pytest.fixture
def alice(cast):
    client = Client()
    client.force_login(cast.alice)
    return client


def rows() -> dict[str, int]:
    return {model.__name__: model._default_manager.count() for model in apps.get_models()}


@pytest.mark.parametrize("name", STATES)
def test_a_state_is_shown_and_nothing_of_it_is_stored(on, alice, name):
    before = rows()
    answer = alice.get(f"/gallery/{name}/")
    assert answer.status_code == 200
    assert STATES[name].title in answer.content.decode()
    assert 'id="stage"' in answer.content.decode()
    assert rows() == before


def test_the_index_leads_to_every_state(on, alice):
    page = alice.get("/gallery/").content.decode()
    assert [name for name in STATES if f'href="/gallery/{name}/"' not in page] == []


@pytest.mark.parametrize("path", ["/gallery/", "/gallery/blind/"])
def test_it_is_off_unless_it_is_turned_on_and_never_for_strangers(alice, settings, path):
    assert alice.get(path).status_code == 404
    settings.REVIEWHUB = {**settings.REVIEWHUB, "GALLERY": True}
    assert Client().get(path).status_code == 302
    assert alice.post(path).status_code == 405
    assert alice.get("/gallery/no-such-state/").status_code == 404


@pytest.mark.parametrize("name", ["blind", "blind-first-before", "on-request-before"])
def test_a_hidden_model_is_hidden_in_the_gallery_too(on, alice, name):
    page = alice.get(f"/gallery/{name}/").content.decode()
    assert "0.62" not in page
    assert "model-hidden" in page
