"""Cursors of lists: those that were made here lead through all rows, every other is one clear 400."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from rest_framework.test import APIClient

from tests.conftest import Cast, prediction_body

LIST = "/api/v1/predictions/"


@pytest.fixture
def client(cast: Cast, client_with: Any) -> APIClient:
    client: APIClient = client_with("ingest", "read", model=cast.model)
    for number in range(7):
        assert client.post(LIST, prediction_body(f"p-{number}"), format="json").status_code == 202
    return client


def names(page: dict[str, Any]) -> list[str]:
    return [result["external_id"] for result in page["results"]]


def test_a_list_is_walked_forth_and_back_by_its_cursors(client: APIClient):
    pages = [client.get(LIST, {"page_size": 3}).json()]
    while pages[-1]["next"]:
        pages.append(client.get(pages[-1]["next"]).json())
    assert [names(page) for page in pages] == [["p-6", "p-5", "p-4"], ["p-3", "p-2", "p-1"], ["p-0"]]
    second = client.get(pages[2]["previous"]).json()
    first = client.get(second["previous"]).json()
    assert (names(second), names(first), first["previous"]) == (names(pages[1]), names(pages[0]), None)


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "\0",
        "%",
        "....",
        "é",
        "5",
        "cD01!",
        "cD0x\n",
        encoded(""),
        encoded("p="),
        encoded("p=-5"),
        encoded("p=abc"),
        encoded("p=5\0"),
        encoded("p=1e3"),
        encoded("p=٥"),
        encoded("p=5&p=6"),
        encoded("p=5&x=1"),
        encoded("r=2&p=5"),
        encoded("o=99999999&p=5"),
        encoded("o=-1&p=5"),
        encoded("p=" + "9" * 40),
        encoded("p=1 OR 1=1"),
        "A" * 5000,
    ],
)
def test_a_cursor_that_was_not_made_here_is_refused(client: APIClient, cursor: str):
    answer = client.get(LIST, {"cursor": cursor})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_cursor")


@pytest.mark.parametrize(
    "path",
    ["models/", "webhooks/", "queues/", *(f"models/payments/{name}/" for name in (
        "versions", "definitions", "promotions", "policies", "snapshots", "retrainings", "alerts"
    ))],
)  # fmt: skip
def test_every_list_reads_its_cursor_strictly(cast: Cast, client_with: Any, path: str):
    client = client_with("read", model=cast.model)
    assert client.get(f"/api/v1/{path}").status_code == 200
    answer = client.get(f"/api/v1/{path}", {"cursor": "\0"})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_cursor")


def test_a_position_beyond_every_row_is_an_empty_or_a_full_page(client: APIClient):
    assert names(client.get(LIST, {"cursor": encoded("p=0")}).json()) == []
    assert len(names(client.get(LIST, {"cursor": encoded("p=999999999999999999")}).json())) == 7
