"""GET /models/{slug}/labels/: what an analyst reads in three lines."""

from __future__ import annotations

import io
import json

import pandas
import pytest
from rest_framework.test import APIClient

from feedback import labels
from feedback.delimited import harmless
from feedback.models import Label
from models_registry import access
from models_registry.models import DataContract
from tests.feedback.cases import FEATURES, NOON, decide, make_case, outcome_body, undo

URL = "/api/v1/models/payments/labels/"
COLUMNS = [
    "prediction_id", "external_id", "entity_id", "version", "amount", "age", "country", "score.ok", "score.fraud",
    "label", "label_source", "selection", "definition", "propensity", "arrival_probability", "weight", "split",
    "predicted_at", "decided_at", "observed_at", "delay_seconds", "reviewer", "mode", "reason_codes",
]  # fmt: skip


@pytest.fixture
def read(cast, client_with):
    return client_with("read")


def _text(response):
    assert response.status_code == 200, response.content
    return b"".join(response.streaming_content).decode()


def _rows(response):
    return [json.loads(line) for line in _text(response).splitlines()]


def _ndjson(client, query=""):
    return client.get(URL + query, HTTP_ACCEPT="application/x-ndjson")


def test_three_lines_of_a_notebook_read_all_labels(read, cast):
    decide(make_case(cast.model, "p-1", propensity=0.25, entity_id="card-1"), "fraud", reason_codes=["stolen", "late"])
    decide(make_case(cast.model, "p-2", features={**FEATURES, "age": None}), "ok")
    frame = pandas.read_csv(io.StringIO(_text(read.get(URL))), dtype={"prediction_id": str})
    assert list(frame.columns) == COLUMNS
    first = frame.iloc[0]
    assert (first.external_id, first.label, first.amount, first["score.fraud"]) == ("p-1", "fraud", 12.5, 0.2)
    assert (first.propensity, first.arrival_probability, first.weight) == (0.25, 1.0, 4.0)
    assert (first.selection, first.label_source, first.reviewer) == ("draw", "review", "r-alice")
    assert json.loads(first.reason_codes) == ["stolen", "late"]
    assert first.delay_seconds == 7200
    assert pandas.isna(frame.iloc[1].age)


def test_ndjson_has_the_same_columns_with_values_as_sent(read, cast):
    decide(make_case(cast.model, "p-1"), "fraud", reason_codes=["stolen"])
    [row] = _rows(_ndjson(read))
    assert list(row) == COLUMNS
    assert (row["amount"], row["age"], row["country"], row["reason_codes"]) == (12.5, 41, "DE", ["stolen"])
    assert row["entity_id"] is None
    assert row["predicted_at"] == "2026-03-01T12:00:00Z"


@pytest.mark.parametrize(("accept", "kind"), [
    ("*/*", "text/csv"), ("text/csv", "text/csv"), ("application/x-ndjson", "application/x-ndjson"),
    ("application/ndjson", "application/ndjson"), ("application/x-ndjson;q=0.2, text/csv", "text/csv"),
])  # fmt: skip
def test_the_form_follows_accept(read, accept, kind):
    assert read.get(URL, HTTP_ACCEPT=accept)["Content-Type"] == f"{kind}; charset=utf-8"


def test_a_form_that_does_not_exist_is_refused_as_a_problem(read):
    response = read.get(URL, HTTP_ACCEPT="image/png")
    assert (response.status_code, response["Content-Type"]) == (406, "application/problem+json")


def test_the_cursor_gives_each_label_once_and_then_only_what_is_new(read, cast):
    for number in range(5):
        decide(make_case(cast.model, f"p-{number}"), "ok")
    first = _ndjson(read, "?limit=3")
    after = first["X-Next-After"]
    assert f"after={after}" in first["Link"]
    second = _ndjson(read, f"?after={after}")
    names = [row["external_id"] for row in _rows(first) + _rows(second)]
    assert names == [f"p-{number}" for number in range(5)]
    nothing = _ndjson(read, f"?after={second['X-Next-After']}")
    assert (_rows(nothing), nothing["X-Next-After"]) == ([], second["X-Next-After"])
    decide(make_case(cast.model, "p-5"), "ok")
    assert [row["external_id"] for row in _rows(_ndjson(read, f"?after={second['X-Next-After']}"))] == ["p-5"]


def test_a_decision_taken_before_the_request_is_in_the_answer_and_an_undone_one_is_not(read, cast):
    decision = decide(make_case(cast.model, "p-1"), "ok")
    assert len(_rows(_ndjson(read))) == 1
    undo(decision)
    assert _rows(_ndjson(read)) == []


@pytest.mark.parametrize("query", ["?after=-1", "?after=x", "?after=1.5", "?limit=0", "?limit=", "?after=٣"])
def test_a_cursor_that_is_no_number_is_refused(read, query):
    response = read.get(URL + query)
    assert (response.status_code, response["Content-Type"]) == (400, "application/problem+json")
    assert response.json()["errors"][0]["pointer"] == query[1:].split("=")[0].join(["/", ""])


def test_an_unknown_parameter_is_refused(read):
    response = read.get(URL + "?since=1")
    assert (response.status_code, response.json()["code"]) == (400, "unknown_parameter")


def test_text_that_a_spreadsheet_would_run_is_made_harmless_and_ndjson_stays_exact(read, cast):
    formula = '=HYPERLINK("http://x","y")'
    decide(make_case(cast.model, "-p", entity_id=formula), "ok")
    assert f'"\'{formula.replace(chr(34), chr(34) * 2)}"' in _text(read.get(URL))
    [row] = _rows(_ndjson(read))
    assert (row["entity_id"], row["external_id"]) == (formula, "-p")


@pytest.mark.parametrize("text", ["=1", "+1+1", "-x", "@x", "\t=1", "\r=1", '"=1', ";=1", " =1", "',-1+1"])
def test_every_way_to_begin_a_formula_is_met(text):
    assert harmless(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "a", "-5", "+1.5e-3", "a=b", "é", "10-20"])
def test_ordinary_text_and_numbers_stay_as_they_are(text):
    assert harmless(text) == text


def test_a_feature_named_like_a_column_gets_a_prefix(read, cast):
    contract = DataContract.objects.create(
        model=cast.model, number=2, document={"features": [{"name": "weight", "dtype": "float"}]}, sha256="1" * 64
    )
    cast.model.versions.create(version="2", contract=contract, state="ready", created_by="test")
    decide(make_case(cast.model, "p-1", features={**FEATURES, "weight": 70}), "ok")
    [row] = _rows(_ndjson(read))
    assert (row["feature.weight"], row["weight"]) == (70.0, 4.0)


def test_outcomes_of_unreviewed_rows_never_get_one_over_the_propensity(read, cast, client_with):
    cast.model.outcomes_complete_for, cast.model.outcomes_horizon_days = "proceeded", 10
    cast.model.save()
    make_case(cast.model, "went-through", review="none", propensity=0.05)
    make_case(cast.model, "refused", review="none", propensity=0.05, disposition="refuse")
    make_case(cast.model, "young", review="none", propensity=0.05, occurred_at=NOON.replace(year=2999))
    bodies = [outcome_body(name) for name in ("went-through", "refused", "young")]
    client_with("ingest").post("/api/v1/outcomes/bulk/", {"outcomes": bodies}, format="json")
    rows = {row["external_id"]: row for row in _rows(_ndjson(read))}
    found = {name: (row["weight"], row["arrival_probability"], row["propensity"]) for name, row in rows.items()}
    assert found == {"went-through": (1.0, 1.0, None), "refused": (None, None, None), "young": (None, None, None)}
    cast.model.outcomes_complete_for = "none"
    cast.model.save()
    assert {row["weight"] for row in _rows(_ndjson(read))} == {None}


def test_the_weight_makes_up_for_reviews_that_are_still_open(read, cast):
    for number in range(4):
        prediction = make_case(cast.model, f"p-{number}", propensity=0.5)
        if number != 3:
            decide(prediction, "ok")
    make_case(cast.model, "gone", status="withdrawn")
    decide(make_case(cast.model, "gate", review="gate", propensity=1.0), "ok")
    rows = {row["external_id"]: row for row in _rows(_ndjson(read))}
    assert (rows["p-0"]["arrival_probability"], rows["p-0"]["weight"]) == (0.75, pytest.approx(1 / (0.5 * 0.75)))
    assert rows["gate"]["weight"] == 1.0


def test_one_entity_is_always_on_one_side_of_the_split(read, cast):
    for number in range(30):
        decide(make_case(cast.model, f"p-{number}", entity_id=f"card-{number % 10}"), "ok")
    rows = _rows(_ndjson(read))
    sides = {(row["entity_id"], row["split"]) for row in rows}
    assert len(sides) == 10
    assert {side for _, side in sides} == {"train", "holdout"}


@pytest.mark.parametrize(("name", "status"), [("alice", 403), ("dana", 200), ("erin", 200), ("mallory", 404)])
def test_people_export_by_role(cast, name, status):
    client = APIClient()
    client.force_login(getattr(cast, name))
    assert client.get(URL).status_code == status


@pytest.mark.parametrize(("scope", "status"), [("read", 200), ("admin", 200), ("ingest", 403), ("review", 403)])
def test_keys_export_by_scope(cast, client_with, scope, status):
    assert client_with(scope).get(URL).status_code == status
    assert client_with(scope, model=cast.other_model).get(URL).status_code == (404 if status == 200 else 403)


def test_nothing_of_another_model_is_in_the_answer(read, cast):
    decide(make_case(cast.other_model, "theirs"), "ok")
    labels.pull()
    assert Label.objects.filter(model=cast.other_model).exists()
    assert _rows(_ndjson(read)) == []
    assert access.SCOPES["read"] >= {"export"}
