"""POST /outcomes/ and /outcomes/bulk/: all or nothing, once, and every fault named."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import IntegrityError, transaction

from feedback.models import OutcomeEvent
from models_registry.models import AuditEvent, LabelDefinition
from tests.feedback.cases import make_case, outcome_body

SINGLE, BULK = "/api/v1/outcomes/", "/api/v1/outcomes/bulk/"


@pytest.fixture
def ingest(cast, client_with):
    make_case(cast.model, "p-1")
    make_case(cast.model, "p-2")
    return client_with("ingest")


def _pointers(response):
    assert response["Content-Type"] == "application/problem+json"
    return {(fault["pointer"], fault["code"]) for fault in response.json()["errors"]}


def test_an_outcome_is_accepted_under_the_definition_in_force(ingest, cast):
    LabelDefinition.objects.create(model=cast.model, number=2, classes=["ok", "fraud"], created_by="test")
    response = ingest.post(SINGLE, outcome_body("p-1"), format="json")
    assert response.status_code == 202
    event = OutcomeEvent.objects.get()
    assert response.json()["id"] == str(event.pk)
    assert (event.definition.number, event.final, event.value) == (2, True, "fraud")
    assert AuditEvent.objects.get(action="outcomes.recorded").actor.startswith("key:")


def test_an_outcome_may_name_an_older_definition(ingest, cast):
    LabelDefinition.objects.create(model=cast.model, number=2, classes=["ok", "fraud"], created_by="test")
    assert ingest.post(SINGLE, outcome_body("p-1", definition=1), format="json").status_code == 202
    assert OutcomeEvent.objects.get().definition.number == 1


def test_the_same_report_twice_is_one_event_in_one_batch_and_across_batches(ingest):
    body = outcome_body("p-1")
    first = ingest.post(BULK, {"outcomes": [body, body, outcome_body("p-2")]}, format="json")
    again = ingest.post(BULK, {"outcomes": [body, {**body, "observed_at": "2026-03-20T01:00:00+01:00"}]}, format="json")
    assert (first.json()["accepted"], first.json()["replayed"]) == (2, 1)
    assert (again.json()["accepted"], again.json()["replayed"]) == (0, 2)
    assert again.json()["results"][0]["id"] == first.json()["results"][0]["id"]
    assert OutcomeEvent.objects.count() == 2


def test_an_outcome_before_its_prediction_is_kept_and_flagged(ingest):
    early = outcome_body("p-1", observed_at="2026-02-01T00:00:00Z")
    assert ingest.post(SINGLE, early, format="json").status_code == 202
    assert OutcomeEvent.objects.get().before_prediction


@pytest.mark.parametrize(
    ("change", "status", "fault"),
    [
        ({"external_id": "nobody"}, 422, ("/external_id", "unknown_prediction")),
        ({"value": "other"}, 422, ("/value", "unknown_class")),
        ({"definition": 9}, 422, ("/definition", "unknown_definition")),
        ({"observed_at": "1960-01-01T00:00:00Z"}, 422, ("/observed_at", "format")),
        ({"observed_at": "2016-12-31T23:59:60Z"}, 422, ("/observed_at", "format")),
        ({"observed_at": "2026-03-20T00:00:00"}, 400, ("/observed_at", "format")),
        ({"observed_at": "yesterday"}, 400, ("/observed_at", "format")),
        ({"value": 1}, 400, ("/value", "type")),
        ({"kind": "guess"}, 400, ("/kind", "not_allowed")),
        ({"definition": True}, 400, ("/definition", "type")),
        ({"final": "yes"}, 400, ("/final", "type")),
        ({"source": ""}, 400, ("/source", "length")),
        ({"surprise": 1}, 400, ("/surprise", "unknown_field")),
    ],
)
def test_a_fault_is_refused_with_its_place_and_nothing_is_stored(ingest, change, status, fault):
    single = ingest.post(SINGLE, {**outcome_body("p-1"), **change}, format="json")
    assert (single.status_code, _pointers(single)) == (status, {fault})
    batch = ingest.post(BULK, {"outcomes": [outcome_body("p-2"), {**outcome_body("p-1"), **change}]}, format="json")
    assert (batch.status_code, _pointers(batch)) == (status, {(f"/outcomes/1{fault[0]}", fault[1])})
    assert not OutcomeEvent.objects.exists()


def test_more_than_five_minutes_ahead_is_refused_and_less_is_not(ingest):
    def report(minutes):
        observed_at = (datetime.now(UTC) + timedelta(minutes=minutes)).isoformat()
        return ingest.post(SINGLE, outcome_body("p-1", observed_at=observed_at), format="json")

    ahead = report(6)
    assert (ahead.status_code, _pointers(ahead)) == (422, {("/observed_at", "in_future")})
    assert report(4).status_code == 202


def test_every_fault_of_a_batch_is_named_at_once(ingest):
    bodies = [outcome_body("x"), outcome_body("p-1", "?"), outcome_body("y", "?")]
    faults = _pointers(ingest.post(BULK, {"outcomes": bodies}, format="json"))
    assert {place for place, _ in faults} == {
        "/outcomes/0/external_id", "/outcomes/1/value", "/outcomes/2/external_id", "/outcomes/2/value"
    }  # fmt: skip


@pytest.mark.parametrize("body", [{}, {"outcomes": []}, {"outcomes": {}}, [], {"outcomes": [1]}])
def test_a_body_of_another_shape_is_refused(ingest, body):
    assert ingest.post(BULK, body, format="json").status_code == 400


def test_a_required_field_that_is_missing_is_named(ingest):
    body = outcome_body("p-1")
    del body["observed_at"]
    assert _pointers(ingest.post(SINGLE, body, format="json")) == {("/observed_at", "required")}


def test_a_key_of_another_model_and_an_unknown_model_are_both_not_found(ingest, cast, client_with):
    foreign = client_with("ingest", model=cast.other_model)
    assert foreign.post(SINGLE, outcome_body("p-1"), format="json").status_code == 404
    response = ingest.post(BULK, {"outcomes": [outcome_body("p-1"), outcome_body("p-1", model="none")]}, format="json")
    assert (response.status_code, _pointers(response)) == (404, {("/outcomes/1/model", "not_found")})
    assert client_with("read").post(SINGLE, outcome_body("p-1"), format="json").status_code == 403
    assert not OutcomeEvent.objects.exists()


def test_an_outcome_is_never_changed(ingest):
    ingest.post(SINGLE, outcome_body("p-1"), format="json")
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        OutcomeEvent.objects.update(value="ok")
