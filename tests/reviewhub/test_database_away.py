from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test import Client

from tests.conftest import Cast


@pytest.fixture
def away() -> Iterator[None]:
    """PostgreSQL stops answering until the test is over, and is back for the clean-up."""

    def refuse(self: BaseDatabaseWrapper, *args: object) -> None:
        raise OperationalError("connection refused")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BaseDatabaseWrapper, "cursor", refuse)
        yield


@pytest.mark.parametrize(
    "path", ["/", "/queues/", "/models/payments/", "/metrics", "/api/v1/models/", "/api/v1/queues/"]
)
def test_everything_says_503_and_when_to_come_back(cast: Cast, request: pytest.FixtureRequest, path: str):
    client = Client(raise_request_exception=False)
    client.force_login(cast.erin)
    request.getfixturevalue("away")
    answer = client.get(path)
    assert answer.status_code == 503
    assert answer["Retry-After"] == "2"
    assert "connection refused" not in answer.content.decode()
    if path.startswith("/api/"):
        assert answer["Content-Type"] == "application/problem+json"
        assert answer.json()["code"] == "database_unavailable"


def test_a_service_with_a_key_is_told_the_same(client_with, cast: Cast, request: pytest.FixtureRequest):
    client = client_with("ingest")
    request.getfixturevalue("away")
    answer = client.post("/api/v1/predictions/", {}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")


def test_liveness_does_not_ask_the_database(client: Client, away: None):
    assert client.get("/health/live").status_code == 200
    assert client.get("/health/ready").status_code == 503
