"""Every endpoint of the registry, for every kind of caller that must be refused."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from rest_framework.test import APIClient

from models_registry import access, artifacts, webhooks
from models_registry.models import ServiceKey, WebhookEndpoint
from tests.conftest import Cast

CONTENT = b"the bytes of a model"
SHA256 = hashlib.sha256(CONTENT).hexdigest()
# Method, path of the cast's own model, the scopes that suffice.
ENDPOINTS = [
    ("get", "/models/", {"read", "admin"}),
    ("get", "/models/payments/", {"read", "admin"}),
    ("get", "/models/payments/versions/", {"read", "admin"}),
    ("post", "/models/payments/versions/", {"admin"}),
    ("get", "/models/payments/versions/1/", {"read", "admin"}),
    ("get", "/models/payments/champion/", {"ingest", "read", "admin"}),
    ("get", "/models/payments/definitions/", {"read", "admin"}),
    ("post", "/models/payments/definitions/", {"admin"}),
    ("get", "/models/payments/promotions/", {"read", "admin"}),
    ("post", "/models/payments/promotions/", {"admin"}),
    ("get", f"/artifacts/{SHA256}", {"ingest", "read", "admin"}),
    ("get", "/webhooks/", {"read", "admin"}),
    ("post", "/webhooks/", {"admin"}),
    ("delete", "/webhooks/?id=4711", {"admin"}),
    ("get", "/webhooks/4711/", {"read", "admin"}),
    ("delete", "/webhooks/4711/", {"admin"}),
]
IDS = [f"{method} {path[:30]}" for method, path, _ in ENDPOINTS]
OF_ONE_MODEL = [(method, path) for method, path, _ in ENDPOINTS if path.startswith("/models/payments/")]


@pytest.fixture(autouse=True)
def _an_artifact_and_a_webhook(cast: Cast) -> None:
    cast.model.versions.update(artifact=artifacts.store(CONTENT, kind="model"))
    WebhookEndpoint.objects.create(
        pk=4711,
        model=cast.model,
        url="https://example.com",
        events=["model.promoted"],
        secret="whsec_",
        created_by="test",
    )


def ask(client: APIClient, method: str, path: str) -> Any:
    answer = getattr(client, method)(f"/api/v1{path}", {} if method == "post" else None, format="json")
    if answer.streaming:
        answer.close()
    return answer


@pytest.mark.parametrize(("method", "path", "scopes"), ENDPOINTS, ids=IDS)
def test_without_a_key_there_is_no_answer(method: str, path: str, scopes: set[str]):
    answer = ask(APIClient(), method, path)
    assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")
    assert answer["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("header", ["Bearer rh_wrong", "Bearer x", "Basic x", "rh_wrong", "Bearer rh_\xff", "Bearer "])
def test_a_wrong_key_is_always_the_same_401(header: str):
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=header)
    answer = ask(client, "get", "/models/")
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"].startswith("Bearer")


def test_a_revoked_key_is_refused_from_the_next_request_on(client_with: Any):
    client = client_with("read")
    assert ask(client, "get", "/models/").status_code == 200
    access.revoke_service_key(key=ServiceKey.objects.get(), actor="test")
    assert ask(client, "get", "/models/").status_code == 401


@pytest.mark.parametrize(("method", "path", "scopes"), ENDPOINTS, ids=IDS)
@pytest.mark.parametrize("scope", ServiceKey.Scope.values)
def test_a_key_does_what_its_scope_says(client_with: Any, method: str, path: str, scopes: set[str], scope: str):
    status = ask(client_with(scope), method, path).status_code
    assert (status in (200, 204, 400)) == (scope in scopes)
    assert (status == 403) == (scope not in scopes)


@pytest.mark.parametrize(("method", "path"), OF_ONE_MODEL, ids=[f"{m} {p[16:]}" for m, p in OF_ONE_MODEL])
@pytest.mark.parametrize("slug", ["payments", "nowhere"])
def test_a_foreign_model_is_as_unknown_as_none(cast: Cast, client_with: Any, method: str, path: str, slug: str):
    client = client_with("admin", model=cast.other_model)
    answer = ask(client, method, path.replace("payments", slug))
    assert (answer.status_code, answer.json()["detail"]) == (404, f"there is no model '{slug}'")


def test_lists_show_the_callers_own_models_and_webhooks_only(cast: Cast, client_with: Any):
    everybody = WebhookEndpoint.objects.create(
        model=None, url="https://example.com", events=["model.promoted"], secret="whsec_", created_by="test"
    )
    own, foreign, unbound = (client_with("admin", model=m) for m in (cast.model, cast.other_model, None))
    listed = [[m["slug"] for m in ask(c, "get", "/models/").json()["results"]] for c in (own, foreign, unbound)]
    assert listed == [["payments"], ["secrets"], ["secrets", "payments"]]
    told = [[w["id"] for w in ask(c, "get", "/webhooks/").json()["results"]] for c in (own, foreign, unbound)]
    assert told == [["4711"], [], ["4711", str(everybody.pk)]]
    for client in (foreign, own):
        assert ask(client, "delete", f"/webhooks/{everybody.pk}/").status_code == 404
    assert ask(foreign, "delete", "/webhooks/4711/").status_code == 404
    assert ask(foreign, "get", f"/artifacts/{SHA256}").status_code == 404


@pytest.mark.parametrize(
    ("name", "statuses"),
    [
        ("alice", {"get": 200, "post": 403}),
        ("dana", {"get": 200, "post": 403}),
        ("erin", {"get": 200, "post": 400}),
        ("mallory", {"get": 404, "post": 404}),
    ],
)
def test_people_do_over_the_api_what_their_role_says(cast: Cast, name: str, statuses: dict[str, int]):
    client = APIClient()
    client.force_login(getattr(cast, name))
    for method, status in statuses.items():
        for part in ("versions", "definitions", "promotions"):
            assert ask(client, method, f"/models/payments/{part}/").status_code == status


def test_a_session_changes_nothing_without_the_csrf_token(cast: Cast):
    client = APIClient(enforce_csrf_checks=True)
    client.force_login(cast.erin)
    answer = ask(client, "post", "/models/payments/definitions/")
    assert (answer.status_code, answer.json()["code"]) == (403, "csrf")


@pytest.mark.parametrize(("method", "path", "scopes"), ENDPOINTS, ids=IDS)
def test_an_unknown_parameter_is_named(client_with: Any, method: str, path: str, scopes: set[str]):
    glue = "&" if "?" in path else "?"
    answer = ask(client_with("admin"), method, f"{path}{glue}colour=red")
    assert (answer.status_code, answer.json()["code"]) == (400, "unknown_parameter")
    assert answer.json()["errors"][0]["pointer"] == "/colour"


@pytest.mark.parametrize("query", ["cursor=x", "cursor=cD0lMDA=", "cursor=cD14", "page_size=0", "page_size=501"])
def test_a_forged_page_is_one_clear_400(client_with: Any, query: str):
    assert ask(client_with("read"), "get", f"/models/?{query}").status_code == 400


def test_lists_are_read_page_by_page(cast: Cast, client_with: Any):
    client, found = client_with("read"), []
    url: str | None = "/api/v1/models/?page_size=1"
    while url:
        page = client.get(url).json()
        found += [model["slug"] for model in page["results"]]
        url = page["next"]
    assert found == ["secrets", "payments"]


def test_webhook_events_are_the_documented_ones():
    assert webhooks.EVENTS == ("prediction.resolved", "review.corrected", "model.promoted")
