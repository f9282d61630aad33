"""What no endpoint foresaw is a problem too: unknown routes, other methods, forgotten slashes, errors of ours."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from models_registry import access
from tests.conftest import Cast

PROBLEM = "application/problem+json"
METHODS = ["get", "post", "put", "patch", "delete"]


def refusal(answer: Any) -> tuple[int, str, str]:
    return answer.status_code, answer.json()["code"], answer["Content-Type"]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("path", ["nothing/", "nothing", "models/a b/", "models/payments/nothing/", "%00/", "%ff/", ""])
def test_an_unknown_route_is_a_problem(client: Client, method: str, path: str):
    answer = getattr(client, method)(f"/api/v1/{path}")
    assert refusal(answer) == (404, "not_found", PROBLEM)
    assert answer.json()["instance"].startswith("/api/v1/")


@pytest.mark.parametrize("path", ["/api/", "/api/v2/models/", "/api/nothing"])
def test_outside_of_the_version_there_is_nothing_either(client: Client, path: str):
    assert refusal(client.get(path)) == (404, "not_found", PROBLEM)


def test_an_unknown_page_is_a_page(client: Client):
    answer = client.get("/nothing/")
    assert (answer.status_code, answer["Content-Type"]) == (404, "text/html; charset=utf-8")


@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize("method", ["post", "put", "delete"])
def test_a_body_sent_to_an_address_without_its_slash_is_not_redirected_away(
    client: Client, settings: Any, method: str, debug: bool
):
    settings.DEBUG = debug
    answer = getattr(client, method)("/api/v1/predictions", b"{}", content_type="application/json")
    assert refusal(answer) == (404, "missing_slash", PROBLEM)
    assert "/api/v1/predictions/" in answer.json()["detail"]
    assert answer["Content-Length"]


def test_a_get_without_its_slash_is_sent_on_with_its_query(client: Client):
    answer = client.get("/api/v1/predictions?model=payments")
    assert (answer.status_code, answer["Location"]) == (301, "/api/v1/predictions/?model=payments")


@pytest.mark.parametrize("method", ["put", "patch", "delete"])
def test_a_method_an_endpoint_does_not_have_is_405(cast: Cast, client_with: Any, method: str):
    answer = getattr(client_with("admin"), method)("/api/v1/predictions/")
    assert refusal(answer) == (405, "method_not_allowed", PROBLEM)
    assert "POST" in answer["Allow"]


def test_what_cannot_be_given_is_406(cast: Cast, client_with: Any):
    answer = client_with("read").get("/api/v1/models/", HTTP_ACCEPT="image/png")
    assert refusal(answer) == (406, "not_acceptable", PROBLEM)


def test_a_host_that_is_not_ours_is_a_problem(client: Client):
    assert refusal(client.get("/api/v1/models/", HTTP_HOST="evil.example")) == (400, "bad_request", PROBLEM)


def test_an_error_of_ours_says_nothing_of_itself_and_is_logged(
    cast: Cast, client_with: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    def broken(*_: Any, **__: Any) -> None:
        raise KeyError("the password is swordfish")

    client: APIClient = client_with("read")
    client.raise_request_exception = False
    monkeypatch.setattr(access.Principal, "models", broken)
    with caplog.at_level(logging.ERROR, logger="django.request"):
        answer = client.get("/api/v1/models/")
    assert refusal(answer) == (500, "server_error", PROBLEM)
    assert b"swordfish" not in answer.content
    assert b"KeyError" not in answer.content
    assert any(record.exc_info and "swordfish" in str(record.exc_info[1]) for record in caplog.records)
