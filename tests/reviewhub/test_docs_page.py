"""GET /api/v1/docs/: every endpoint and every problem code on one page that needs nobody and nothing from elsewhere."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import jsonschema_rs
import pytest
from django.test import Client
from django.utils.html import escape

from models_registry import schemas
from reviewhub.docs import description
from reviewhub.problems import GROUPS
from reviewhub.reference import body_of, endpoints
from tests.conftest import Cast

PAGE = "/api/v1/docs/"


@pytest.fixture
def page(db: None) -> Any:
    return Client().get(PAGE)


class Parts(HTMLParser):
    """Ids, links and whatever could load or run something."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.suspicious: list[str] = []
        self.loaded: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if name == "href" and tag == "a":
                self.links.append(value or "")
            if name.startswith("on") or name == "style":
                self.suspicious.append(f"{tag} {name}")
            if name in ("src", "srcset") or (name == "href" and tag == "link"):
                self.loaded.append(value or "")
        if tag == "style" or (tag == "script" and not dict(attrs).get("src")):
            self.suspicious.append(tag)


def test_it_is_shown_without_signing_in_and_with_a_key_that_is_none(page: Any):
    assert (page.status_code, page["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert Client().get(PAGE, HTTP_AUTHORIZATION="Bearer nonsense").status_code == 200
    assert Client().get("/api/v1/schema/", HTTP_AUTHORIZATION="Bearer nonsense").status_code == 200


def test_it_loads_nothing_from_elsewhere_and_runs_nothing_of_its_own(page: Any):
    parts = Parts(page.content.decode())
    assert parts.suspicious == []
    assert [address for address in parts.loaded if not address.startswith("/static/")] == []
    assert "default-src 'none'" in page["Content-Security-Policy"]
    assert "unsafe-inline" not in page["Content-Security-Policy"]


def test_every_endpoint_is_on_it(page: Any):
    text, ids = page.content.decode(), Parts(page.content.decode()).ids
    for path, operations in description()["paths"].items():
        assert path in text
        for operation in operations.values():
            assert operation["operationId"] in ids
            assert escape(operation["summary"]) in text


def test_every_problem_has_its_place_and_every_link_leads_somewhere(page: Any, client: Client):
    parts = Parts(page.content.decode())
    assert len(set(parts.ids)) == len(parts.ids)
    codes = [meaning.code for group in GROUPS for meaning in group.meanings]
    assert {f"problem-{code}" for code in codes} <= set(parts.ids)
    assert [link for link in parts.links if link.startswith("#") and link[1:] not in parts.ids] == []
    kind = client.get("/api/v1/nothing/").json()["type"]
    assert kind.startswith(f"{PAGE}#")
    assert kind.partition("#")[2] in parts.ids


def test_the_page_names_the_host_it_was_asked_for(page: Any):
    assert "http://testserver/api/v1/predictions/" in page.content.decode()


def test_the_example_bodies_are_what_the_endpoints_take():
    wrong = []
    for operations in description()["paths"].values():
        for operation in operations.values():
            body = body_of(operation)
            if body is not None:
                schema = operation["requestBody"]["content"]["application/json"]["schema"]
                wrong += [(operation["operationId"], fault) for fault in schemas.faults(schema, body)]
    assert wrong == []


def test_every_example_call_is_one_command_without_a_gap():
    for found in endpoints(description(), "http://x").values():
        for endpoint in found:
            assert endpoint.curl.startswith("curl ")
            assert not re.search(r"[{]\w+[}]|…", endpoint.curl), endpoint.curl
            assert not re.search(r"[^\\]\n", endpoint.curl), endpoint.curl
    assert jsonschema_rs.validator_for(description()["components"]["schemas"]["Problem"])


def test_a_signed_in_person_sees_it_with_the_navigation(cast: Cast):
    client = Client()
    client.force_login(cast.alice)
    assert b'href="/queues/"' in client.get(PAGE).content


@pytest.mark.parametrize("method", ["post", "put", "delete"])
def test_it_is_only_read(client: Client, method: str):
    answer = getattr(client, method)(PAGE)
    assert (answer.status_code, answer["Content-Type"], answer["Allow"]) == (
        405,
        "application/problem+json",
        "GET, HEAD",
    )
    assert client.head(PAGE).status_code == 200
