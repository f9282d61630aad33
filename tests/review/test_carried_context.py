"""A context on its way: taken in or refused as a whole, drawn on the page, its pictures delivered by themselves."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client

from review import cases
from review.models import Explanation, Prediction, PredictionPayload
from tests.conftest import Cast, prediction_body
from tests.review import made_pictures as made
from tests.review.items import make_prediction

SINGLE, BULK = "/api/v1/predictions/", "/api/v1/predictions/bulk/"
CARRIED = {
    "text": "<script>alert(1)</script>",
    "links": [{"title": "<b>file</b>", "url": "https://files.example/a?b=<c>&d='\""}],
    "images": [{"data": made.text(made.png()), "alt": '" onerror="alert(1)'}],
    "array": {"values": [[0, 5], [10, 20]], "features": [["amount", None], ["age", "country"]]},
    "</dl><script>": {"x": "</dd><img src=x onerror=alert(1)>"},
}


def carrying(cast: Cast, carried: Any) -> Prediction:
    prediction = make_prediction(cast.model)
    PredictionPayload.objects.filter(prediction=prediction).update(context=carried)
    return Prediction.objects.get(pk=prediction.pk)


def signed_in(person: Any) -> Client:
    client = Client()
    client.force_login(person)
    return client


def test_a_whole_context_is_kept_as_it_came_and_shown_to_reviewers_by_the_api(cast: Cast, client_with: Any):
    answer = client_with("ingest").post(SINGLE, prediction_body(context=CARRIED), format="json")
    assert answer.status_code == 202, answer.json()
    assert PredictionPayload.objects.get().context == CARRIED


@pytest.mark.parametrize("path", [SINGLE, BULK])
def test_a_faulty_context_is_refused_with_its_place_and_nothing_is_written(cast: Cast, client_with: Any, path: str):
    good, bad = prediction_body("p-1"), prediction_body("p-2", context={"links": [{"url": "javascript:alert(1)"}]})
    body, before = (bad, "") if path == SINGLE else ({"predictions": [good, bad]}, "/predictions/1")
    answer = client_with("ingest").post(path, body, format="json")
    assert (answer.status_code, answer.json()["code"]) == (400, "format")
    assert [error["pointer"] for error in answer.json()["errors"]] == [f"{before}/context/links/0/url"]
    assert not Prediction.objects.exists()


def test_an_array_of_features_that_the_contract_does_not_have_breaks_it(cast: Cast, client_with: Any):
    carried = {"array": {"values": [[1]], "features": [["height"]]}}
    answer = client_with("ingest").post(SINGLE, prediction_body(context=carried), format="json")
    assert (answer.status_code, answer.json()["code"]) == (422, "contract_violation")
    assert answer.json()["errors"][0]["pointer"] == "/context/array/features/0/0"


def test_the_limit_of_a_picture_is_a_setting(cast: Cast, client_with: Any, settings: Any):
    settings.REVIEWHUB = {**settings.REVIEWHUB, "MAX_CONTEXT_IMAGE_BYTES": 50}
    carried = {"images": [{"data": made.text(made.png())}]}
    answer = client_with("ingest").post(SINGLE, prediction_body(context=carried), format="json")
    assert (answer.status_code, answer.json()["code"]) == (400, "length")


def test_the_page_escapes_everything_and_loads_nothing_from_elsewhere(cast: Cast):
    prediction = carrying(cast, CARRIED)
    page = signed_in(cast.alice).get(f"/predictions/{prediction.pk}/").content.decode()
    assert "<script>alert" not in page
    assert "onerror=alert(1)>" not in page.replace("&gt;", "")
    assert 'alt="&quot; onerror=&quot;alert(1)"' in page
    [link] = re.findall(r"<a [^>]*files\.example[^>]*>", page)
    assert 'rel="noopener noreferrer nofollow"' in link
    assert 'target="_blank"' in link
    assert set(re.findall(r'(?:src|srcset|poster|data)="(https?://[^"]*)"', page)) == set()
    assert f'src="/predictions/{prediction.pk}/images/0/"' in page


@pytest.mark.parametrize(
    "old",
    [
        {"text": 5, "links": "x", "images": [1], "array": []},
        {"images": [{"data": "%%%"}], "array": {"values": [[1], [2, 3]]}, "links": [{"url": "javascript:alert(1)"}]},
        {"text": None, "array": {"values": None}},
    ],
)
def test_what_was_stored_before_there_was_a_form_is_shown_as_text(cast: Cast, old: dict[str, Any]):
    prediction = carrying(cast, old)
    answer = signed_in(cast.alice).get(f"/predictions/{prediction.pk}/")
    assert answer.status_code == 200
    assert 'href="javascript' not in answer.content.decode()
    assert {other["key"] for other in answer.context["case"]["context"]["others"]} == set(old)
    assert signed_in(cast.alice).get(f"/predictions/{prediction.pk}/images/0/").status_code == 404


def test_a_picture_is_delivered_as_what_it_is_under_a_policy_of_its_own(cast: Cast):
    polyglot = made.png() + b"<html><script>alert(1)</script>"
    prediction = carrying(cast, {"images": [{"data": made.text(made.gif())}, {"data": made.text(polyglot)}]})
    answer = signed_in(cast.alice).get(f"/predictions/{prediction.pk}/images/1/")
    assert (answer.status_code, answer["Content-Type"], answer.content) == (200, "image/png", polyglot)
    assert answer["Content-Security-Policy"] == "default-src 'none'; sandbox; frame-ancestors 'none'"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Content-Disposition"] == f'inline; filename="{prediction.pk}-1.png"'
    assert "private" in answer["Cache-Control"]


def test_pictures_are_for_those_who_may_read_the_prediction(cast: Cast):
    prediction = carrying(cast, {"images": [{"data": made.text(made.png())}]})
    path = f"/predictions/{prediction.pk}/images/0/"
    for person in (cast.alice, cast.dana, cast.erin):
        assert signed_in(person).get(path).status_code == 200
    assert signed_in(cast.mallory).get(path).status_code == 404
    assert Client().get(path).status_code == 302
    far = "9" * 25
    for missing in (f"{prediction.pk}/images/1", f"{prediction.pk + 1}/images/0", f"{far}/images/0",
                    f"{prediction.pk}/images/{far}"):  # fmt: skip
        assert signed_in(cast.alice).get(f"/predictions/{missing}/").status_code == 404
    assert signed_in(cast.alice).post(path).status_code == 405


def test_attributions_are_drawn_with_the_explanation_and_nowhere_else(cast: Cast):
    prediction = carrying(cast, CARRIED)
    rows = [
        {"feature": "amount", "value": 1, "contribution": 0.4},
        {"feature": "age", "value": 1, "contribution": -0.2},
    ]
    Explanation.objects.create(
        prediction=prediction, status="ready", contributions=rows, explained_class="ok", space="probability"
    )
    case = cases.case(Prediction.objects.get(pk=prediction.pk))
    drawn = case["explanation"]["drawing"]
    assert drawn["told"] == [
        "1 cell pushes towards ok, strongest: row 1, column 1.",
        "1 cell pushes against ok, strongest: row 2, column 1.",
    ]
    assert [len(drawn["towards"]), len(drawn["against"])] == [1, 1]
    assert "towards" not in str(case["context"])
