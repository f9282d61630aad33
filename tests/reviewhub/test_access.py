"""Who is let in: every route asks for a sign-in or a key, except a few that are named here."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from tests.conftest import Cast
from tests.routes import address, routes

PUBLIC = {
    "health/live",
    "health/ready",
    "metrics",
    "api/v1/schema/",
    "api/v1/docs/",
    "sign-in/",
    "invitations/<str:token>/",
}
ALL = routes()
CLOSED = [pytest.param(*pair, id=f"{number}-{pair[0]}") for number, pair in enumerate(ALL) if pair[0] not in PUBLIC]


def test_the_public_routes_are_all_there():
    assert {route for route, _ in ALL} >= PUBLIC
    assert len(ALL) > 50


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize(("route", "view"), CLOSED)
def test_without_a_credential_nothing_is_answered(db: None, client: Client, method: str, route: str, view: Any):
    answer = getattr(client, method)(address(route))
    if route.startswith("api/"):
        assert (answer.status_code, answer["Content-Type"]) == (401, "application/problem+json")
        assert answer["WWW-Authenticate"].startswith("Bearer")
    else:
        assert answer.status_code == 302
        assert answer["Location"].startswith("/sign-in/?next=")


@pytest.mark.parametrize("route", sorted(PUBLIC))
def test_what_is_public_asks_for_nobody(db: None, client: Client, route: str):
    answer = client.get(address(route))
    assert answer.status_code in ((200, 404) if "invitations" in route else (200,))
    assert "Location" not in answer


def test_somebody_of_another_model_sees_no_page_of_this_one(cast: Cast):
    """Pages of a model, its queue or its predictions; lists are filtered, so they are left out."""
    client = Client()
    client.force_login(cast.mallory)
    pages = [route for route, _ in ALL if not route.startswith("api/") and "<slug:slug>" in route]
    answers = {route: client.get(address(route)).status_code for route in pages}
    assert len(pages) > 15
    assert {route: status for route, status in answers.items() if status not in (404, 405)} == {}


@pytest.mark.parametrize("path", ["/sign-in/", "/api/v1/docs/", "/api/v1/models/", "/", "/nothing/"])
def test_every_answer_carries_the_security_headers(db: None, client: Client, path: str):
    answer = client.get(path)
    policy = answer["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert (answer["X-Frame-Options"], answer["X-Content-Type-Options"]) == ("DENY", "nosniff")
    assert answer["Referrer-Policy"] == "same-origin"


def test_the_session_cookie_is_out_of_reach_of_scripts_and_other_sites(cast: Cast, client: Client):
    client.post("/sign-in/", {"username": "alice", "password": "alice-password-1"})
    cookie = client.cookies["sessionid"]
    assert (cookie["httponly"], cookie["samesite"]) == (True, "Lax")


def test_a_session_needs_its_csrf_token_for_what_changes_something(cast: Cast):
    client = Client(enforce_csrf_checks=True)
    client.force_login(cast.erin)
    answer = client.post("/api/v1/models/payments/kill-switch/", {"on": True, "reason": "x"}, "application/json")
    assert (answer.status_code, answer.json()["code"]) == (403, "csrf")
    assert client.post("/models/payments/settings/kill-switch/", {"on": "1"}).status_code == 403
