from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from review import resolutions
from tests.conftest import Cast
from tests.review.received import receive

FEED = "/api/v1/resolutions/"


@pytest.fixture
def reader(cast: Cast) -> APIClient:
    client = APIClient()
    client.force_login(cast.dana)
    return client


def resolve(cast: Cast, count: int, model: Any = None) -> list[str]:
    model = model or cast.model
    drafts = [resolutions.Draft(p.pk, model.pk, p.external_id, "ok", "proceed", "model") for p in receive(model, count)]
    return [str(pk) for pk, _ in resolutions.resolve_many(drafts)]


def test_a_caller_polls_from_its_cursor(cast: Cast, reader: APIClient) -> None:
    assert reader.get(FEED).json() == {"results": [], "cursor": "0", "next": None, "previous": None}
    ids = resolve(cast, 3)
    page = reader.get(FEED, {"model": "payments", "after": "0"}).json()
    assert [row["id"] for row in page["results"]] == ids
    first = page["results"][0]
    assert (first["external_id"], first["model"], first["state"]) == ("r-0", "payments", "final")
    assert (first["label"], first["disposition"], first["by"], first["decision"]) == ("ok", "proceed", "model", None)
    again = reader.get(FEED, {"after": page["cursor"]}).json()
    assert (again["results"], again["cursor"]) == ([], ids[-1])


def test_next_leads_through_every_resolution_once(cast: Cast, reader: APIClient) -> None:
    ids = resolve(cast, 25)
    seen, page = [], reader.get(FEED, {"model": "payments", "page_size": 10}).json()
    while True:
        seen += [row["id"] for row in page["results"]]
        if page["next"] is None:
            break
        page = reader.get(page["next"]).json()
    assert seen == ids


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"after": "-1"}, "invalid_cursor"),
        ({"after": "x"}, "invalid_cursor"),
        ({"after": "٣"}, "invalid_cursor"),
        ({"after": "9" * 30}, "invalid_cursor"),
        ({"after": str(2**63)}, "invalid_cursor"),
        ({"page_size": "0"}, "invalid_parameter"),
        ({"page_size": "1001"}, "invalid_parameter"),
        ({"since": "1"}, "unknown_parameter"),
    ],
)
def test_a_parameter_that_makes_no_sense_is_refused(reader: APIClient, query: dict[str, str], code: str) -> None:
    answer = reader.get(FEED, query)
    assert (answer.status_code, answer.json()["code"]) == (400, code)


def test_a_caller_sees_only_the_models_it_has_a_part_in(cast: Cast, reader: APIClient, client_with: Any) -> None:
    ours, theirs = resolve(cast, 2), resolve(cast, 2, cast.other_model)
    assert [row["id"] for row in reader.get(FEED).json()["results"]] == ours
    assert reader.get(FEED, {"model": "secrets"}).status_code == 404
    bound = client_with("read", model=cast.other_model)
    assert [row["id"] for row in bound.get(FEED).json()["results"]] == theirs
    assert client_with("ingest").get(FEED).status_code == 403
    assert APIClient().get(FEED).status_code == 401
