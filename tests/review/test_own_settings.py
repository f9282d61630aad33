"""One's own settings: stored whole, faults at their field, travelling with the account."""

from __future__ import annotations

import pytest
from django.test import Client

from review import keys, preferences
from review.models import ReviewerSettings

USUAL = {"keys_on": "on", "ahead": "2", "digest": "none", "email": ""}


@pytest.fixture
def alice(cast):
    client = Client()
    client.force_login(cast.alice)
    return client


def stored() -> ReviewerSettings:
    return ReviewerSettings.objects.get()


def test_somebody_who_never_chose_has_the_usual_and_no_row(alice, cast):
    assert alice.get("/settings/").status_code == 200
    mine = preferences.of(cast.alice)
    assert (mine.keys_on, mine.ahead, mine.digest, mine.bindings) == (True, 2, "none", {})
    assert not ReviewerSettings.objects.exists()


def test_everything_is_stored_at_once_and_stands_on_the_page_again(alice, cast):
    chosen = {"ahead": "5", "long_lease": "on", "why_folded": "on", "digest": "daily", "email": "alice@example.org"}
    answer = alice.post("/settings/", {**chosen, "key_skip": "J"})
    assert answer.status_code == 302
    mine = stored()
    assert (mine.keys_on, mine.ahead, mine.long_lease, mine.why_folded, mine.digest) == (False, 5, True, True, "daily")
    assert mine.bindings == {"skip": "j"}
    cast.alice.refresh_from_db()
    assert cast.alice.email == "alice@example.org"
    page = alice.get("/settings/").content.decode()
    assert 'value="j"' in page
    assert 'value="alice@example.org"' in page


def test_only_what_differs_from_the_usual_keys_is_stored(alice):
    alice.post("/settings/", {**USUAL, "key_agree": "a", "key_skip": "", "key_note": "m"})
    assert stored().bindings == {"note": "m"}


def test_two_actions_may_swap_their_keys(alice):
    alice.post("/settings/", {**USUAL, "key_agree": "s", "key_skip": "a"})
    assert stored().bindings == {"agree": "s", "skip": "a"}


@pytest.mark.parametrize(
    "key",
    [
        "1",
        "9",
        "0",
        "Enter",
        "esc",
        "Tab",
        "Space",
        " ",
        "backspace",
        "ctrl+k",
        "Alt+A",
        "é",
        "я",
        "ab",
        "!",
        "/\\",
        "\x00",
    ],
)
def test_a_key_that_cannot_be_had_is_told_at_its_field_and_nothing_is_stored(alice, key):
    answer = alice.post("/settings/", {**USUAL, "ahead": "4", "key_skip": key})
    assert answer.status_code == 422
    assert answer.context["form"].errors.keys() == {"key_skip"}
    assert b'id="id_key_skip_errors"' in answer.content
    assert not ReviewerSettings.objects.exists()


def test_one_key_for_two_actions_is_told_at_both(alice):
    answer = alice.post("/settings/", {**USUAL, "key_note": "j", "key_skip": "j"})
    assert answer.context["form"].errors.keys() == {"key_note", "key_skip"}
    answer = alice.post("/settings/", {**USUAL, "key_skip": "a"})
    assert answer.context["form"].errors.keys() == {"key_skip", "key_agree"}
    assert not ReviewerSettings.objects.exists()


@pytest.mark.parametrize(
    ("name", "value"),
    [("ahead", "0"), ("ahead", "6"), ("ahead", "two"), ("ahead", ""), ("ahead", "9" * 30), ("digest", "weekly"),
     ("digest", ""), ("email", "nobody"), ("email", "a@" + "x" * 300 + ".org")],
)  # fmt: skip
def test_other_faults_stand_at_their_field_too(alice, name, value):
    answer = alice.post("/settings/", {**USUAL, name: value})
    assert (answer.status_code, list(answer.context["form"].errors)) == (422, [name])
    assert not ReviewerSettings.objects.exists()


def test_a_digest_needs_an_address(alice):
    answer = alice.post("/settings/", {**USUAL, "digest": "hourly"})
    assert list(answer.context["form"].errors) == ["email"]


def test_the_reset_brings_the_usual_back_and_keeps_when_the_last_digest_went_out(alice, cast):
    alice.post("/settings/", {"ahead": "5", "digest": "daily", "email": "a@example.org", "key_skip": "j"})
    ReviewerSettings.objects.update(digest_sent_at="2026-01-01T00:00:00Z")
    assert alice.post("/settings/reset/").status_code == 302
    mine = stored()
    assert (mine.keys_on, mine.ahead, mine.digest, mine.bindings) == (True, 2, "none", {})
    assert mine.digest_sent_at is not None
    assert alice.get("/settings/reset/").status_code == 405


def test_settings_are_the_account_s_own(alice, cast):
    alice.post("/settings/", {**USUAL, "ahead": "5"})
    bob = Client()
    bob.force_login(cast.bob)
    assert b'value="2"' in bob.get("/settings/").content
    assert Client().get("/settings/").status_code == 302


def test_whatever_is_accepted_leaves_every_key_to_one_action():
    for action in keys.ACTIONS:
        for key in keys.MOVABLE:
            own = keys.moved({action.name: key})
            if not keys.faults(own):
                bound = list(keys.bindings_of(ReviewerSettings(bindings=own), "0123456789").values())
                assert len(set(bound)) == len(bound) == len(keys.ACTIONS) + 10
