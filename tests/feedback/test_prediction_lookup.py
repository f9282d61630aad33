"""GET /predictions/ and /predictions/{id}/: found by id or filter, with the labels that stand."""

from __future__ import annotations

import pytest
from rest_framework.test import APIClient

from feedback import labels
from tests.conftest import prediction_body
from tests.feedback.cases import decide, make_case, undo

URL = "/api/v1/predictions/"


@pytest.fixture
def read(cast, client_with):
    return client_with("read")


def _names(response):
    assert response.status_code == 200, response.content
    return [row["external_id"] for row in response.json()["results"]]


def test_one_prediction_shows_routing_decisions_and_standing_labels(read, cast):
    prediction = make_case(cast.model, "p-1", propensity=0.25)
    first = decide(prediction, "fraud")
    labels.pull()
    body = read.get(f"{URL}{prediction.pk}/").json()
    assert (body["id"], body["model"], body["version"]) == (str(prediction.pk), "payments", "1")
    assert body["review"] == "audit"
    assert (body["propensity"], body["draw"], body["decisions"][0]["label"]) == (0.25, 0.0, "fraud")
    [label] = body["labels"]
    assert (label["label"], label["selection"], label["propensity"]) == ("fraud", "draw", 0.25)
    undo(first)
    labels.pull()
    assert read.get(f"{URL}{prediction.pk}/").json()["labels"] == []


@pytest.mark.parametrize(("query", "found"), [
    ("?external_id=b", ["b"]), ("?entity_id=card-1", ["c", "a"]), ("?status=decided", ["c"]),
    ("?model=payments", ["c", "b", "a"]), ("?model=payments&entity_id=card-1&status=routed", ["a"]),
    ("?external_id=nobody", []), ("", ["x", "c", "b", "a"]),
])  # fmt: skip
def test_predictions_are_found_by_filters_newest_first(read, cast, query, found):
    make_case(cast.model, "a", entity_id="card-1")
    make_case(cast.model, "b")
    make_case(cast.model, "c", entity_id="card-1", status="decided")
    make_case(cast.other_model, "x")
    assert _names(read.get(URL + query)) == found


def test_a_long_list_is_read_by_its_cursor_without_gaps(read, cast):
    for number in range(5):
        make_case(cast.model, f"p-{number}")
    page = read.get(f"{URL}?page_size=2")
    names = _names(page)
    while following := page.json()["next"]:
        page = read.get(following)
        names += _names(page)
    assert names == [f"p-{number}" for number in reversed(range(5))]


def test_a_page_of_predictions_costs_a_fixed_number_of_queries(read, cast, django_assert_max_num_queries):
    for number in range(20):
        decide(make_case(cast.model, f"p-{number}"), "ok")
    labels.pull()
    with django_assert_max_num_queries(14):
        assert len(_names(read.get(URL))) == 20


@pytest.mark.parametrize(("query", "code"), [
    ("?since=1", "unknown_parameter"), ("?status=lost", "invalid_parameter"), ("?cursor=cD1hYmM%3D", "invalid_cursor"),
    ("?page_size=0", "invalid_parameter"), ("?external_id=a%00", "invalid_parameter"), ("?cursor=x", "invalid_cursor"),
    ("?page_size=", "invalid_parameter"),
])  # fmt: skip
def test_a_query_that_means_nothing_is_refused(read, query, code):
    response = read.get(URL + query)
    assert (response.status_code, response.json()["code"]) == (400, code)


@pytest.mark.parametrize("pk", ["999", "x", "-1", "9" * 30, "1.0"])
def test_what_does_not_exist_is_not_found_as_a_problem(read, pk):
    response = read.get(f"{URL}{pk}/")
    assert (response.status_code, response["Content-Type"]) == (404, "application/problem+json")


def test_others_predictions_do_not_exist(cast, client_with):
    prediction = make_case(cast.model, "p-1")
    mallory = APIClient()
    mallory.force_login(cast.mallory)
    assert mallory.get(f"{URL}{prediction.pk}/").status_code == 404
    assert _names(mallory.get(URL)) == []
    assert mallory.get(f"{URL}?model=payments").status_code == 404
    assert client_with("read", model=cast.other_model).get(f"{URL}{prediction.pk}/").status_code == 404
    assert client_with("ingest").get(URL).status_code == 403
    assert APIClient().get(URL).status_code == 401
    alice = APIClient()
    alice.force_login(cast.alice)
    assert _names(alice.get(URL)) == ["p-1"]


def test_a_posted_prediction_is_answered_as_the_list_shows_it(cast, client_with):
    key = client_with("ingest", "read")
    posted = key.post(URL, prediction_body(), format="json")
    again = key.post(URL, prediction_body(), format="json")
    assert (posted.status_code, again.status_code) == (202, 200)
    assert again.json() == key.get(f"{URL}{posted.json()['id']}/").json()
