"""Known cases over HTTP: who may say and read them, that all are stored or none, and where each fault is."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from rest_framework.test import APIClient

from feedback import gold
from feedback.models import GoldTruth
from tests.conftest import Cast
from tests.feedback.cases import ask, make_case

PAGE, API = "/models/payments/gold/", "/api/v1/models/payments/gold/"


@pytest.fixture
def three(cast: Cast) -> Cast:
    for name in ("a", "b", "c"):
        make_case(cast.model, name, review="none")
    return cast


@pytest.fixture
def erin(three: Cast, client: Client) -> Client:
    client.force_login(three.erin)
    return client


def known() -> dict[str, tuple[str, bool]]:
    rows = GoldTruth.objects.values_list("prediction__external_id", "value", "practice")
    return {name: (value, practice) for name, value, practice in rows}


def test_lines_are_stored_with_their_own_value_or_the_one_of_all(erin: Client) -> None:
    sent = {"lines": "external_id,value\na,fraud\n\n b ,\nc", "value": "ok", "practice": "on"}
    answer = erin.post(f"{PAGE}say/", sent, follow=True)
    assert known() == {"a": ("fraud", True), "b": ("ok", True), "c": ("ok", True)}
    assert "3 cases are known now." in answer.content.decode()


def test_a_file_is_as_good_as_lines(erin: Client) -> None:
    file = SimpleUploadedFile("known.csv", '\ufeffexternal_id,value\r\n"a",fraud\r\n'.encode())
    assert erin.post(f"{PAGE}say/", {"file": file}).status_code == 302
    assert known() == {"a": ("fraud", False)}


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        ({"lines": "a,fraud\nnobody,ok"}, "Line 2: model &#x27;payments&#x27; has no prediction &#x27;nobody&#x27;."),
        ({"lines": "a,fraud\nb,cat"}, "Line 2: &#x27;cat&#x27; is not one of the classes ok, fraud."),
        ({"lines": "a,fraud\na,ok"}, "Line 2: prediction &#x27;a&#x27; stands here twice."),
        ({"lines": "a,fraud,more"}, "Line 1: give an external id, a comma and a value."),
        ({"lines": "a"}, "Line 1: say what is true, or choose a value for all lines without one."),
        ({"lines": '"a\nb'}, "Line 1"),
        ({"lines": " \n"}, "Name at least one case."),
        ({"lines": "x,ok\n" * 1001}, "At most 1000 lines at once."),
        ({"lines": "a,ok", "value": "cat"}, "Select a valid choice"),
    ],
)
def test_of_lines_with_a_fault_none_is_stored_and_the_line_is_named(
    erin: Client, sent: dict[str, str], told: str
) -> None:
    answer = erin.post(f"{PAGE}say/", sent)
    assert (answer.status_code, known()) == (422, {})
    assert told in answer.content.decode()


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"a\x00b,ok", b"x" * 1_000_001])
def test_a_file_that_is_none_is_refused(erin: Client, content: bytes) -> None:
    assert erin.post(f"{PAGE}say/", {"file": SimpleUploadedFile("f.csv", content)}).status_code == 422
    assert known() == {}


def test_a_case_moves_to_practice_and_back_and_is_removed(erin: Client, three: Cast) -> None:
    pk = three.model.predictions.get(external_id="a").pk if hasattr(three.model, "predictions") else _pk("a")
    erin.post(f"{PAGE}{pk}/", {"act": "say", "value": "fraud", "back": "prediction"})
    assert "Known case" in erin.get(f"/predictions/{pk}/").content.decode()
    erin.post(f"{PAGE}{pk}/", {"act": "practice"})
    assert known() == {"a": ("fraud", True)}
    erin.post(f"{PAGE}{pk}/", {"act": "real"})
    assert known() == {"a": ("fraud", False)}
    answer = erin.post(f"{PAGE}{pk}/", {"act": "say", "value": "cat"}, follow=True)
    assert "is not one of the classes" in answer.content.decode()
    erin.post(f"{PAGE}{pk}/", {"act": "remove"})
    erin.post(f"{PAGE}{pk}/", {"act": "practice"})
    assert known() == {}


def _pk(name: str) -> int:
    from review.models import Prediction

    return Prediction.objects.get(external_id=name).pk


@pytest.mark.parametrize(("who", "status"), [("alice", 403), ("dana", 403), ("mallory", 404)])
def test_reviewers_neither_read_nor_say_what_is_known(three: Cast, client: Client, who: str, status: int) -> None:
    client.force_login(getattr(three, who))
    assert client.get(PAGE).status_code == status
    assert client.post(f"{PAGE}say/", {"lines": "a,ok"}).status_code == status
    assert client.post(f"{PAGE}{_pk('a')}/", {"act": "say", "value": "ok"}).status_code == status
    assert known() == {}


def test_the_page_leaves_out_what_waits_to_be_answered_by_its_reader(erin: Client, three: Cast) -> None:
    gold.set_gold(prediction=_of("a"), value="fraud", actor="dana")
    gold.set_gold(prediction=_of("b"), value="fraud", actor="dana")
    ask(_of("a"))
    text = erin.get(PAGE).content.decode()
    assert f"/predictions/{_pk('b')}/" in text
    assert f"/predictions/{_pk('a')}/" not in text
    listed = erin.get(API).json()["results"]
    assert [row["external_id"] for row in listed] == ["b"]
    assert "Known case" not in erin.get(f"/predictions/{_pk('a')}/").content.decode()


def _of(name: str) -> Any:
    from review.models import Prediction

    return Prediction.objects.get(external_id=name)


@pytest.fixture
def admin(three: Cast, client_with: Any) -> APIClient:
    client: APIClient = client_with("admin")
    return client


def test_one_or_several_are_said_over_the_api_and_listed_page_by_page(admin: APIClient) -> None:
    one = admin.post(API, {"external_id": "a", "value": "fraud"}, format="json")
    [row] = one.json()["results"]
    assert (one.status_code, row["value"], row["suggestion"], row["asked"]) == (200, "fraud", "ok", 0)
    several = {
        "gold": [{"prediction": str(_pk("b")), "value": "ok", "practice": True}, {"external_id": "a", "value": None}]
    }
    found = admin.post(API, several, format="json").json()["results"]
    assert [(row["external_id"], row["value"], row["practice"]) for row in found] == [
        ("b", "ok", True),
        ("a", None, False),
    ]
    admin.post(API, {"external_id": "c", "value": "ok"}, format="json")
    first = admin.get(API, {"page_size": 1}).json()
    second = admin.get(first["next"]).json()
    assert [page["results"][0]["external_id"] for page in (first, second)] == ["c", "b"]
    assert second["next"] is None


@pytest.mark.parametrize(
    ("body", "status", "pointers"),
    [
        ({}, 400, ["/value"]),
        ({"value": "ok"}, 400, ["/external_id"]),
        ({"value": "ok", "external_id": "a", "prediction": "1"}, 400, ["/prediction"]),
        ({"value": "ok", "external_id": "a", "more": 1}, 400, ["/more"]),
        ({"value": "cat", "external_id": "a"}, 422, ["/value"]),
        ({"value": "ok", "external_id": "zz"}, 422, ["/external_id"]),
        ({"value": "ok", "prediction": "99999999999999999999"}, 422, ["/prediction"]),
        ({"value": "ok", "prediction": "x"}, 400, ["/prediction"]),
        ({"gold": []}, 400, ["/gold"]),
        ({"gold": [{"value": "ok", "external_id": "a"}, {"value": "ok", "external_id": "a"}]}, 422, ["/gold/1"]),
        ({"gold": [{"value": "ok", "external_id": "a"}, {"value": 3, "external_id": "b"}]}, 400, ["/gold/1/value"]),
        ([], 400, [""]),
    ],
)
def test_a_fault_names_its_place_and_nothing_is_stored(
    admin: APIClient, body: Any, status: int, pointers: list[str]
) -> None:
    answer = admin.post(API, body, format="json")
    assert (answer.status_code, known()) == (status, {})
    assert [fault["pointer"] for fault in answer.json()["errors"]] == pointers


def test_keys_that_do_not_lead_are_refused(three: Cast, client_with: Any) -> None:
    for scope in ("read", "review", "ingest"):
        assert client_with(scope).get(API).status_code == 403
        assert client_with(scope).post(API, {"external_id": "a", "value": "ok"}, format="json").status_code == 403
